//! Typing: passed on at once to those in the room, and never stored (PROTOCOL §8).
#![cfg(unix)]

use lanchat_tests::{TestPeer, TestServer};
use serde_json::{Value, json};

/// Marks typing, which is not answered, and makes sure that the server has read it.
fn type_in(peer: &mut TestPeer, room: &str) {
    peer.write_line(&json!({"type": "typing", "id": "t1", "room": room}).to_string());
    peer.barrier();
}

fn is_typing(frame: &Value) -> bool {
    frame["type"] == "typing"
}

#[test]
fn typing_is_told_to_the_room_but_not_to_who_types() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    ana.write_line(r#"{"type":"typing","id":"t1","room":"lobby"}"#);
    let told = bob.expect("typing");
    assert_eq!((&told["room"], &told["username"]), (&json!("lobby"), &json!("ana")));
    assert!(!ana.barrier().iter().any(is_typing));
    assert_eq!(bob.hello()["limits"]["typing_seconds"], 6);
}

#[test]
fn typing_in_a_private_chat_is_told_to_the_other_one_only() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut eve = TestPeer::registered(server.address(), "eve");
    ana.send("@bob", "psst");
    bob.expect("message");
    type_in(&mut ana, "@bob");
    let told = bob.expect("typing");
    assert_eq!((&told["room"], &told["username"]), (&json!("@ana"), &json!("ana")));
    assert!(!eve.barrier().iter().any(is_typing));
}

#[test]
fn typing_is_never_stored() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let head = ana.send("lobby", "before")["seq"].as_u64().expect("a seq");
    type_in(&mut ana, "lobby");
    assert_eq!(ana.send("lobby", "after")["seq"], head + 1);
    server.kill();
    server.start_again();
    let mut bob = TestPeer::connect(server.address());
    bob.request(json!({"type": "login", "username": "ana", "password": lanchat_tests::PASSWORD}));
    bob.request(json!({"type": "attach", "tail": 50}));
    assert!(!bob.barrier().iter().any(is_typing));
}

#[test]
fn typing_where_one_is_not_is_refused() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    TestPeer::registered(server.address(), "bob").request(json!({"type": "join", "room": "garden"}));
    for room in ["garden", "attic", "@nobody"] {
        ana.refused(json!({"type": "typing", "room": room}));
    }
}
