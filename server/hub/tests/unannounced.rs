//! Entries that are in a log but not announced yet are not shown to anybody, least of all to former members.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;
mod talk;

use std::collections::BTreeMap;

use lanchat_hub::{Body, Command, Error, Refusal, Reply, Session};
use lanchat_model::{RoomName, RoomRef, limits};
use talk::{attach, drain, hub, lobby, log_in, post, register, texts};

/// Returns what is said in a page of a room.
async fn history(reader: &mut Session, room: &RoomRef) -> Result<Vec<String>, Error> {
    let command = Command::History { room: room.clone(), before: None, limit: limits::HISTORY_PAGE_MAX };
    let Reply::History { entries, .. } = reader.submit(command).await? else { panic!("no page") };
    let text = |body: &Body| match body {
        Body::Message { text, .. } => Some(text.as_str().to_owned()),
        _ => None,
    };
    Ok(entries.iter().filter_map(|entry| text(&entry.body)).collect())
}

#[tokio::test(start_paused = true)]
async fn a_page_of_the_store_ends_where_the_announced_ends() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    // Nobody reads the lobby, so what is said is only in the store.
    for number in 1..=3 {
        bob.submit(post(lobby(), number, "old")).await.unwrap();
    }
    drain(&mut bob).await;
    ana.submit(Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 3 }).await.unwrap();
    let gate = store.hold_drafts();
    bob.submit(post(lobby(), 4, "new")).await.unwrap();
    gate.asked().await;
    assert_eq!(texts(&drain(&mut ana).await).len(), 3, "the fourth is on disk, and known to nobody");
    assert_eq!(history(&mut ana, &lobby()).await.unwrap(), ["old"; 3]);
    gate.open();
    assert_eq!(texts(&drain(&mut ana).await).len(), 1);
    assert_eq!(history(&mut ana, &lobby()).await.unwrap(), ["old", "old", "old", "new"]);
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_leaving_is_in_no_page_of_who_left() {
    let (hub, store) = hub().await;
    let (mut ana, _) = register(&hub, "ana").await;
    let (mut bob, _) = register(&hub, "bob").await;
    let den: RoomName = "den".parse().unwrap();
    let room = RoomRef::Group(den.clone());
    for session in [&mut ana, &mut bob] {
        session.submit(Command::Join { room: den.clone(), tail: 0 }).await.unwrap();
        attach(session).await;
    }
    bob.submit(post(room.clone(), 1, "for both")).await.unwrap();
    drain(&mut bob).await;
    let (mut phone, _) = log_in(&hub, "ana").await;
    attach(&mut phone).await;
    let (mut silent, _) = log_in(&hub, "ana").await;

    // Both are in one batch, and committed, but not announced yet.
    let gate = store.hold_drafts();
    let secret = post(room.clone(), 2, "a secret");
    let leaving = tokio::spawn(async move {
        let (left, posted) = tokio::join!(ana.submit(Command::Leave { room: den }), bob.submit(secret));
        assert!(left.is_ok() && posted.is_ok());
        (ana, bob)
    });
    gate.asked().await;
    assert_eq!(history(&mut phone, &room).await.unwrap(), ["for both"]);
    gate.open();
    let _sessions = leaving.await.unwrap();
    // Neither has yet checked its rooms.
    for session in [&mut phone, &mut silent] {
        let refused = history(session, &room).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::NotAMember))), "{refused:?}");
    }
    assert_eq!(store.batches().last(), Some(&2), "one batch");
}
