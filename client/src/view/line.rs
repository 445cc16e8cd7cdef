//! A line of the conversation: an entry, and the room that it is in.

use lanchat_model::RoomRef;
use lanchat_protocol::{Entry, ServerFrame};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    /// The room.
    pub(crate) room: RoomRef,
    /// The entry of its log.
    pub(crate) entry: Entry<'a>,
}

impl<'a> Line<'a> {
    /// Returns the line that a frame is, or `None` if it is not one or names an invalid room.
    pub(crate) fn of(frame: &'a ServerFrame) -> Option<Self> {
        let entry = Entry::of(frame)?;
        Some(Self { room: RoomRef::existing(entry.room()).ok()?, entry })
    }
}

/// Returns about how much memory a kept entry takes.
pub(crate) fn weight(entry: Entry<'_>) -> usize {
    let text = match entry {
        Entry::Message(message) => message.message.len(),
        Entry::Joined(_) | Entry::Left(_) => 0,
    };
    size_of::<ServerFrame>() + text
}
