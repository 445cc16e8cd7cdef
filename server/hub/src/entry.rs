//! Entries: what a room's log is made of.

use std::sync::{Arc, OnceLock};

use lanchat_model::{AccountId, AccountName, ClientId, MessageText, RoomId, Seq, Timestamp, limits};

/// The account that an entry is about, which need not be the one that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its row.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
}

/// What an entry says.
///
/// The list is closed: whoever reads or keeps entries matches all of it, so that a new kind is found by the compiler in each
/// place that has to know it. A test holds that to be so (ARCHITECTURE.md, "Adding a kind of entry").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Somebody said something.
    Message {
        /// What.
        text: MessageText,
        /// Whether it is what the author does.
        action: bool,
    },
    /// Somebody became a member: by the author, who may be somebody else.
    Joined(Subject),
    /// Somebody is a member no longer: by the author, who may be somebody else.
    Left(Subject),
}

impl Body {
    /// What it takes on the wire, escapes included, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Self::Message { text, .. } => text.encoded_len(),
            Self::Joined(_) | Self::Left(_) => 0,
        }
    }

    /// Whether it is something said: what counts as unread.
    pub const fn is_said(&self) -> bool {
        match self {
            Self::Message { .. } => true,
            Self::Joined(_) | Self::Left(_) => false,
        }
    }

    /// Whom it is about, if it is about an account.
    pub const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Message { .. } => None,
            Self::Joined(subject) | Self::Left(subject) => Some(subject),
        }
    }

    /// The earlier entry of the same log that it changes: an edit, say, has a position of its own and names the message that
    /// it edits. No kind of today is one of those.
    pub const fn target(&self) -> Option<Seq> {
        match self {
            Self::Message { .. } | Self::Joined(_) | Self::Left(_) => None,
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
    /// The author: who made it, and not always whom it is about.
    pub author: AccountId,
    /// The author's name.
    pub author_name: AccountName,
    /// When it was taken.
    pub at: Timestamp,
    /// What it says.
    pub body: Body,
}

/// What an entry takes on the wire beside its body, mostly, in bytes: names, ids, punctuation.
const OVERHEAD_BYTES: usize = 192;

impl Entry {
    /// What the entry takes on the wire, roughly, in bytes.
    pub fn wire_weight(&self) -> usize {
        self.body.weight() + OVERHEAD_BYTES
    }

    /// What the entry takes on the wire at most, in bytes: what counts against `limits::PAGE_BYTES_MAX`.
    pub fn wire_bytes_max(&self) -> usize {
        self.body.weight() + limits::ENTRY_OVERHEAD_BYTES_MAX
    }
}

/// Entries of one room that were committed together, without holes: what most readers read as one piece.
///
/// At least one, and at most `limits::RUN_BYTES_MAX` by [`Entry::wire_weight`] unless it is one.
#[derive(Debug)]
pub struct Run {
    entries: Vec<Arc<Entry>>,
    form: WireForm,
}

/// A place for the bytes that many recipients get: made by the first door that needs them, then shared.
#[derive(Debug, Default)]
pub(crate) struct WireForm(OnceLock<Box<[u8]>>);

impl WireForm {
    /// The bytes; `make` is called at most once.
    pub(crate) fn made_by(&self, make: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.0.get_or_init(|| make().into())
    }
}

impl Run {
    /// A run that begins with `first`.
    pub(crate) fn of(first: Arc<Entry>) -> Self {
        Self { entries: vec![first], form: WireForm::default() }
    }

    /// Adds the entry behind the last one.
    pub(crate) fn push(&mut self, next: Arc<Entry>) {
        self.entries.push(next);
    }

    /// The entries, in the order of the log.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The position of the first entry.
    pub(crate) fn first(&self) -> Seq {
        self.entries.first().map_or(Seq::ZERO, |entry| entry.seq)
    }

    /// The position of the last entry.
    pub(crate) fn last(&self) -> Seq {
        self.entries.last().map_or(Seq::ZERO, |entry| entry.seq)
    }

    /// The run as bytes: `make` is called at most once, and its result is shared by all recipients. Only for bytes that
    /// are the same for everybody, so not for private chats, which each side sees under another name.
    pub fn wire_form(&self, make: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.form.made_by(make)
    }
}
