//! The session of PROTOCOL §12, played against a server, which must answer as the page says.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use lanchat_tests::{Meanings, ServerSpec, TestPeer, TestServer, fixed};
use serde_json::{Value, json};

/// All clients of the page.
struct Stage {
    server: TestServer,
    ana: Option<TestPeer>,
    bob: Option<TestPeer>,
    /// This session's values for the tokens and the epoch of the page.
    meant: Meanings,
}

impl Stage {
    fn bob(&mut self) -> &mut TestPeer {
        self.bob.as_mut().expect("bob is here")
    }

    /// Makes bob do what leads to this frame for ana.
    fn cause(&mut self, frame: &Value) {
        match (frame["type"].as_str(), frame["username"].as_str()) {
            (Some("message"), Some("bob")) if frame["message"] == "hello!" => {
                let send = json!({"type": "send", "room": "@ana", "message": "hello!"});
                let ack = self.bob().answer_to(frame["id"].as_str().expect("an id"), send);
                assert_eq!(ack["type"], "ack", "{ack}");
            }
            (Some("typing"), Some("bob")) => {
                self.bob().write_line(r#"{"type":"typing","id":"t","room":"@ana"}"#);
            }
            (Some("presence"), Some("bob")) => {
                let mut bob = self.bob.take().expect("bob is here");
                assert_eq!(bob.request(json!({"type": "bye"}))["type"], "goodbye");
            }
            _ => {}
        }
    }

    /// Does what happens before ana comes for the first time, and while her connection is lost.
    fn before_hello(&mut self) {
        if self.bob.is_none() {
            let mut bob = TestPeer::registered(self.server.address(), "Bob");
            let send = json!({"type": "send", "room": "lobby", "message": "anybody here?"});
            bob.answer_to("0193a4c5d6e7788990a1b2c3d4e5f601", send);
            self.bob = Some(bob);
            return;
        }
        self.bob().expect_where("message", |frame| frame["message"] == "is carol not here?");
        self.ana = None;
        while self.bob().request(json!({"type": "whois", "username": "ana"}))["sessions"] != 0 {}
        let send = json!({"type": "send", "room": "lobby", "message": "lunch?"});
        self.bob().answer_to("0193a4c7000070008000000000000004", send);
        self.bob().request(json!({"type": "away", "reason": "lunch"}));
    }

    /// Lets ana receive all of these frames; answers and deliveries may overtake each other.
    fn hear(&mut self, expected: &[Value]) {
        if expected.first().is_some_and(|frame| frame["type"] == "hello") {
            self.before_hello();
            self.ana = Some(TestPeer::connect_silently(self.server.address()));
        }
        expected.iter().for_each(|frame| self.cause(frame));
        let mut heard = Vec::new();
        for _ in expected {
            let ana = self.ana.as_mut().expect("ana is here");
            let frame = ana.next_frame().unwrap_or_else(|| panic!("closed behind {heard:?}"));
            heard.push(frame);
        }
        self.meant.learn(expected, &heard);
        let sorted = |frames: &[Value]| {
            let mut lines: Vec<String> = frames.iter().map(|frame| fixed(frame).to_string()).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&heard), sorted(expected));
        let seqs = |frames: &[Value]| {
            let entries = frames.iter().filter(|frame| frame["type"] != "ack" && frame["seq"].is_u64());
            entries.map(|frame| frame["seq"].as_u64()).collect::<Vec<_>>()
        };
        assert_eq!(seqs(&heard), seqs(expected), "entries come in their order");
    }
}

#[test]
fn the_session_of_the_page_is_one_that_a_server_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder above");
    let page = fs::read_to_string(root.join("docs/PROTOCOL.md")).expect("the page is there");
    let blocks: Vec<&str> = page.split("```transcript\n").skip(1).collect();
    let (_, of_one_session) = blocks.split_last().expect("there are transcripts");
    let lines = of_one_session.iter().flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    let server = TestServer::start_as(ServerSpec { name: "workshop".to_owned(), ..ServerSpec::default() });
    let mut stage = Stage { server, ana: None, bob: None, meant: Meanings::default() };
    let (mut expected, mut said) = (Vec::new(), 0);
    for line in lines {
        let (side, frame) = line.split_once(": ").expect("who says it");
        let parsed: Value = serde_json::from_str(frame).expect("what is said");
        match side {
            // Half a minute of silence.
            "S" if parsed["type"] == "ping" => {}
            "S" => {
                // Typing is never stored, so the receiver must be in the room by then.
                if parsed["type"] == "typing" {
                    stage.hear(&std::mem::take(&mut expected));
                }
                expected.push(parsed);
            }
            _ => {
                stage.hear(&std::mem::take(&mut expected));
                let line = stage.meant.here(frame);
                stage.ana.as_mut().expect("ana is here").write_line(&line);
                said += 1;
            }
        }
    }
    stage.hear(&expected);
    assert!(said > 20, "{said} lines of a client are not the whole page");
    assert_eq!(stage.ana.expect("ana is here").next_frame(), None, "behind the goodbye");
}
