//! People, rooms and posts for the tests of a store. Names, tokens and ids are fresh at every call.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]
#![allow(dead_code, reason = "each test uses its part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lanchat_hub::port::{
    AddedDevice, Appended, Draft, Generation, NewAccount, NewDevice, Opened, PasswordHash, RoomRecord, Store,
    TokenRecord,
};
use lanchat_hub::{Body, Entry, Subject};
use lanchat_model::{AccountId, AccountName, ClientId, DeviceId, MessageText, RoomId, RoomName};

/// A number that no other call gets.
fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A name that nobody has.
pub(crate) fn fresh_name(stem: &str) -> String {
    format!("{stem}-{:08}", unique())
}

/// A token that nobody has, of a device that nobody has.
pub(crate) fn fresh_token() -> TokenRecord {
    let [hash, series] = [(); 2].map(|()| {
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&unique().to_be_bytes());
        hash
    });
    TokenRecord { hash, series }
}

/// Another token of the same device.
pub(crate) fn token_after(token: TokenRecord) -> TokenRecord {
    TokenRecord { series: token.series, ..fresh_token() }
}

/// An id that no post has.
pub(crate) fn fresh_id() -> ClientId {
    ClientId::from_bytes(u128::from(unique()).to_be_bytes())
}

/// Somebody, with one device.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: AccountId,
    pub(crate) name: AccountName,
    pub(crate) device: DeviceId,
    pub(crate) token: TokenRecord,
}

/// What to register.
pub(crate) fn newcomer(name: &str) -> NewAccount {
    NewAccount {
        name: name.parse().unwrap(),
        display_name: "Ana Мария".parse().unwrap(),
        phc: PasswordHash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into()),
        admin: false,
    }
}

pub(crate) fn device(token: TokenRecord) -> NewDevice {
    NewDevice { label: Some("laptop".into()), token }
}

/// Registers somebody whose name starts with `stem`.
pub(crate) async fn person(store: &dyn Store, stem: &str) -> Person {
    let token = fresh_token();
    let made = store.register(newcomer(&fresh_name(stem)), device(token)).await.unwrap().unwrap();
    Person { id: made.account.id, name: made.account.name, device: made.device, token }
}

/// Makes another device of somebody whose password was never changed.
pub(crate) async fn another_device(store: &dyn Store, account: AccountId, token: TokenRecord) -> AddedDevice {
    store.add_device(account, Generation(0), device(token)).await.unwrap().unwrap()
}

/// The group room `name`, made if need be, by somebody who does not enter it.
pub(crate) async fn group(store: &dyn Store, name: &str) -> RoomRecord {
    let maker = person(store, "maker").await;
    opened(store.open_group(name.parse::<RoomName>().unwrap(), maker.id).await.unwrap())
}

/// The room that was asked for.
pub(crate) fn opened(opened: Opened) -> RoomRecord {
    match opened {
        Opened::Room(room) => room,
        other => panic!("not opened: {other:?}"),
    }
}

pub(crate) fn message(text: &str) -> Body {
    Body::Message { text: MessageText::parse(text).unwrap(), action: false }
}

/// The entry that makes somebody a member.
pub(crate) fn joined(whom: &Person) -> Body {
    Body::Joined(Subject { account: whom.id, name: whom.name.clone() })
}

/// The entry that ends the membership of somebody.
pub(crate) fn left(whom: &Person) -> Body {
    Body::Left(Subject { account: whom.id, name: whom.name.clone() })
}

pub(crate) fn draft(author: &Person, room: RoomId, body: Body) -> Draft {
    Draft { room, author: author.id, author_name: author.name.clone(), client_id: fresh_id(), body }
}

/// Appends one draft.
pub(crate) async fn append(store: &dyn Store, draft: Draft) -> Appended {
    let mut answers = store.append(vec![draft]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Makes somebody a member.
pub(crate) async fn join(store: &dyn Store, person: &Person, room: RoomId) -> Arc<Entry> {
    fresh(append(store, draft(person, room, joined(person))).await)
}

/// The entry of a draft that was taken.
pub(crate) fn fresh(appended: Appended) -> Arc<Entry> {
    match appended {
        Appended::Fresh { entry, .. } => entry,
        other => panic!("not taken: {other:?}"),
    }
}

/// What can be compared of an entry.
pub(crate) fn facts(entry: &Entry) -> (RoomId, u64, ClientId, (AccountId, &str), i64, &Body) {
    let author = (entry.author, entry.author_name.as_str());
    (entry.room, entry.seq.get(), entry.client_id, author, entry.at.0, &entry.body)
}

/// The positions of a page.
pub(crate) fn seqs(page: &[Arc<Entry>]) -> Vec<u64> {
    page.iter().map(|entry| entry.seq.get()).collect()
}
