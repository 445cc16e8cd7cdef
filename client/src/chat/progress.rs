//! How far each room was shown: upwards for `/history`, downwards for the end of the input, and on the screen.

use std::collections::BTreeMap;

use lanchat_model::{RoomRef, Seq, limits};

/// The progress of one room.
#[derive(Debug, Default)]
struct RoomProgress {
    /// The oldest line that was shown: `/history` continues before it.
    oldest: Option<Seq>,
    /// The position that must be shown before the end of the input ends the session.
    due: Seq,
    /// The last line that was shown.
    latest: Seq,
    /// How many rows had been printed when its last lines were.
    printed: Option<usize>,
}

/// The progress of each room, at most [`limits::ROOMS_PER_ACCOUNT_MAX`] rooms. When full, further rooms are ignored.
#[derive(Debug, Default)]
pub(super) struct Progress(BTreeMap<RoomRef, RoomProgress>);

impl Progress {
    fn place(&mut self, room: &RoomRef) -> Option<&mut RoomProgress> {
        if self.0.len() >= limits::ROOMS_PER_ACCOUNT_MAX && !self.0.contains_key(room) {
            return None;
        }
        Some(self.0.entry(room.clone()).or_default())
    }

    /// Notes that the entry at `seq` was delivered, and shown if it is a visible one.
    pub(super) fn passed(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.latest = place.latest.max(seq);
        }
    }

    /// Notes that a line is on the screen: if it is the first of its room, `/history` continues before it.
    pub(super) fn showed(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.oldest.get_or_insert(seq);
        }
    }

    /// Notes that `/history` continues before `seq`.
    pub(super) fn paged(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.oldest = Some(seq);
        }
    }

    /// Returns where `/history` continues; `None`: at the end of the log.
    pub(super) fn oldest(&self, room: &RoomRef) -> Option<Seq> {
        self.0.get(room)?.oldest
    }

    /// Notes that lines of `room` were printed when `rows` rows were.
    pub(super) fn printed(&mut self, room: &RoomRef, rows: usize) {
        if let Some(place) = self.place(room) {
            place.printed = Some(rows);
        }
    }

    /// Returns how many rows were printed when its last lines were.
    pub(super) fn printed_at(&self, room: &RoomRef) -> Option<usize> {
        self.0.get(room)?.printed
    }

    /// Notes that the room has to be shown up to `seq` before the end of the input ends the session.
    pub(super) fn expect(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.due = place.due.max(seq);
        }
    }

    /// Returns whether everything that has to be shown is.
    pub(super) fn is_complete(&self) -> bool {
        self.0.values().all(|place| place.latest >= place.due)
    }

    /// Starts over with a room whose log has changed. Rows printed of it stay printed.
    pub(super) fn reset(&mut self, room: &RoomRef) {
        if let Some(place) = self.0.get_mut(room) {
            *place = RoomProgress { printed: place.printed, ..RoomProgress::default() };
        }
    }

    /// As [`Progress::reset`], for all rooms.
    pub(super) fn reset_all(&mut self) {
        self.0
            .values_mut()
            .for_each(|place| *place = RoomProgress { printed: place.printed, ..RoomProgress::default() });
    }

    /// Forgets a room that is no longer delivered.
    pub(super) fn forget(&mut self, room: &RoomRef) {
        self.0.remove(room);
    }

    /// Forgets all rooms.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: u64) -> Seq {
        Seq::try_from(n).unwrap()
    }

    #[test]
    fn the_end_waits_for_what_is_due_and_for_nothing_else() {
        let (mut progress, lobby) = (Progress::default(), RoomRef::lobby());
        assert!(progress.is_complete());
        progress.passed(&lobby, seq(3));
        assert!(progress.is_complete());
        progress.expect(&lobby, seq(5));
        progress.expect(&lobby, seq(4));
        progress.passed(&lobby, seq(4));
        assert!(!progress.is_complete());
        progress.passed(&lobby, seq(5));
        assert!(progress.is_complete());
        progress.expect(&lobby, seq(9));
        progress.reset(&lobby);
        assert!(progress.is_complete(), "another log");
    }

    #[test]
    fn history_goes_on_before_the_first_line_that_was_shown_and_then_before_each_page() {
        let (mut progress, lobby) = (Progress::default(), RoomRef::lobby());
        progress.showed(&lobby, seq(8));
        progress.showed(&lobby, seq(9));
        assert_eq!(progress.oldest(&lobby), Some(seq(8)));
        progress.paged(&lobby, seq(2));
        progress.printed(&lobby, 40);
        assert_eq!(progress.oldest(&lobby), Some(seq(2)));
        progress.reset_all();
        assert_eq!((progress.oldest(&lobby), progress.printed_at(&lobby)), (None, Some(40)));
        progress.forget(&lobby);
        assert_eq!(progress.printed_at(&lobby), None);
    }

    #[test]
    fn rooms_are_bounded() {
        let mut progress = Progress::default();
        for n in 0..2 * limits::ROOMS_PER_ACCOUNT_MAX {
            progress.expect(&format!("r{n}").parse().unwrap(), seq(1));
        }
        assert_eq!(progress.0.len(), limits::ROOMS_PER_ACCOUNT_MAX);
    }
}
