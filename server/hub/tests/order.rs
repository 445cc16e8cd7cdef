//! A store that fails for a moment: the posts of one connection keep their order all the same.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;
mod talk;

use std::sync::Arc;

use lanchat_hub::{Error, Event, Hub, Session};
use lanchat_model::{ClientId, limits};
use memory_store::MemoryStore;
use talk::{attach, drain, hub, lobby, outcomes, post, register, texts};
use tokio::time::advance;

/// Makes a listener, and an author whose first post fails while two more wait behind it. By then there is space again.
async fn scene() -> (Hub, Arc<MemoryStore>, Session, Session) {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    attach(&mut ana).await;
    attach(&mut bob).await;
    fail_the_first_of(&store, &mut ana, &[1, 2, 3]).await;
    (hub, store, ana, bob)
}

async fn fail_the_first_of(store: &MemoryStore, author: &mut Session, numbers: &[u128]) {
    store.fill_disk(true);
    let gate = store.hold_drafts();
    for number in numbers {
        say(author, *number).await;
        if *number == numbers[0] {
            gate.asked().await;
        }
    }
    store.fill_disk(false);
    store.let_pass();
    gate.open();
}

async fn say(author: &mut Session, number: u128) {
    author.submit(post(lobby(), number, &number.to_string())).await.unwrap();
}

/// Returns the posts that were answered with a full disk, in order.
fn failed(events: &[Event]) -> Vec<u128> {
    let id = |id: &ClientId| u128::from_be_bytes(*id.as_bytes());
    let failed = |event: &Event| match event {
        Event::Refused { client_id, error: Error::ReadOnly } => Some(id(client_id)),
        _ => None,
    };
    events.iter().filter_map(failed).collect()
}

/// Returns what is said, in the order of the log.
fn said(events: &[Event]) -> Vec<String> {
    texts(events).into_iter().map(|(.., text)| text).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_a_post_that_failed_does_not_overtake_it() {
    let (_hub, _store, mut ana, mut bob) = scene().await;
    assert_eq!(failed(&drain(&mut ana).await), [1, 2, 3], "those that waited too, in their order");
    say(&mut ana, 4).await;
    assert_eq!(failed(&drain(&mut ana).await), [4], "it may have been under way before its author was told");
    say(&mut bob, 9).await;
    assert_eq!(outcomes(&drain(&mut bob).await).len(), 1, "nobody else has to wait");

    for number in 1..=5 {
        say(&mut ana, number).await;
    }
    let told = drain(&mut ana).await;
    assert_eq!((failed(&told), outcomes(&told).len()), (vec![], 5));
    assert_eq!(said(&told), ["9", "1", "2", "3", "4", "5"]);
    assert_eq!(said(&drain(&mut bob).await), ["1", "2", "3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn each_failure_holds_back_what_is_behind_it() {
    let (_hub, store, mut ana, _bob) = scene().await;
    drain(&mut ana).await;
    fail_the_first_of(&store, &mut ana, &[1, 2, 3]).await;
    assert_eq!(failed(&drain(&mut ana).await), [1, 2, 3], "again");
    // The second post comes first: it must wait for the first.
    for number in [2, 1, 2, 3] {
        say(&mut ana, number).await;
    }
    let told = drain(&mut ana).await;
    assert_eq!((failed(&told), said(&told)), (vec![2], ["1", "2", "3"].map(String::from).to_vec()));
}

#[tokio::test(start_paused = true)]
async fn who_gives_a_failed_post_up_is_soon_heard_again() {
    let (_hub, _store, mut ana, _bob) = scene().await;
    assert_eq!(failed(&drain(&mut ana).await), [1, 2, 3]);
    advance(limits::POSTS_HELD_MAX).await;
    for number in [7, 8] {
        say(&mut ana, number).await;
    }
    assert_eq!(said(&drain(&mut ana).await), ["7", "8"]);
}
