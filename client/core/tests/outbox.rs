//! The outbox on disk: posts that a program could not settle are sent by the next one, once, and by nobody else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::PathBuf;

use lanchat_client::{Client, Event, Events, Unsent};
use lanchat_model::limits;
use serde_json::{Value, json};
use support::{Fake, Peer, TestHome, logged_in, logged_in_again, next_of, room, within};

fn spools(home: &TestHome) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(home.path().join("outbox")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn lobby() -> Value {
    json!([room("lobby", 0, 0)])
}

/// Sends lines, and waits until the server has all of them; none is acknowledged.
async fn send(client: &Client, peer: &mut Peer, texts: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(client.send("lobby", text, false).await.unwrap().to_string());
        assert_eq!(peer.expect("send").await["message"], **text);
    }
    ids
}

async fn sent_again(events: &mut Events) -> Vec<Unsent> {
    let event = next_of(events, "the leftovers", |event| matches!(event, Event::SentAgain { .. })).await;
    let Event::SentAgain { posts } = event else { panic!() };
    posts
}

/// Returns what a kill would leave: the files as they are now, without a lock. The program itself may go on.
fn killed(home: &TestHome) -> TestHome {
    let after = TestHome::new();
    copy(&home.path(), &after.path());
    after
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_killed_program_leaves_its_posts_to_the_next_one_under_the_same_ids() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, _events, mut peer) = logged_in(&fake, &home.home, lobby()).await;
    let ids = send(&client, &mut peer, &["one", "two", "three"]).await;

    let home = killed(&home);
    let (client, mut events, mut peer) = logged_in_again(&fake, &home.home, "token-2").await;
    let leftovers = sent_again(&mut events).await;
    assert_eq!(leftovers.iter().map(|post| post.id.to_string()).collect::<Vec<_>>(), ids);
    assert_eq!(leftovers[2].message, "three");
    client.send("lobby", "four", false).await.unwrap();
    for (number, text) in ["one", "two", "three", "four"].into_iter().enumerate() {
        let post = peer.ack(number as u64 + 1).await;
        assert_eq!(post["message"], text, "what is left goes first");
        assert!(ids.get(number).is_none_or(|id| post["id"] == *id));
    }
    within("the acks", client.settled()).await.unwrap();
    client.close().await;
    assert!(spools(&home).is_empty(), "all is settled: nothing is left");
}

#[tokio::test]
async fn what_was_acknowledged_before_the_kill_is_not_sent_again() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = logged_in(&fake, &home.home, lobby()).await;
    client.send("lobby", "acknowledged", false).await.unwrap();
    peer.ack(1).await;
    next_of(&mut events, "the ack", |event| matches!(event, Event::Acked { .. })).await;
    // This post is written down together with the ack of the one before, so after it.
    send(&client, &mut peer, &["not acknowledged"]).await;

    let home = killed(&home);
    let (_client, mut events, mut peer) = logged_in_again(&fake, &home.home, "token-2").await;
    assert_eq!(sent_again(&mut events).await.len(), 1);
    assert_eq!(peer.expect("send").await["message"], "not acknowledged");
}

#[tokio::test]
async fn two_programs_with_one_home_do_not_send_each_others_posts() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (first, _events, mut peer) = logged_in(&fake, &home.home, lobby()).await;
    send(&first, &mut peer, &["of the first"]).await;
    let (second, _events, mut other) = logged_in_again(&fake, &home.home, "token-2").await;
    second.send("lobby", "of the second", false).await.unwrap();
    assert_eq!(other.ack(1).await["message"], "of the second", "and not what the first one has to send");
    assert_eq!(spools(&home).len(), 2);
}

#[tokio::test]
async fn a_client_that_is_closed_with_posts_leaves_them_too() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, peer) = logged_in(&fake, &home.home, lobby()).await;
    drop(peer);
    next_of(&mut events, "the loss", |event| matches!(event, Event::Lost { .. })).await;
    for text in ["one", "two"] {
        client.send("lobby", text, false).await.unwrap();
    }
    client.close().await;
    while within("the end", events.next()).await.is_some() {}
    let (_client, mut events, mut peer) = logged_in_again(&fake, &home.home, "token-2").await;
    assert_eq!(sent_again(&mut events).await.len(), 2);
    assert_eq!(peer.expect("send").await["message"], "one");
}

#[tokio::test]
async fn who_logs_out_leaves_nothing_to_send() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = logged_in(&fake, &home.home, lobby()).await;
    send(&client, &mut peer, &["never mind"]).await;
    assert_eq!(spools(&home).len(), 1);
    peer.send(json!({"type": "error", "code": "logged_out", "reason": "Elsewhere.", "fatal": true})).await;
    // The server may have the post, so the user is not told that it was not sent.
    next_of(&mut events, "what is open", |event| matches!(event, Event::Unanswered { .. })).await;
    next_of(&mut events, "the logout", |event| matches!(event, Event::LoggedOut { .. })).await;
    assert!(spools(&home).is_empty());
}

#[tokio::test]
async fn without_a_disk_to_keep_them_posts_are_sent_all_the_same_and_that_is_told() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    std::fs::write(home.path().join("outbox"), "in the way").unwrap();
    let (client, mut events, mut peer) = logged_in(&fake, &home.home, lobby()).await;
    next_of(&mut events, "a warning", |event| matches!(event, Event::NotKept { .. })).await;
    client.send("lobby", "hello", false).await.unwrap();
    assert_eq!(peer.ack(1).await["message"], "hello");
}

#[tokio::test]
async fn an_outbox_that_is_mostly_settled_is_begun_anew_with_what_is_left() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, mut events, mut peer) = logged_in(&fake, &home.home, lobby()).await;
    let reading = tokio::spawn(async move { while events.next().await.is_some() {} });
    send(&client, &mut peer, &["left"]).await;
    let text = "x".repeat(15_000);
    let (count, whole) = (700, limits::OUTBOX_FILE_SLACK_BYTES);
    assert!(count * text.len() as u64 > whole);
    for seq in 1..=count {
        client.send("lobby", &text, false).await.unwrap();
        peer.ack(seq).await;
    }
    let sizes: Vec<u64> = spools(&home).iter().map(|path| path.metadata().unwrap().len()).collect();
    assert!(sizes.iter().sum::<u64>() < whole, "{sizes:?}");

    let home = killed(&home);
    let (_client, mut events, _peer) = logged_in_again(&fake, &home.home, "token-2").await;
    let leftovers = sent_again(&mut events).await;
    assert_eq!(leftovers[0].message, "left");
    assert!(leftovers.len() < 5, "what was settled just now may not be written down: {}", leftovers.len());
    reading.abort();
}

#[tokio::test]
async fn no_password_and_no_token_is_kept_with_the_posts() {
    let (fake, home) = (Fake::start().await, TestHome::new());
    let (client, _events, mut peer) = logged_in(&fake, &home.home, lobby()).await;
    send(&client, &mut peer, &["hello"]).await;
    let kept = std::fs::read_to_string(&spools(&home)[0]).unwrap();
    assert!(kept.contains("hello") && !kept.contains("correct horse") && !kept.contains("token-1"), "{kept}");
}
