//! Many sessions of one account post, while somebody else says one line.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use lanchat_hub::{Command, Credentials, Hub, HubOptions, Post, Source};
use lanchat_model::{ClientId, MessageText, RoomId, RoomName, RoomRef, limits};
use memory_store::MemoryStore;
use people::{here, newcomer};
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{sleep, timeout};

fn post(number: usize) -> Command {
    post_of(number, "x")
}

fn post_of(number: usize, text: &str) -> Command {
    let client_id = ClientId::from_bytes((number as u128).to_be_bytes());
    let (room, text) = (RoomRef::Group(RoomName::lobby()), MessageText::parse(text).unwrap());
    Command::Post(Post { room, client_id, text, action: false })
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_line_is_in_the_next_batch_and_ahead_of_a_flood() {
    const SESSIONS: usize = 3;
    let store = MemoryStore::new();
    let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let (mut bob, _) = hub.authenticate(newcomer("bob"), &here()).await.unwrap();
    let (eve, welcome) = hub.authenticate(newcomer("eve"), &here()).await.unwrap();
    let mut flood = vec![eve];
    while flood.len() < SESSIONS {
        let resume = Credentials::Resume { token: welcome.token.clone() };
        flood.push(hub.authenticate(resume, &here()).await.unwrap().0);
    }
    // The sequencer runs once a task waits, so it must not run yet.
    unconstrained(async {
        let mut number = 0;
        for session in &mut flood {
            while session.has_credit() {
                session.submit(post(number)).await.unwrap();
                number += 1;
            }
        }
        bob.submit(post(number)).await.unwrap();
    })
    .await;
    bob.ready().await;
    for session in &mut flood {
        while session.has_unacked() {
            timeout(limits::REQUEST_MAX, session.ready()).await.unwrap();
            session.next_batch().await.unwrap();
        }
    }
    let batches = store.batches();
    assert_eq!(batches.iter().sum::<usize>(), SESSIONS * limits::UNACKED_PER_SESSION_MAX + 1);
    assert!(batches.iter().all(|batch| *batch <= limits::BATCH_DRAFTS_PER_ACCOUNT_MAX + 1), "{batches:?}");
    let log = store.whole_log(RoomId(0));
    let place =
        log.iter().filter(|entry| entry.client_id != ClientId::from_bytes([0xff; 16])).position(|entry| {
            entry.author_name.as_str() == "bob" && matches!(entry.body, lanchat_hub::Body::Message { .. })
        });
    // Before it are only the entries of two registrations, and one line of Eve's.
    assert!(place.is_some_and(|place| place <= 4), "{place:?}");
}

/// There are more accounts than the queue in front of the disk has space for, each with full windows of the longest
/// messages.
#[tokio::test(start_paused = true)]
async fn whoever_says_a_line_waits_behind_no_queue_of_others() {
    const ACCOUNTS: usize = 2 * limits::QUEUE_BYTES_MAX / limits::BATCH_BYTES_ALONE_MAX;
    let store = MemoryStore::new();
    let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let (mut bob, _) = hub.authenticate(newcomer("bob"), &Source("127.0.0.2".into())).await.unwrap();
    let long = "x".repeat(limits::MESSAGE_BYTES_MAX);
    let mut flood = Vec::new();
    for account in 0..ACCOUNTS {
        // These are as many as one address may make in a while.
        let source = Source(format!("10.0.{account}.1").into());
        flood.push(hub.authenticate(newcomer(&format!("eve{account}")), &source).await.unwrap().0);
    }
    let disk = store.hold_drafts();
    let mut posting = JoinSet::new();
    for (account, mut session) in flood.into_iter().enumerate() {
        let long = long.clone();
        posting.spawn(async move {
            let first = account * limits::UNACKED_PER_SESSION_MAX;
            for number in first..first + limits::UNACKED_PER_SESSION_MAX {
                session.submit(post_of(number, &long)).await.unwrap();
            }
            session
        });
    }
    // The clock moves only when no task can run: the queue is full.
    sleep(limits::REQUEST_MAX).await;
    let mut done = Vec::new();
    while let Some(session) = posting.try_join_next() {
        done.push(session.unwrap());
    }
    assert!(posting.len() >= ACCOUNTS / 4, "{} of {ACCOUNTS} wait", posting.len());
    let before = store.batches().len();
    let line = bob.submit(post(ACCOUNTS * limits::UNACKED_PER_SESSION_MAX));
    timeout(limits::REQUEST_MAX, line)
        .await
        .expect("there is a place for the first line of everybody")
        .unwrap();
    store.let_pass();
    disk.open();
    bob.ready().await;
    let drafts: usize = store.batches()[before..].iter().sum();
    let longest = limits::BATCH_BYTES_MAX / limits::MESSAGE_BYTES_MAX;
    assert!(drafts <= 2 * longest, "his line was on disk after {drafts} of others");
}
