//! Entries: what a room's log is made of.

use std::borrow::Cow;
use std::sync::Arc;

use lanchat_model::{AccountId, AccountName, ClientId, MessageText, RoomId, Seq, Timestamp, limits};

use crate::wire_form::{WireForms, WireVariant};

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
    /// How many read the room when it was committed.
    readers: u32,
    forms: WireForms,
}

impl Run {
    /// A run that begins with `first`, in a room that so many read.
    pub(crate) fn of(first: Arc<Entry>, readers: u32) -> Self {
        Self { entries: vec![first], readers, forms: WireForms::default() }
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

    /// Returns the run as bytes of one form. They are made at most once, and shared by all recipients that get the same
    /// form; where it has few readers, or the run has `limits::WIRE_FORMS_MAX` other forms, they are made for each.
    pub fn wire_form(&self, of: &'static WireVariant, make: impl FnOnce() -> Vec<u8>) -> Cow<'_, [u8]> {
        if of.is_worth_keeping(self.readers) { self.forms.made_by(of, make) } else { Cow::Owned(make()) }
    }
}
