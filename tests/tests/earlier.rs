//! The session of an earlier build (`tests/fixtures`), played against today's server: its client is told the same as
//! then.
#![cfg(unix)]

use std::collections::BTreeMap;

use lanchat_tests::{Meanings, ServerSpec, TestPeer, TestServer, lacking};
use serde_json::Value;

const RECORDING: &str = include_str!("../fixtures/e00f49f/session.jsonl");

/// After this many pings from a server with nothing else to say, awaited frames will not come any more.
const SILENCES_MAX: usize = 2;

/// One connection of the recording.
struct End {
    peer: TestPeer,
    /// The frames it received then, but not yet now.
    expected: Vec<Value>,
}

/// All clients of the recording.
struct Stage {
    server: TestServer,
    ends: BTreeMap<String, End>,
    meant: Meanings,
    /// The skippable frames that each client received then.
    passing_then: Vec<(String, Value)>,
    /// The skippable frames of today that are not awaited.
    passing_now: Vec<(String, Value)>,
    /// Whether nobody has left yet. The server reports less about a client that comes and goes often (PROTOCOL §8), or
    /// types again within a second, as nobody did then.
    is_calm: bool,
    answers: usize,
}

fn is_entry(frame: &Value) -> bool {
    frame["seq"].is_u64() && frame["type"] != "ack"
}

/// Returns whether a frame is a latest value, which may be skipped (PROTOCOL §8).
fn is_passing(frame: &Value) -> bool {
    frame["type"] == "presence" || frame["type"] == "typing"
}

/// Returns which of the frames of then this one stands for. An entry can only be the next one of its room.
fn counterpart(expected: &[Value], frame: &Value) -> Option<usize> {
    let same = |then: &Value, names: &[&str]| names.iter().all(|name| then[*name] == frame[*name]);
    expected.iter().position(|then| match (is_entry(then), is_entry(frame)) {
        (true, true) => same(then, &["room"]),
        // A different type shows when the two are compared.
        (false, false) if frame["id"].is_string() => same(then, &["id"]),
        (false, false) => same(then, &["id", "type", "room", "username", "state"]),
        _ => false,
    })
}

impl Stage {
    /// Lets every client receive what it had received by then; answers and deliveries may overtake each other.
    fn hear(&mut self) {
        for (name, end) in &mut self.ends {
            let mut silences = 0;
            while !end.expected.is_empty() {
                let frame = end.peer.next_frame();
                let frame = frame.unwrap_or_else(|| panic!("{name}: closed before {:?}", end.expected));
                if frame["type"] == "ping" {
                    silences += 1;
                    assert!(silences <= SILENCES_MAX, "{name} waits in vain for {:?}", end.expected);
                    continue;
                }
                let Some(at) = counterpart(&end.expected, &frame) else {
                    assert!(is_passing(&frame), "{name} was not told this then: {frame}");
                    self.passing_now.push((name.clone(), frame));
                    continue;
                };
                let then = end.expected.remove(at);
                let lack = lacking(&then, &frame);
                assert!(lack.is_empty(), "{name} lacks {lack:?}\nthen: {then}\nnow:  {frame}");
                self.answers += usize::from(frame["id"].is_string() && !is_entry(&frame));
                self.meant.learn(&[then], &[frame]);
            }
        }
    }

    /// Notes what a client was told then.
    fn told(&mut self, name: &str, frame: Value) {
        if frame["type"] == "hello" {
            let peer = TestPeer::connect_silently(self.server.address());
            let end = End { peer, expected: vec![frame] };
            assert!(self.ends.insert(name.to_owned(), end).is_none(), "{name} is here already");
            return;
        }
        if is_passing(&frame) {
            self.passing_then.push((name.to_owned(), frame.clone()));
        }
        if self.is_calm || !is_passing(&frame) {
            self.ends.get_mut(name).expect("who is told something is here").expected.push(frame);
        }
    }

    /// Ends a connection as it ended then.
    fn ended(&mut self, name: &str, by: &str) {
        self.hear();
        self.is_calm = false;
        let mut end = self.ends.remove(name).expect("who goes was here");
        while by == "server"
            && let Some(frame) = end.peer.next_frame()
        {
            assert!(is_passing(&frame), "behind what {name} was told last: {frame}");
            self.passing_now.push((name.to_owned(), frame));
        }
    }
}

#[test]
fn a_client_of_an_earlier_build_is_told_what_it_was_told_then() {
    let mut stage = Stage {
        server: TestServer::start_as(ServerSpec { name: "workshop".to_owned(), ..ServerSpec::default() }),
        ends: BTreeMap::new(),
        meant: Meanings::default(),
        passing_then: Vec::new(),
        passing_now: Vec::new(),
        is_calm: true,
        answers: 0,
    };
    let mut said = 0;
    for line in RECORDING.lines() {
        let mut line: Value = serde_json::from_str(line).expect("a line of the recording");
        let name = line["client"].as_str().expect("whose line it is").to_owned();
        let frame = line["frame"].take();
        match (line["from"].as_str(), line["end"].as_str()) {
            (Some("server"), None) => stage.told(&name, frame),
            (Some("client"), None) => {
                stage.hear();
                let line = stage.meant.here(&frame.to_string());
                stage.ends.get_mut(&name).expect("who speaks is here").peer.write_line(&line);
                said += usize::from(frame["type"] != "typing");
            }
            (None, Some(by)) => stage.ended(&name, by),
            _ => panic!("neither a frame nor an end: {line}"),
        }
    }
    assert!(stage.ends.is_empty(), "all have gone");
    for (name, now) in &stage.passing_now {
        let is_like = |(whom, then): &(String, Value)| whom == name && lacking(then, now).is_empty();
        assert!(stage.passing_then.iter().any(is_like), "{name} was not told this then: {now}");
    }
    assert_eq!(stage.answers, said, "each request but `typing` has an answer");
    assert!(said > 70, "{said} requests are not the whole recording");
}
