//! A server that dies in the middle of a conversation and comes back: its clients notice, but their users lose nothing.
#![cfg(unix)]

use lanchat_tests::{Addressing, Home, Lan, PASSWORD, Pipe, ServerSpec, TestPeer, TestServer, new_id};
use serde_json::{Value, json};

/// How often the server dies.
const CRASHES: usize = 5;
/// Lines that each of the two writes between two deaths.
const LINES: usize = 20;

/// A client and what it was shown.
struct Chatter {
    pipe: Pipe,
    seen: Vec<(u64, String)>,
}

impl Chatter {
    fn enter(home: &Home, server: &TestServer, name: &str) -> Self {
        Self { pipe: Pipe::json(home, server.address(), name), seen: Vec::new() }
    }

    /// Reads until it has been shown `text`, now or before.
    fn read_until(&mut self, text: &str) {
        if self.seen.iter().any(|(_, seen)| seen == text) {
            return;
        }
        let seen = &mut self.seen;
        let mut note = |frame: &Value| {
            let (Some(seq), Some(message)) = (frame["seq"].as_u64(), frame["message"].as_str()) else {
                return false;
            };
            seen.push((seq, message.to_owned()));
            message == text
        };
        while !self.pipe.expect_frame(|frame| frame["type"] == "message" && note(frame)) {}
    }
}

/// Every line comes once, in the same order for both, whatever was under way when the server died (#2, item 3).
#[test]
fn two_clients_survive_crashes_of_their_server_without_loss_or_doubling() {
    let mut server = TestServer::start();
    let homes = [Home::new(), Home::new()];
    let mut ana = Chatter::enter(&homes[0], &server, "ana");
    let mut bob = Chatter::enter(&homes[1], &server, "bob");
    let mut written = Vec::new();
    for crash in 0..CRASHES {
        for line in 0..LINES {
            for (name, chatter) in [("ana", &mut ana), ("bob", &mut bob)] {
                let text = format!("{name} {crash}/{line}");
                chatter.pipe.enter(&text);
                written.push(text);
            }
            // The server dies halfway, with posts on their way.
            if line == LINES / 2 {
                ana.read_until(&format!("bob {crash}/{}", LINES / 4));
                server.kill();
            }
        }
        server.start_again();
        for chatter in [&mut ana, &mut bob] {
            chatter.read_until(&format!("ana {crash}/{}", LINES - 1));
            chatter.read_until(&format!("bob {crash}/{}", LINES - 1));
        }
    }
    assert!(ana.seen.windows(2).all(|pair| pair[0].0 < pair[1].0), "in the order of the log: {:?}", ana.seen);
    assert_eq!(ana.seen, bob.seen, "both saw the same");
    let mut texts: Vec<_> = ana.seen.iter().map(|(_, text)| text.clone()).collect();
    for name in ["ana ", "bob "] {
        let shown: Vec<_> = texts.iter().filter(|text| text.starts_with(name)).collect();
        let typed: Vec<_> = written.iter().filter(|text| text.starts_with(name)).collect();
        assert_eq!(shown, typed, "in the order that they were typed in");
    }
    texts.sort();
    written.sort();
    assert_eq!(texts, written, "each line once");
    let log = log_of(&server, "auditor");
    let kept: Vec<_> = log.iter().map(|entry| (entry["seq"].as_u64(), entry["message"].as_str())).collect();
    let seen: Vec<_> = ana.seen.iter().map(|(seq, text)| (Some(*seq), Some(text.as_str()))).collect();
    assert_eq!(kept, seen, "and that is what is on disk");
}

/// A ledger of acknowledgements, checked against the log after each death: no acknowledged post is lost, no shown post
/// vanishes, and after a resend of everything each post is there once, at its old position.
#[test]
fn whatever_was_acknowledged_or_shown_survives_a_kill() {
    let mut server = TestServer::start();
    TestPeer::registered(server.address(), "ana");
    TestPeer::registered(server.address(), "bob");
    for crash in 0..CRASHES {
        let mut ana = TestPeer::logged_in(server.address(), "ana");
        let mut bob = TestPeer::logged_in(server.address(), "bob");
        let ids: Vec<String> = (0..100).map(|_| new_id()).collect();
        for id in &ids {
            ana.write_line(&json!({"type": "send", "id": id, "room": "lobby", "message": id}).to_string());
        }
        // The server dies after a few answers, with the rest on the way.
        let mut ledger: Vec<Value> = (0..=crash * 10).map(|_| ana.expect("ack")).collect();
        server.kill();
        while let Some(frame) = ana.next_frame() {
            ledger.extend((frame["type"] == "ack").then_some(frame));
        }
        let mut shown = Vec::new();
        while let Some(frame) = bob.next_frame() {
            shown.extend((frame["type"] == "message").then_some(frame));
        }
        server.start_again();
        let kept = log_of(&server, &format!("auditor-{crash}"));
        let is_kept = |frame: &Value| {
            kept.iter().any(|entry| entry["id"] == frame["id"] && entry["seq"] == frame["seq"])
        };
        assert_eq!(ledger.iter().find(|ack| !is_kept(ack)), None, "acknowledged and lost");
        assert_eq!(shown.iter().find(|entry| !kept.contains(entry)), None, "shown and vanished");

        let mut ana = TestPeer::logged_in(server.address(), "ana");
        for id in &ids {
            let ack = ana.answer_to(id, json!({"type": "send", "room": "lobby", "message": id}));
            let before = ledger.iter().find(|before| before["id"] == *id);
            assert!(before.is_none_or(|before| *before == ack), "{before:?} and then {ack}");
        }
        let kept = log_of(&server, &format!("controller-{crash}"));
        for id in &ids {
            assert_eq!(kept.iter().filter(|entry| entry["id"] == *id).count(), 1, "each post once");
        }
    }
}

/// The other way to lose the connection: both sides live, but the cable is out. Nobody closes the connection.
#[test]
fn a_cable_that_is_pulled_and_plugged_in_again_costs_nothing() {
    let Some(lan) = Lan::new(3, Addressing::Both) else { return };
    let _server = TestServer::start_as(ServerSpec::on(&lan.hosts()[0].place(), "attic"));
    let homes = [Home::new(), Home::new()];
    let enter = |host: usize, name: &str| {
        let mut pipe = Pipe::start(&homes[host - 1], &lan.hosts()[host].place(), &["--json", "--follow"]);
        pipe.enter(&format!("/register {name} {PASSWORD}"));
        pipe.expect("attached", |_| true);
        pipe
    };
    let (mut ana, mut bob) = (enter(1, "ana"), enter(2, "bob"));
    lan.unplug(1);
    ana.enter("said in the dark");
    bob.enter("is she gone?");
    bob.expect("message", |frame| frame["message"] == "is she gone?");
    lan.plug(1);
    assert_eq!(bob.expect("message", |_| true)["message"], "said in the dark");
    assert_eq!(ana.expect("message", |_| true)["message"], "is she gone?");
    assert_eq!(ana.expect("message", |_| true)["message"], "said in the dark");
    ana.enter("back");
    for pipe in [&mut ana, &mut bob] {
        assert_eq!(pipe.expect("message", |_| true)["message"], "back", "nothing twice");
    }
}

/// Returns the messages of the lobby, read by a new account.
fn log_of(server: &TestServer, reader: &str) -> Vec<Value> {
    let mut peer = TestPeer::connect(server.address());
    peer.register(reader);
    peer.request(json!({"type": "attach", "tail": 1000}));
    peer.barrier().into_iter().filter(|entry| entry["type"] == "message").collect()
}
