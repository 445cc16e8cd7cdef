//! The rooms of a session, and how far each was handed out.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use lanchat_model::{RoomId, RoomRef, Seq, limits};

use crate::event::{RoomState, Side};
use crate::port::{MembershipRecord, RoomKind};
use crate::room::{ReaderKey, Room};
use crate::session_id::SessionId;

/// A seat: a room that the account is in.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) room: RoomId,
    /// This account's name for the room.
    pub(crate) view: RoomRef,
    /// From which side this account sees it.
    pub(crate) side: Side,
    /// The lowest and the last `seq` of the room's log, when the store was last asked.
    pub(crate) first: Seq,
    head: Seq,
    pub(crate) mark: Seq,
    members: u64,
    /// Set once delivery has begun.
    pub(crate) live: Option<Live>,
    /// Whether the room is on the session's list of rooms to read.
    pub(crate) listed: bool,
}

/// A room that is being read: everything up to `cursor` was handed out.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) room: Arc<Room>,
    pub(crate) key: ReaderKey,
    pub(crate) cursor: Seq,
}

impl Live {
    /// Returns whether the session is still woken for this room.
    pub(crate) fn is_read_by(&self, session: SessionId) -> bool {
        self.room.is_read_by(session, self.key)
    }
}

impl Seat {
    /// Puts the room on the list of rooms to read, once.
    pub(crate) fn list(&mut self, dirty: &mut VecDeque<RoomId>) {
        if !self.listed {
            self.listed = true;
            dirty.push_back(self.room);
        }
    }

    fn new(record: &MembershipRecord, view: RoomRef) -> Self {
        Self {
            room: record.room.id,
            side: side(&record.room.kind, &view),
            view,
            first: record.room.first,
            head: record.room.head,
            mark: record.mark,
            members: record.room.members,
            live: None,
            listed: false,
        }
    }

    /// Takes over the store's current record.
    pub(crate) fn refresh(&mut self, record: &MembershipRecord) {
        (self.first, self.head) = (record.room.first, record.room.head);
        (self.mark, self.members) = (record.mark, record.room.members);
    }

    /// Returns the room's head, as far as is known.
    pub(crate) fn head(&self) -> Seq {
        self.live.as_ref().map_or(self.head, |live| live.room.head())
    }

    /// Returns where delivery starts without a cursor (PROTOCOL §5): before the last `tail` entries. In a private chat
    /// it starts before everything that this device has not marked, however much that is. So a peer who opened the chat
    /// while its reader was away is read from the first line on.
    pub(crate) fn start(&self, tail: u64) -> Seq {
        let tail = self.head().back(tail.min(limits::JOIN_TAIL_MAX));
        match self.view {
            RoomRef::Group(_) => tail,
            RoomRef::Private(_) => tail.min(self.mark),
        }
    }

    /// Returns the `seq` before the first entry that the log keeps. A lower cursor is useless.
    pub(crate) fn floor(&self) -> Seq {
        self.first.back(1)
    }

    /// Returns the room's state for the peer; delivery starts after `from`.
    pub(crate) fn state(&self, from: Seq) -> RoomState {
        RoomState { room: self.view.clone(), head: self.head(), mark: self.mark, from, members: self.members }
    }
}

/// Returns from which side an account with this view sees the room.
fn side(kind: &RoomKind, view: &RoomRef) -> Side {
    match (kind, view) {
        (RoomKind::Private([one, _]), RoomRef::Private(peer)) if one.1 == *peer => Side::Other,
        (RoomKind::Private(_) | RoomKind::Group(_), RoomRef::Private(_) | RoomRef::Group(_)) => Side::One,
    }
}

/// The seats of a session, by room and by view. Bounded by `limits::ROOMS_PER_ACCOUNT_MAX`.
///
/// They are two sorted lists instead of a map: most sessions are in one room or a few, and a server has very many
/// sessions.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    /// Boxed, because a growing list of large items takes twice their memory.
    #[expect(clippy::vec_box, reason = "the list grows by moving; most sessions have one seat in it")]
    by_room: Vec<Box<Seat>>,
    /// The views are in the seats: a second copy of each would be most of what a typical session has here.
    by_view: Vec<RoomId>,
}

impl Seats {
    /// Returns the seat in a room.
    pub(crate) fn seat(&self, room: RoomId) -> Option<&Seat> {
        let place = self.by_room.binary_search_by_key(&room, |seat| seat.room).ok()?;
        self.by_room.get(place).map(Box::as_ref)
    }

    /// Returns the seat in a room, to be changed.
    pub(crate) fn seat_mut(&mut self, room: RoomId) -> Option<&mut Seat> {
        let place = self.by_room.binary_search_by_key(&room, |seat| seat.room).ok()?;
        self.by_room.get_mut(place).map(Box::as_mut)
    }

    /// Returns the seat in the room with this view.
    pub(crate) fn find(&self, view: &RoomRef) -> Option<&Seat> {
        let place = self.place_by_view(view).ok()?;
        self.by_view.get(place).and_then(|room| self.seat(*room))
    }

    /// Returns where the room with this view is listed, or would be.
    fn place_by_view(&self, view: &RoomRef) -> Result<usize, usize> {
        // Each listed room has a seat.
        let listed = |room: &RoomId| self.seat(*room).map_or(Ordering::Less, |seat| seat.view.cmp(view));
        self.by_view.binary_search_by(listed)
    }

    /// Adds a seat, unless there already is one in that room.
    pub(crate) fn insert(&mut self, record: &MembershipRecord, view: RoomRef) {
        let room = record.room.id;
        let (Err(place), Err(place_of_view)) =
            (self.by_room.binary_search_by_key(&room, |seat| seat.room), self.place_by_view(&view))
        else {
            return;
        };
        self.by_view.insert(place_of_view, room);
        self.by_room.insert(place, Box::new(Seat::new(record, view)));
    }

    /// Removes a seat.
    pub(crate) fn remove(&mut self, room: RoomId) -> Option<Box<Seat>> {
        let place = self.by_room.binary_search_by_key(&room, |seat| seat.room).ok()?;
        self.by_view.retain(|found| *found != room);
        Some(self.by_room.remove(place))
    }

    /// Iterates over all seats, by room.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.by_room.iter().map(Box::as_ref)
    }

    /// Returns the rooms' states for a new session, in the order of their views.
    pub(crate) fn states(&self) -> Vec<RoomState> {
        let seats = self.by_view.iter().filter_map(|room| self.seat(*room));
        seats.map(|seat| seat.state(seat.head())).collect()
    }

    /// Returns the rooms, in the order of their views.
    pub(crate) fn rooms_by_view(&self) -> Vec<RoomId> {
        self.by_view.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{RoomKind, RoomRecord};

    fn record(room: i64, name: &str) -> MembershipRecord {
        let kind = RoomKind::Group(name.parse().unwrap());
        let room =
            RoomRecord { id: RoomId(room), kind, first: Seq::ZERO.next(), head: Seq::ZERO, members: 1 };
        MembershipRecord { room, mark: Seq::ZERO }
    }

    fn view(name: &str) -> RoomRef {
        RoomRef::Group(name.parse().unwrap())
    }

    #[test]
    fn each_member_of_a_private_chat_is_on_a_side_of_its_own() {
        let [ana, bob] = ["ana", "bob"].map(|name| name.parse::<lanchat_model::AccountName>().unwrap());
        let kind = RoomKind::Private([
            (lanchat_model::AccountId(1), ana.clone()),
            (lanchat_model::AccountId(2), bob.clone()),
        ]);
        assert_eq!(side(&kind, &RoomRef::Private(bob)), Side::One);
        assert_eq!(side(&kind, &RoomRef::Private(ana)), Side::Other);
    }

    #[test]
    fn seats_are_found_by_room_and_by_view_until_they_are_removed() {
        let mut seats = Seats::default();
        for (room, name) in [(7, "attic"), (3, "cellar"), (5, "balcony")] {
            seats.insert(&record(room, name), view(name));
        }
        assert_eq!(seats.iter().map(|seat| seat.room.0).collect::<Vec<_>>(), [3, 5, 7]);
        assert_eq!(seats.rooms_by_view(), [RoomId(7), RoomId(5), RoomId(3)]);
        assert_eq!(seats.find(&view("balcony")).map(|seat| seat.room), Some(RoomId(5)));
        assert_eq!(seats.remove(RoomId(5)).map(|seat| seat.view), Some(view("balcony")));
        assert!(seats.find(&view("balcony")).is_none() && seats.seat(RoomId(5)).is_none());
        assert!(seats.remove(RoomId(5)).is_none());
        assert_eq!(seats.find(&view("cellar")).map(|seat| seat.room), Some(RoomId(3)));
    }
}
