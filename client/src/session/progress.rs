//! How far each room is shown: upwards for `/history`, downwards for the end of the input, and on the screen.

use std::collections::BTreeMap;

use lanchat_model::{RoomRef, Seq, limits};

/// Of one room.
#[derive(Debug, Default)]
struct Place {
    /// The oldest line that was shown: `/history` goes on before it.
    oldest: Option<Seq>,
    /// What must have been shown before the end of the input ends the session.
    due: Seq,
    /// The last line that was shown.
    latest: Seq,
    /// Rows that were printed when that was.
    printed: Option<usize>,
}

/// Of each room, at most [`limits::ROOMS_PER_ACCOUNT_MAX`]. When full nothing is noted of others.
#[derive(Debug, Default)]
pub(super) struct Progress(BTreeMap<RoomRef, Place>);

impl Progress {
    fn place(&mut self, room: &RoomRef) -> Option<&mut Place> {
        if self.0.len() >= limits::ROOMS_PER_ACCOUNT_MAX && !self.0.contains_key(room) {
            return None;
        }
        Some(self.0.entry(room.clone()).or_default())
    }

    /// The entry at `seq` was delivered and shown, if it is one to be shown.
    pub(super) fn passed(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.latest = place.latest.max(seq);
        }
    }

    /// A line is on the screen: if it is the first of its room, `/history` goes on before it.
    pub(super) fn showed(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.oldest.get_or_insert(seq);
        }
    }

    /// `/history` goes on before `seq`.
    pub(super) fn paged(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.oldest = Some(seq);
        }
    }

    /// Where `/history` goes on; `None`: at the end of the log.
    pub(super) fn oldest(&self, room: &RoomRef) -> Option<Seq> {
        self.0.get(room)?.oldest
    }

    /// Lines were printed last when so many rows were.
    pub(super) fn printed(&mut self, room: &RoomRef, rows: usize) {
        if let Some(place) = self.place(room) {
            place.printed = Some(rows);
        }
    }

    /// How many rows were printed when the last lines were.
    pub(super) fn printed_at(&self, room: &RoomRef) -> Option<usize> {
        self.0.get(room)?.printed
    }

    /// At the end of the input the room has to be shown up to `seq`.
    pub(super) fn expect(&mut self, room: &RoomRef, seq: Seq) {
        if let Some(place) = self.place(room) {
            place.due = place.due.max(seq);
        }
    }

    /// Whether all that has to be shown is.
    pub(super) fn is_complete(&self) -> bool {
        self.0.values().all(|place| place.latest >= place.due)
    }

    /// The log of a room is another one. What was printed of it still is.
    pub(super) fn reset(&mut self, room: &RoomRef) {
        if let Some(place) = self.0.get_mut(room) {
            *place = Place { printed: place.printed, ..Place::default() };
        }
    }

    /// As [`Progress::reset`], of all rooms.
    pub(super) fn reset_all(&mut self) {
        self.0.values_mut().for_each(|place| *place = Place { printed: place.printed, ..Place::default() });
    }

    /// Nothing is delivered of a room any more.
    pub(super) fn forget(&mut self, room: &RoomRef) {
        self.0.remove(room);
    }

    /// Nothing is delivered any more.
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
