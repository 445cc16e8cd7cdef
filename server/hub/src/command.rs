//! What a session may ask of the hub, and how it is answered. This module has no wire form: doors translate.

use std::collections::BTreeMap;
use std::sync::Arc;

use lanchat_model::{
    AccountName, AwayReason, ClientId, DisplayName, MessageText, Password, RoomName, RoomRef, Seq, Timestamp,
    TypedPassword,
};

use crate::entry::Entry;
use crate::event::{PresenceState, RoomState};

/// How a connection becomes a session.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Make an account.
    Register {
        /// The name to log in with.
        name: AccountName,
        /// The display name.
        display_name: DisplayName,
        /// The new password. It is checked after the name.
        password: TypedPassword,
        /// The device's label.
        device: Option<String>,
    },
    /// By password.
    Login {
        /// The account.
        name: AccountName,
        /// The password as typed. Its length is not checked, so a short password is simply wrong.
        password: TypedPassword,
        /// The device's label.
        device: Option<String>,
    },
    /// By password each time, for a client that keeps no token and comes back often. It gets a new device the first
    /// time and the same one later, so that it does not evict its owner's other devices.
    LoginAgain {
        /// The account.
        name: AccountName,
        /// The password as typed.
        password: TypedPassword,
        /// The kind of client, named by the door. Each kind has its own devices, apart from those of
        /// [`Credentials::Login`].
        kind: &'static str,
        /// The device's label, the same each time.
        device: String,
    },
    /// By the token of an earlier welcome.
    Resume {
        /// The token, as text.
        token: String,
    },
}

/// A message to be posted.
#[derive(Clone, Debug)]
pub struct Post {
    /// The room. A private chat that does not exist yet is opened.
    pub room: RoomRef,
    /// Makes a resend idempotent.
    pub client_id: ClientId,
    /// The text.
    pub text: MessageText,
    /// Whether the text describes what the author does.
    pub action: bool,
}

/// A request of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Revoke this device and end the session.
    Logout,
    /// Change the password; other devices are logged out.
    ChangePassword {
        /// The current password.
        old: TypedPassword,
        /// The new password.
        new: Password,
        /// Whether the peer will keep the fresh token in the answer.
        renew: bool,
    },
    /// Start delivery.
    Attach {
        /// The epoch that the cursors belong to.
        epoch: Option<String>,
        /// The last `seq` that the client has of each room.
        cursors: BTreeMap<RoomRef, Seq>,
        /// How many of the last entries to deliver for a room without a cursor.
        tail: u64,
    },
    /// Post a message. The answer is an [`Event::Ack`](crate::Event::Ack), later.
    Post(Post),
    /// Set how far this device has seen a room.
    Mark {
        /// The room.
        room: RoomRef,
        /// The last entry seen.
        seq: Seq,
    },
    /// Enter a group room.
    Join {
        /// The room.
        room: RoomName,
        /// How many of the last entries to deliver.
        tail: u64,
    },
    /// Leave a group room.
    Leave {
        /// The room.
        room: RoomName,
    },
    /// List the group rooms.
    Rooms,
    /// List the members of a room, or everybody who is online.
    Members {
        /// The room; `None` for everybody who is online.
        room: Option<RoomRef>,
    },
    /// Read older entries.
    History {
        /// The room.
        room: RoomRef,
        /// Only entries before this `seq`.
        before: Option<Seq>,
        /// The largest number of entries.
        limit: usize,
    },
    /// Set the account away.
    Away {
        /// The reason.
        reason: Option<AwayReason>,
    },
    /// Set the account back.
    Back,
    /// Ask about an account.
    Whois {
        /// The account's name.
        name: AccountName,
    },
    /// Show that this account is typing.
    Typing {
        /// The room.
        room: RoomRef,
    },
}

/// A row of the list of rooms.
#[derive(Clone, Debug)]
pub struct RoomSummary {
    /// The room.
    pub room: RoomRef,
    /// How many accounts are in it.
    pub members: u64,
    /// How many of them are online or away.
    pub online: u64,
    /// Whether the asker is in it.
    pub joined: bool,
}

/// A row of a list of members.
#[derive(Clone, Debug)]
pub struct Member {
    /// The account.
    pub name: AccountName,
    /// Its display name.
    pub display_name: DisplayName,
    /// Its presence.
    pub state: PresenceState,
}

/// The answer to a command that has one at once. A closed list; doors match all of it.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Done.
    Done,
    /// The password was changed.
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
    /// The draft was admitted: an [`Event::Ack`](crate::Event::Ack) or [`Event::Refused`](crate::Event::Refused) follows.
    Admitted,
    /// There is no answer.
    Silent,
    /// The room was entered.
    Room(RoomState),
    /// The group rooms.
    Rooms(Vec<RoomSummary>),
    /// The members of a room, or everybody who is online.
    Members {
        /// The room; `None` for everybody who is online.
        room: Option<RoomRef>,
        /// The members that fit on the page.
        members: Vec<Member>,
        /// How many there are.
        total: u64,
    },
    /// Older entries.
    History {
        /// The room.
        room: RoomRef,
        /// The entries, oldest first.
        entries: Vec<Arc<Entry>>,
        /// Whether there are older ones.
        more: bool,
    },
    /// An account's details.
    Whois {
        /// The account and its presence.
        member: Member,
        /// When it was made.
        since: Timestamp,
        /// Whether it may administer this server.
        admin: bool,
        /// How many sessions it has.
        sessions: u64,
    },
}

impl Reply {
    /// Returns whether the session is over with it.
    pub const fn ends_session(&self) -> bool {
        match self {
            Self::LoggedOut => true,
            Self::Done
            | Self::PasswordChanged { .. }
            | Self::Attached { .. }
            | Self::Admitted
            | Self::Silent
            | Self::Room(_)
            | Self::Rooms(_)
            | Self::Members { .. }
            | Self::History { .. }
            | Self::Whois { .. } => false,
        }
    }
}
