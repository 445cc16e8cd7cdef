//! The frames from a server (PROTOCOL §3 to §9). Each field is bounded as it is decoded (`bounded.rs`), except the text
//! of a message, which may be as long as a line: a server may allow more than ours does.

mod entry;

use lanchat_model::Seq;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::codec::{BadFrame, head};
use crate::error_code::ErrorCode;
use crate::secret::Secret;
pub use entry::Entry;

macro_rules! server_frames {
    ($($(#[$doc:meta])* $kind:literal $variant:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $variant {
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl From<$variant> for ServerFrame {
                fn from(frame: $variant) -> Self {
                    Self::$variant(frame)
                }
            }
        )*

        /// A frame from a server.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "type")]
        #[non_exhaustive]
        pub enum ServerFrame {
            $($(#[$doc])* #[serde(rename = $kind)] $variant($variant),)*
        }

        impl ServerFrame {
            /// Returns the value of `type`.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)*
                }
            }

            /// Decodes one line, without its newline. `None` is a type from a newer server, to be skipped.
            ///
            /// # Errors
            /// [`BadFrame`] says what is wrong.
            pub fn decode(line: &[u8]) -> Result<Option<Self>, BadFrame> {
                let head = head(line)?;
                match &*head.kind {
                    $($kind => serde_json::from_slice(line).map(|frame| Some(Self::$variant(frame))),)*
                    _ => return Ok(None),
                }
                .map_err(|error| BadFrame::fields(&head.kind, &error, None))
            }
        }
    };
}

server_frames! {
    /// The first frame of every connection.
    "hello" Hello {
        /// The id that pins and tokens are kept under, 32 hex digits.
        #[serde(deserialize_with = "bounded::id")]
        server_id: String,
        /// The name for people.
        #[serde(deserialize_with = "bounded::server_name")]
        name: String,
        /// Program and version.
        #[serde(deserialize_with = "bounded::software")]
        software: String,
        /// Versions that the server speaks.
        #[serde(deserialize_with = "bounded::versions")]
        versions: Vec<u32>,
        /// `open` or `closed`.
        registration: Registration,
        /// Sessions that are logged in now.
        online: u64,
        /// The bounds that this server keeps.
        limits: Limits,
    }
    /// Answers `register`, `login` and `resume`.
    "welcome" Welcome {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The account, folded.
        #[serde(deserialize_with = "bounded::account")]
        username: String,
        /// Its display name.
        #[serde(deserialize_with = "bounded::display_name")]
        display_name: String,
        /// Whether it may administer this server.
        admin: bool,
        /// The device token to resume with next time. The previous one stays valid until this one has been used.
        #[serde(deserialize_with = "bounded::token")]
        token: Secret,
        /// The version that both sides speak from now on.
        version: u32,
        /// Changes when the server's history is restored from a backup: cursors of another epoch are worthless.
        #[serde(deserialize_with = "bounded::epoch")]
        epoch: String,
        /// Sessions that are logged in now, this one included.
        online: u64,
        /// The rooms that the account is in.
        #[serde(deserialize_with = "bounded::own_rooms")]
        rooms: Vec<RoomState>,
    }
    /// Answers `attach`: delivery starts after it.
    "attached" Attached {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The epoch of the server.
        #[serde(deserialize_with = "bounded::epoch")]
        epoch: String,
        /// Where delivery starts in each room.
        #[serde(deserialize_with = "bounded::own_rooms")]
        rooms: Vec<RoomState>,
    }
    /// A message, as an entry of a room's log.
    "message" Message {
        /// `lobby`, or `@ana` for the private chat with ana.
        #[serde(deserialize_with = "bounded::room")]
        room: String,
        /// The position in the room's log.
        seq: Seq,
        /// The id that its author gave it.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The author.
        #[serde(deserialize_with = "bounded::account")]
        username: String,
        /// The text.
        message: String,
        /// When the server accepted it, RFC 3339 UTC.
        #[serde(deserialize_with = "bounded::time")]
        ts: String,
        /// Whether the text describes an action of the author.
        #[serde(default, skip_serializing_if = "std::ops::Not::not", deserialize_with = "bounded::or_default")]
        action: bool,
    }
    /// Somebody entered a room, as an entry of its log.
    "joined" Joined {
        /// The room.
        #[serde(deserialize_with = "bounded::room")]
        room: String,
        /// The position in the room's log.
        seq: Seq,
        /// Who.
        #[serde(deserialize_with = "bounded::account")]
        username: String,
        /// When, RFC 3339 UTC.
        #[serde(deserialize_with = "bounded::time")]
        ts: String,
    }
    /// Somebody left a room, as an entry of its log.
    "left" Left {
        /// The room.
        #[serde(deserialize_with = "bounded::room")]
        room: String,
        /// The position in the room's log.
        seq: Seq,
        /// Who.
        #[serde(deserialize_with = "bounded::account")]
        username: String,
        /// When, RFC 3339 UTC.
        #[serde(deserialize_with = "bounded::time")]
        ts: String,
    }
    /// Answers `send`: the message is on disk.
    "ack" Ack {
        /// The id of the message.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// Its room.
        #[serde(deserialize_with = "bounded::room")]
        room: String,
        /// Its position.
        seq: Seq,
        /// When the server accepted it, RFC 3339 UTC.
        #[serde(deserialize_with = "bounded::time")]
        ts: String,
    }
    /// Answers a request that has nothing else to say.
    "ok" Done {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The device token to resume with next time, if one was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_token")]
        token: Option<Secret>,
    }
    /// Answers a request that was refused, or says why the connection closes.
    "error" ErrorFrame {
        /// The id of the request, if it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_id")]
        id: Option<String>,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, and what to do, for people.
        #[serde(deserialize_with = "bounded::sentence")]
        reason: String,
        /// Seconds to wait before the next try.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// Whether the connection closes now.
        #[serde(default, skip_serializing_if = "std::ops::Not::not", deserialize_with = "bounded::or_default")]
        fatal: bool,
    }
    /// The session has a new room: the answer to `join`, or the result of another device's or person's action.
    "room" Room {
        /// The id of the `join`, if this answers one.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_id")]
        id: Option<String>,
        /// The room.
        #[serde(flatten)]
        state: RoomState,
    }
    /// The session no longer has a room: it was left on another device.
    "room_gone" RoomGone {
        /// The room.
        #[serde(deserialize_with = "bounded::room")]
        room: String,
    }
    /// Answers `rooms`.
    "rooms" Rooms {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The group rooms, by name.
        #[serde(deserialize_with = "bounded::rooms")]
        rooms: Vec<RoomSummary>,
    }
    /// Answers `members`.
    "members" Members {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The room, if the request named one.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_room")]
        room: Option<String>,
        /// The members, those online first; at most 1000.
        #[serde(deserialize_with = "bounded::members")]
        members: Vec<Member>,
        /// How many there are in all.
        total: u64,
    }
    /// Answers `history`.
    "history" History {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The room.
        #[serde(deserialize_with = "bounded::room")]
        room: String,
        /// `message`, `joined` and `left` frames, oldest first.
        #[serde(deserialize_with = "entry::entries")]
        entries: Vec<ServerFrame>,
        /// Whether there are older ones.
        more: bool,
    }
    /// The present state of an account. Only the latest value is sent, to everybody.
    "presence" Presence {
        /// Who.
        #[serde(deserialize_with = "bounded::account")]
        username: String,
        /// `online`, `away` or `offline`.
        state: PresenceState,
        /// Why, if away.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::away_reason")]
        reason: Option<String>,
        /// When last seen, if offline; RFC 3339 UTC.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_time")]
        last_seen: Option<String>,
        /// Accounts that are online or away now.
        connected: u64,
    }
    /// Somebody is typing in a room; show it for six seconds, or until a message from them arrives.
    "typing" Typing {
        /// The room.
        #[serde(deserialize_with = "bounded::room")]
        room: String,
        /// Who.
        #[serde(deserialize_with = "bounded::account")]
        username: String,
    }
    /// Answers `whois`.
    "whois" Whois {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
        /// The account and its present state.
        #[serde(flatten)]
        member: Member,
        /// When the account was made, RFC 3339 UTC.
        #[serde(deserialize_with = "bounded::time")]
        since: String,
        /// Whether it may administer this server.
        admin: bool,
        /// How many sessions it has.
        sessions: u64,
    }
    /// A state of the whole server. Only the latest value is sent, to every attached session.
    "notice" Notice {
        /// What, for programs.
        code: NoticeCode,
        /// What, and what to do, for people.
        #[serde(deserialize_with = "bounded::sentence")]
        reason: String,
    }
    /// Answers `ping`.
    "pong" Pong {
        /// The id of the request.
        #[serde(deserialize_with = "bounded::id")]
        id: String,
    }
    /// A sign of life on a quiet connection. Needs no answer.
    "ping" KeepAlive {}
    /// The connection closes on purpose.
    "goodbye" Goodbye {
        /// The id of the `bye`, if this answers one.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_id")]
        id: Option<String>,
        /// Seconds after which to reconnect, if the server is shutting down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    }
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Registration {
    /// Everybody.
    Open,
    /// Nobody.
    Closed,
}

/// A state of the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeCode {
    /// The disk is full: the server can be read but not written to.
    ReadOnly,
    /// The server accepts messages again.
    Writable,
    /// A code from a newer server: the sentence that comes with it says what it means.
    #[serde(other)]
    Unknown,
}

/// The presence of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PresenceState {
    /// Has a session, or lost its last one a moment ago.
    Online,
    /// Has a session, but the user is away from it.
    Away,
    /// Has no session.
    Offline,
}

/// The limits that a server keeps, in `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a line from a client that is logged in, newline included.
    pub frame_bytes: u64,
    /// A message.
    pub message_bytes: u64,
    /// Posts without an answer; beyond it the server stops reading.
    pub unacked: u64,
    /// Seconds for which to show that somebody is typing.
    pub typing_seconds: u64,
    /// Seconds of silence after which the server sends `ping`.
    pub keepalive_seconds: u64,
}

/// A room as one session sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    /// `lobby`, or `@ana`.
    #[serde(deserialize_with = "bounded::room")]
    pub room: String,
    /// The last position of its log.
    pub head: Seq,
    /// The last position that this device said it has seen.
    pub mark: Seq,
    /// The position after which delivery starts; equals `head` in `welcome`, where nothing is delivered yet.
    pub from: Seq,
    /// How many accounts are in it.
    pub members: u64,
}

/// A line of `rooms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSummary {
    /// The room.
    #[serde(deserialize_with = "bounded::room")]
    pub room: String,
    /// How many accounts are in it.
    pub members: u64,
    /// How many of them are online or away.
    pub online: u64,
    /// Whether the asker is in it.
    pub joined: bool,
}

/// A line of `members`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account.
    #[serde(deserialize_with = "bounded::account")]
    pub username: String,
    /// Its display name.
    #[serde(deserialize_with = "bounded::display_name")]
    pub display_name: String,
    /// Its presence.
    pub state: PresenceState,
    /// Why, if away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::away_reason")]
    pub reason: Option<String>,
    /// When last seen, if offline and known; RFC 3339 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "bounded::maybe_time")]
    pub last_seen: Option<String>,
}
