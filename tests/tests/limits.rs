//! Bounds that a server keeps against greedy connections.
#![cfg(unix)]

use lanchat_model::limits;
use lanchat_tests::{PASSWORD, ServerSpec, TestPeer, TestServer, new_id};
use serde_json::{Value, json};

/// The bytes of a TLS record apart from its text.
const RECORD_BYTES: usize = 22;

#[test]
fn hello_tells_the_bounds_that_are_kept() {
    let server = TestServer::start();
    let peer = TestPeer::connect(server.address());
    let told = &peer.hello()["limits"];
    assert_eq!(told["frame_bytes"], limits::FRAME_BYTES_MAX);
    assert_eq!(told["message_bytes"], limits::MESSAGE_BYTES_MAX);
    assert_eq!(told["unacked"], limits::UNACKED_PER_SESSION_MAX);
    assert_eq!(told["typing_seconds"], limits::TYPING_SHOWN.as_secs());
    assert_eq!(told["keepalive_seconds"], limits::KEEPALIVE.as_secs());
}

#[test]
fn a_client_may_pipeline_beyond_the_window_and_keeps_its_order() {
    const POSTS: usize = limits::UNACKED_PER_SESSION_MAX * 10;
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    ana.barrier();
    let ids: Vec<String> = (0..POSTS).map(|_| new_id()).collect();
    for id in &ids {
        ana.write_line(&json!({"type": "send", "id": id, "room": "lobby", "message": id}).to_string());
    }
    let (mut acked, mut delivered) = (Vec::new(), Vec::new());
    while acked.len() < POSTS || delivered.len() < POSTS {
        let frame = ana.next_frame().expect("the connection stays open");
        match frame["type"].as_str() {
            Some("ack") => acked.push(frame["id"].clone()),
            Some("message") => delivered.push(frame["id"].clone()),
            other => panic!("unexpected {other:?}: {frame}"),
        }
    }
    let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
    assert_eq!(acked, ids);
    assert_eq!(delivered, ids);
}

#[test]
fn a_full_server_says_so_and_takes_the_next_one_when_somebody_leaves() {
    let server = TestServer::start_as(ServerSpec::default().arg("--max-clients").arg("1"));
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::connect(server.address());
    let register = json!({"type": "register", "username": "bob", "password": PASSWORD});
    let refused = bob.request(register.clone());
    assert_eq!((&refused["code"], &refused["fatal"]), (&json!("server_full"), &json!(true)), "{refused}");
    assert!(refused["reason"].as_str().is_some_and(|reason| reason.contains("full")), "{refused}");
    assert_eq!(bob.next_frame(), None);
    assert_eq!(ana.request(json!({"type": "bye"}))["type"], "goodbye");
    while ana.next_frame().is_some() {}
    let answer = TestPeer::connect(server.address()).request(register);
    assert_eq!(answer["type"], "welcome", "a refused registration made no account: {answer}");
}

/// Before login a connection gets a limited number of answers, whatever it asks: otherwise it could keep the server
/// busy without a session.
#[test]
fn before_login_a_connection_asks_so_often_and_is_closed() {
    let server = TestServer::start();
    let requests = [
        json!({"type": "ping"}),
        json!({"type": "rooms"}),
        json!({"type": "unheard-of"}),
        json!({"type": "register", "username": "server", "password": PASSWORD}),
        json!({"type": "resume", "token": "none"}),
    ];
    for request in &requests {
        let mut peer = TestPeer::connect(server.address());
        for _ in 0..limits::REQUESTS_BEFORE_LOGIN_MAX {
            peer.request(request.clone());
        }
        assert_is_sent_away(&mut peer);
    }
    // All requests come in one write, and no more of them are answered.
    let mut peer = TestPeer::connect(server.address());
    let pings = (0..1000).map(|number| format!("{{\"type\":\"ping\",\"id\":\"{number}\"}}\n"));
    peer.write_bytes(pings.collect::<String>().as_bytes());
    for number in 0..limits::REQUESTS_BEFORE_LOGIN_MAX {
        assert_eq!(peer.next_frame().expect("an answer")["id"], number.to_string());
    }
    assert_is_sent_away(&mut peer);
    // Blank lines are not requests, but cost as much: each is a record of its own.
    let mut peer = TestPeer::connect(server.address());
    for _ in 0..=limits::BYTES_BEFORE_LOGIN_MAX / limits::TLS_BYTE_COST / RECORD_BYTES {
        peer.write_bytes(b"\n");
    }
    assert_is_sent_away(&mut peer);
    // A client that logs in in time may ask as often as it likes.
    let mut peer = TestPeer::connect(server.address());
    for _ in 1..limits::REQUESTS_BEFORE_LOGIN_MAX {
        peer.request(json!({"type": "ping"}));
    }
    assert_eq!(peer.register("ana")["type"], "welcome");
    for _ in 0..limits::REQUESTS_BEFORE_LOGIN_MAX {
        assert_eq!(peer.request(json!({"type": "ping"}))["type"], "pong");
    }
}

/// Empty records are work too: key updates, as many as TLS accepts between two records.
#[test]
fn before_login_a_connection_has_so_much_work_done_by_tls_and_is_closed() {
    const UPDATES: usize = 30;
    let server = TestServer::start();
    let mut peer = TestPeer::connect(server.address());
    for _ in 0..=limits::BYTES_BEFORE_LOGIN_MAX / limits::TLS_BYTE_COST / RECORD_BYTES / UPDATES {
        peer.update_keys(UPDATES);
        peer.write_bytes(b"\n");
    }
    assert_is_sent_away(&mut peer);
}

/// Checks that the client is told to try again later.
fn assert_is_sent_away(peer: &mut TestPeer) {
    let error = peer.next_frame().expect("it is told why");
    assert_eq!((&error["code"], &error["fatal"]), (&json!("login_timeout"), &json!(true)), "{error}");
    assert_eq!(peer.next_frame(), None);
}
