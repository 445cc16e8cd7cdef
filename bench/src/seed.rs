//! Data directories with accounts, tokens, rooms and entries in them, made through the store and without a single
//! login.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use argon2::{Argon2, PasswordHasher};

use lanchat_hub::port::{
    Accounts, Appended, Draft, Log, NewAccount, NewDevice, Opened, PasswordHash, Rooms, Store, TokenRecord,
};
use lanchat_hub::{Body, Subject};
use lanchat_model::{AccountId, AccountName, ClientId, DisplayName, MessageText, RoomId, RoomName};
use lanchat_store::SqliteStore;
use sha2::{Digest, Sha256};

use crate::wire::TEXT_BYTES;

/// Drafts per transaction while seeding.
const BATCH: usize = 1000;
/// Requests to the store at a time while seeding.
const AT_ONCE: usize = 256;

/// The group room that all accounts of a scene may be in.
pub const HALL: &str = "hall";
/// The password of every account, on a throw-away server on the loopback interface.
pub const PASSWORD: &str = "correct horse battery";

/// An account of a scene, and the token of its one device. It does not implement `Debug`.
#[derive(Clone)]
pub struct Member {
    /// The name.
    pub name: String,
    /// The token, as in a `welcome`.
    pub token: String,
}

/// What a data directory should hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scene {
    /// The number of accounts, which are all in the lobby.
    pub members: usize,
    /// A room `hall` that all of them are in as well.
    pub hall: bool,
    /// Rooms `pair0`, `pair1` … of the first two accounts, the next two, …
    pub pairs: bool,
    /// The same as private chats.
    pub private: bool,
    /// Messages in the room `hall`, by its members in turn.
    pub messages: usize,
}

impl Scene {
    /// Returns the accounts.
    pub fn members(&self) -> Vec<Member> {
        (0..self.members).map(|number| Member { name: name(number), token: shown(token(number)) }).collect()
    }

    /// Makes the data directory. The folder must exist.
    ///
    /// # Errors
    /// When the store fails.
    pub fn make(&self, folder: &Path, phc: &PasswordHash) -> Result<()> {
        let store = SqliteStore::open(folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(self.fill(&store, phc))
    }

    async fn fill(&self, store: &SqliteStore, phc: &PasswordHash) -> Result<()> {
        let numbers: Vec<usize> = (0..self.members).collect();
        let mut accounts = Vec::with_capacity(self.members);
        for some in numbers.chunks(AT_ONCE) {
            let requests: Vec<_> = some.iter().map(|number| register(store, *number, phc)).collect();
            accounts.extend(all(requests).await?);
        }
        if self.hall {
            let hall = open_group(store, HALL, &accounts).await?;
            self.enter(store, hall, accounts.iter().cloned()).await?;
            self.talk(store, hall, &accounts).await?;
        }
        for (number, pair) in accounts.chunks_exact(2).enumerate() {
            if self.pairs {
                let room = open_group(store, &pair_room(number), pair).await?;
                self.enter(store, room, pair.iter().cloned()).await?;
            }
            if let ([one, other], true) = (pair, self.private) {
                store.open_private(one.1, other.1).await?.context("room for a chat")?;
            }
        }
        store.close().await?;
        Ok(())
    }

    async fn enter(
        &self,
        store: &SqliteStore,
        room: RoomId,
        accounts: impl Iterator<Item = (AccountName, AccountId)>,
    ) -> Result<()> {
        let drafts: Vec<Draft> = accounts
            .enumerate()
            .map(|(number, (author_name, author))| Draft {
                room,
                author,
                body: Body::Joined(Subject { account: author, name: author_name.clone() }),
                author_name,
                client_id: client_id(room, number as u64),
            })
            .collect();
        append(store, drafts).await
    }

    async fn talk(
        &self,
        store: &SqliteStore,
        room: RoomId,
        accounts: &[(AccountName, AccountId)],
    ) -> Result<()> {
        let text = MessageText::parse(&"x".repeat(TEXT_BYTES))?;
        let mut authors = accounts.iter().cycle();
        let mut drafts = Vec::with_capacity(BATCH);
        for number in 0..self.messages {
            let (author_name, author) = authors.next().context("somebody who writes")?.clone();
            let body = Body::Message { text: text.clone(), action: false };
            let client_id = client_id(room, (accounts.len() + number) as u64);
            drafts.push(Draft { room, author, author_name, client_id, body });
            if drafts.len() == BATCH {
                append(store, std::mem::take(&mut drafts)).await?;
            }
        }
        append(store, drafts).await
    }
}

/// Returns the password of every account, hashed as the server hashes it.
///
/// # Errors
/// When argon2 fails.
pub fn hash_password() -> Result<PasswordHash> {
    // The salt need not protect anything here.
    let hash = Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), b"lanchat bench 01");
    Ok(PasswordHash(hash.map_err(|error| anyhow!("argon2: {error}"))?.to_string()))
}

/// Appends drafts, a batch at a time.
async fn append(store: &SqliteStore, drafts: Vec<Draft>) -> Result<()> {
    for batch in drafts.chunks(BATCH) {
        let answers = store.append(batch.to_vec()).await?;
        anyhow::ensure!(
            answers.iter().all(|answer| matches!(answer, Appended::Fresh { .. })),
            "the store refused a seeded entry"
        );
    }
    Ok(())
}

async fn register(
    store: &SqliteStore,
    number: usize,
    phc: &PasswordHash,
) -> Result<(AccountName, AccountId)> {
    let name: AccountName = name(number).parse()?;
    let account = NewAccount {
        name: name.clone(),
        display_name: name.as_str().parse::<DisplayName>()?,
        phc: phc.clone(),
        admin: false,
    };
    let (series, own) = token(number);
    let hash = Sha256::new().chain_update(series).chain_update(own).finalize();
    let token = TokenRecord { hash: hash.into(), series: Sha256::digest(series).into() };
    let device = NewDevice { label: None, token };
    let registered = store.register(account, device).await?.context("a name that is free")?;
    Ok((name, registered.account.id))
}

async fn open_group(store: &SqliteStore, name: &str, members: &[(AccountName, AccountId)]) -> Result<RoomId> {
    let name: RoomName = name.parse()?;
    let (_, maker) = members.first().context("somebody to make a room")?;
    match store.open_group(name, *maker).await? {
        Opened::Room(room) => Ok(room.id),
        refused => bail!("no room: {refused:?}"),
    }
}

/// Runs futures side by side, so that the store commits many at once.
async fn all<T>(futures: Vec<impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (future, value) in running.iter_mut().zip(&mut done).filter(|(_, value)| value.is_none()) {
            match future.as_mut().poll(context) {
                std::task::Poll::Ready(Ok(found)) => *value = Some(found),
                std::task::Poll::Ready(Err(error)) => return std::task::Poll::Ready(Err(error)),
                std::task::Poll::Pending => waits = true,
            }
        }
        if waits { std::task::Poll::Pending } else { std::task::Poll::Ready(Ok(())) }
    })
    .await?;
    Ok(done.into_iter().flatten().collect())
}

/// Returns the name of an account.
pub fn name(number: usize) -> String {
    format!("m{number:05}")
}

/// Returns the group room of a pair.
pub fn pair_room(number: usize) -> String {
    format!("pair{number}")
}

/// Returns a token that opens the account of a throw-away server on the loopback interface, and nothing else.
fn token(number: usize) -> ([u8; 16], [u8; 32]) {
    let own: [u8; 32] = Sha256::digest(number.to_le_bytes()).into();
    // As random as the other one: its position in an index matters.
    let series: [u8; 32] = Sha256::digest(own).into();
    (std::array::from_fn(|at| series[at]), own)
}

fn shown((series, own): ([u8; 16], [u8; 32])) -> String {
    hex(&series) + &hex(&own)
}

/// Returns an id that no load uses.
fn client_id(room: RoomId, number: u64) -> ClientId {
    let mut bytes = [0; 16];
    let (head, tail) = bytes.split_at_mut(8);
    head.copy_from_slice(&room.0.to_be_bytes());
    tail.copy_from_slice(&number.to_be_bytes());
    ClientId::from_bytes(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
