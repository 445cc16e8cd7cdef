//! Sentences of PROTOCOL.md that authors of clients must be able to rely on, one test each.
#![cfg(unix)]

use lanchat_model::limits;
use lanchat_tests::{PASSWORD, Proxy, TestPeer, TestServer, new_id};
use serde_json::{Value, json};

/// Returns the answer to a raw line.
fn answer(peer: &mut TestPeer, line: &str) -> Value {
    peer.write_line(line);
    peer.next_frame().expect("an answer")
}

/// Returns the codes that answer a line, on a connection before login and on one after it.
fn codes(server: &TestServer, name: &str, line: &str) -> [Value; 2] {
    let before = answer(&mut TestPeer::connect(server.address()), line);
    let mut peer = TestPeer::connect(server.address());
    peer.request(json!({"type": "login", "username": name, "password": PASSWORD}));
    [before, answer(&mut peer, line)].map(|answer| answer["code"].clone())
}

/// §2: the first error wins.
#[test]
fn of_several_things_that_are_wrong_the_first_is_told() {
    let server = TestServer::start();
    TestPeer::registered(server.address(), "mallory");
    for (line, before, after) in [
        (r#"{"type":7,"id":""}"#, "bad_frame", "bad_frame"),
        (r#"{"id":"a b"}"#, "bad_frame", "bad_frame"),
        (r#"{"type":"sing","id":"a b"}"#, "bad_id", "bad_id"),
        (r#"{"type":"rooms"}"#, "bad_id", "bad_id"),
        (r#"{"type":"send"}"#, "bad_id", "bad_id"),
        (r#"{"type":"sing","id":"1","type2":1}"#, "unknown_type", "unknown_type"),
        (r#"{"type":"send","id":"1"}"#, "bad_frame", "bad_frame"),
        (r#"{"type":"send","id":"1","room":"no room!","message":""}"#, "login_required", "bad_name"),
        (r#"{"type":"send","id":"1","room":"lobby","message":"hi"}"#, "login_required", "bad_id"),
        (
            r#"{"type":"login","id":"1","username":"!","password":"p","versions":[7]}"#,
            "unsupported_version",
            "already_logged_in",
        ),
        (r#"{"type":"login","id":"1","username":"!","password":"p"}"#, "bad_name", "already_logged_in"),
        (r#"{"type":"login","id":"1","username":"!"}"#, "bad_frame", "bad_frame"),
    ] {
        assert_eq!(codes(&server, "mallory", line), [before, after], "{line}");
    }
}

/// §2: `null`, integers and versions, at a real door.
#[test]
fn null_is_absent_and_integers_are_digits() {
    let server = TestServer::start();
    let mut ana = TestPeer::connect(server.address());
    let welcome = answer(
        &mut ana,
        &json!({"type": "register", "id": "1", "username": "ana", "password": PASSWORD, "display_name": null,
            "device": null, "versions": [9_007_199_254_740_991_u64, 1, 4_294_967_296_u64]})
        .to_string(),
    );
    assert_eq!((&welcome["type"], &welcome["version"]), (&json!("welcome"), &json!(1)), "{welcome}");
    let attached = answer(&mut ana, r#"{"type":"attach","id":"2","epoch":null,"cursors":null,"tail":null}"#);
    assert_eq!(attached["type"], "attached", "{attached}");
    ana.barrier();
    let send = json!({"type": "send", "room": "lobby", "message": "hi", "action": null});
    assert_eq!(ana.answer_to(&new_id(), send)["type"], "ack");
    for integer in ["1.0", "1e2", "-0", "9007199254740992"] {
        let line = format!(r#"{{"type":"mark","id":"m","room":"lobby","seq":{integer}}}"#);
        ana.write_line(&line);
        let refused = ana.expect("error");
        assert_eq!((&refused["code"], &refused["id"]), (&json!("bad_frame"), &json!("m")), "{refused}");
        assert!(
            refused["reason"].as_str().is_some_and(|reason| reason.contains("in digits alone")),
            "{refused}"
        );
    }
}

/// §2: the limit counts bytes on the wire, including the line end.
#[test]
fn a_carriage_return_counts_for_the_limit() {
    let server = TestServer::start();
    let line = |bytes: usize, end: &str| {
        let empty = r#"{"type":"ping","id":"1","x":""}"#.len() + end.len();
        format!("{{\"type\":\"ping\",\"id\":\"1\",\"x\":\"{}\"}}{end}", "x".repeat(bytes - empty))
    };
    let mut peer = TestPeer::connect(server.address());
    let most = limits::FRAME_BYTES_BEFORE_LOGIN_MAX;
    peer.write_bytes(b"\n\r\n");
    for end in ["\n", "\r\n"] {
        peer.write_bytes(line(most, end).as_bytes());
        assert_eq!(peer.next_frame().expect("an answer")["type"], "pong", "empty lines are no requests");
    }
    peer.write_bytes(line(most + 1, "\r\n").as_bytes());
    assert_eq!(peer.next_frame().expect("an answer")["code"], "frame_too_long");
    assert_eq!(peer.next_frame(), None);
}

/// §4: a new name must not hold invisible characters.
#[test]
fn a_new_display_name_holds_nothing_invisible() {
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    for c in [
        '\u{3164}',
        '\u{115f}',
        '\u{2800}',
        '\u{ffa0}',
        '\u{200d}',
        '\u{2028}',
        '\u{fffa}',
        '\u{e0041}',
        '\u{7f}',
    ] {
        for name in [c.to_string(), format!("A{c}na")] {
            let register =
                json!({"type": "register", "username": "ana", "password": PASSWORD, "display_name": name});
            assert_eq!(peer.refused(register), "bad_name", "{name:?}");
        }
    }
    let name = "Ána 花子";
    let register = json!({"type": "register", "username": "ana", "password": PASSWORD, "display_name": name});
    assert_eq!(peer.request(register)["display_name"], name);
}

/// §5: a room has one cursor, and cursors of other rooms are ignored.
#[test]
fn a_room_with_two_cursors_is_refused() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.barrier();
    for cursors in [r#"{"lobby":0,"lobby":1}"#, r##"{"lobby":0,"#Lobby":1}"##, r#"{"@Bob":0,"@bob":0}"#] {
        let refused = answer(&mut ana, &format!(r#"{{"type":"attach","id":"a","cursors":{cursors}}}"#));
        assert_eq!(refused["code"], "bad_frame", "{cursors}: {refused}");
    }
    let cursors = json!({"lobby": 1, "no room!": 1, "elsewhere": 7, "@nobody": 3});
    let attached = ana.request(json!({"type": "attach", "cursors": cursors}));
    assert_eq!(attached["rooms"][0]["from"], 1, "{attached}");
}

/// §5: the lobby is one of the 128 group rooms of an account.
#[test]
fn the_lobby_is_one_of_the_rooms_of_an_account() {
    let server = TestServer::start();
    let rooms: Vec<String> =
        (1..limits::GROUPS_PER_ACCOUNT_MAX).map(|number| format!("room-{number}")).collect();
    // An account may make only this many in a day.
    for (number, of_maker) in rooms.chunks(limits::ROOMS_MADE_PER_DAY_MAX).enumerate() {
        let mut maker = TestPeer::registered(server.address(), &format!("maker-{number}"));
        for room in of_maker {
            assert_eq!(maker.request(json!({"type": "join", "room": room, "tail": 0}))["type"], "room");
        }
    }
    let mut ana = TestPeer::registered(server.address(), "ana");
    let (last, others) = rooms.split_last().expect("there are rooms");
    for room in others {
        assert_eq!(ana.request(json!({"type": "join", "room": room, "tail": 0}))["type"], "room");
    }
    assert_eq!(ana.request(json!({"type": "join", "room": last, "tail": 0}))["type"], "room");
    assert_eq!(ana.refused(json!({"type": "join", "room": "one-more", "tail": 0})), "too_many_rooms");
}

/// §6: posts before a `bye` are accepted, and a missing `ack` is obtained by sending again.
#[test]
fn posts_before_a_bye_or_an_end_are_stored_once() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address());
    TestPeer::registered(server.address(), "ana");
    for ends_by_bye in [true, false] {
        let mut ana = TestPeer::logged_in(proxy.address(), "ana");
        ana.barrier();
        let ids: Vec<String> = (0..5).map(|_| new_id()).collect();
        let send = |id: &String| json!({"type": "send", "id": id, "room": "lobby", "message": id});
        let mut lines: String = ids.iter().map(|id| format!("{}\n", send(id))).collect();
        if ends_by_bye {
            lines.push_str("{\"type\":\"bye\",\"id\":\"b\"}\n");
        }
        ana.write_bytes(lines.as_bytes());
        if !ends_by_bye {
            proxy.half_close();
        }
        let mut acked = Vec::new();
        while let Some(frame) = ana.next_frame() {
            if frame["type"] == "ack" {
                acked.push(frame);
            }
        }
        let mut again = TestPeer::logged_in(server.address(), "ana");
        // This comes after all posts accepted before.
        again.send("lobby", "behind");
        let stored = stored_of(&mut again, &ids);
        assert!(ids.starts_with(&stored), "a beginning: {stored:?} of {ids:?}");
        assert!(stored.len() == ids.len() || !ends_by_bye, "{stored:?} of {ids:?}");
        let answers: Vec<Value> = ids.iter().map(|id| again.answer_to(id, send(id))).collect();
        assert!(answers.iter().all(|answer| answer["type"] == "ack"), "{answers:?}");
        assert_eq!(answers[..acked.len()], acked, "as it would have been");
        assert_eq!(stored_of(&mut again, &ids), ids, "each once, in order");
    }
}

/// Returns those of `ids` that are in the lobby's log, in its order.
fn stored_of(peer: &mut TestPeer, ids: &[String]) -> Vec<String> {
    let history = peer.request(json!({"type": "history", "room": "lobby", "limit": 200}));
    let entries = history["entries"].as_array().cloned().unwrap_or_default();
    let found = entries.iter().filter_map(|entry| entry["id"].as_str().map(str::to_owned));
    found.filter(|id| ids.contains(id)).collect()
}

/// §8: a private chat begins with its first message.
#[test]
fn nobody_types_in_a_private_chat_that_is_not_there() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    assert_eq!(bob.refused(json!({"type": "typing", "room": "@ana"})), "not_a_member");
    assert!(!ana.barrier().iter().any(|frame| frame["type"] == "typing"));
    bob.send("@ana", "hello");
    ana.expect("message");
    bob.write_line(r#"{"type":"typing","id":"t","room":"@ana"}"#);
    assert_eq!(ana.expect("typing")["room"], "@bob");
}

/// §9: an impossible name is treated like any unused one.
#[test]
fn rooms_of_reserved_names_are_refused_as_the_page_says() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    for (frame, code) in [
        (json!({"type": "mark", "room": "@server", "seq": 1}), "not_a_member"),
        (json!({"type": "history", "room": "@server"}), "not_a_member"),
        (json!({"type": "typing", "room": "@server"}), "not_a_member"),
        (json!({"type": "join", "room": "@server"}), "not_possible"),
        (json!({"type": "leave", "room": "@server"}), "not_possible"),
        (json!({"type": "members", "room": "@server"}), "no_such_account"),
    ] {
        assert_eq!(ana.refused(frame.clone()), code, "{frame}");
    }
}

/// §2, §4: texts that are too long, names that only look reserved, and what is checked first.
#[test]
fn what_no_server_gave_or_made_is_not_known() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut stranger = TestPeer::connect(server.address());
    let token = "x".repeat(limits::TOKEN_BYTES_MAX + 1);
    assert_eq!(stranger.refused(json!({"type": "resume", "token": token})), "bad_token");
    for (name, code) in
        [("..", "wrong_password"), ("the-admin", "wrong_password"), ("admin", "name_reserved")]
    {
        let login = json!({"type": "login", "username": name, "password": PASSWORD});
        assert_eq!(stranger.refused(login), code, "{name}");
    }
    let epoch = "x".repeat(limits::EPOCH_BYTES_MAX + 1);
    let attached = ana.request(json!({"type": "attach", "epoch": epoch, "cursors": {"lobby": 1}, "tail": 0}));
    assert_eq!(attached["rooms"][0]["from"], attached["rooms"][0]["head"], "{attached}");
    let both_wrong = json!({"type": "passwd", "old": "not the password", "new": "short"});
    assert_eq!(ana.refused(both_wrong), "bad_password");
}

/// §5, §7: rooms that the account is in, empty rooms, and rooms that do not exist; bounds that are not errors.
#[test]
fn rooms_and_bounds_are_answered_as_the_page_says() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let _bob = TestPeer::registered(server.address(), "bob");
    for tail in [limits::JOIN_TAIL_MAX + 1, 9_007_199_254_740_991] {
        assert_eq!(ana.request(json!({"type": "attach", "tail": tail}))["type"], "attached");
    }
    ana.barrier();
    let again = ana.request(json!({"type": "join", "room": "lobby", "tail": 10}));
    assert_eq!((&again["type"], &again["from"]), (&json!("room"), &again["head"]), "{again}");
    assert!(!ana.barrier().iter().any(|frame| frame["room"] == "lobby"), "nothing is delivered again");
    assert_eq!(ana.refused(json!({"type": "members", "room": "@bob"})), "no_such_room");
    assert_eq!(ana.refused(json!({"type": "members", "room": "@nobody"})), "no_such_account");
    ana.request(json!({"type": "join", "room": "den"}));
    ana.barrier();
    assert_eq!(ana.request(json!({"type": "leave", "room": "den"}))["type"], "ok");
    assert!(!ana.barrier().iter().any(|frame| frame["room"] == "den"), "who left is told no more");
    assert_eq!(ana.request(json!({"type": "members", "room": "den"}))["total"], 0);
    for before in [0, 1] {
        let page = ana.request(json!({"type": "history", "room": "lobby", "before": before}));
        assert_eq!((&page["entries"], &page["more"]), (&json!([]), &json!(false)), "{page}");
    }
}

/// §6, §8: the order of the errors of a `send`, and which part of a text counts.
#[test]
fn a_send_is_looked_at_in_the_order_of_the_page() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut post = |id: &str, room: &str, message: &str, fields: Value| {
        let mut frame = json!({"type": "send", "room": room, "message": message});
        frame.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
        ana.answer_to(id, frame)
    };
    for (id, room, message, code) in [
        ("7", "no room!", " ", "bad_name"),
        ("7", "elsewhere", " ", "bad_id"),
        (&*new_id(), "elsewhere", "\r", "bad_message"),
        (&*new_id(), "elsewhere", "hi", "not_a_member"),
    ] {
        let refused = post(id, room, message, json!({}));
        assert_eq!((&refused["code"], &refused["id"]), (&json!(code), &json!(id)), "{refused}");
    }
    let (id, longest) = (new_id(), "x".repeat(limits::MESSAGE_BYTES_MAX - 1) + "\r\n");
    let acked = post(&id, "lobby", &longest, json!({}));
    assert_eq!(acked["type"], "ack", "it counts as it is stored: {}", acked["reason"]);
    assert_eq!(post(&id, "lobby", &longest, json!({"action": false})), acked);
    assert_eq!(ana.request(json!({"type": "away", "reason": " at\r\nlunch "}))["type"], "ok");
    assert_eq!(ana.request(json!({"type": "whois", "username": "ana"}))["reason"], "at\nlunch");
}

/// §5: the fifth `attach` waits for its turn, and the answers before it do not wait with it.
#[test]
fn answers_do_not_wait_for_a_request_behind_them() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let attach = |number: u32| format!("{{\"type\":\"attach\",\"id\":\"{number}\",\"tail\":0}}\n");
    // The last one is served six seconds from now, and none of this takes that long.
    ana.write_bytes((1..=10).map(attach).collect::<String>().as_bytes());
    let mut answered: Vec<Value> = (0..4).map(|_| ana.next_frame().expect("an answer")).collect();
    answered.extend(std::iter::from_fn(|| ana.ready_frame()));
    let ids: Vec<&str> = answered.iter().filter_map(|frame| frame["id"].as_str()).collect();
    assert!(ids.starts_with(&["1", "2", "3", "4"]) && !ids.contains(&"10"), "{ids:?}");
}
