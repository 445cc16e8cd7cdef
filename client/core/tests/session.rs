//! A session that survives network failures: nothing is lost, duplicated or reordered, in either direction.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::HashSet;

use lanchat_client::{AttachPolicy, Client, Event, Options, RequestError, Secret, SendError, connect};
use lanchat_model::Seq;
use lanchat_protocol::{ErrorCode, ServerFrame};
use serde_json::{Value, json};
use support::{Fake, TestHome, ack, attached, entries, logged_in, meet, message, next_of, room, within};

fn lobby(head: u64, from: u64) -> Value {
    json!([room("lobby", head, from)])
}

#[tokio::test]
async fn a_lost_session_resumes_with_its_cursors_and_shows_each_entry_once() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    for seq in [1, 2, 3] {
        peer.message(seq).await;
    }
    assert_eq!(entries(&mut events, 3).await, [1, 2, 3]);
    drop(peer);
    next_of(&mut events, "the loss", |event| matches!(event, Event::Lost { .. })).await;

    let mut peer = fake.accept().await;
    let resume = peer.welcome("resume", "token-2", lobby(6, 6)).await;
    assert_eq!(resume["token"], "token-1");
    let attach = peer.attached(lobby(6, 3)).await;
    assert_eq!(attach["cursors"], json!({"lobby": 3}));
    assert_eq!(attach["epoch"], "e1");
    // Repeated entries are reported once.
    for seq in [2, 3, 4, 4, 5, 1, 6] {
        peer.message(seq).await;
    }
    next_of(&mut events, "the return", |event| matches!(event, Event::Resumed { .. })).await;
    assert_eq!(entries(&mut events, 3).await, [4, 5, 6]);
}

#[tokio::test]
async fn a_client_that_is_turned_away_without_a_word_comes_again() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, peer) = attached(&fake, &home.home).await;
    drop(peer);
    for _ in 0..2 {
        fake.turn_away().await;
        next_of(&mut events, "another wait", |event| matches!(event, Event::Retrying { .. })).await;
    }
    let mut peer = fake.accept().await;
    peer.welcome("resume", "token-2", lobby(0, 0)).await;
    peer.attached(lobby(0, 0)).await;
    next_of(&mut events, "the return", |event| matches!(event, Event::Resumed { .. })).await;
}

#[tokio::test]
async fn the_next_token_is_kept_before_it_is_needed_and_used_next_time() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, _events, peer) = logged_in(&fake, &home.home, lobby(0, 0)).await;
    assert_eq!(home.home.server(fake.id).unwrap().unwrap().account.as_deref(), Some("ana"));
    client.clone().close().await;
    assert!(client.rooms().await.is_err());
    drop(peer);

    let target = fake.target();
    let (connection, mut peer) = tokio::join!(connect(&target, &home.home), fake.accept());
    let trusted = connection.unwrap().trust(&home.home).unwrap();
    let (client, _events) = Client::start(trusted, home.home.clone(), Options::default());
    let (session, request) = tokio::join!(client.resume(), peer.welcome("resume", "token-2", lobby(0, 0)));
    assert_eq!((session.unwrap().username.as_str(), &request["token"]), ("ana", &json!("token-1")));
    let kept = std::fs::read_to_string(home.path().join("servers.json")).unwrap();
    assert!(kept.contains("token-2") && !kept.contains("token-1"));
}

#[tokio::test]
async fn another_programs_newer_token_is_used_after_a_loss() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_first, _events, peer) = logged_in(&fake, &home.home, lobby(0, 0)).await;
    let target = fake.target();
    let (connection, mut other) = tokio::join!(connect(&target, &home.home), fake.accept());
    let trusted = connection.unwrap().trust(&home.home).unwrap();
    let (second, _events) = Client::start(trusted, home.home.clone(), Options::default());
    let (session, _) = tokio::join!(second.resume(), other.welcome("resume", "token-2", lobby(0, 0)));
    session.unwrap();

    drop(peer);
    let mut peer = fake.accept().await;
    assert_eq!(peer.expect("resume").await["token"], "token-2");
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_logs_out_and_is_forgotten() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, peer) = logged_in(&fake, &home.home, lobby(0, 0)).await;
    drop(peer);
    next_of(&mut events, "the loss", |event| matches!(event, Event::Lost { .. })).await;
    client.send("lobby", "too late", false).await.unwrap();
    let mut peer = fake.accept().await;
    let id = peer.expect("resume").await["id"].clone();
    peer.send(json!({"type": "error", "id": id, "code": "bad_token", "reason": "Log in."})).await;
    next_of(&mut events, "a refusal", |event| matches!(event, Event::Refused { .. })).await;
    next_of(&mut events, "the logout", |event| matches!(event, Event::LoggedOut { .. })).await;
    assert_eq!(client.settled().await.unwrap().refused, 1);
    assert!(matches!(client.resume().await, Err(RequestError::NoToken)));
    assert!(matches!(client.send("lobby", "x", false).await, Err(SendError::NotLoggedIn)));
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again_in_order_with_the_same_ids() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    let mut ids = Vec::new();
    for n in 1..=6 {
        ids.push(client.send("lobby", &format!("line {n}"), false).await.unwrap().to_string());
    }
    peer.ack(1).await;
    next_of(&mut events, "an ack", |event| matches!(event, Event::Acked { .. })).await;
    let second = peer.expect("send").await;
    drop(peer);

    let mut peer = fake.accept().await;
    peer.welcome("resume", "token-2", lobby(2, 2)).await;
    peer.attached(lobby(2, 0)).await;
    assert_eq!(peer.ack(2).await, second, "a resend is the same frame");
    for seq in 3..=6 {
        let post = peer.ack(seq).await;
        assert_eq!(post["id"], ids[seq as usize - 1]);
        assert_eq!(post["message"], format!("line {seq}"));
    }
    within("the acks", client.settled()).await.unwrap();
    let unique: HashSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), 6);
}

#[tokio::test]
async fn no_more_posts_are_on_the_wire_than_the_server_allows() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, _events, mut peer) = attached(&fake, &home.home).await;
    for n in 1..=6 {
        client.send("lobby", &format!("line {n}"), false).await.unwrap();
    }
    let mut posts = Vec::new();
    for _ in 0..4 {
        posts.push(peer.expect("send").await);
    }
    // The client writes in order: a fifth post would come before this request.
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.rooms().await }
    });
    let id = peer.expect("rooms").await["id"].clone();
    peer.send(json!({"type": "rooms", "id": id, "rooms": []})).await;
    asked.await.unwrap().unwrap();
    peer.send(ack(&posts[0], 1)).await;
    assert_eq!(peer.expect("send").await["message"], "line 5");
}

#[tokio::test]
async fn a_gap_is_never_shown_but_asked_again() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    peer.message(1).await;
    peer.message(3).await;
    let mut peer = fake.accept().await;
    peer.welcome("resume", "token-2", lobby(3, 3)).await;
    assert_eq!(peer.attached(lobby(3, 1)).await["cursors"], json!({"lobby": 1}));
    peer.message(2).await;
    peer.message(3).await;
    assert_eq!(entries(&mut events, 3).await, [1, 2, 3]);
}

#[tokio::test]
async fn entries_of_a_newer_server_move_the_cursor() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    peer.message(1).await;
    peer.send(json!({"type": "reaction", "room": "lobby", "seq": 2, "emoji": "+1"})).await;
    peer.send(json!({"type": "weather", "sky": "clear"})).await;
    peer.message(3).await;
    assert_eq!(entries(&mut events, 2).await, [1, 3]);
}

#[tokio::test]
async fn a_log_that_begins_further_up_is_read_on_from_there() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    peer.message(1).await;
    assert_eq!(entries(&mut events, 1).await, [1]);
    let mut news = room("lobby", 10, 6);
    news["type"] = json!("room");
    peer.send(news).await;
    peer.message(7).await;
    let told = next_of(&mut events, "what is not kept", |event| matches!(event, Event::Reset { .. })).await;
    assert!(matches!(told, Event::Reset { room: Some(room), .. } if room == "lobby"));
    assert_eq!(entries(&mut events, 1).await, [7]);
}

#[tokio::test]
async fn another_epoch_drops_the_cursors_and_says_so() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, mut peer) = attached(&fake, &home.home).await;
    peer.message(1).await;
    entries(&mut events, 1).await;
    drop(peer);
    let mut peer = fake.accept().await;
    let id = peer.expect("resume").await["id"].clone();
    peer.send(json!({"type": "welcome", "id": id, "username": "ana", "display_name": "Ana", "admin": false,
        "token": "token-2", "version": 1, "epoch": "e2", "online": 1, "rooms": [room("lobby", 100, 100)]}))
        .await;
    let attach = peer.expect("attach").await;
    assert_eq!((&attach["epoch"], &attach["cursors"]), (&json!("e2"), &json!({"lobby": 50})));
    let reset = next_of(&mut events, "the reset", |event| matches!(event, Event::Reset { .. })).await;
    assert!(matches!(reset, Event::Reset { room: None, .. }));
}

#[tokio::test]
async fn what_was_seen_is_told_once_and_at_the_close() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    for seq in 1..=9 {
        peer.message(seq).await;
    }
    entries(&mut events, 9).await;
    client.seen("lobby", Seq::try_from(4).unwrap());
    assert_eq!(peer.expect("mark").await["seq"], 4);
    client.seen("lobby", Seq::try_from(9).unwrap());
    client.seen("lobby", Seq::try_from(7).unwrap());
    let (_, ()) = tokio::join!(
        async {
            assert_eq!(peer.expect("mark").await["seq"], 9);
            let bye = peer.expect("bye").await;
            peer.send(json!({"type": "goodbye", "id": bye["id"]})).await;
        },
        client.close()
    );
    assert!(peer.next().await.is_none());
    while within("the end of the events", events.next()).await.is_some() {}
}

#[tokio::test]
async fn a_post_that_meets_a_full_disk_is_sent_again_later_and_others_are_refused() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    let first = client.send("lobby", "kept", false).await.unwrap();
    let second = client.send("nowhere", "refused", false).await.unwrap();
    for code in ["read_only", "not_a_member"] {
        let id = peer.expect("send").await["id"].clone();
        peer.send(json!({"type": "error", "id": id, "code": code, "reason": "No.", "retry_after": 1})).await;
    }
    let deferred = next_of(&mut events, "a delay", |event| matches!(event, Event::Deferred { .. })).await;
    assert!(matches!(deferred, Event::Deferred { id, .. } if id == first));
    let refused = next_of(&mut events, "a refusal", |event| matches!(event, Event::Refused { .. })).await;
    assert!(matches!(refused, Event::Refused { id, code: ErrorCode::NotAMember, .. } if id == second));
    assert_eq!(peer.ack(1).await["id"], first.to_string());
    assert_eq!(within("the ack", client.settled()).await.unwrap().refused, 1);
}

#[tokio::test]
async fn requests_outlive_a_loss_unless_that_could_do_harm() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, _events, mut peer) = attached(&fake, &home.home).await;
    let ask = |client: Client| tokio::spawn(async move { client.rooms().await });
    let list = ask(client.clone());
    peer.expect("rooms").await;
    let change = tokio::spawn({
        let client = client.clone();
        async move { client.passwd(&Secret("correct horse".into()), &Secret("battery staple".into())).await }
    });
    peer.expect("passwd").await;
    drop(peer);
    let outcome = within("an end", change).await.unwrap();
    assert!(matches!(outcome, Err(RequestError::Interrupted)), "{outcome:?}");
    let mut peer = fake.accept().await;
    peer.welcome("resume", "token-2", lobby(0, 0)).await;
    peer.attached(lobby(0, 0)).await;
    let id = peer.expect("rooms").await["id"].clone();
    peer.send(json!({"type": "rooms", "id": id, "rooms": []})).await;
    assert!(within("an answer", list).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_refused_login_is_told_and_the_next_one_may_succeed_on_a_new_connection() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (connection, mut peer) = meet(&fake, &home.home).await;
    let trusted = connection.unwrap().trust(&home.home).unwrap();
    let (client, _events) = Client::start(trusted, home.home.clone(), Options::default());
    assert!(matches!(client.rooms().await, Err(RequestError::NotLoggedIn)));
    let password = Secret("wrong".into());
    let (outcome, ()) = tokio::join!(client.login("ana", &password), async {
        let id = peer.expect("login").await["id"].clone();
        peer.send(json!({"type": "error", "id": id, "code": "wrong_password", "reason": "Wrong."})).await;
    });
    assert!(matches!(outcome, Err(RequestError::Refused { code: ErrorCode::WrongPassword, .. })));
    // The server gives up waiting for a login; the client comes back when it has one.
    peer.send(json!({"type": "error", "code": "login_timeout", "reason": "Too slow.", "fatal": true})).await;
    drop(peer);
    let (outcome, _) = tokio::join!(client.register("ana", None, &password), async {
        let mut peer = fake.accept().await;
        peer.welcome("register", "token-1", lobby(0, 0)).await;
        peer
    });
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn a_login_that_meets_too_many_others_is_asked_for_again() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (connection, mut peer) = meet(&fake, &home.home).await;
    let trusted = connection.unwrap().trust(&home.home).unwrap();
    let (client, _events) = Client::start(trusted, home.home.clone(), Options::default());
    let password = Secret("correct horse".into());
    let busy = |id: &Value, wait: u64| json!({"type": "error", "id": id, "code": "busy", "reason": "Many.", "retry_after": wait});
    let (outcome, ()) = tokio::join!(client.login("ana", &password), async {
        let first = peer.expect("login").await["id"].clone();
        peer.send(busy(&first, 1)).await;
        // A longer wait has another reason, which is reported to the user.
        let second = peer.expect("login").await["id"].clone();
        peer.send(busy(&second, 15)).await;
        assert_ne!(first, second);
    });
    assert!(matches!(outcome, Err(RequestError::Refused { code: ErrorCode::Busy, .. })), "{outcome:?}");
    let (outcome, ()) = tokio::join!(client.login("ana", &password), async {
        let id = peer.expect("login").await["id"].clone();
        peer.send(busy(&id, 1)).await;
        peer.welcome("login", "token-1", lobby(0, 0)).await;
    });
    assert!(outcome.is_ok());
}

#[tokio::test]
async fn a_login_that_was_given_up_begins_no_session_and_the_next_one_does() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (connection, mut late) = meet(&fake, &home.home).await;
    let trusted = connection.unwrap().trust(&home.home).unwrap();
    let (client, mut events) = Client::start(trusted, home.home.clone(), Options::default());
    let password = Secret("correct horse".into());
    let given_up = tokio::select! {
        _ = client.login("ana", &password) => panic!("nobody has answered"),
        login = late.expect("login") => login,
    };
    late.send(json!({"type": "welcome", "id": given_up["id"], "username": "ana", "display_name": "Ana",
        "admin": false, "token": "token-1", "version": 1, "epoch": "e1", "online": 1, "rooms": lobby(0, 0)}))
        .await;
    assert_eq!(late.next().await, None, "the connection of a session that nobody began ends");

    let again = client.clone();
    let next = tokio::spawn(async move { again.login("ana", &password).await });
    let mut peer = fake.accept().await;
    peer.welcome("login", "token-2", lobby(0, 0)).await;
    assert_eq!(next.await.unwrap().unwrap().username, "ana");
    let told = next_of(&mut events, "the login", |event| matches!(event, Event::LoggedIn { .. })).await;
    let Event::LoggedIn { session, .. } = told else { unreachable!() };
    assert_eq!(session.username, "ana");
    let kept = std::fs::read_to_string(home.path().join("servers.json")).unwrap();
    assert!(kept.contains("token-2") && !kept.contains("token-1"), "{kept}");
}

#[tokio::test]
async fn a_client_whose_user_does_not_read_leaves_the_socket_unread_and_loses_nothing() {
    const LINES: u64 = 6000;
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    let writer = tokio::spawn(async move {
        for seq in 1..=LINES {
            peer.message(seq).await;
        }
        peer
    });
    // A post still goes out while the queue is full: reading and writing do not wait for each other.
    client.send("lobby", "hello", false).await.unwrap();
    let seqs = entries(&mut events, LINES as usize).await;
    assert!(seqs.iter().copied().eq(1..=LINES));
    let mut peer = writer.await.unwrap();
    assert_eq!(peer.expect("send").await["message"], "hello");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (_client, mut events, peer) = attached(&fake, &home.home).await;
    next_of(&mut events, "the login", |event| matches!(event, Event::LoggedIn { .. })).await;
    tokio::time::pause();
    let lost = loop {
        match events.next().await {
            Some(Event::Lost { reason, .. }) => break reason,
            Some(_) => {}
            None => panic!("the end instead of the loss"),
        }
    };
    assert!(lost.to_string().contains("nothing was heard for 75 seconds"), "{lost}");
    drop(peer);
}

#[tokio::test]
async fn joining_and_leaving_move_the_rooms_that_are_delivered() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = attached(&fake, &home.home).await;
    let (joined, ()) = tokio::join!(client.join("#Attic", 5), async {
        let request = peer.expect("join").await;
        assert_eq!((&request["room"], &request["tail"]), (&json!("attic"), &json!(5)));
        let mut answer = room("attic", 9, 8);
        answer["type"] = json!("room");
        answer["id"] = request["id"].clone();
        peer.send(answer).await;
        peer.send(message("attic", 9)).await;
    });
    assert_eq!(joined.unwrap().head.get(), 9);
    assert_eq!(entries(&mut events, 1).await, [9]);
    let (left, ()) = tokio::join!(client.leave("attic"), async {
        let request = peer.expect("leave").await;
        peer.send(json!({"type": "ok", "id": request["id"]})).await;
        peer.send(message("attic", 10)).await;
        peer.message(1).await;
    });
    left.unwrap();
    let next = next_of(&mut events, "an entry", |event| {
        matches!(event, Event::Frame { frame: ServerFrame::Message(_), .. })
    })
    .await;
    assert!(matches!(next, Event::Frame { frame: ServerFrame::Message(entry), .. } if entry.room == "lobby"));
    let again = client.attach(AttachPolicy::default()).await;
    assert!(matches!(again, Err(RequestError::Refused { code: ErrorCode::NotPossible, .. })));
}

#[tokio::test]
async fn what_the_server_is_sure_to_refuse_is_not_sent() {
    let (mut fake, home) = (Fake::start().await, TestHome::new());
    fake.message_bytes = 100;
    let (client, _events, _peer) = attached(&fake, &home.home).await;
    assert!(matches!(client.send("lobby", " \n", false).await, Err(SendError::Text(_))));
    assert!(matches!(client.send("no such name", "x", false).await, Err(SendError::Room(_))));
    assert!(matches!(client.send("lobby", &"x".repeat(20_000), false).await, Err(SendError::Text(_))));
    assert!(matches!(client.send("lobby", "\u{1}", false).await, Err(SendError::Text(_))));
    assert!(matches!(client.send("lobby", &"x".repeat(101), false).await, Err(SendError::TooLong { .. })));
    assert_eq!(client.settled().await.unwrap().refused, 0);
}
