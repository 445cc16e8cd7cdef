//! Many sessions of one account that post, beside somebody who says one line.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use lanchat_hub::port::Log;
use lanchat_hub::{Command, Credentials, Hub, HubOptions, Post, RoomView};
use lanchat_model::{ClientId, MessageText, RoomId, RoomName, Seq, limits};
use memory_store::MemoryStore;
use people::{here, newcomer};
use tokio::time::timeout;

fn post(number: usize) -> Command {
    let client_id = ClientId::from_bytes((number as u128).to_be_bytes());
    let (room, text) = (RoomView::Group(RoomName::lobby()), MessageText::parse("x").unwrap());
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
    // The sequencer gets its turn when somebody waits: not yet, and not in so few steps.
    let mut number = 0;
    for session in &mut flood {
        while session.has_credit() {
            session.submit(post(number)).await.unwrap();
            number += 1;
        }
    }
    bob.submit(post(number)).await.unwrap();
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
    let log = store.read_after(RoomId(0), Seq::ZERO, usize::MAX).await.unwrap();
    let place =
        log.iter().filter(|entry| entry.client_id != ClientId::from_bytes([0xff; 16])).position(|entry| {
            entry.author.as_str() == "bob" && matches!(entry.body, lanchat_hub::Body::Message { .. })
        });
    // Behind the entries of two registrations, and one line of eve's.
    assert!(place.is_some_and(|place| place <= 4), "{place:?}");
}
