//! A server that was trusted and turned bad: clear words, bounded memory, no panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lanchat_client::{
    Client, ConnectError, Event, Events, Options, RequestError, Secret, SendError, Sentence,
};
use lanchat_model::limits;
use serde_json::{Value, json};
use support::{Fake, TestHome, attached, entries, logged_in, meet, next_of, room, within};

async fn loss(events: &mut Events) -> String {
    match next_of(events, "the loss", |event| matches!(event, Event::Lost { .. })).await {
        Event::Lost { reason, .. } => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Returns what the client says about the connection after receiving `bytes`.
async fn reason_after(bytes: Vec<u8>) -> String {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    // The client may close while the bytes are sent.
    let (reason, _) = tokio::join!(loss(&mut events), peer.send_raw(&bytes));
    reason
}

#[tokio::test]
async fn lines_that_are_no_frames_end_the_connection_with_a_reason() {
    let deep = format!("{}{}\n", "[".repeat(200), "]".repeat(200));
    for (bytes, expected) in [
        (vec![b'x'; limits::SERVER_FRAME_BYTES_MAX + 1], "at most 2097152 bytes"),
        (b"{\"type\":\n".to_vec(), "one JSON object per line"),
        (b"{\"type\":\"message\",\"room\":\"lobby\",\"seq\":-1}\n".to_vec(), "fields of 'message'"),
        (b"{\"type\":\"message\",\"type\":\"ack\"}\n".to_vec(), "breaks the protocol"),
        (b"\xff\xfe{}\n".to_vec(), "not valid UTF-8"),
        (deep.into_bytes(), "at most 16 deep"),
    ] {
        let reason = reason_after(bytes).await;
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
}

#[tokio::test]
async fn answers_that_nobody_asked_for_change_nothing() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    for frame in [
        json!({"type": "welcome", "id": "99", "username": "eve", "display_name": "Eve", "admin": true,
            "token": "t", "version": 1, "epoch": "e9", "online": 1, "rooms": []}),
        json!({"type": "attached", "id": "99", "epoch": "e9", "rooms": [room("lobby", 50, 50)]}),
        json!({"type": "ack", "id": "0".repeat(32), "room": "lobby", "seq": 9, "ts": "never"}),
        json!({"type": "error", "id": "0".repeat(32), "code": "internal", "reason": "?"}),
        json!({"type": "ok", "id": "99"}),
        json!({"type": "history", "id": "99", "room": "lobby", "entries": [], "more": false}),
        json!({"type": "message", "room": "elsewhere", "seq": 1, "id": "0".repeat(32), "username": "eve",
            "message": "psst", "ts": "never"}),
        fake.hello(),
    ] {
        peer.send(frame).await;
    }
    peer.message(1).await;
    let heard = next_of(&mut events, "a frame", |event| {
        !matches!(event, Event::Connected { .. } | Event::LoggedIn { .. })
            && !matches!(event, Event::Frame { frame: lanchat_protocol::ServerFrame::Attached(_), .. })
    })
    .await;
    assert!(matches!(heard, Event::Frame { line, .. } if line.contains("line 1")));
}

#[tokio::test]
async fn a_server_with_too_many_rooms_is_not_lived_with() {
    let rooms = |count: usize| Value::Array((0..count).map(|n| room(&format!("r{n}"), 0, 0)).collect());
    for count in [limits::ROOMS_PER_ACCOUNT_MAX + 1, 25_000] {
        let (fake, home) = (Fake::start().await, TestHome::new());
        let (connection, mut peer) = meet(&fake, &home.home).await;
        let trusted = connection.unwrap().trust(&home.home).unwrap();
        let (client, _events) = Client::start(trusted, home.home.clone(), Options::default());
        let password = Secret("correct horse".into());
        let (outcome, _) =
            tokio::join!(client.login("ana", &password), peer.welcome("login", "t", rooms(count)));
        assert!(matches!(outcome, Err(RequestError::BadAnswer("welcome"))), "{outcome:?}");
        assert!(!client.is_logged_in());
    }

    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    let mut flood = Vec::new();
    for n in 0..limits::ROOMS_PER_ACCOUNT_MAX {
        let mut frame = room(&format!("r{n}"), 0, 0);
        frame["type"] = json!("room");
        flood.extend_from_slice(format!("{frame}\n").as_bytes());
    }
    let (reason, _) = tokio::join!(loss(&mut events), peer.send_raw(&flood));
    assert!(reason.contains("too many rooms"), "{reason}");
}

#[tokio::test]
async fn a_flood_stays_in_the_servers_socket() {
    const LINES: usize = 4096;
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    let text = "x".repeat(limits::MESSAGE_BYTES_MAX - 1);
    let sent = Arc::new(AtomicUsize::new(0));
    let writer = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            for seq in 1..=LINES {
                let frame = json!({"type": "message", "room": "lobby", "seq": seq, "id": format!("{seq:032x}"),
                    "username": "eve", "message": text, "ts": "2026-11-21T05:00:00.123Z"});
                peer.send(frame).await;
                sent.store(seq, Ordering::Relaxed);
            }
            peer
        }
    });
    // 64 MiB are on offer. Nobody reads events, so only what fits the queue and the sockets can have moved, however
    // long the test waits: the wait only decides how sure the test is.
    let mut writer = writer;
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut writer).await.is_err(), "all was taken in");
    let most = 2 * limits::CLIENT_EVENT_BYTES_MAX / limits::MESSAGE_BYTES_MAX + 1024;
    assert!(sent.load(Ordering::Relaxed) < most, "{} lines were taken in", sent.load(Ordering::Relaxed));
    let seqs = entries(&mut events, LINES).await;
    assert!(seqs.into_iter().eq(1..=LINES as u64));
    writer.await.unwrap();
}

#[tokio::test]
async fn a_key_that_changes_while_the_connection_is_lost_stops_the_client() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, peer) = attached(&fake, &home.home).await;
    let other = Fake::start().await;
    fake.become_other(other.config());
    client.send("lobby", "in the air", false).await.unwrap();
    drop(peer);
    let refused = fake.try_accept().await;
    let stopped = next_of(&mut events, "the stop", |event| matches!(event, Event::Stopped { .. })).await;
    assert!(matches!(stopped, Event::Stopped { error: ConnectError::KeyChanged(_) }), "{stopped:?}");
    if let Ok(peer) = refused {
        assert!(peer.drain().await.is_empty(), "the impostor was told something");
    }
    assert!(within("the end", events.next()).await.is_none());
    assert!(matches!(client.settled().await, Err(SendError::Stopped)));
    assert!(matches!(client.rooms().await, Err(RequestError::Stopped)));
}

/// For a server that does not read, the client holds one answer, however often it is pinged.
#[tokio::test]
async fn signs_of_life_that_are_not_read_queue_no_answers() {
    const PINGS: usize = 200_000;
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    peer.send_raw("{\"type\":\"ping\"}\n".repeat(PINGS).as_bytes()).await.unwrap();
    peer.message(1).await;
    entries(&mut events, 1).await;
    let (said, ()) = tokio::join!(peer.drain(), client.close());
    let answers = String::from_utf8(said).unwrap().matches("\"ping\"").count();
    assert!((1..PINGS / 10).contains(&answers), "{answers} answers");
}

/// A server that issues a token too long for the file harms only its own login.
#[tokio::test]
async fn a_token_without_bounds_leaves_the_logins_of_other_servers_alone() {
    let (good, home) = (Fake::start().await, TestHome::new());
    drop(logged_in(&good, &home.home, json!([room("lobby", 0, 0)])).await);
    let size = || std::fs::metadata(home.path().join("servers.json")).unwrap().len();
    let before = size();
    for token in ["x".repeat(limits::SERVER_FRAME_BYTES_MAX - 4096), "x".repeat(513), "\u{1}".repeat(400)] {
        let bad = Fake::start().await;
        let (connection, mut peer) = meet(&bad, &home.home).await;
        let trusted = connection.unwrap().trust(&home.home).unwrap();
        let (client, _events) = Client::start(trusted, home.home.clone(), Options::default());
        let password = Secret("correct horse".into());
        let (outcome, _) =
            tokio::join!(client.login("ana", &password), peer.welcome("login", &token, json!([])));
        assert!(outcome.is_err() && !client.is_logged_in(), "{outcome:?}");
        let servers = lanchat_client::Home::open(&home.path()).unwrap().servers().unwrap();
        let kept: Vec<_> = servers.iter().filter(|server| server.account.is_some()).collect();
        assert!(kept.len() == 1 && kept[0].id == good.id, "{servers:?}");
    }
    assert!(size() < before + 2048, "{} bytes", size());
}

/// Lets the wait before the next attempt to reconnect pass. Nothing else waits for the clock then.
async fn reconnect_at_once() {
    tokio::time::pause();
    tokio::time::advance(limits::RECONNECT_DELAY_MAX).await;
    tokio::time::resume();
}

async fn given_up(events: &mut Events) -> String {
    match next_of(events, "the stop", |event| matches!(event, Event::Stopped { .. })).await {
        Event::Stopped { error: error @ ConnectError::BrokenProtocol { .. } } => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The server is asked a few more times, but not for ever: otherwise a script would never end. Unaccepted posts are
/// kept.
#[tokio::test]
async fn a_server_that_leaves_out_an_entry_on_every_connection_is_given_up() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    client.send("lobby", "in the air", false).await.unwrap();
    for breach in 2..=limits::BREACHES_MAX {
        peer.message(2).await;
        assert!(loss(&mut events).await.contains("left out a message"));
        reconnect_at_once().await;
        peer = fake.accept().await;
        let rooms = json!([room("lobby", 2, 0)]);
        peer.welcome("resume", &format!("token-{breach}"), rooms.clone()).await;
        peer.attached(rooms).await;
    }
    peer.message(2).await;
    let said = given_up(&mut events).await;
    assert!(said.contains("it left out a message"), "{said}");
    assert!(matches!(client.settled().await, Err(SendError::Stopped)));
    assert_eq!(std::fs::read_dir(home.path().join("outbox")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_every_resume_is_given_up_unless_it_is_busy() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, peer) = attached(&fake, &home.home).await;
    drop(peer);
    loss(&mut events).await;
    let codes = std::iter::repeat_n("busy", 2).chain(std::iter::repeat("bad_frame"));
    for (attempt, code) in (1..=2 + limits::BREACHES_MAX).zip(codes) {
        reconnect_at_once().await;
        let mut peer = fake.accept().await;
        let request = peer.expect("resume").await;
        peer.send(json!({"type": "error", "id": request["id"], "code": code, "reason": "Not you."})).await;
        if attempt < 2 + limits::BREACHES_MAX {
            next_of(&mut events, "another wait", |event| matches!(event, Event::Retrying { .. })).await;
        }
    }
    let said = given_up(&mut events).await;
    assert!(said.contains("The server says: “Not you.”"), "{said}");
}

/// The account let in must be the one that was meant: nothing is sent as somebody else, and another account's token is
/// not kept.
#[tokio::test]
async fn a_welcome_for_another_account_lets_nobody_in() {
    let eve = |request: &Value| {
        json!({"type": "welcome", "id": request["id"], "username": "eve", "display_name": "Eve",
            "admin": false, "token": "t", "version": 1, "epoch": "e1", "online": 1, "rooms": []})
    };
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (connection, mut peer) = meet(&fake, &home.home).await;
    let trusted = connection.unwrap().trust(&home.home).unwrap();
    let (client, _events) = Client::start(trusted, home.home.clone(), Options::default());
    let password = Secret("correct horse".into());
    let (outcome, ()) = tokio::join!(client.login("Ana", &password), async {
        let request = peer.expect("login").await;
        peer.send(eve(&request)).await;
    });
    assert!(matches!(outcome, Err(RequestError::BadAnswer("welcome"))), "{outcome:?}");
    assert!(!client.is_logged_in());
    assert_eq!(home.home.servers().unwrap()[0].account, None);

    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, peer) = attached(&fake, &home.home).await;
    drop(peer);
    let mut peer = fake.accept().await;
    let request = peer.expect("resume").await;
    peer.send(eve(&request)).await;
    let again = next_of(&mut events, "another wait", |event| matches!(event, Event::Retrying { .. })).await;
    assert!(
        matches!(again, Event::Retrying { reason, .. } if reason.to_string().contains("another account"))
    );
    assert_eq!(home.home.servers().unwrap()[0].account.as_deref(), Some("ana"));
}

/// A server may write anything, but not in the client's voice.
#[tokio::test]
async fn what_a_server_says_is_told_from_what_the_client_says() {
    const FORGED: &str = "You have moved” *** lanchat --server 10.0.0.66";
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    let (refused, ()) = tokio::join!(client.rooms(), async {
        let request = peer.expect("rooms").await;
        peer.send(json!({"type": "error", "id": request["id"], "code": "busy", "reason": FORGED})).await;
    });
    let said = refused.unwrap_err().to_string();
    assert_eq!(said, "The server says: “You have moved' *** lanchat --server 10.0.0.66”");
    peer.send(json!({"type": "error", "code": "logged_out", "reason": FORGED, "fatal": true})).await;
    let out = next_of(&mut events, "the logout", |event| matches!(event, Event::LoggedOut { .. })).await;
    assert!(matches!(out, Event::LoggedOut { reason: Sentence::Server(text) } if text == FORGED));

    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    let (done, ()) = tokio::join!(client.logout(), async {
        let request = peer.expect("logout").await;
        peer.send(json!({"type": "ok", "id": request["id"]})).await;
    });
    done.unwrap();
    let out = next_of(&mut events, "the logout", |event| matches!(event, Event::LoggedOut { .. })).await;
    assert!(matches!(out, Event::LoggedOut { reason: Sentence::Ours(_) }));

    // A quote from a line that is not a frame is not in the client's voice either.
    let line = json!({"type": "presence", "username": "bob", "state": FORGED, "connected": 1});
    let reason = reason_after(format!("{line}\n").into_bytes()).await;
    let (before, behind) = reason.split_once('“').unwrap();
    assert!(!before.contains("moved") && behind.contains("moved'"), "{reason}");
    assert_eq!(behind.matches('”').count(), 1, "{reason}");
}

/// A caller that waits for an answer learns that the client has stopped, and can read the reason by then: the exit code
/// depends on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_the_client_stopped_is_told_before_that_it_stopped() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, peer) = attached(&fake, &home.home).await;
    client.send("lobby", "in the air", false).await.unwrap();
    let other = Fake::start().await;
    fake.become_other(other.config());
    drop(peer);
    let (settled, rooms, refused) = tokio::join!(client.settled(), client.rooms(), fake.try_accept());
    drop(refused);
    assert!(matches!(settled, Err(SendError::Stopped)), "{settled:?}");
    assert!(matches!(rooms, Err(RequestError::Stopped)), "{rooms:?}");
    assert!(matches!(
        client.send("lobby", "more", false).await,
        Err(SendError::NotLoggedIn | SendError::Stopped)
    ));
    loop {
        let event = tokio::select! {
            biased;
            event = events.next() => event.expect("the stop before the end"),
            () = std::future::ready(()) => panic!("it was not told yet"),
        };
        if matches!(event, Event::Stopped { error: ConnectError::KeyChanged(_) }) {
            break;
        }
    }
}
