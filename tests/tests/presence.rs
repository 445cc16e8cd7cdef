//! Presence: one state for each account, however many sessions it has (PROTOCOL §8).
#![cfg(unix)]

use lanchat_tests::{TestPeer, TestServer};
use serde_json::{Value, json};

/// Returns what `frames` say about `name`.
fn news_of<'a>(frames: &'a [Value], name: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame["type"] == "presence" && frame["username"] == name).collect()
}

fn whois(peer: &mut TestPeer, name: &str) -> Value {
    let answer = peer.request(json!({"type": "whois", "username": name}));
    assert_eq!(answer["type"], "whois", "{answer}");
    answer
}

fn leave(mut peer: TestPeer) {
    assert_eq!(peer.request(json!({"type": "bye"}))["type"], "goodbye");
    while peer.next_frame().is_some() {}
}

#[test]
fn online_away_back_and_offline_are_told_to_everybody() {
    let server = TestServer::start();
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut ana = TestPeer::registered(server.address(), "ana");
    let of_ana = |frame: &Value| frame["username"] == "ana";
    let online = bob.expect_where("presence", of_ana);
    assert_eq!((&online["state"], &online["connected"]), (&json!("online"), &json!(2)));

    assert_eq!(ana.request(json!({"type": "away", "reason": "lunch"}))["type"], "ok");
    let away = bob.expect_where("presence", of_ana);
    assert_eq!((&away["state"], &away["reason"]), (&json!("away"), &json!("lunch")));
    assert_eq!(ana.request(json!({"type": "back"}))["type"], "ok");
    assert_eq!(bob.expect_where("presence", of_ana)["state"], "online");

    leave(ana);
    let offline = bob.expect_where("presence", of_ana);
    assert_eq!((&offline["state"], &offline["connected"]), (&json!("offline"), &json!(1)));
    assert!(offline["last_seen"].is_string(), "{offline}");
    assert_eq!(whois(&mut bob, "ana")["state"], "offline");
}

#[test]
fn several_sessions_are_one_presence() {
    let server = TestServer::start();
    let mut bob = TestPeer::registered(server.address(), "bob");
    let desk = TestPeer::registered(server.address(), "ana");
    bob.expect_where("presence", |frame| frame["username"] == "ana");
    let phone = TestPeer::logged_in(server.address(), "ana");
    assert_eq!(whois(&mut bob, "ana")["sessions"], 2);
    leave(phone);
    let still_there = whois(&mut bob, "ana");
    assert_eq!((&still_there["state"], &still_there["sessions"]), (&json!("online"), &json!(1)));
    assert!(news_of(&bob.barrier(), "ana").is_empty(), "nothing changed for the others");
    leave(desk);
    assert_eq!(bob.expect_where("presence", |frame| frame["username"] == "ana")["state"], "offline");
}

#[test]
fn a_connection_that_is_lost_and_back_is_not_announced() {
    let server = TestServer::start();
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut ana = TestPeer::connect(server.address());
    let token = ana.register("ana")["token"].clone();
    bob.expect_where("presence", |frame| frame["username"] == "ana");
    drop(ana);
    let mut ana = TestPeer::connect(server.address());
    assert_eq!(ana.request(json!({"type": "resume", "token": token}))["type"], "welcome");
    ana.barrier();
    assert!(news_of(&bob.barrier(), "ana").is_empty(), "a flap is nobody's business");
}

#[test]
fn those_who_are_online_are_listed_with_what_they_do() {
    let server = TestServer::start();
    let mut ana = TestPeer::registered(server.address(), "ana");
    let mut bob = TestPeer::registered(server.address(), "bob");
    leave(TestPeer::registered(server.address(), "eve"));
    bob.request(json!({"type": "away"}));
    let everybody = ana.request(json!({"type": "members"}));
    let of = |name: &str| everybody["members"].as_array()?.iter().find(|member| member["username"] == name);
    assert_eq!(of("ana").map(|member| &member["state"]), Some(&json!("online")), "{everybody}");
    assert_eq!(of("bob").map(|member| &member["state"]), Some(&json!("away")), "{everybody}");
    assert_eq!(of("eve"), None, "{everybody}");
    let lobby = ana.request(json!({"type": "members", "room": "lobby"}));
    assert_eq!(lobby["total"], 3, "those who are offline are members still: {lobby}");
}

#[test]
fn away_and_last_seen_survive_a_restart() {
    let mut server = TestServer::start();
    let mut ana = TestPeer::connect(server.address());
    let token = ana.register("ana")["token"].clone();
    assert_eq!(ana.request(json!({"type": "away", "reason": "lunch"}))["type"], "ok");
    let mut bob = TestPeer::registered(server.address(), "bob");
    leave(TestPeer::registered(server.address(), "eve"));
    let seen = bob.expect_where("presence", |frame| frame["state"] == "offline")["last_seen"].clone();
    drop((ana, bob));
    assert_eq!(server.stop(), 0);
    server.start_again();

    let mut bob = TestPeer::logged_in(server.address(), "bob");
    let eve = whois(&mut bob, "eve");
    assert_eq!((&eve["state"], &eve["last_seen"]), (&json!("offline"), &seen));
    let mut ana = TestPeer::connect(server.address());
    assert_eq!(ana.request(json!({"type": "resume", "token": token}))["type"], "welcome");
    let ana = whois(&mut bob, "ana");
    assert_eq!((&ana["state"], &ana["reason"]), (&json!("away"), &json!("lunch")));
}

/// What was answered is on disk (#11, item 23).
#[test]
fn away_and_back_outlive_a_kill() {
    let mut server = TestServer::start();
    let mut bob = TestPeer::registered(server.address(), "bob");
    let token = TestPeer::connect(server.address()).register("ana")["token"].clone();
    for reason in [Some("lunch"), None, Some("meeting")] {
        let mut ana = TestPeer::connect(server.address());
        assert_eq!(ana.request(json!({"type": "resume", "token": token}))["type"], "welcome");
        let change = match reason {
            Some(reason) => json!({"type": "away", "reason": reason}),
            None => json!({"type": "back"}),
        };
        assert_eq!(ana.request(change)["type"], "ok");
        server.kill();
        server.start_again();
        bob = TestPeer::logged_in(server.address(), "bob");
        let found = whois(&mut bob, "ana");
        let state = if reason.is_some() { "away" } else { "online" };
        assert_eq!((&found["state"], found["reason"].as_str()), (&json!(state), reason), "{found}");
    }
    drop(bob);
}

/// Each frame is a sign of life, whatever it asks for (#11, item 24).
#[test]
fn last_seen_is_when_the_last_frame_came() {
    let server = TestServer::start();
    let mut bob = TestPeer::registered(server.address(), "bob");
    let mut ana = TestPeer::connect(server.address());
    ana.register("ana");
    let came = whois(&mut bob, "ana")["since"].as_str().expect("a time").to_owned();
    // Wait until the server's clock has moved on. Times in this form compare as text.
    let later = loop {
        let ts = bob.send("lobby", "tick")["ts"].as_str().expect("a time").to_owned();
        if ts > came {
            break ts;
        }
    };
    leave(ana);
    let offline = bob.expect_where("presence", |frame| frame["state"] == "offline");
    assert!(offline["last_seen"].as_str().is_some_and(|seen| *seen >= *later), "{offline}, {later}");
}

#[test]
fn the_servers_log_tells_who_comes_and_goes_and_how_many_are_connected() {
    let mut server = TestServer::start();
    let mut bob = TestPeer::registered(server.address(), "bob");
    leave(TestPeer::registered(server.address(), "ana"));
    bob.expect_where("presence", |frame| frame["state"] == "offline");
    server.stop();
    let log = server.log();
    let told = |account: &str, what: &str, connected: u32| {
        let fields = [account, what, &format!("connected={connected}")].map(str::to_owned);
        log.lines().any(|line| fields.iter().all(|field| line.contains(field)))
    };
    assert!(told("bob", "online", 1) && told("ana", "online", 2) && told("ana", "offline", 1), "{log}");
}
