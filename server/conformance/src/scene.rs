//! People, rooms and posts for the tests of a store. Names, tokens and ids are fresh at every call.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lanchat_hub::port::{
    AddedDevice, Appended, Draft, Generation, NewAccount, NewDevice, Opened, PasswordHash, RoomRecord, Store,
    TokenRecord,
};
use lanchat_hub::{Body, Entry, Subject};
use lanchat_model::{AccountId, AccountName, ClientId, DeviceId, MessageText, RoomId, RoomName};

/// Returns a number that no other call gets.
fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Returns a name that nobody has.
pub fn fresh_name(stem: &str) -> String {
    format!("{stem}-{:08}", unique())
}

/// Returns an unused token of an unused series.
pub fn fresh_token() -> TokenRecord {
    let [hash, series] = [(); 2].map(|()| {
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&unique().to_be_bytes());
        hash
    });
    TokenRecord { hash, series }
}

/// Returns another token of the same device.
pub fn token_after(token: TokenRecord) -> TokenRecord {
    TokenRecord { series: token.series, ..fresh_token() }
}

/// Returns an id that no post has.
pub fn fresh_id() -> ClientId {
    ClientId::from_bytes(u128::from(unique()).to_be_bytes())
}

/// Somebody, with one device.
#[derive(Clone, Debug)]
pub struct Person {
    /// The account.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The device.
    pub device: DeviceId,
    /// Its first token.
    pub token: TokenRecord,
}

/// Returns an account to register under this name.
pub fn newcomer(name: &str) -> NewAccount {
    NewAccount {
        name: name.parse().unwrap(),
        display_name: "Ana Мария".parse().unwrap(),
        phc: PasswordHash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into()),
        admin: false,
    }
}

/// Returns a device to make with this token.
pub fn device(token: TokenRecord) -> NewDevice {
    NewDevice { label: Some("laptop".into()), token }
}

/// Registers somebody whose name starts with `stem`.
pub async fn person(store: &dyn Store, stem: &str) -> Person {
    let token = fresh_token();
    let made = store.register(newcomer(&fresh_name(stem)), device(token)).await.unwrap().unwrap();
    Person { id: made.account.id, name: made.account.name, device: made.device, token }
}

/// Makes another device of somebody whose password was never changed.
pub async fn another_device(store: &dyn Store, account: AccountId, token: TokenRecord) -> AddedDevice {
    store.add_device(account, Generation(0), device(token)).await.unwrap().unwrap()
}

/// Returns the group room `name`. If it does not exist, somebody makes it who does not enter it.
pub async fn group(store: &dyn Store, name: &str) -> RoomRecord {
    let maker = person(store, "maker").await;
    opened(store.open_group(name.parse::<RoomName>().unwrap(), maker.id).await.unwrap())
}

/// Returns the room that was asked for.
pub fn opened(opened: Opened) -> RoomRecord {
    match opened {
        Opened::Room(room) => room,
        other => panic!("not opened: {other:?}"),
    }
}

/// Returns the body of a message.
pub fn message(text: &str) -> Body {
    Body::Message { text: MessageText::parse(text).unwrap(), action: false }
}

/// Returns the body of the entry that makes somebody a member.
pub fn joined(whom: &Person) -> Body {
    Body::Joined(Subject { account: whom.id, name: whom.name.clone() })
}

/// Returns the body of the entry that ends somebody's membership.
pub fn left(whom: &Person) -> Body {
    Body::Left(Subject { account: whom.id, name: whom.name.clone() })
}

/// Returns a draft by `author`, with a fresh id.
pub fn draft(author: &Person, room: RoomId, body: Body) -> Draft {
    Draft { room, author: author.id, author_name: author.name.clone(), client_id: fresh_id(), body }
}

/// Appends one draft.
pub async fn append(store: &dyn Store, draft: Draft) -> Appended {
    let mut answers = store.append(vec![draft]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Makes somebody a member.
pub async fn join(store: &dyn Store, person: &Person, room: RoomId) -> Arc<Entry> {
    fresh(append(store, draft(person, room, joined(person))).await)
}

/// Returns the entry of a draft that was newly appended.
pub fn fresh(appended: Appended) -> Arc<Entry> {
    let Appended::Fresh { entry, .. } = appended else { panic!("not taken: {appended:?}") };
    entry
}

/// Returns the parts of an entry that can be compared.
pub fn facts(entry: &Entry) -> (RoomId, u64, ClientId, (AccountId, &str), i64, &Body) {
    let author = (entry.author, entry.author_name.as_str());
    (entry.room, entry.seq.get(), entry.client_id, author, entry.at.0, &entry.body)
}

/// Returns the seqs of a page.
pub fn seqs(page: &[Arc<Entry>]) -> Vec<u64> {
    page.iter().map(|entry| entry.seq.get()).collect()
}
