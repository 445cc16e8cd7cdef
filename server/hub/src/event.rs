//! What the hub tells a session: answers, and what is delivered. No wire form: doors translate.

use std::borrow::Cow;
use std::sync::Arc;

use lanchat_model::{AccountName, AwayReason, ClientId, DisplayName, RoomRef, Seq, Timestamp};

use crate::entry::{Entry, Run};
use crate::error::Error;
use crate::wire_form::{WireForms, WireVariant};

/// What an account does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceState {
    /// Has a session, or lost its last one a moment ago.
    Online,
    /// Has a session and said that nobody sits at it.
    Away(Option<AwayReason>),
    /// Has no session; last seen then.
    Offline(Option<Timestamp>),
}

/// Why a device was logged out while it had a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutReason {
    /// Another session of it said so.
    Elsewhere,
    /// The password was changed in another session.
    PasswordChanged,
    /// A token was used that the device had replaced: somebody has a copy.
    TokenCopied,
    /// The account logged in on more devices than it can have, and used all others later.
    TooManyDevices,
}

/// A room as one session has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// Which.
    pub room: RoomRef,
    /// The last position of its log.
    pub head: Seq,
    /// What this device has seen.
    pub mark: Seq,
    /// Delivery starts behind it.
    pub from: Seq,
    /// How many accounts are in it.
    pub members: u64,
}

/// What a new session is told.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The account.
    pub name: AccountName,
    /// What it is called.
    pub display_name: DisplayName,
    /// Whether it may administer this server.
    pub admin: bool,
    /// The device token for next time, as text.
    pub token: String,
    /// The epoch of the server.
    pub epoch: String,
    /// Sessions now, this one included.
    pub online: u64,
    /// The rooms that the account is in.
    pub rooms: Vec<RoomState>,
}

/// A line of the list of rooms.
#[derive(Clone, Debug)]
pub struct RoomSummary {
    /// Which.
    pub room: RoomRef,
    /// How many accounts are in it.
    pub members: u64,
    /// How many of them are online or away.
    pub online: u64,
    /// Whether the asker is in it.
    pub joined: bool,
}

/// A line of a list of members.
#[derive(Clone, Debug)]
pub struct Member {
    /// The account.
    pub name: AccountName,
    /// What it is called.
    pub display_name: DisplayName,
    /// What it does.
    pub state: PresenceState,
}

/// The answer to a command that has one at once. A closed list; doors match all of it.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Done.
    Done,
    /// The password is the new one.
    PasswordChanged {
        /// The only token of the device from now on, as text, if one was asked for.
        token: Option<String>,
    },
    /// The session is over.
    LoggedOut,
    /// Delivery starts.
    Attached {
        /// The epoch of the server.
        epoch: String,
        /// Where delivery starts in each room.
        rooms: Vec<RoomState>,
    },
    /// The draft was admitted: an [`Event::Ack`] or [`Event::Refused`] follows.
    Admitted,
    /// Nothing is to be said.
    Silent,
    /// The room was entered.
    Room(RoomState),
    /// The group rooms.
    Rooms(Vec<RoomSummary>),
    /// Who is in a room, or online.
    Members {
        /// Which room; none: everybody who is online.
        room: Option<RoomRef>,
        /// Those that fit the page.
        members: Vec<Member>,
        /// How many there are.
        total: u64,
    },
    /// Older entries.
    History {
        /// Where.
        room: RoomRef,
        /// Oldest first.
        entries: Vec<Arc<Entry>>,
        /// Whether there are older ones.
        more: bool,
    },
    /// About an account.
    Whois {
        /// The account and what it does.
        member: Member,
        /// When it was made.
        since: Timestamp,
        /// Whether it may administer this server.
        admin: bool,
        /// How many sessions it has.
        sessions: u64,
    },
}

/// Changes of presence: the same for all who read up to the same point, and most do.
#[derive(Debug)]
pub struct PresenceNews {
    /// Who does what now, the latest change last.
    pub changes: Vec<(AccountName, PresenceState)>,
    /// Accounts that are online or away now.
    pub connected: u64,
    pub(crate) forms: WireForms,
}

impl PresenceNews {
    /// Returns the news as bytes of one form. They are made at most once, and shared by all recipients that get the same
    /// form; where the news has `limits::WIRE_FORMS_MAX` other forms, they are made for each.
    pub fn wire_form(&self, of: &'static WireVariant, make: impl FnOnce() -> Vec<u8>) -> Cow<'_, [u8]> {
        self.forms.made_by(of, make)
    }
}

/// Which of the two members of a private chat somebody is: each sees it under the name of the other one. All members of a
/// group room see the same, as `One`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one whose account is older.
    One,
    /// The other one.
    Other,
}

/// What holds for the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The disk is full: reading goes on, nothing is taken.
    ReadOnly,
    /// Posts are taken.
    Writable,
}

/// What is delivered to a session without being the answer to the command at hand. A closed list; doors match all of it.
#[derive(Clone, Debug)]
pub enum Event {
    /// Entries of a room that the session is attached to, all of a run.
    Run {
        /// The room as this session sees it.
        room: RoomRef,
        /// From which side it sees it.
        side: Side,
        /// The entries.
        run: Arc<Run>,
    },
    /// An entry of a room that the session is attached to.
    Entry {
        /// The room as this session sees it.
        room: RoomRef,
        /// The entry.
        entry: Arc<Entry>,
    },
    /// A post of this session is on disk.
    Ack {
        /// Its room.
        room: RoomRef,
        /// Its entry.
        entry: Arc<Entry>,
    },
    /// A post of this session was refused.
    Refused {
        /// Which.
        client_id: ClientId,
        /// Why.
        error: Error,
    },
    /// The session has a room that it did not have.
    Room(RoomState),
    /// The session has a room no longer.
    RoomGone(RoomRef),
    /// What accounts do now.
    Presence(Arc<PresenceNews>),
    /// Somebody is typing.
    Typing {
        /// Where.
        room: RoomRef,
        /// Who.
        name: AccountName,
    },
    /// What holds for the whole server now.
    Notice(Notice),
    /// The device was logged out; the session is over.
    LoggedOut(LogoutReason),
}

impl Event {
    /// The entries that it delivers, in the order of the log.
    pub fn entries(&self) -> &[Arc<Entry>] {
        match self {
            Self::Run { run, .. } => run.entries(),
            Self::Entry { entry, .. } => std::slice::from_ref(entry),
            Self::Ack { .. }
            | Self::Refused { .. }
            | Self::Room(_)
            | Self::RoomGone(_)
            | Self::Presence(_)
            | Self::Typing { .. }
            | Self::Notice(_)
            | Self::LoggedOut(_) => &[],
        }
    }
}
