//! Attaching: which rooms a session reads, and from where.

use std::collections::{BTreeMap, HashSet};

use lanchat_model::{RoomId, RoomRef, Seq, limits};

use crate::command::Reply;
use crate::error::Error;
use crate::event::{Notice, RoomState};
use crate::port::MembershipRecord;
use crate::refusal::Refusal;
use crate::seats::{Live, Seat};
use crate::session::{LatestCursor, RoomNews, Session};

impl Session {
    /// Starts delivery: subscribe, then read the heads, then page, then follow. An entry that is committed in between
    /// is read once, because each `seq` is read once.
    pub(crate) async fn attach(
        &mut self,
        epoch: Option<String>,
        cursors: BTreeMap<RoomRef, Seq>,
        tail: u64,
    ) -> Result<Reply, Error> {
        if cursors.len() > limits::CURSORS_MAX {
            return Err(Refusal::TooManyCursors.into());
        }
        let same_epoch = epoch.is_none_or(|theirs| theirs == self.hub.epoch);
        let cursors = if same_epoch { cursors } else { BTreeMap::new() };
        self.latest = Some(LatestCursor {
            presence: self.hub.presence.version(),
            typing: self.hub.typing.version(),
            notice: Notice::Writable,
        });
        for room in self.seats.rooms_by_view() {
            self.subscribe(room);
        }
        self.reconcile().await?;
        self.announced.clear();
        if self.hub.disk_space.notice() != Notice::Writable {
            self.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
        let mut rooms = Vec::new();
        for room in self.seats.rooms_by_view() {
            let cursor = self.seats.seat(room).and_then(|seat| cursors.get(&seat.view)).copied();
            rooms.extend(self.start_at(room, cursor, tail));
        }
        Ok(Reply::Attached { epoch: self.hub.epoch.clone(), rooms })
    }

    /// Makes the session a reader of a room, from the head on.
    fn subscribe(&mut self, room: RoomId) {
        let Some(seat) = self.seats.seat_mut(room) else { return };
        if let Some(live) = seat.live.take() {
            self.hub.registry.detach(self.id, room, live.key);
        }
        let (found, key) = self.hub.registry.attach(self.id, self.account, &self.mailbox, room, seat.head());
        seat.live = Some(Live { cursor: found.head(), key, room: found });
    }

    /// Sets a room's cursor to where delivery starts: at `cursor` if the log goes that far, otherwise where
    /// [`Seat::start`] says, and never before the log begins. Returns the room's state for the peer.
    pub(crate) fn start_at(&mut self, room: RoomId, cursor: Option<Seq>, tail: u64) -> Option<RoomState> {
        let seat = self.seats.seat_mut(room)?;
        let (head, start, floor) = (seat.head(), seat.start(tail), seat.floor());
        let mut from = head;
        if let Some(live) = &mut seat.live {
            from = cursor.filter(|cursor| *cursor <= head).unwrap_or(start).max(floor);
            live.cursor = from;
            if from < head {
                seat.list(&mut self.dirty);
            }
        }
        self.seats.seat(room).map(|seat| seat.state(from))
    }

    /// Brings the seats up to date with the store. Rooms that another device or person joined or opened appear, rooms
    /// that were left disappear, and reading resumes in rooms that were left and entered again.
    pub(crate) async fn reconcile(&mut self) -> Result<(), Error> {
        let records = self.memberships().await?;
        let rooms: HashSet<RoomId> = records.iter().map(|record| record.room.id).collect();
        let gone: Vec<RoomId> =
            self.seats.iter().map(|seat| seat.room).filter(|room| !rooms.contains(room)).collect();
        for room in gone {
            let cursor = self.seats.seat(room).and_then(|seat| seat.live.as_ref()).map(|live| live.cursor);
            let view = self.lose_seat(room);
            self.announced.extend(view.map(|view| RoomNews::Gone(view, cursor)));
        }
        let (known, fresh): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| self.seats.seat(record.room.id).is_some());
        fresh.iter().for_each(|record| self.take_seat(record));
        if self.latest.is_none() {
            // Delivery begins with `attach`, whose answer names all rooms.
            self.announced.clear();
            return Ok(());
        }
        fresh.iter().for_each(|record| self.subscribe(record.room.id));
        let subscribed_again = self.read_on();
        if fresh.is_empty() && !subscribed_again {
            self.raise_heads(&known);
            return Ok(());
        }
        // A room subscribed to only now may have grown since the memberships were read.
        let records = self.memberships().await?;
        self.raise_heads(&records);
        for room in fresh.into_iter().map(|record| record.room.id) {
            let state = self.start_at(room, None, limits::JOIN_TAIL_DEFAULT);
            self.announced.extend(state.map(RoomNews::Here));
        }
        Ok(())
    }

    /// Makes the session a reader again of rooms that its account left and has since entered again. Leaving ended the
    /// reading, and the list of rooms does not show that. Cursors do not move. Returns whether there were any such
    /// rooms.
    fn read_on(&mut self) -> bool {
        let unread = |seat: &Seat| {
            let live = seat.live.as_ref().filter(|live| !live.is_read_by(self.id))?;
            Some((seat.room, live.cursor))
        };
        let unread: Vec<_> = self.seats.iter().filter_map(unread).collect();
        for (room, cursor) in &unread {
            self.subscribe(*room);
            if let Some(live) = self.seats.seat_mut(*room).and_then(|seat| seat.live.as_mut()) {
                live.cursor = *cursor;
            }
        }
        !unread.is_empty()
    }

    /// Takes over the heads that were read from the store after the subscription. Every later commit is announced, so
    /// that nothing is missed. Rooms that the account left before the subscription are not read: the session will soon
    /// be told that they are gone.
    fn raise_heads(&mut self, records: &[MembershipRecord]) {
        let rooms: HashSet<RoomId> = records.iter().map(|record| record.room.id).collect();
        for seat in self.seats.iter().filter(|seat| !rooms.contains(&seat.room)) {
            if let Some(live) = &seat.live {
                self.hub.registry.detach(self.id, seat.room, live.key);
            }
        }
        for record in records {
            let Some(seat) = self.seats.seat_mut(record.room.id) else { continue };
            if let Some(live) = &seat.live {
                live.room.raise_head(record.room.head);
                if live.cursor < live.room.head() {
                    seat.list(&mut self.dirty);
                }
            }
            seat.refresh(record);
        }
    }
}
