//! People who talk in the hub's tests, and what they are told.

#![allow(dead_code, reason = "each test uses its part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use lanchat_hub::{
    Body, Command, Credentials, Error, Event, Hub, HubOptions, Notice, Post, PresenceState, Refusal, Reply,
    Session, Welcome,
};
use lanchat_model::{ClientId, MessageText, RoomName, RoomRef, limits};
use tokio::time::timeout;

use crate::memory_store::MemoryStore;
use crate::people::{PASSWORD, here, newcomer};

pub(crate) async fn hub() -> (Hub, Arc<MemoryStore>) {
    let store = MemoryStore::new();
    (Hub::open(store.clone(), HubOptions::default()).await.unwrap(), store)
}

pub(crate) async fn register(hub: &Hub, name: &str) -> (Session, Welcome) {
    hub.authenticate(newcomer(name), &here()).await.unwrap()
}

pub(crate) async fn log_in(hub: &Hub, name: &str) -> (Session, Welcome) {
    let password = PASSWORD.into();
    let credentials = Credentials::Login { name: name.parse().unwrap(), password, device: None };
    hub.authenticate(credentials, &here()).await.unwrap()
}

pub(crate) async fn attach(session: &mut Session) {
    let command = Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 0 };
    assert!(matches!(session.submit(command).await.unwrap(), Reply::Attached { .. }));
}

pub(crate) fn lobby() -> RoomRef {
    RoomRef::Group(RoomName::lobby())
}

pub(crate) fn private(name: &str) -> RoomRef {
    RoomRef::Private(name.parse().unwrap())
}

pub(crate) fn post(room: RoomRef, number: u128, text: &str) -> Command {
    let client_id = ClientId::from_bytes(number.to_be_bytes());
    Command::Post(Post { room, client_id, text: MessageText::parse(text).unwrap(), action: false })
}

/// Returns everything that is delivered until nothing more is ready.
pub(crate) async fn drain(session: &mut Session) -> Vec<Event> {
    let mut events = Vec::new();
    // This is longer than presence may wait: the clock is paused.
    while timeout(limits::PRESENCE_WAIT_MAX * 2, session.ready()).await.is_ok() {
        events.extend(session.next_batch().await.unwrap());
    }
    events
}

pub(crate) fn texts(events: &[Event]) -> Vec<(RoomRef, u64, String)> {
    let mut found = Vec::new();
    for event in events {
        let (Event::Run { room, .. } | Event::Entry { room, .. }) = event else { continue };
        for entry in event.entries() {
            if let Body::Message { text, .. } = &entry.body {
                found.push((room.clone(), entry.seq.get(), text.as_str().to_owned()));
            }
        }
    }
    found
}

pub(crate) fn presence_of(events: &[Event], who: &str) -> Vec<PresenceState> {
    let mut found = Vec::new();
    for event in events {
        let Event::Presence(news) = event else { continue };
        let of_them = news.changes.iter().filter(|(name, _)| name.as_str() == who);
        found.extend(of_them.map(|(_, state)| state.clone()));
    }
    found
}

pub(crate) fn notices(events: &[Event]) -> Vec<Notice> {
    let notice = |event: &Event| if let Event::Notice(notice) = event { Some(*notice) } else { None };
    events.iter().filter_map(notice).collect()
}

/// Returns the outcomes of posts, in order: the `seq`, or the refusal.
pub(crate) fn outcomes(events: &[Event]) -> Vec<Result<u64, Refusal>> {
    let outcome = |event: &Event| match event {
        Event::Ack { entry, .. } => Some(Ok(entry.seq.get())),
        Event::Refused { error: Error::Refused(refusal), .. } => Some(Err(refusal.clone())),
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}
