//! Where delivery starts in each room, and how far it has come.

use std::collections::BTreeMap;

use lanchat_model::{RoomRef, Seq, limits};
use lanchat_protocol::RoomState;

/// How many of each room's entries a new session is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachPolicy {
    /// The least number of last entries to show, seen or not, for context.
    pub tail: u64,
    /// The most entries to show of a group room, however many were missed. A private chat is always shown from the last
    /// entry that was seen.
    pub missed_max: u64,
}

impl AttachPolicy {
    /// Returns a policy that shows at least `tail` entries of every room, and at most `missed_max` of a group room.
    pub const fn new(tail: u64, missed_max: u64) -> Self {
        Self { tail, missed_max }
    }

    /// Returns the position after which delivery of `room` starts.
    pub fn start(&self, room: &RoomState) -> Seq {
        let context = room.head.back(self.tail);
        if RoomRef::existing(&room.room).is_ok_and(|room| room.is_private()) {
            return room.mark.min(context);
        }
        // A newcomer has seen nothing yet, so missed nothing.
        if room.mark == Seq::ZERO {
            return context;
        }
        room.mark.min(context).max(room.head.back(self.missed_max))
    }
}

impl Default for AttachPolicy {
    /// Returns what suits a person: a screen of context, and no more missed entries than can be read.
    fn default() -> Self {
        Self::new(limits::JOIN_TAIL_DEFAULT, limits::JOIN_TAIL_MAX)
    }
}

/// The last position that was delivered in each room.
#[derive(Debug, Default)]
pub(crate) struct Cursors(BTreeMap<String, Seq>);

/// How an entry relates to the cursor of its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The entry that is due: the cursor has moved onto it.
    Next,
    /// An entry that was delivered before.
    Again,
    /// An entry of a room that is not delivered.
    Elsewhere,
    /// An entry that comes too early: earlier ones are missing.
    Gap,
}

impl Cursors {
    /// Sets where delivery of `room` starts. Returns `false` if the room limit is reached.
    pub(crate) fn set(&mut self, room: &str, seq: Seq) -> bool {
        if self.0.len() >= limits::ROOMS_PER_ACCOUNT_MAX && !self.0.contains_key(room) {
            return false;
        }
        self.0.insert(room.to_owned(), seq);
        true
    }

    /// Returns the last position delivered of `room`.
    pub(crate) fn of(&self, room: &str) -> Option<Seq> {
        self.0.get(room).copied()
    }

    /// Forgets `room`.
    pub(crate) fn remove(&mut self, room: &str) {
        self.0.remove(room);
    }

    /// Keeps only the rooms for which `keep` returns true.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|room, _| keep(room));
    }

    /// Forgets all rooms.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns a copy in the form that `attach` takes.
    pub(crate) fn to_map(&self) -> BTreeMap<String, Seq> {
        self.0.clone()
    }

    /// Takes in the entry at `seq` of `room`.
    pub(crate) fn step(&mut self, room: &str, seq: Seq) -> Step {
        match self.0.get_mut(room) {
            None => Step::Elsewhere,
            Some(cursor) if seq <= *cursor => Step::Again,
            Some(cursor) if seq == cursor.next() => {
                *cursor = seq;
                Step::Next
            }
            Some(_) => Step::Gap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::try_from(n).unwrap()
    }

    fn room(name: &str, head: u64, mark: u64) -> RoomState {
        RoomState { room: name.into(), head: seq(head), mark: seq(mark), from: seq(head), members: 1 }
    }

    #[test]
    fn delivery_starts_at_what_was_missed_or_at_the_context() {
        let policy = AttachPolicy::new(50, 200);
        let start = |name, head, mark| policy.start(&room(name, head, mark)).get();
        assert_eq!(start("lobby", 1000, 0), 950, "a newcomer sees the tail");
        assert_eq!(start("lobby", 1000, 990), 950, "little missed: the tail");
        assert_eq!(start("lobby", 1000, 900), 900, "more missed: all of it");
        assert_eq!(start("lobby", 1000, 10), 800, "too much missed: the latest");
        assert_eq!(start("lobby", 10, 10), 0);
        assert_eq!(start("@ana", 1000, 10), 10, "a private chat is never cut");
        assert_eq!(start("@ana", 1000, 0), 0);
        assert_eq!(start("lobby", 10, 99), 0, "a mark beyond the head, after a restore");
    }

    #[test]
    fn each_position_is_taken_once_and_in_order() {
        let mut cursors = Cursors::default();
        assert!(cursors.set("lobby", seq(4)));
        assert_eq!(cursors.step("lobby", seq(5)), Step::Next);
        assert_eq!(cursors.step("lobby", seq(5)), Step::Again);
        assert_eq!(cursors.step("lobby", seq(1)), Step::Again);
        assert_eq!(cursors.step("lobby", seq(7)), Step::Gap);
        assert_eq!(cursors.step("lobby", seq(6)), Step::Next);
        assert_eq!(cursors.step("attic", seq(1)), Step::Elsewhere);
    }

    #[test]
    fn rooms_are_bounded() {
        let mut cursors = Cursors::default();
        for n in 0..limits::ROOMS_PER_ACCOUNT_MAX {
            assert!(cursors.set(&format!("r{n}"), Seq::ZERO));
        }
        assert!(!cursors.set("one-more", Seq::ZERO));
        assert!(cursors.set("r0", seq(1)));
    }
}
