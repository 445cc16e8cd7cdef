//! Entries: what a room's log is made of.

use std::sync::{Arc, OnceLock};

use lanchat_model::{AccountName, ClientId, MessageText, RoomId, Seq, Timestamp};

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// Somebody said something.
    Message {
        /// What.
        text: MessageText,
        /// Whether it is what the author does.
        action: bool,
    },
    /// Somebody became a member.
    Joined,
    /// Somebody is a member no longer.
    Left,
}

impl Body {
    /// The size that counts against a ring or a page, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Message { text, .. } => text.as_str().len(),
            Self::Joined | Self::Left => 0,
        }
    }
}

/// An entry of a room's log: committed, and never changed again.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The room.
    pub room: RoomId,
    /// The position in the room's log.
    pub seq: Seq,
    /// The id that its author gave it.
    pub client_id: ClientId,
    /// The author.
    pub author: AccountName,
    /// When it was taken.
    pub at: Timestamp,
    /// What it says.
    pub body: Body,
    /// See [`Entry::wire_form`].
    pub form: WireForm,
}

/// A place for the bytes that all recipients of an entry get: made by the first door that needs them, then shared.
#[derive(Debug, Clone, Default)]
pub struct WireForm(OnceLock<Arc<[u8]>>);

impl Entry {
    /// The entry as bytes: `make` is called at most once per entry and its result shared by all recipients. Only for
    /// bytes that are the same for everybody, so not for private chats, which each side sees under another name.
    pub fn wire_form(&self, make: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.form.0.get_or_init(|| make().into())
    }
}
