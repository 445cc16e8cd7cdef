//! One account attaches, joins and asks for lists without pause, from several sessions. The tests check what its own
//! sessions and others notice.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod memory_store;
mod people;

use std::collections::BTreeMap;

use lanchat_hub::{Command, Credentials, Event, Hub, HubOptions, Reply};
use lanchat_model::{RoomName, RoomRef, limits};
use memory_store::MemoryStore;
use people::{here, newcomer};
use tokio::time::{Instant, timeout};

fn attach() -> Command {
    Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 0 }
}

fn join() -> Command {
    Command::Join { room: RoomName::lobby(), tail: 0 }
}

#[tokio::test(start_paused = true)]
async fn an_account_has_its_lists_read_one_after_the_other_and_keeps_nobody_else_waiting() {
    let store = MemoryStore::new();
    let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let (mut ana, _) = hub.authenticate(newcomer("ana"), &here()).await.unwrap();
    let (mut eve, welcome) = hub.authenticate(newcomer("eve"), &here()).await.unwrap();
    let members = Command::Members { room: Some(RoomRef::Group(RoomName::lobby())) };
    for asked in [attach(), join(), Command::Rooms, members] {
        let resume = Credentials::Resume { token: welcome.token.clone() };
        let (mut beside, _) = hub.authenticate(resume, &here()).await.unwrap();
        let gate = store.hold();
        let mut first = Box::pin(eve.submit(attach()));
        assert!(timeout(limits::PRESENCE_WAIT_MAX, &mut first).await.is_err(), "the store is at work");
        store.let_pass();
        let mut second = Box::pin(beside.submit(asked));
        assert!(timeout(limits::PRESENCE_WAIT_MAX, &mut second).await.is_err(), "it has to wait");
        assert!(matches!(ana.submit(attach()).await, Ok(Reply::Attached { .. })));
        gate.open();
        assert!(first.await.is_ok() && second.await.is_ok());
    }
}

/// Each session of an account reads its rooms when they change, but only one of them asks the store at a time.
#[tokio::test(start_paused = true)]
async fn sessions_that_are_told_of_other_rooms_look_one_after_the_other() {
    let store = MemoryStore::new();
    let hub = Hub::open(store.clone(), HubOptions::default()).await.unwrap();
    let (mut eve, welcome) = hub.authenticate(newcomer("eve"), &here()).await.unwrap();
    let resume = Credentials::Resume { token: welcome.token };
    let (mut beside, _) = hub.authenticate(resume, &here()).await.unwrap();
    for session in [&mut eve, &mut beside] {
        session.submit(attach()).await.unwrap();
    }
    let garden = || "garden".parse::<RoomName>().unwrap();
    eve.submit(Command::Join { room: garden(), tail: 0 }).await.unwrap();
    let gate = store.hold();
    let mut first = Box::pin(eve.next_batch());
    assert!(timeout(limits::PRESENCE_WAIT_MAX, &mut first).await.is_err(), "the store is at work");
    store.let_pass();
    let mut second = Box::pin(beside.next_batch());
    assert!(timeout(limits::PRESENCE_WAIT_MAX, &mut second).await.is_err(), "it has to wait");
    gate.open();
    assert!(first.await.is_ok());
    let told = second.await.unwrap();
    let is_garden =
        |event: &Event| matches!(event, Event::Room(state) if state.room == RoomRef::Group(garden()));
    assert!(told.iter().any(is_garden), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_attaches_again_and_again_waits() {
    let hub = Hub::open(MemoryStore::new(), HubOptions::default()).await.unwrap();
    let (mut eve, _) = hub.authenticate(newcomer("eve"), &here()).await.unwrap();
    let began = Instant::now();
    for _ in 0..limits::ATTACHES_FREE {
        eve.submit(attach()).await.unwrap();
    }
    assert_eq!(began.elapsed().as_secs(), 0);
    for _ in 0..20 {
        eve.submit(attach()).await.unwrap();
    }
    let waited = began.elapsed().as_secs_f64() / limits::ATTACH_EVERY.as_secs_f64();
    assert!((19.9..20.1).contains(&waited), "{waited}");
}
