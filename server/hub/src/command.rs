//! What a session may ask of the hub. No wire form: doors translate.

use std::collections::BTreeMap;

use lanchat_model::{
    AccountName, AwayReason, ClientId, DisplayName, MessageText, Password, RoomName, RoomRef, Seq,
    TypedPassword,
};

/// How a connection becomes a session.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Make an account.
    Register {
        /// The name to log in with.
        name: AccountName,
        /// What to be called.
        display_name: DisplayName,
        /// The password to be. Checked behind the name.
        password: TypedPassword,
        /// What the device calls itself.
        device: Option<String>,
    },
    /// By password.
    Login {
        /// The account.
        name: AccountName,
        /// The password as typed: not checked for length, so that a short one is simply wrong.
        password: TypedPassword,
        /// What the device calls itself.
        device: Option<String>,
    },
    /// By password each time, for a client that keeps no token and comes back often: on the device that it was on before, so
    /// that its owner's other devices are not pushed out by it, and on a new one the first time.
    LoginAgain {
        /// The account.
        name: AccountName,
        /// The password as typed.
        password: TypedPassword,
        /// What kind of client it is, in a word of the door: devices of one kind are none of another kind, and none of
        /// [`Credentials::Login`].
        kind: &'static str,
        /// What the device calls itself, the same each time.
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
    /// Where. A private chat that is not there yet is opened.
    pub room: RoomRef,
    /// Makes a resend idempotent.
    pub client_id: ClientId,
    /// What.
    pub text: MessageText,
    /// Whether the text is what the author does.
    pub action: bool,
}

/// What a session asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Revoke this device and end the session.
    Logout,
    /// Change the password; other devices are logged out.
    ChangePassword {
        /// The password as it is.
        old: TypedPassword,
        /// The password to be.
        new: Password,
        /// Whether the peer keeps the fresh token that the answer brings.
        renew: bool,
    },
    /// Start delivery.
    Attach {
        /// The epoch that the cursors belong to.
        epoch: Option<String>,
        /// Per room the last seq that the client has.
        cursors: BTreeMap<RoomRef, Seq>,
        /// How many of the last entries to deliver of rooms without a cursor.
        tail: u64,
    },
    /// Post a message. The answer is an [`Event::Ack`](crate::Event::Ack), later.
    Post(Post),
    /// Say what this device has seen.
    Mark {
        /// Where.
        room: RoomRef,
        /// The last entry seen.
        seq: Seq,
    },
    /// Enter a group room.
    Join {
        /// Which.
        room: RoomName,
        /// How many of the last entries to deliver.
        tail: u64,
    },
    /// Leave a group room.
    Leave {
        /// Which.
        room: RoomName,
    },
    /// List the group rooms.
    Rooms,
    /// List who is in a room, or who is online.
    Members {
        /// Which room; everybody who is online if none.
        room: Option<RoomRef>,
    },
    /// Read older entries.
    History {
        /// Where.
        room: RoomRef,
        /// Only before this position.
        before: Option<Seq>,
        /// At most so many.
        limit: usize,
    },
    /// Be away.
    Away {
        /// Why.
        reason: Option<AwayReason>,
    },
    /// Be back.
    Back,
    /// Ask about an account.
    Whois {
        /// Whom.
        name: AccountName,
    },
    /// Be typing.
    Typing {
        /// Where.
        room: RoomRef,
    },
}
