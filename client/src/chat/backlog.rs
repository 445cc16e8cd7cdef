//! After a login the unread lines are shown last, next to the prompt: after the lines of the current room that were
//! read before, whichever room the server delivers first.

use std::collections::BTreeMap;

use lanchat_model::{Seq, limits};
use lanchat_protocol::{Entry, RoomState, ServerFrame};
use tokio::time::Instant;

use crate::view::weight;

/// Delivered entries that wait for others to be shown first. The order is: read entries of the current room, unread
/// entries elsewhere, unread entries of the current room.
///
/// Holds back at most [`limits::OUTPUT_BYTES_MAX`], and for at most [`limits::UNREAD_HELD_MAX`]; then everything is
/// shown in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// When the waiting began; `None` if nothing is held back.
    since: Option<Instant>,
    /// The current room, and its last entry that was read before, while that entry is still to come.
    current: String,
    context: Option<Seq>,
    /// Other rooms with entries to come, and the last position of each. Bounded by the rooms of an account.
    elsewhere: BTreeMap<String, Seq>,
    /// Entries held back, of other rooms and of the current one.
    others: Vec<ServerFrame>,
    own: Vec<ServerFrame>,
    bytes: usize,
}

impl Backlog {
    /// Begins to hold back: delivery of `rooms` starts, and the user is in `current`.
    pub(super) fn begin(&mut self, rooms: &[RoomState], current: &str, now: Instant) {
        let to_come = |room: &&RoomState| room.from < room.head;
        let own = rooms.iter().filter(to_come).find(|room| room.room == current);
        // In a room that was never read, everything is context.
        let read = own.map(|own| if own.mark == Seq::ZERO { own.head } else { own.mark.min(own.head) });
        let context = read.filter(|read| own.is_some_and(|own| own.from < *read));
        let others = rooms.iter().filter(to_come).filter(|room| room.room != current);
        let elsewhere: BTreeMap<_, _> = others.map(|room| (room.room.clone(), room.head)).collect();
        let waits = own.is_some() && !elsewhere.is_empty();
        *self = Self {
            since: waits.then_some(now),
            current: current.to_owned(),
            context,
            elsewhere,
            ..Self::default()
        };
    }

    /// Returns whether an entry may be shown now. Otherwise it is held back.
    pub(super) fn admit(&mut self, frame: &ServerFrame) -> bool {
        let Some(entry) = Entry::of(frame).filter(|_| self.since.is_some()) else { return true };
        let (room, seq) = (entry.room(), entry.seq());
        let is_own = room == self.current;
        let shows = match (is_own, self.context) {
            (true, Some(context)) => seq <= context,
            (true, None) => self.elsewhere.is_empty() && self.own.is_empty(),
            (false, Some(_)) => false,
            (false, None) => true,
        };
        if is_own && self.context.is_some_and(|context| seq >= context) {
            self.context = None;
        }
        if self.elsewhere.get(room).is_some_and(|head| seq >= *head) {
            self.elsewhere.remove(room);
        }
        if !shows {
            let held = if is_own { &mut self.own } else { &mut self.others };
            held.push(frame.clone());
            self.bytes += weight(entry);
        }
        shows
    }

    /// Takes the entries that are no longer held back, in order. Call it after each [`Backlog::admit`].
    pub(super) fn release(&mut self) -> Vec<ServerFrame> {
        if self.since.is_none() || self.context.is_some() {
            return if self.bytes > limits::OUTPUT_BYTES_MAX { self.end() } else { Vec::new() };
        }
        if self.elsewhere.is_empty() || self.bytes > limits::OUTPUT_BYTES_MAX {
            return self.end();
        }
        std::mem::take(&mut self.others)
    }

    /// Takes everything, if it has waited too long.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<ServerFrame> {
        match self.since {
            Some(since) if now.duration_since(since) >= limits::UNREAD_HELD_MAX => self.end(),
            _ => Vec::new(),
        }
    }

    /// Ends the waiting, and takes everything that is held back.
    pub(super) fn end(&mut self) -> Vec<ServerFrame> {
        let Self { mut others, own, .. } = std::mem::take(self);
        others.extend(own);
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::tests;

    fn seq(n: u64) -> Seq {
        Seq::try_from(n).unwrap()
    }

    fn room(name: &str, from: u64, mark: u64, head: u64) -> RoomState {
        RoomState { room: name.into(), head: seq(head), mark: seq(mark), from: seq(from), members: 2 }
    }

    fn said(room: &str, n: u64, text: &str) -> ServerFrame {
        tests::said(room, n, "bob", text)
    }

    /// Returns the order in which the frames are shown.
    fn shown(backlog: &mut Backlog, frames: impl IntoIterator<Item = ServerFrame>) -> Vec<String> {
        let mut shown = Vec::new();
        let mut show = |frame: &ServerFrame| {
            let entry = Entry::of(frame).unwrap();
            shown.push(format!("{} {}", entry.room(), entry.seq()));
        };
        for frame in frames {
            if backlog.admit(&frame) {
                show(&frame);
            }
            backlog.release().iter().for_each(&mut show);
        }
        shown
    }

    #[test]
    fn what_is_unread_comes_last_whatever_is_delivered_first() {
        let rooms = [room("lobby", 0, 2, 3), room("dev", 4, 4, 6), room("quiet", 9, 9, 9)];
        let (read, elsewhere) =
            ([said("lobby", 1, "x"), said("lobby", 2, "x")], [said("dev", 5, "x"), said("dev", 6, "x")]);
        let unread = [said("lobby", 3, "x")];
        let wanted = ["lobby 1", "lobby 2", "dev 5", "dev 6", "lobby 3"];
        for order in [
            [&elsewhere[..], &read[..], &unread[..]],
            [&read[..], &unread[..], &elsewhere[..]],
            [&read[..], &elsewhere[..], &unread[..]],
        ] {
            let mut backlog = Backlog::default();
            backlog.begin(&rooms, "lobby", Instant::now());
            let frames = order.concat();
            assert_eq!(shown(&mut backlog, frames), wanted);
            assert_eq!(
                shown(&mut backlog, [said("dev", 7, "x"), said("lobby", 4, "x")]),
                ["dev 7", "lobby 4"]
            );
        }
    }

    #[test]
    fn what_happens_meanwhile_stays_behind_what_was_before_it_in_its_room() {
        let mut backlog = Backlog::default();
        backlog.begin(&[room("lobby", 0, 2, 2), room("dev", 4, 4, 5)], "lobby", Instant::now());
        let frames = [
            said("dev", 5, "x"),
            said("dev", 6, "live"),
            said("lobby", 1, "x"),
            said("lobby", 2, "x"),
            said("lobby", 3, "live"),
        ];
        assert_eq!(shown(&mut backlog, frames), ["lobby 1", "lobby 2", "dev 5", "dev 6", "lobby 3"]);
    }

    #[test]
    fn where_one_room_alone_has_something_nothing_waits() {
        for rooms in [vec![room("lobby", 0, 2, 3)], vec![room("lobby", 3, 3, 3), room("dev", 4, 4, 6)]] {
            let mut backlog = Backlog::default();
            backlog.begin(&rooms, "lobby", Instant::now());
            assert!(backlog.since.is_none());
            let frames = [said("lobby", 1, "x"), said("dev", 5, "x")];
            assert_eq!(shown(&mut backlog, frames), ["lobby 1", "dev 5"]);
        }
    }

    #[test]
    fn waiting_is_bounded_in_bytes_and_in_time() {
        let rooms = [room("lobby", 0, 2, 3), room("dev", 0, 0, 9000)];
        let text = "x".repeat(limits::MESSAGE_BYTES_MAX);
        let count = limits::OUTPUT_BYTES_MAX / limits::MESSAGE_BYTES_MAX + 1;
        let mut backlog = Backlog::default();
        backlog.begin(&rooms, "lobby", Instant::now());
        let frames = (1..=count as u64).map(|n| said("dev", n, &text));
        assert_eq!(shown(&mut backlog, frames).len(), count);

        let now = Instant::now();
        backlog.begin(&rooms, "lobby", now);
        assert!(shown(&mut backlog, [said("dev", 1, "x")]).is_empty());
        assert!(backlog.overdue(now).is_empty());
        assert_eq!(backlog.overdue(now + limits::UNREAD_HELD_MAX).len(), 1);
        assert!(backlog.admit(&said("dev", 2, "x")));
    }
}
