//! The lines that were shown last, each of which can be named by its number.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use lanchat_model::{RoomRef, Seq, limits};
use lanchat_protocol::ServerFrame;

use super::line::{Line, weight};

/// Lines of all rooms: at most [`limits::TIMELINE_LINES_MAX`], which take at most about [`limits::TIMELINE_BYTES_MAX`].
/// When full, the line that was shown first is dropped.
#[derive(Default)]
pub(super) struct Timeline {
    /// The lines in the order in which they were shown. A line that is shown again keeps its place.
    order: VecDeque<(RoomRef, Seq)>,
    frames: BTreeMap<(RoomRef, Seq), ServerFrame>,
    bytes: usize,
}

impl Timeline {
    /// Notes a line that is shown now.
    pub(super) fn note(&mut self, line: &Line<'_>) {
        let key = (line.room.clone(), line.entry.seq());
        if let Some(before) = self.frames.insert(key.clone(), line.entry.to_frame()) {
            self.bytes = self.bytes.saturating_sub(of_frame(&before));
        } else {
            self.order.push_back(key);
        }
        self.bytes += weight(line.entry);
        while self.order.len() > limits::TIMELINE_LINES_MAX || self.bytes > limits::TIMELINE_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            let gone = self.frames.remove(&oldest);
            self.bytes = self.bytes.saturating_sub(gone.as_ref().map_or(0, of_frame));
        }
    }

    /// Returns the line with this number, or `None` if it was not shown or is no longer kept.
    pub(super) fn at(&self, room: &RoomRef, seq: Seq) -> Option<Line<'_>> {
        self.frames.get(&(room.clone(), seq)).and_then(Line::of)
    }

    /// Forgets the lines of a room, because its numbers now mean other lines or none.
    pub(super) fn forget(&mut self, room: &RoomRef) {
        self.order.retain(|(other, _)| other != room);
        self.frames.retain(|(other, _), _| other != room);
        self.bytes = self.frames.values().map(of_frame).sum();
    }

    /// Forgets all lines.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl fmt::Debug for Timeline {
    /// Leaves out the lines: message bodies do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("lines", &self.order.len()).finish_non_exhaustive()
    }
}

/// Returns about how much memory a kept frame takes.
fn of_frame(frame: &ServerFrame) -> usize {
    Line::of(frame).map_or(0, |line| weight(line.entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests;

    fn seq(n: usize) -> Seq {
        Seq::try_from(n as u64).unwrap()
    }

    fn said(room: &str, n: usize, text: &str) -> ServerFrame {
        tests::said(room, n as u64, "bob", text)
    }

    fn note(timeline: &mut Timeline, frame: &ServerFrame) {
        timeline.note(&Line::of(frame).unwrap());
    }

    /// Returns the text of the line with this number.
    fn text(timeline: &Timeline, room: &str, n: usize) -> Option<String> {
        match timeline.at(&room.parse().unwrap(), seq(n))?.entry.to_frame() {
            ServerFrame::Message(message) => Some(message.message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_found_by_its_room_and_its_number() {
        let mut timeline = Timeline::default();
        for room in ["lobby", "@bob"] {
            note(&mut timeline, &said(room, 7, room));
        }
        assert_eq!(text(&timeline, "lobby", 7).as_deref(), Some("lobby"));
        assert_eq!(text(&timeline, "@bob", 7).as_deref(), Some("@bob"));
        assert_eq!(text(&timeline, "lobby", 8), None);
        timeline.forget(&RoomRef::lobby());
        assert_eq!((text(&timeline, "lobby", 7), timeline.order.len()), (None, 1));
        timeline.clear();
        assert_eq!((text(&timeline, "@bob", 7), timeline.bytes), (None, 0));
    }

    #[test]
    fn the_line_that_was_shown_first_makes_room() {
        let mut timeline = Timeline::default();
        (0..=limits::TIMELINE_LINES_MAX).for_each(|n| note(&mut timeline, &said("lobby", n, "x")));
        assert_eq!(text(&timeline, "lobby", 0), None);
        assert!(text(&timeline, "lobby", 1).is_some());
        let most = limits::TIMELINE_LINES_MAX;
        assert_eq!((timeline.frames.len(), timeline.order.len()), (most, most));
    }

    #[test]
    fn long_lines_are_bounded_in_bytes_and_one_that_is_shown_again_counts_once() {
        let long = "x".repeat(limits::MESSAGE_BYTES_MAX);
        let mut timeline = Timeline::default();
        (0..9999).for_each(|_| note(&mut timeline, &said("lobby", 1, &long)));
        assert_eq!((timeline.order.len(), timeline.frames.len()), (1, 1));
        let count = limits::TIMELINE_BYTES_MAX / limits::MESSAGE_BYTES_MAX;
        (2..=count + 1).for_each(|n| note(&mut timeline, &said("lobby", n, &long)));
        assert!(timeline.bytes <= limits::TIMELINE_BYTES_MAX, "{}", timeline.bytes);
        assert_eq!(text(&timeline, "lobby", 1), None);
        assert!(text(&timeline, "lobby", count + 1).is_some());
    }
}
