//! Entries: what a room's log is made of.

use std::borrow::Cow;
use std::sync::Arc;

use lanchat_model::{AccountId, AccountName, ClientId, MessageText, RoomId, Seq, Timestamp, limits};

use crate::wire_form::{WireForms, WireVariant};

/// The account that an entry is about, which need not be its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The id of its row.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
}

/// The content of an entry.
///
/// The list is closed: code that reads or keeps entries matches all of it, so that the compiler finds each place that
/// has to know a new kind. A test enforces this (ARCHITECTURE.md, "Adding a kind of entry").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Somebody said something.
    Message {
        /// The text.
        text: MessageText,
        /// Whether the text describes what the author does.
        action: bool,
    },
    /// The author made somebody a member, perhaps somebody else.
    Joined(Subject),
    /// The author ended a membership, perhaps somebody else's.
    Left(Subject),
}

impl Body {
    /// Returns its size on the wire in bytes, escapes included.
    pub fn weight(&self) -> usize {
        match self {
            Self::Message { text, .. } => text.encoded_len(),
            Self::Joined(_) | Self::Left(_) => 0,
        }
    }

    /// Returns whether it is something said, which counts as unread.
    pub const fn is_said(&self) -> bool {
        match self {
            Self::Message { .. } => true,
            Self::Joined(_) | Self::Left(_) => false,
        }
    }

    /// Returns the account that it is about, if it is about one.
    pub const fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Message { .. } => None,
            Self::Joined(subject) | Self::Left(subject) => Some(subject),
        }
    }

    /// Returns the earlier entry of the same log that it changes. An edit, say, would have its own `seq` and name the
    /// message that it edits. No present kind changes another entry.
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
    /// Its number in the room's log.
    pub seq: Seq,
    /// The id that its author gave it.
    pub client_id: ClientId,
    /// The author, who is not always the account that it is about.
    pub author: AccountId,
    /// The author's name.
    pub author_name: AccountName,
    /// When it was appended.
    pub at: Timestamp,
    /// The content.
    pub body: Body,
}

/// A typical size in bytes of what an entry has on the wire besides its body: names, ids, punctuation.
const OVERHEAD_BYTES: usize = 192;

impl Entry {
    /// Returns the entry's approximate size on the wire, in bytes.
    pub fn wire_weight(&self) -> usize {
        self.body.weight() + OVERHEAD_BYTES
    }

    /// Returns the entry's largest possible size on the wire, in bytes, which counts against `limits::PAGE_BYTES_MAX`.
    pub fn wire_bytes_max(&self) -> usize {
        self.body.weight() + limits::ENTRY_OVERHEAD_BYTES_MAX
    }
}

/// Entries of one room that were committed together, without holes. Most readers read them as one piece.
///
/// It has at least one entry. If it has more, they are at most `limits::RUN_BYTES_MAX` by [`Entry::wire_weight`].
#[derive(Debug)]
pub struct Run {
    entries: Vec<Arc<Entry>>,
    /// How many sessions read the room when it was committed.
    readers: u32,
    forms: WireForms,
}

impl Run {
    /// Begins a run with `first`, in a room with so many readers.
    pub(crate) fn of(first: Arc<Entry>, readers: u32) -> Self {
        Self { entries: vec![first], readers, forms: WireForms::default() }
    }

    /// Adds the entry after the last one.
    pub(crate) fn push(&mut self, next: Arc<Entry>) {
        self.entries.push(next);
    }

    /// Returns the entries, in the order of the log.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// Returns the `seq` of the first entry.
    pub(crate) fn first(&self) -> Seq {
        self.entries.first().map_or(Seq::ZERO, |entry| entry.seq)
    }

    /// Returns the `seq` of the last entry.
    pub(crate) fn last(&self) -> Seq {
        self.entries.last().map_or(Seq::ZERO, |entry| entry.seq)
    }

    /// Returns the run as bytes of one form. They are made at most once, and shared by all recipients of that form. If
    /// the room has few readers, or the run has `limits::WIRE_FORMS_MAX` other forms, they are made for each recipient.
    pub fn wire_form(&self, of: &'static WireVariant, make: impl FnOnce() -> Vec<u8>) -> Cow<'_, [u8]> {
        if of.is_worth_keeping(self.readers) { self.forms.made_by(of, make) } else { Cow::Owned(make()) }
    }
}
