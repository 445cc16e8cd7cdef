//! A writer: a connection, its account and the room that it writes to.

use crate::seed;
use crate::target::Side;
use crate::wire::Post;

/// A writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// The number of its connection and of its account.
    pub(super) member: usize,
    name: String,
    room: String,
}

impl Writer {
    /// Makes a writer with the connection and account of this number, and the room as that account names it.
    pub(super) fn new(member: usize, room: String) -> Self {
        Self { member, name: seed::name(member), room }
    }

    /// Appends the line of a message.
    pub(super) fn write(&self, side: Side, number: u32, out: &mut Vec<u8>) {
        let post = Post { member: self.member as u16, number };
        match side {
            Side::Server => post.write_send(&self.room, out),
            Side::Floor => post.write_relay(&self.room, &self.name, out),
        }
    }
}
