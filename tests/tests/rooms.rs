//! Rooms and their logs: membership, delivery, history, cursors, resends (PROTOCOL §5 to §7).
#![cfg(unix)]

use lanchat_model::limits;
use lanchat_tests::{TestPeer, TestServer, new_id};
use serde_json::{Value, json};

/// Returns the texts of the messages among `frames`.
fn texts(frames: &[Value]) -> Vec<&str> {
    frames
        .iter()
        .filter(|frame| frame["type"] == "message")
        .filter_map(|frame| frame["message"].as_str())
        .collect()
}

fn seqs(frames: &[Value]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect()
}

/// Returns the frames that follow an `attach` with these fields.
fn attached_with(peer: &mut TestPeer, fields: Value) -> Vec<Value> {
    let mut frame = fields;
    frame["type"] = "attach".into();
    let answer = peer.request(frame);
    assert_eq!(answer["type"], "attached", "{answer}");
    peer.barrier()
}

#[test]
fn a_message_reaches_everybody_in_the_lobby_and_its_author_alike() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    let id = new_id();
    let ack = ana.answer_to(&id, json!({"type": "send", "room": "lobby", "message": "hi"}));
    assert_eq!((&ack["type"], &ack["room"]), (&json!("ack"), &json!("lobby")));
    let seen = bob.expect("message");
    assert_eq!(seen, ana.expect("message"));
    assert_eq!((&seen["id"], &seen["seq"], &seen["ts"]), (&json!(id), &ack["seq"], &ack["ts"]));
    assert_eq!((&seen["username"], &seen["message"]), (&json!("ana"), &json!("hi")));
}

#[test]
fn before_attach_nothing_is_delivered() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::connect(server.address());
    bob.register("bob");
    ana.send("lobby", "are you there?");
    assert_eq!(bob.barrier(), Vec::<Value>::new());
}

#[test]
fn a_room_is_made_by_joining_it_and_is_seen_in_the_list() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    let room = ana.request(json!({"type": "join", "room": "Garden"}));
    assert_eq!(
        (&room["type"], &room["room"], &room["members"]),
        (&json!("room"), &json!("garden"), &json!(1))
    );

    let rooms = bob.request(json!({"type": "rooms"}));
    let garden =
        rooms["rooms"].as_array().and_then(|rooms| rooms.iter().find(|room| room["room"] == "garden"));
    let garden = garden.expect("bob sees the room");
    assert_eq!((&garden["members"], &garden["joined"]), (&json!(1), &json!(false)));

    let send = json!({"type": "send", "room": "garden", "message": "hi"});
    let refused = bob.answer_to(&new_id(), send.clone());
    assert_eq!(refused["code"], "not_a_member", "{refused}");
    bob.request(json!({"type": "join", "room": "garden"}));
    assert_eq!(
        ana.expect_where("joined", |frame| frame["room"] == "garden" && frame["username"] == "bob")["seq"],
        2
    );
    bob.send("garden", "hi");
    assert_eq!(ana.expect("message")["room"], "garden");

    let members = bob.request(json!({"type": "members", "room": "garden"}));
    assert_eq!(members["total"], 2, "{members}");
    assert_eq!(bob.request(json!({"type": "leave", "room": "garden"}))["type"], "ok");
    ana.expect_where("left", |frame| frame["username"] == "bob");
    assert_eq!(bob.answer_to(&new_id(), send)["code"], "not_a_member");
}

#[test]
fn what_is_not_possible_with_rooms_has_a_code() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let table = [
        (json!({"type": "leave", "room": "lobby"}), "not_possible"),
        (json!({"type": "leave", "room": "attic"}), "not_a_member"),
        (json!({"type": "history", "room": "attic"}), "not_a_member"),
        (json!({"type": "mark", "room": "attic", "seq": 1}), "not_a_member"),
        (json!({"type": "members", "room": "attic"}), "no_such_room"),
        (json!({"type": "join", "room": "no spaces"}), "bad_name"),
        (json!({"type": "join", "room": ""}), "bad_name"),
    ];
    for (frame, code) in table {
        assert_eq!(ana.refused(frame.clone()), code, "{frame}");
    }
    for (room, code) in [("attic", "not_a_member"), ("@nobody", "no_such_account"), ("@ana", "not_possible")]
    {
        let answer = ana.answer_to(&new_id(), json!({"type": "send", "room": room, "message": "hi"}));
        assert_eq!(answer["code"], code, "{answer}");
    }
}

#[test]
fn a_resend_is_one_message_with_one_answer() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    let id = new_id();
    let send = json!({"type": "send", "room": "lobby", "message": "once"});
    let first = ana.answer_to(&id, send.clone());
    assert_eq!(first, ana.answer_to(&id, send.clone()));
    let mut again = TestPeer::logged_in(server.address(), "ana");
    assert_eq!(first, again.answer_to(&id, send), "on another connection as well");
    let other = ana.answer_to(&id, json!({"type": "send", "room": "lobby", "message": "other"}));
    assert_eq!(other["code"], "id_reused");
    assert_eq!(texts(&bob.barrier()), ["once"]);
}

/// This holds even in an empty room, and after the server died (#11, item 19).
#[test]
fn a_resend_after_leaving_has_the_same_answer() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    TestPeer::registered(server.address(), "bob").request(json!({"type": "join", "room": "garden"}));
    let mut posts = Vec::new();
    for room in ["garden", "attic"] {
        ana.request(json!({"type": "join", "room": room}));
        let (id, send) = (new_id(), json!({"type": "send", "room": room, "message": "once"}));
        let ack = ana.answer_to(&id, send.clone());
        assert_eq!(ack["type"], "ack", "{ack}");
        posts.push((id, send, ack));
        assert_eq!(ana.request(json!({"type": "leave", "room": room}))["type"], "ok");
    }
    for _ in 0..2 {
        ana.barrier();
        for (id, send, ack) in &posts {
            assert_eq!(ana.answer_to(id, send.clone()), *ack, "as the first time");
            assert_eq!(ana.answer_to(&new_id(), send.clone())["code"], "not_a_member");
            let mut other = send.clone();
            other["message"] = "another text".into();
            assert_eq!(ana.answer_to(id, other)["code"], "id_reused");
            let nowhere = json!({"type": "send", "room": "nowhere", "message": "once"});
            assert_eq!(ana.answer_to(id, nowhere)["code"], "id_reused");
        }
        assert!(texts(&ana.barrier()).is_empty(), "who left is shown nothing");
        server.kill();
        server.start_again();
        ana = TestPeer::logged_in(server.address(), "ana");
    }
}

#[test]
fn a_cursor_gets_exactly_what_was_missed() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::connect(server.address());
    let token = bob.register("bob")["token"].clone();
    bob.attach();
    ana.send("lobby", "one");
    let seen = bob.expect("message")["seq"].clone();
    drop(bob);
    let missed: Vec<String> = (0..300).map(|number| format!("line {number}")).collect();
    for line in &missed {
        ana.send("lobby", line);
    }
    server.kill();
    server.start_again();
    let mut bob = TestPeer::connect(server.address());
    let welcome = bob.request(json!({"type": "resume", "token": token}));
    let fields = json!({"epoch": welcome["epoch"], "cursors": {"lobby": seen}});
    let frames = attached_with(&mut bob, fields);
    assert_eq!(texts(&frames), missed);
    assert!(seqs(&frames).windows(2).all(|pair| pair[0] + 1 == pair[1]), "no gap, no double");
}

#[test]
fn cursors_of_another_epoch_are_worthless() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.send("lobby", "one");
    let mut bob = TestPeer::connect(server.address());
    bob.register("bob");
    let fields = json!({"epoch": "0".repeat(32), "cursors": {"lobby": 9000}, "tail": 10});
    assert!(texts(&attached_with(&mut bob, fields)).contains(&"one"));
}

#[test]
fn joining_brings_the_tail_that_was_asked_for() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.request(json!({"type": "join", "room": "garden"}));
    for number in 1..=80 {
        ana.send("garden", &number.to_string());
    }
    let mut bob = TestPeer::registered(server.address(), "bob");
    bob.request(json!({"type": "join", "room": "garden"}));
    let tail = bob.barrier();
    assert_eq!(seqs(&tail).len(), 50, "fifty entries by default");
    assert_eq!(texts(&tail).last(), Some(&"80"));
    let mut eve = TestPeer::registered(server.address(), "eve");
    eve.request(json!({"type": "join", "room": "garden", "tail": 5}));
    assert_eq!(seqs(&eve.barrier()).len(), 5);
}

#[test]
fn joining_again_changes_nothing_and_delivers_nothing() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.request(json!({"type": "join", "room": "garden"}));
    ana.send("garden", "first");
    ana.expect_where("message", |frame| frame["message"] == "first");
    ana.barrier();
    let again = ana.request(json!({"type": "join", "room": "garden", "tail": 5}));
    assert_eq!((&again["type"], &again["head"]), (&json!("room"), &json!(2)), "{again}");
    assert_eq!(seqs(&ana.barrier()), Vec::<u64>::new());
    ana.send("garden", "second");
    assert_eq!(ana.expect("message")["seq"], 3);
}

#[test]
fn history_pages_back_to_the_first_entry() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    for number in 1..=120 {
        ana.send("lobby", &number.to_string());
    }
    let (mut pages, mut before) = (Vec::new(), Value::Null);
    loop {
        let mut frame = json!({"type": "history", "room": "lobby", "limit": 50});
        if !before.is_null() {
            frame["before"] = before;
        }
        let page = ana.request(frame);
        let entries = page["entries"].as_array().expect("a page has entries").clone();
        before = entries[0]["seq"].clone();
        pages.push(seqs(&entries));
        if page["more"] == false {
            break;
        }
    }
    let whole: Vec<u64> = pages.into_iter().rev().flatten().collect();
    assert_eq!(whole, (1..=121).collect::<Vec<_>>(), "ana's arrival and 120 messages");
}

#[test]
fn an_action_and_every_line_break_arrive_as_they_were_sent() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let text = "  waves\n\twith both hands\r\n 👋🏽 \u{202e}abc\u{9b}2J";
    ana.answer_to(&new_id(), json!({"type": "send", "room": "lobby", "message": text, "action": true}));
    let seen = ana.expect("message");
    // The end of a line is the same for everybody.
    let text = text.replace("\r\n", "\n");
    assert_eq!((&seen["message"], &seen["action"]), (&json!(text), &json!(true)));
}

#[test]
fn marks_are_kept_for_each_device_and_never_move_back() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::connect(server.address());
    let token = ana.register("ana")["token"].clone();
    ana.attach();
    for number in 1..=5 {
        ana.send("lobby", &number.to_string());
    }
    for seq in [4, 2] {
        assert_eq!(ana.request(json!({"type": "mark", "room": "lobby", "seq": seq}))["type"], "ok");
    }
    server.kill();
    server.start_again();
    let welcome = TestPeer::connect(server.address()).request(json!({"type": "resume", "token": token}));
    assert_eq!(welcome["rooms"][0]["mark"], 4, "{welcome}");
}

/// A user who makes and leaves rooms as fast as possible leaves room for everybody else, even across a restart. An
/// emptied room continues where it ended, because cursors go by name.
#[test]
fn rooms_that_are_made_and_left_are_bounded_for_each_account() {
    let mut server = TestServer::start();
    let mut eve = TestPeer::registered(server.address(), "eve");
    let mut made = 0;
    let refused = loop {
        let answer = eve.request(json!({"type": "join", "room": format!("eve-{made}"), "tail": 0}));
        if answer["type"] == "error" {
            break answer;
        }
        assert_eq!(eve.request(json!({"type": "leave", "room": format!("eve-{made}")}))["type"], "ok");
        made += 1;
    };
    assert_eq!(made, limits::ROOMS_MADE_PER_DAY_MAX);
    assert_eq!(refused["code"], "too_many_rooms", "{refused}");
    assert!(refused["retry_after"].as_u64().is_some_and(|wait| wait > 3600), "{refused}");
    drop(eve);
    assert_eq!(server.stop(), 0);
    server.start_again();

    let mut eve = TestPeer::logged_in(server.address(), "eve");
    assert_eq!(eve.refused(json!({"type": "join", "room": "eve-again"})), "too_many_rooms");
    let room = eve.request(json!({"type": "join", "room": "eve-0", "tail": 0}));
    assert_eq!((&room["type"], &room["head"]), (&json!("room"), &json!(3)), "{room}");
    let mut bob = TestPeer::registered(server.address(), "bob");
    assert_eq!(bob.request(json!({"type": "join", "room": "garden"}))["type"], "room");
    let rooms = bob.request(json!({"type": "rooms"}));
    let names: Vec<_> = rooms["rooms"].as_array().into_iter().flatten().map(|room| &room["room"]).collect();
    assert_eq!(names, ["eve-0", "garden", "lobby"], "only rooms that somebody is in");
}
