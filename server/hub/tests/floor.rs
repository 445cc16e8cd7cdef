//! Logs that have lost their beginning, and sessions that have not read it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;
mod talk;

use std::collections::BTreeMap;

use lanchat_hub::{Command, Error, Event, Hub, Reply, Session};
use lanchat_model::{RoomId, Seq, limits};
use talk::{attach, drain, hub, lobby, post, register};

const LOBBY: RoomId = RoomId(0);

fn seq(seq: u64) -> Seq {
    Seq::try_from(seq).unwrap()
}

/// Returns a session that has read the lobby only up to two joins, before `count` posts, which are more than the ring
/// holds.
async fn behind(hub: &Hub, count: usize) -> Session {
    let (mut ana, _) = register(hub, "ana").await;
    let (mut slow, _) = register(hub, "slow").await;
    attach(&mut ana).await;
    attach(&mut slow).await;
    for number in 0..count {
        while !ana.has_credit() {
            drain(&mut ana).await;
        }
        ana.submit(post(lobby(), number as u128, "x")).await.unwrap();
    }
    drain(&mut ana).await;
    slow
}

fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().flat_map(Event::entries).map(|entry| entry.seq.get()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_reader_below_the_floor_is_told_where_the_log_begins_and_reads_on() {
    const COUNT: usize = 2 * limits::RING_ENTRIES_MAX;
    let (hub, store) = hub().await;
    let mut slow = behind(&hub, COUNT).await;
    store.prune(LOBBY, seq(500));
    let events = drain(&mut slow).await;
    let told = |event: &&Event| matches!(event, Event::Room(_));
    let rooms: Vec<_> = events.iter().filter(told).collect();
    let [Event::Room(state)] = rooms[..] else { panic!("{rooms:?}") };
    assert_eq!((&state.room, state.from), (&lobby(), seq(499)));
    let first = events.iter().position(|event| !event.entries().is_empty());
    assert!(events.iter().position(|event| told(&event)) < first, "before what comes behind it");
    assert_eq!(seqs(&events), (500..=COUNT as u64 + 2).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_hole_that_nobody_made_is_a_fault_still() {
    let (hub, store) = hub().await;
    let mut slow = behind(&hub, 2 * limits::RING_ENTRIES_MAX).await;
    store.lose(LOBBY, seq(500));
    slow.ready().await;
    assert!(matches!(slow.next_batch().await, Err(Error::Fault(_))));
}

#[tokio::test(start_paused = true)]
async fn delivery_and_history_begin_where_the_log_does() {
    let (hub, store) = hub().await;
    drop(behind(&hub, 20).await);
    store.prune(LOBBY, seq(5));
    let (mut bob, _) = register(&hub, "bob").await;
    for (cursor, from) in [(Some(seq(1)), 4), (None, 4), (Some(seq(4)), 4), (Some(seq(9)), 9)] {
        let cursors = BTreeMap::from_iter(cursor.map(|cursor| (lobby(), cursor)));
        let attach = Command::Attach { epoch: None, cursors, tail: 1000 };
        let Reply::Attached { rooms, .. } = bob.submit(attach).await.unwrap() else { panic!() };
        assert_eq!(rooms[0].from, seq(from), "{cursor:?}");
        assert_eq!(seqs(&drain(&mut bob).await), (from + 1..=23).collect::<Vec<_>>());
    }
    for (before, oldest, more) in [(None, 14, true), (Some(seq(10)), 5, false)] {
        let history = Command::History { room: lobby(), before, limit: 10 };
        let Reply::History { entries, more: found, .. } = bob.submit(history).await.unwrap() else {
            panic!()
        };
        assert_eq!((entries[0].seq, found), (seq(oldest), more));
    }
}
