//! What the hub tells a session by itself. This module has no wire form: doors translate.

use std::borrow::Cow;
use std::sync::Arc;

use lanchat_model::{AccountName, AwayReason, ClientId, DisplayName, RoomRef, Seq, Timestamp};

use crate::entry::{Entry, Run};
use crate::error::Error;
use crate::wire_form::{WireForms, WireVariant};

/// The presence of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresenceState {
    /// It has a session, or lost its last one a moment ago.
    Online,
    /// It has a session, and has said that its owner is away.
    Away(Option<AwayReason>),
    /// It has no session; when it was last seen.
    Offline(Option<Timestamp>),
}

/// Why a device was logged out while it had a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutReason {
    /// Another session of the device logged it out.
    Elsewhere,
    /// The password was changed in another session.
    PasswordChanged,
    /// A token was used that the device had already replaced: somebody has a copy.
    TokenCopied,
    /// The account logged in on too many devices, and this one was the least recently used.
    TooManyDevices,
}

/// A room as one session sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// The room.
    pub room: RoomRef,
    /// Its head.
    pub head: Seq,
    /// How far this device has seen it.
    pub mark: Seq,
    /// Delivery starts after this `seq`.
    pub from: Seq,
    /// How many accounts are in it.
    pub members: u64,
}

/// What the hub tells a new session.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The account.
    pub name: AccountName,
    /// Its display name.
    pub display_name: DisplayName,
    /// Whether it may administer this server.
    pub admin: bool,
    /// The device token for next time, as text.
    pub token: String,
    /// The epoch of the server.
    pub epoch: String,
    /// The number of sessions now, including this one.
    pub online: u64,
    /// The rooms that the account is in.
    pub rooms: Vec<RoomState>,
}

/// Changes of presence. They are the same for all sessions that read up to the same point, as most do.
#[derive(Debug)]
pub struct PresenceNews {
    /// Each account's new presence, the latest change last.
    pub changes: Vec<(AccountName, PresenceState)>,
    /// The number of accounts that are online or away now.
    pub connected: u64,
    pub(crate) forms: WireForms,
}

impl PresenceNews {
    /// Returns the news as bytes of one form. They are made at most once, and shared by all recipients of that form. If
    /// the news has `limits::WIRE_FORMS_MAX` other forms, they are made for each recipient.
    pub fn wire_form(&self, of: &'static WireVariant, make: impl FnOnce() -> Vec<u8>) -> Cow<'_, [u8]> {
        self.forms.made_by(of, make)
    }
}

/// Which of the two members of a private chat somebody is: each sees the chat under the other's name. All members of a
/// group room see the same, as `One`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The member with the older account.
    One,
    /// The other member.
    Other,
}

/// A notice that holds for the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The disk is full: reading continues, but posts are refused.
    ReadOnly,
    /// Posts are accepted.
    Writable,
}

/// A delivery to a session that is not the answer to its current command. A closed list; doors match all of it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A whole run of a room that the session is attached to.
    Run {
        /// The room, as this session sees it.
        room: RoomRef,
        /// From which side the session sees it.
        side: Side,
        /// The entries.
        run: Arc<Run>,
    },
    /// An entry of a room that the session is attached to.
    Entry {
        /// The room, as this session sees it.
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
        /// Its client id.
        client_id: ClientId,
        /// The error.
        error: Error,
    },
    /// The session has a new room.
    Room(RoomState),
    /// The session no longer has a room.
    RoomGone(RoomRef),
    /// Changes of presence.
    Presence(Arc<PresenceNews>),
    /// Somebody is typing.
    Typing {
        /// The room.
        room: RoomRef,
        /// The account's name.
        name: AccountName,
    },
    /// A new notice for the whole server.
    Notice(Notice),
    /// The device was logged out; the session is over.
    LoggedOut(LogoutReason),
}

impl Event {
    /// Returns the entries that it delivers, in the order of the log.
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
