//! Private chats: rooms of two, kept for an absent member, and hidden from everybody else.
#![cfg(unix)]

use lanchat_tests::{Home, PASSWORD, Pipe, Place, TestPeer, TestServer};
use serde_json::{Value, json};

/// A device by hand: what it keeps between two visits.
struct Device {
    token: Value,
    epoch: Value,
    /// The last entry of its private chat with ana.
    seen: u64,
}

impl Device {
    fn of(welcome: &Value) -> Self {
        Self { token: welcome["token"].clone(), epoch: welcome["epoch"].clone(), seen: 0 }
    }

    /// Visits the server, and returns what ana wrote since the last visit.
    fn visit(&mut self, server: &TestServer) -> Vec<String> {
        let mut peer = TestPeer::connect(server.address());
        let welcome = peer.request(json!({"type": "resume", "token": self.token}));
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        self.token = welcome["token"].clone();
        peer.request(
            json!({"type": "attach", "epoch": self.epoch, "cursors": {"@ana": self.seen}, "tail": 0}),
        );
        let frames = peer.barrier();
        let chat = frames.iter().filter(|frame| frame["type"] == "message" && frame["room"] == "@ana");
        let mut texts = Vec::new();
        for frame in chat {
            self.seen = frame["seq"].as_u64().expect("a seq");
            texts.push(frame["message"].as_str().expect("a text").to_owned());
        }
        peer.request(json!({"type": "bye"}));
        texts
    }
}

/// Stored while nobody is there, delivered to each device once (#2, item 6).
#[test]
fn a_message_to_an_offline_account_is_there_at_its_next_login_once_on_each_device() {
    let mut server = TestServer::start();
    let mut bob = TestPeer::connect(server.address());
    let mut desk = Device::of(&bob.register("bob"));
    bob.request(json!({"type": "bye"}));
    let mut bob = TestPeer::connect(server.address());
    let login = json!({"type": "login", "username": "bob", "password": PASSWORD});
    let mut phone = Device::of(&bob.request(login));
    bob.request(json!({"type": "bye"}));

    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.send("@bob", "one");
    ana.send("@bob", "two");
    server.kill();
    server.start_again();
    assert_eq!(desk.visit(&server), ["one", "two"]);
    assert_eq!(desk.visit(&server), [""; 0], "once");
    let mut ana = TestPeer::logged_in(server.address(), "ana");
    ana.send("@bob", "three");
    assert_eq!(phone.visit(&server), ["one", "two", "three"]);
    assert_eq!(desk.visit(&server), ["three"]);
    assert_eq!(phone.visit(&server), [""; 0], "once");
}

/// The same with the shipped client.
#[test]
fn lanchat_shows_what_was_said_in_private_while_it_was_away_on_each_device() {
    let server = TestServer::start();
    let homes = [Home::new(), Home::new()];
    let address = server.address().to_string();
    let plain = |home: &Home, input: &str| {
        let mut pipe = Pipe::start(home, &Place::Here, &["--plain", "--server", &address]);
        pipe.enter(input);
        assert_eq!(pipe.finish(), 0, "{}", pipe.complaints());
    };
    plain(&homes[0], &format!("/register bob {PASSWORD}"));
    plain(&homes[1], &format!("/login bob {PASSWORD}"));
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.send("@bob", "psst");
    for home in &homes {
        let mut bob = Pipe::start(home, &Place::Here, &["--json", "--follow", "--server", &address]);
        bob.expect("message", |frame| frame["room"] == "@ana" && frame["message"] == "psst");
        ana.send("@bob", "and");
        let next = bob.expect("message", |frame| frame["room"] == "@ana");
        assert_eq!(next["message"], "and", "psst comes once");
    }
}

#[test]
fn a_private_chat_has_the_name_of_the_other_one_on_each_side() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    assert_eq!(ana.send("@Bob", "psst")["room"], "@bob");
    assert_eq!(bob.expect("room")["room"], "@ana");
    assert_eq!(bob.expect("message")["room"], "@ana");
    assert_eq!(ana.expect("message")["room"], "@bob");
    bob.send("@ana", "yes?");
    assert_eq!(ana.expect("message")["message"], "yes?");
}

#[test]
fn a_private_chat_shows_itself_to_nobody_else() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let _bob = TestPeer::registered(server.address(), "bob");
    let mut eve = TestPeer::registered(server.address(), "eve");
    ana.send("@bob", "psst");
    let leaks = eve.barrier();
    assert!(!leaks.iter().any(|frame| frame.to_string().contains("psst")), "{leaks:?}");
    let rooms = eve.request(json!({"type": "rooms"}));
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1), "the lobby only: {rooms}");
    for peer in ["@ana", "@bob"] {
        let answer = eve.request(json!({"type": "history", "room": peer}));
        let entries = answer["entries"].as_array().map_or(0, Vec::len);
        assert_eq!(entries, 0, "{answer}");
    }
}

/// A user who was away when somebody began to write is shown all of it, not only the tail (#11, item 18).
#[test]
fn a_chat_that_began_while_its_reader_was_away_comes_from_its_first_line() {
    const LINES: u64 = 60;
    let server = TestServer::start();
    let mut bob = TestPeer::connect(server.address());
    let token = bob.register("bob")["token"].clone();
    bob.request(json!({"type": "bye"}));
    let mut ana = TestPeer::registered(server.address(), "ana");
    for number in 1..=LINES {
        ana.send("@bob", &number.to_string());
    }
    for (login, attach) in [
        (json!({"type": "resume", "token": token}), json!({"type": "attach", "cursors": {"lobby": 1}})),
        (json!({"type": "resume", "token": token}), json!({"type": "attach", "tail": 0})),
        (
            json!({"type": "login", "username": "bob", "password": PASSWORD}),
            json!({"type": "attach", "tail": 10}),
        ),
    ] {
        let mut bob = TestPeer::connect(server.address());
        assert_eq!(bob.request(login)["type"], "welcome");
        let attached = bob.request(attach);
        let rooms = attached["rooms"].as_array().expect("rooms");
        let chat = rooms.iter().find(|room| room["room"] == "@ana").expect("the chat");
        assert_eq!((&chat["from"], &chat["head"]), (&json!(0), &json!(LINES)), "{attached}");
        let frames = bob.barrier();
        let chat = frames.iter().filter(|frame| frame["type"] == "message" && frame["room"] == "@ana");
        let seqs: Vec<_> = chat.filter_map(|frame| frame["seq"].as_u64()).collect();
        assert_eq!(seqs, (1..=LINES).collect::<Vec<_>>());
    }
}
