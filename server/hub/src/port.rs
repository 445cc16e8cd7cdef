//! The port between hub and store: small traits by capability, joined as [`Store`]. The hub holds an `Arc<dyn Store>`.
//!
//! An implementation answers a change only once it is durable: the hub then acknowledges it and fans it out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lanchat_model::{
    AccountId, AccountName, AwayReason, ClientId, DeviceId, DisplayName, RoomId, RoomName, Seq, Timestamp,
};

use crate::entry::{Body, Entry};
use crate::refusal::Refusal;

/// A boxed answer: its cost is negligible next to an fsync, and the hub stays free of type parameters.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store did not do what it was asked. The asker's mistakes are in the answer types instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No space is left: nothing of the request was kept, but reading continues.
    #[error("the disk is full")]
    Full,
    /// Another failure. The text is for the log, never for a peer.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// SHA-256 of a device token. Only the device knows the token itself.
pub type TokenHash = [u8; 32];

/// The part of a device token that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Hash of the whole token.
    pub hash: TokenHash,
    /// SHA-256 of the part that all tokens of a device have in common and that only the device knows. A peer that shows
    /// a token of this series has, or had, a token of the device.
    pub series: TokenHash,
}

/// An account, as stored.
#[derive(Clone, Debug)]
pub struct Account {
    /// The id of its row.
    pub id: AccountId,
    /// The name that it logs in with.
    pub name: AccountName,
    /// Its display name.
    pub display_name: DisplayName,
    /// Whether it may administer this server.
    pub admin: bool,
    /// The password, as an argon2id PHC string.
    pub phc: PasswordHash,
    /// The generation of that password.
    pub generation: Generation,
    /// When it was made.
    pub created: Timestamp,
    /// When something last came from it. For an account that is connected, or was when the server died: when this was
    /// last stored.
    pub last_seen: Option<Timestamp>,
    /// Set while it is away.
    pub away: Option<Away>,
}

/// An argon2id PHC string (RFC 9106 §4). `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// How often an account's password was changed. Proof of an earlier password is worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(pub i64);

/// Away, and perhaps why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// The reason.
    pub reason: Option<AwayReason>,
}

/// An account to be made. It is put into the lobby, with an entry in the lobby's log, in the same transaction.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The name to log in with.
    pub name: AccountName,
    /// The display name.
    pub display_name: DisplayName,
    /// The hashed password.
    pub phc: PasswordHash,
    /// Whether it may administer this server.
    pub admin: bool,
}

/// A device to be made, for an account whose password was proved.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// The device's label.
    pub label: Option<String>,
    /// Its first token.
    pub token: TokenRecord,
}

/// A device that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedDevice {
    /// The device.
    pub device: DeviceId,
    /// The devices that were evicted for it; they may still have sessions.
    pub evicted: Vec<DeviceId>,
}

/// A password that replaces another one.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// The account.
    pub account: AccountId,
    /// The generation of the password that the owner proved.
    pub known: Generation,
    /// The hashed password.
    pub phc: PasswordHash,
    /// The device that changes it, and the only one that stays.
    pub device: DeviceId,
    /// The only token by which that device resumes from now on.
    pub token: TokenLeft,
}

/// The token that a device keeps after a password change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLeft {
    /// This fresh token.
    Fresh(TokenRecord),
    /// The token that the session was given, if nobody has resumed the device since; otherwise no token.
    Given(TokenHash),
}

/// Why a token resumes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotResumed {
    /// It does not belong to a device, or the device was unused for `limits::DEVICE_IDLE_MAX`.
    Unknown,
    /// Somebody has a copy. The token is one that its device has replaced, or belongs to a device that is already known
    /// to be copied. No token of the device resumes any more; it may still have sessions.
    Copied {
        /// The device's account.
        account: AccountId,
        /// The account's name.
        name: AccountName,
        /// The device.
        device: DeviceId,
    },
}

/// What a token would do.
#[derive(Clone, Debug)]
pub enum Recognised {
    /// It resumes this device.
    Device(Account, DeviceId),
    /// It resumes nothing, and this need not be stored: anybody may have made the token up.
    Nothing(NotResumed),
    /// It resumes nothing, and this has to be stored, which [`Accounts::resume`] does.
    ToBeKept,
}

impl Recognised {
    /// Returns the device that it resumes.
    pub fn device(self) -> Option<(Account, DeviceId)> {
        match self {
            Self::Device(account, device) => Some((account, device)),
            Self::Nothing(_) | Self::ToBeKept => None,
        }
    }
}

/// Accounts and their devices.
pub trait Accounts: Send + Sync {
    /// Makes an account and its first device. Returns `None` if the name is taken or looks like a taken one. The entry
    /// is the one in the lobby's log.
    fn register(&self, account: NewAccount, device: NewDevice) -> Answer<'_, Option<Registered>>;
    /// Finds the account for which one of this name would be mistaken: the one with exactly this name, or else one
    /// whose name looks the same ([`AccountName::looks`]).
    fn mistaken_for(&self, name: AccountName) -> Answer<'_, Option<AccountName>>;
    /// Finds the account with this name.
    fn account(&self, name: AccountName) -> Answer<'_, Option<Account>>;
    /// Makes a device after the password of a generation was proved. Beyond `limits::DEVICES_PER_ACCOUNT_MAX` the least
    /// recently used device is evicted. Returns `None` if the password has changed since.
    fn add_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>>;
    /// Like [`Accounts::add_device`], but reuses the account's device with this label, if there is one, or the last
    /// used one of several. The device keeps its id and marks, the new token replaces all its tokens, and no other
    /// device is evicted. Its older tokens then belong to no device, even if one of them was copied.
    fn use_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>>;
    /// Finds the device with this token, and gives it `next` as the token to use from now on.
    ///
    /// A device has a *current* and a *next* token. Resuming with either works, and replaces the next token; resuming
    /// with the next token makes it the current one. So a client that dies before it stores the new token still gets
    /// in. Any other token that the device ever had, even a next token that was replaced unused, is a sign of a copy:
    /// from then on no token of the device resumes, and the answer names the device.
    fn resume(
        &self,
        token: TokenRecord,
        next: TokenRecord,
    ) -> Answer<'_, Result<(Account, DeviceId), NotResumed>>;
    /// Returns what [`Accounts::resume`] would make of this token. Writes nothing.
    fn recognise(&self, token: TokenRecord) -> Answer<'_, Recognised>;
    /// Removes a device.
    fn remove_device(&self, device: DeviceId) -> Answer<'_, ()>;
    /// Replaces the password, and removes all devices except one. Returns `false`, and changes nothing, if the password
    /// has already changed or the device is gone.
    fn set_password(&self, new: NewPassword) -> Answer<'_, bool>;
    /// Replaces the hash of the same password, unless the password has changed since. Devices stay.
    fn renew_hash(&self, account: AccountId, known: Generation, phc: PasswordHash) -> Answer<'_, ()>;
    /// Makes the account an administrator. Returns `false` if there is no such account.
    fn set_admin(&self, name: AccountName) -> Answer<'_, bool>;
    /// Stores that the account is away, or back.
    fn set_away(&self, account: AccountId, away: Option<Away>) -> Answer<'_, ()>;
    /// Stores which accounts are connected, for the next start of the server, all in one commit.
    fn set_presence(&self, records: Vec<PresenceRecord>) -> Answer<'_, ()>;
    /// Returns the accounts that were connected when presence was last stored; at most `limits::PRESENCE_ACCOUNTS_MAX`.
    fn online_at_last(&self) -> Answer<'_, Vec<Account>>;
}

/// An account's presence, to be stored.
#[derive(Clone, Debug)]
pub struct PresenceRecord {
    /// The account.
    pub account: AccountId,
    /// Whether it is connected.
    pub online: bool,
    /// When something last came from it, as far as is known.
    pub at: Timestamp,
}

/// An account that was just made.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The account.
    pub account: Account,
    /// Its first device.
    pub device: DeviceId,
    /// The entry that everybody in the lobby sees.
    pub entry: Arc<Entry>,
}

/// The kind of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// A room that has a name and takes anybody.
    Group(RoomName),
    /// A private chat: its two accounts, the smaller id first.
    Private([(AccountId, AccountName); 2]),
}

/// A room, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRecord {
    /// The id of its row.
    pub id: RoomId,
    /// Its kind.
    pub kind: RoomKind,
    /// The lowest `seq` that its log keeps; 1 while nothing was pruned.
    pub first: Seq,
    /// The last `seq` of its log.
    pub head: Seq,
    /// How many accounts are in it.
    pub members: u64,
}

/// A room that an account is in, for one of its devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRecord {
    /// The room.
    pub room: RoomRecord,
    /// How far the device has seen it.
    pub mark: Seq,
}

/// A row of the list of group rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// The room.
    pub room: RoomRecord,
    /// Whether the asker is in it.
    pub joined: bool,
}

/// A member of a room.
#[derive(Clone, Debug)]
pub struct MemberRecord {
    /// The account.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// Its display name.
    pub display_name: DisplayName,
    /// When it was last seen.
    pub last_seen: Option<Timestamp>,
}

/// The outcome of a request for a group room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The room, which existed or was made.
    Room(RoomRecord),
    /// The account is in `limits::GROUPS_PER_ACCOUNT_MAX` group rooms, or `limits::ROOMS_MAX` group rooms have members.
    TooManyRooms,
    /// The account has made `limits::ROOMS_MADE_PER_DAY_MAX` rooms in a day; it may make the next one after this wait.
    TooManyMade(Duration),
}

/// Rooms and their members.
pub trait Rooms: Send + Sync {
    /// Finds the group room with this name.
    fn group(&self, name: RoomName) -> Answer<'_, Option<RoomRecord>>;
    /// Returns the group room with this name, made if there is none, for an account that is about to enter it. All
    /// bounds are checked before anything is made.
    fn open_group(&self, name: RoomName, account: AccountId) -> Answer<'_, Opened>;
    /// Returns the private chat of two accounts, made if there is none; both are members. Returns `None` if one of them
    /// is in `limits::PRIVATE_CHATS_PER_ACCOUNT_MAX` private chats.
    fn open_private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>>;
    /// Finds the private chat of two accounts.
    fn private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>>;
    /// Returns the rooms that an account is in, with the marks of a device.
    fn memberships(&self, account: AccountId, device: DeviceId) -> Answer<'_, Vec<MembershipRecord>>;
    /// Returns the same as `memberships` while the device may still be used and the password's generation is still
    /// `known`; otherwise `None`.
    ///
    /// A session asks once it can be told of changes, so that the answer shows any earlier change.
    fn memberships_if_current(
        &self,
        account: AccountId,
        device: DeviceId,
        known: Generation,
    ) -> Answer<'_, Option<Vec<MembershipRecord>>>;
    /// Returns all group rooms with members, by name. Everybody is in the lobby.
    fn groups(&self, asker: AccountId) -> Answer<'_, Vec<GroupRecord>>;
    /// Returns the members of a room by name, at most `limits::MEMBERS_PAGE_MAX`, with those in `first` before all
    /// others.
    fn members(&self, room: RoomId, first: Vec<AccountId>) -> Answer<'_, Vec<MemberRecord>>;
    /// Moves a device's mark forward, never back.
    fn mark(&self, device: DeviceId, room: RoomId, seq: Seq) -> Answer<'_, ()>;
}

/// An entry that an author wants in a log.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The room.
    pub room: RoomId,
    /// The author, who need not be the account that it is about.
    pub author: AccountId,
    /// The author's name, for the entry.
    pub author_name: AccountName,
    /// Makes a resend idempotent.
    pub client_id: ClientId,
    /// The content.
    pub body: Body,
}

/// What a fresh entry moved besides the head of its log. The store says so, because it knows what its transaction
/// changed. The code that announces it need not look at the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Nothing else.
    Head,
    /// This account has become a member of the room.
    Entered(AccountId),
    /// This account has ceased to be a member of the room.
    Left(AccountId),
    /// The earlier entry with this `seq` has changed: copies of it are stale.
    Changed(Seq),
}

/// The outcome of a draft. A closed list.
#[derive(Clone, Debug)]
pub enum Appended {
    /// It is in the log, at `entry.seq`.
    Fresh {
        /// The entry, as it is in the log.
        entry: Arc<Entry>,
        /// What else the transaction changed.
        moved: Moved,
    },
    /// The same post was already in the log, with this `seq` and time. The body is the draft's, whatever became of the
    /// entry. If the entry is no longer kept, the time is that of the oldest entry that is.
    Again(Arc<Entry>),
    /// The draft was a `Joined` of a member, or a `Left` of a non-member: nothing changed.
    Unchanged,
    /// The draft was refused with `NotAMember`, `IdReused`, `Forbidden` or `TooManyRooms`. `TooManyRooms` means that
    /// the subject is in `limits::GROUPS_PER_ACCOUNT_MAX` group rooms, or that this room is empty and
    /// `limits::ROOMS_MAX` others are not.
    Refused(Refusal),
}

impl Appended {
    /// Returns the entry that answers the author, or the refusal.
    ///
    /// # Errors
    /// The refusal; [`Refusal::NotAMember`] for `Unchanged`, which never answers a post.
    pub fn into_entry(self) -> Result<Arc<Entry>, Refusal> {
        match self {
            Self::Fresh { entry, .. } | Self::Again(entry) => Ok(entry),
            Self::Unchanged => Err(Refusal::NotAMember),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// The logs. A log may lose its beginning, but nothing else: each `seq` stays, and a room's last entry is always kept.
pub trait Log: Send + Sync {
    /// Appends drafts in order, in one transaction, and returns their outcomes in the same order. Each `seq` is
    /// assigned in the transaction; a [`Body::Joined`] begins the membership of its subject and a [`Body::Left`] ends
    /// it. On an error, none of the drafts is kept.
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>>;
    /// Reads the entries after a `seq`, oldest first: at most `limit`, and at most `limits::REPLAY_PAGE_BYTES_MAX` by
    /// [`Entry::wire_bytes_max`], but at least one if there is one.
    fn read_after(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>>;
    /// Reads the *latest* entries before a `seq`, oldest first, bounded in the same way by `limits::PAGE_BYTES_MAX`.
    fn read_before(&self, room: RoomId, before: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>>;
    /// Returns the lowest `seq` that a log keeps. It never decreases.
    fn first(&self, room: RoomId) -> Answer<'_, Seq>;
}

/// Everything that the hub needs stored.
///
/// The cases of the crate `lanchat-conformance` say what a store must do beyond what is written here; each store runs
/// them all. An ability of only some stores, such as search, gets a trait of its own. This trait then gets a method
/// that returns `Option<&dyn …>`, with `None` as its default.
pub trait Store: Accounts + Rooms + Log {
    /// Returns the epoch, which changes if and only if history was restored or reset: at most `limits::EPOCH_BYTES_MAX`
    /// of printable ASCII.
    fn epoch(&self) -> Answer<'_, String>;
    /// Checks whether there is space, by a write without a visible effect. Fails with `Full` while a post would.
    fn check_space(&self) -> Answer<'_, ()>;
    /// Does now what the next start would otherwise have to do. Called once, when the server stops, after the last
    /// change; reading still works. A server that is killed instead loses nothing that was answered.
    fn close(&self) -> Answer<'_, ()>;
    /// Completes with the cause when nothing more can be stored until the process restarts, which recovers everything
    /// that was answered. Until then every change is answered with an error. Cancel safe.
    fn failed(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>>;
}
