//! What the hub asks of a store. Small traits by capability, joined as [`Store`]; the hub holds `Arc<dyn Store>`.
//!
//! An implementation answers only after what it answers is durable: the hub acknowledges and fans out on its word.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lanchat_model::{
    AccountId, AccountName, AwayReason, ClientId, DeviceId, DisplayName, RoomId, RoomName, Seq, Timestamp,
};

use crate::entry::{Body, Entry};
use crate::error::Refusal;

/// A boxed answer: noise beside an fsync, and the hub stays free of type parameters.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store did not do what it was asked. What the asker did wrong is in the answer types instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No space: nothing of the request was kept; reading goes on.
    #[error("the disk is full")]
    Full,
    /// Something else. The text is for the log, never for a peer.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// SHA-256 of a device token. The token itself is known to its device only.
pub type TokenHash = [u8; 32];

/// What is kept of a device token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Hash of the whole token.
    pub hash: TokenHash,
    /// SHA-256 of the part that all tokens of a device have in common, and nobody but its device knows: whoever shows
    /// a token of its series has, or had, one of the device.
    pub series: TokenHash,
}

/// An account, as stored.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its row.
    pub id: AccountId,
    /// The name that it logs in with.
    pub name: AccountName,
    /// What it is called.
    pub display_name: DisplayName,
    /// Whether it may administer this server.
    pub admin: bool,
    /// The password, as an argon2id PHC string.
    pub phc: PasswordHash,
    /// Which of its passwords that is.
    pub generation: Generation,
    /// When it was made.
    pub created: Timestamp,
    /// When something last came from it; of one that is connected, or was when the server died, when it was last kept.
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

/// How often an account's password was changed. What was proved by an earlier password proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(pub i64);

/// Away, and perhaps why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// Why.
    pub reason: Option<AwayReason>,
}

/// An account to be made. It is put into the lobby, with an entry in the lobby's log, in the same transaction.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The name to log in with.
    pub name: AccountName,
    /// What to be called.
    pub display_name: DisplayName,
    /// The hashed password.
    pub phc: PasswordHash,
    /// Whether it may administer this server.
    pub admin: bool,
}

/// A device to be made, for an account that proved itself by password.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// What the device calls itself.
    pub label: Option<String>,
    /// Its first token.
    pub token: TokenRecord,
}

/// A device that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedDevice {
    /// The device.
    pub device: DeviceId,
    /// Those that had to make room; sessions of them may be left.
    pub evicted: Vec<DeviceId>,
}

/// A password that replaces another one.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Whose.
    pub account: AccountId,
    /// Which password the owner proved to know.
    pub known: Generation,
    /// The hashed password.
    pub phc: PasswordHash,
    /// The device that changes it: the only one that stays.
    pub device: DeviceId,
    /// The only token by which that device resumes from now on.
    pub token: TokenLeft,
}

/// Which token a device has left when its password was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLeft {
    /// This fresh one.
    Fresh(TokenRecord),
    /// The one that the session was given, if nobody has resumed the device since; none otherwise.
    Given(TokenHash),
}

/// Why a token resumes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotResumed {
    /// It is no device's token, or the device was not used for `limits::DEVICE_IDLE_MAX`.
    Unknown,
    /// Somebody has a copy: it is one that its device has replaced, or one of a device of which such a token was used
    /// before. No token of the device resumes any more; sessions of it may be left.
    Copied {
        /// Whose device it is.
        account: AccountId,
        /// What the account is called.
        name: AccountName,
        /// The device.
        device: DeviceId,
    },
}

/// What a token is good for.
#[derive(Clone, Debug)]
pub enum Recognised {
    /// It resumes this device.
    Device(Account, DeviceId),
    /// It resumes nothing, and nothing has to be kept of that: anybody may have made it up.
    Nothing(NotResumed),
    /// It resumes nothing, and that has to be kept, which [`Accounts::resume`] does.
    ToBeKept,
}

impl Recognised {
    /// The device that it resumes.
    pub fn device(self) -> Option<(Account, DeviceId)> {
        match self {
            Self::Device(account, device) => Some((account, device)),
            Self::Nothing(_) | Self::ToBeKept => None,
        }
    }
}

/// Accounts and their devices.
pub trait Accounts: Send + Sync {
    /// Makes an account and its first device. `None`: the name is taken, or looks like one that is. The entry is the one in
    /// the lobby's log.
    fn register(&self, account: NewAccount, device: NewDevice) -> Answer<'_, Option<Registered>>;
    /// The account that one of this name would be mistaken for: that of the very name, or else one whose name looks the same
    /// ([`AccountName::looks`]).
    fn mistaken_for(&self, name: AccountName) -> Answer<'_, Option<AccountName>>;
    /// The account of this name.
    fn account(&self, name: AccountName) -> Answer<'_, Option<Account>>;
    /// Makes a device for whoever proved to know the password of a generation. Beyond
    /// `limits::DEVICES_PER_ACCOUNT_MAX` the least recently used one goes. `None`: the password is another one now.
    fn add_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>>;
    /// As [`Accounts::add_device`], but the device of the account that has this label, if there is one, is used again: it keeps
    /// its id and its marks, has the new token instead of all its own, and no other device makes room for it. Of several the
    /// one that was used last. Its older tokens are nobody's from then on, also if one of them was copied.
    fn use_device(
        &self,
        account: AccountId,
        known: Generation,
        device: NewDevice,
    ) -> Answer<'_, Option<AddedDevice>>;
    /// Finds the device that holds this token, and gives it `next` as the token to use from now on.
    ///
    /// A device has a *current* and a *next* token. Resuming with either works, and replaces the next one; resuming
    /// with the next one makes it the current one. So a client that dies before it kept the new token still gets in.
    /// Every other token that the device ever had, a next one that was replaced unused among them, is a copy that
    /// somebody made: from then on no token of the device resumes, and the answer names it.
    fn resume(
        &self,
        token: TokenRecord,
        next: TokenRecord,
    ) -> Answer<'_, Result<(Account, DeviceId), NotResumed>>;
    /// What [`Accounts::resume`] would make of this token. Changes nothing, and writes nothing.
    fn recognise(&self, token: TokenRecord) -> Answer<'_, Recognised>;
    /// Removes a device.
    fn remove_device(&self, device: DeviceId) -> Answer<'_, ()>;
    /// Replaces the password, and removes all devices but one. `false`, and nothing changes: the password is another
    /// one already, or the device is gone.
    fn set_password(&self, new: NewPassword) -> Answer<'_, bool>;
    /// Replaces the hash of the same password, unless the password is another one now. Devices stay.
    fn renew_hash(&self, account: AccountId, known: Generation, phc: PasswordHash) -> Answer<'_, ()>;
    /// Makes the account an administrator. `false`: there is no such account.
    fn set_admin(&self, name: AccountName) -> Answer<'_, bool>;
    /// Keeps that the account is away, or back.
    fn set_away(&self, account: AccountId, away: Option<Away>) -> Answer<'_, ()>;
    /// Keeps which accounts are here, for the next start of the server: all of it in one commit.
    fn set_presence(&self, records: Vec<PresenceRecord>) -> Answer<'_, ()>;
    /// The accounts that were connected when presence was last kept; at most `limits::PRESENCE_ACCOUNTS_MAX`.
    fn online_at_last(&self) -> Answer<'_, Vec<Account>>;
}

/// Whether an account is here, to be kept.
#[derive(Clone, Debug)]
pub struct PresenceRecord {
    /// Which account.
    pub account: AccountId,
    /// Whether it is connected.
    pub online: bool,
    /// When something was last heard of it, as far as is known.
    pub at: Timestamp,
}

/// An account that was just made.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The account.
    pub account: Account,
    /// Its first device.
    pub device: DeviceId,
    /// What everybody in the lobby sees of it.
    pub entry: Arc<Entry>,
}

/// What a room is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// A room that has a name and takes anybody.
    Group(RoomName),
    /// A private chat: the two accounts, the one with the smaller id first.
    Private([(AccountId, AccountName); 2]),
}

/// A room, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRecord {
    /// Its row.
    pub id: RoomId,
    /// What it is.
    pub kind: RoomKind,
    /// The lowest position that its log keeps; 1 while nothing was let go.
    pub first: Seq,
    /// The last position of its log.
    pub head: Seq,
    /// How many accounts are in it.
    pub members: u64,
}

/// A room that an account is in, for one of its devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipRecord {
    /// The room.
    pub room: RoomRecord,
    /// What the device has seen of it.
    pub mark: Seq,
}

/// A line of the list of group rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// The room.
    pub room: RoomRecord,
    /// Whether the asker is in it.
    pub joined: bool,
}

/// Who is in a room.
#[derive(Clone, Debug)]
pub struct MemberRecord {
    /// The account.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// What it is called.
    pub display_name: DisplayName,
    /// When it was last seen.
    pub last_seen: Option<Timestamp>,
}

/// What became of a wish for a group room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The room, which was there or was made.
    Room(RoomRecord),
    /// The account is in `limits::GROUPS_PER_ACCOUNT_MAX` group rooms, or somebody is in each of `limits::ROOMS_MAX`.
    TooManyRooms,
    /// The account has made `limits::ROOMS_MADE_PER_DAY_MAX` rooms in a day; it may make the next one after this time.
    TooManyMade(Duration),
}

/// Rooms and who is in them.
pub trait Rooms: Send + Sync {
    /// The group room of this name.
    fn group(&self, name: RoomName) -> Answer<'_, Option<RoomRecord>>;
    /// The group room of this name, made if there is none, for an account that is about to enter it. All bounds are
    /// looked at before anything is made.
    fn open_group(&self, name: RoomName, account: AccountId) -> Answer<'_, Opened>;
    /// The private chat of two accounts, made if there is none; both are members. `None`: one of them is in
    /// `limits::PRIVATE_CHATS_PER_ACCOUNT_MAX` private chats.
    fn open_private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>>;
    /// The private chat of two accounts, if there is one.
    fn private(&self, one: AccountId, other: AccountId) -> Answer<'_, Option<RoomRecord>>;
    /// The rooms that an account is in, with the marks of a device.
    fn memberships(&self, account: AccountId, device: DeviceId) -> Answer<'_, Vec<MembershipRecord>>;
    /// The same, while the device may still be used and the password is still that of a generation; else `None`.
    ///
    /// A session asks once it can be told of changes: what changed before shows here.
    fn memberships_if_current(
        &self,
        account: AccountId,
        device: DeviceId,
        known: Generation,
    ) -> Answer<'_, Option<Vec<MembershipRecord>>>;
    /// All group rooms that somebody is in, by name. Everybody is in the lobby.
    fn groups(&self, asker: AccountId) -> Answer<'_, Vec<GroupRecord>>;
    /// The members of a room by name, at most `limits::MEMBERS_PAGE_MAX`, those of `first` before all others.
    fn members(&self, room: RoomId, first: Vec<AccountId>) -> Answer<'_, Vec<MemberRecord>>;
    /// Moves a device's mark forward, never back.
    fn mark(&self, device: DeviceId, room: RoomId, seq: Seq) -> Answer<'_, ()>;
}

/// What an author wants in a log.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The room.
    pub room: RoomId,
    /// Who made it: the actor, who need not be whom it is about.
    pub author: AccountId,
    /// The author's name, for the entry.
    pub author_name: AccountName,
    /// Makes a resend idempotent.
    pub client_id: ClientId,
    /// What it says.
    pub body: Body,
}

/// What a fresh entry moved beside the head of its log. The store says so, because it knows what its transaction changed:
/// whoever tells others of it asks no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Nothing else.
    Head,
    /// This account is a member of the room from now on.
    Entered(AccountId),
    /// This account is a member of the room no longer.
    Left(AccountId),
    /// The earlier entry at this position is not what it was: copies of it are stale.
    Changed(Seq),
}

/// What became of a draft. A closed list.
#[derive(Clone, Debug)]
pub enum Appended {
    /// It is in the log, at `entry.seq`.
    Fresh {
        /// As it is in the log.
        entry: Arc<Entry>,
        /// What else its transaction changed.
        moved: Moved,
    },
    /// The same post was in the log before: this is where and when. What it says is what the draft says, whatever became of
    /// the entry; of one that is not kept any more the time is that of the oldest that is.
    Again(Arc<Entry>),
    /// A `Joined` of a member, or a `Left` of somebody who was none: nothing to say.
    Unchanged,
    /// It is not in the log, and why: `NotAMember`, `IdReused`, `Forbidden`, or `TooManyRooms`: the subject is in
    /// `limits::GROUPS_PER_ACCOUNT_MAX` group rooms, or nobody is in this one and somebody in each of `limits::ROOMS_MAX`.
    Refused(Refusal),
}

impl Appended {
    /// The entry that answers its author, or why there is none.
    ///
    /// # Errors
    /// The refusal; [`Refusal::NotAMember`] for what changed nothing, which no post does.
    pub fn into_entry(self) -> Result<Arc<Entry>, Refusal> {
        match self {
            Self::Fresh { entry, .. } | Self::Again(entry) => Ok(entry),
            Self::Unchanged => Err(Refusal::NotAMember),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// The logs. Each may lose its beginning, and nothing else: positions stay, and the last entry of a room is always kept.
pub trait Log: Send + Sync {
    /// Appends drafts in order, in one transaction, and answers for each, in order. `seq` is taken in the
    /// transaction; a [`Body::Joined`] makes the membership of its subject and a [`Body::Left`] ends it. An error: none is
    /// kept.
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>>;
    /// Entries after a position, oldest first: at most `limit`, and at most `limits::REPLAY_PAGE_BYTES_MAX` by
    /// [`Entry::wire_bytes_max`], but at least one if there is one.
    fn read_after(&self, room: RoomId, after: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>>;
    /// Entries before a position, oldest first, bounded in the same way by `limits::PAGE_BYTES_MAX`: the *latest* of those
    /// before it.
    fn read_before(&self, room: RoomId, before: Seq, limit: usize) -> Answer<'_, Vec<Arc<Entry>>>;
    /// The lowest position that a log keeps. It never sinks.
    fn first(&self, room: RoomId) -> Answer<'_, Seq>;
}

/// All that the hub needs kept.
///
/// The cases of the crate `lanchat-conformance` say what a store must do, beyond what stands here; each store runs them
/// all. What only some stores can do, such as search, is a trait of its own: this one then has a method more, which
/// answers `Option<&dyn …>`, and `None` unless a store says otherwise.
pub trait Store: Accounts + Rooms + Log {
    /// Changes if and only if history was restored or reset: at most `limits::EPOCH_BYTES_MAX` of printable ASCII.
    fn epoch(&self) -> Answer<'_, String>;
    /// Tells whether there is space, by keeping something that nobody can tell: `Full` while a post would be refused so.
    fn check_space(&self) -> Answer<'_, ()>;
    /// Leaves to the next start nothing that can be done now. Called once, when the server stops, behind the last change;
    /// what is read is answered on. A server that is killed instead loses nothing that was answered.
    fn close(&self) -> Answer<'_, ()>;
    /// Completes, with the cause, when nothing can be kept any more until the process has ended and starts again, which
    /// recovers all that was ever answered. Until then every change is answered with an error. Cancel safe.
    fn failed(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>>;
}
