//! A clean stop: goodbye to everybody, everything on disk, and no longer than promised.
#![cfg(unix)]

use std::net::TcpStream;
use std::time::{Duration, Instant};

use lanchat_tests::{Signal, TestPeer, TestServer, new_id};
use serde_json::json;

/// The promise: from the signal to the exit.
const EXIT_MAX: Duration = Duration::from_secs(5);

fn stops_cleanly(signal: Signal) {
    let mut server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.send("lobby", "kept");
    let asked = Instant::now();
    server.signal(signal);
    ana.expect("goodbye");
    assert_eq!(ana.next_frame(), None, "the connection closes behind the goodbye");
    assert_eq!(server.stop(), 0);
    assert!(asked.elapsed() < EXIT_MAX, "the stop took {:?}", asked.elapsed());
    assert!(TcpStream::connect(server.address()).is_err(), "nobody listens any more");

    server.start_again();
    let mut ana = TestPeer::logged_in(server.address(), "ana");
    let log = ana.request(json!({"type": "history", "room": "lobby"}));
    assert_eq!(log["entries"][1]["message"], "kept", "{log}");
}

#[test]
fn sigterm_stops_the_server_cleanly() {
    stops_cleanly(Signal::Terminate);
}

#[test]
fn ctrl_c_stops_the_server_cleanly() {
    stops_cleanly(Signal::Interrupt);
}

#[test]
fn clients_that_do_not_read_and_strangers_do_not_hold_a_stop_up() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let deaf = TestPeer::logged_in(server.address(), "ana");
    let strangers = [TcpStream::connect(server.address()), TcpStream::connect(server.address())]
        .map(|socket| socket.is_ok());
    let silent = TestPeer::connect(server.address());
    // More than the buffers of a socket hold.
    for _ in 0..600 {
        ana.send("lobby", &"x".repeat(16_000));
    }
    let asked = Instant::now();
    assert_eq!(server.stop(), 0);
    assert!(asked.elapsed() < EXIT_MAX, "the stop took {:?}", asked.elapsed());
    drop((deaf, silent, strangers));
}

#[test]
fn what_was_acknowledged_before_the_stop_is_there_after_it_and_nothing_is_doubled() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let ids: Vec<String> = (0..200).map(|_| new_id()).collect();
    for id in &ids {
        ana.write_line(&json!({"type": "send", "id": id, "room": "lobby", "message": id}).to_string());
    }
    server.signal(Signal::Terminate);
    let mut acked = Vec::new();
    while let Some(frame) = ana.next_frame() {
        if frame["type"] == "ack" {
            acked.push(frame["id"].clone());
        }
    }
    assert_eq!(server.stop(), 0);
    server.start_again();
    let mut ana = TestPeer::logged_in(server.address(), "ana");
    for id in &ids {
        ana.answer_to(id, json!({"type": "send", "room": "lobby", "message": id}));
    }
    let page = |before: Option<u64>, ana: &mut TestPeer| {
        let mut frame = json!({"type": "history", "room": "lobby", "limit": 150});
        if let Some(before) = before {
            frame["before"] = before.into();
        }
        ana.request(frame)["entries"].as_array().cloned().unwrap_or_default()
    };
    let late = page(None, &mut ana);
    let early = page(late[0]["seq"].as_u64(), &mut ana);
    let log: Vec<_> = early.iter().chain(&late).filter(|entry| entry["type"] == "message").collect();
    assert_eq!(log.len(), ids.len(), "each message once");
    for id in acked {
        assert!(log.iter().any(|entry| entry["id"] == id), "{id} was acknowledged and is lost");
    }
}
