//! Delivery is reading: what a session hands out, from its cursors, when it is woken.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use lanchat_model::{RoomId, RoomRef, Seq, limits};

use crate::error::{Error, Refusal};
use crate::event::{Event, Notice, Reply, RoomState};
use crate::failpoint;
use crate::mailbox::Outcome;
use crate::port::MembershipRecord;
use crate::room::{Piece, Read};
use crate::seats::{Live, Seat};
use crate::session::{LatestCursor, RoomNews, Session};

impl Session {
    /// Starts delivery: subscribe, then read the heads, then page, then follow. An entry that is committed in between is
    /// read once, because a position is read once.
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
        if self.hub.writing.notice() != Notice::Writable {
            self.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
        let mut rooms = Vec::new();
        for room in self.seats.rooms_by_view() {
            let cursor = self.seats.seat(room).and_then(|seat| cursors.get(&seat.view)).copied();
            rooms.extend(self.start_at(room, cursor, tail));
        }
        Ok(Reply::Attached { epoch: self.hub.epoch.clone(), rooms })
    }

    /// Makes the session a reader of a room, from its head on.
    fn subscribe(&mut self, room: RoomId) {
        let Some(seat) = self.seats.seat_mut(room) else { return };
        if let Some(live) = seat.live.take() {
            self.hub.registry.detach(self.id, room, live.key);
        }
        let (found, key) = self.hub.registry.attach(self.id, self.account, &self.mailbox, room, seat.head());
        seat.live = Some(Live { cursor: found.head(), key, room: found });
    }

    /// Puts the cursor of a room where delivery is to start: behind `cursor` if the log goes that far, else where
    /// [`Seat::start`] says, and in any case where the log begins. The room as the peer is to be told of it.
    pub(crate) fn start_at(&mut self, room: RoomId, cursor: Option<Seq>, tail: u64) -> Option<RoomState> {
        let seat = self.seats.seat_mut(room)?;
        let (head, start, floor) = (seat.head(), seat.start(tail), seat.floor());
        let mut from = head;
        if let Some(live) = &mut seat.live {
            from = cursor.filter(|cursor| *cursor <= head).unwrap_or(start).max(floor);
            live.cursor = from;
            if from < head {
                list(seat, &mut self.dirty);
            }
        }
        self.seats.seat(room).map(|seat| seat.state(from))
    }

    /// Brings the seats up to date with the store: rooms that were joined or opened on another device or by another
    /// person appear, rooms that were left disappear, and rooms that were left and entered again are read on.
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
            // Nothing is delivered before `attach`, whose answer names all rooms.
            self.announced.clear();
            return Ok(());
        }
        fresh.iter().for_each(|record| self.subscribe(record.room.id));
        let subscribed_again = self.read_on();
        if fresh.is_empty() && !subscribed_again {
            self.raise_heads(&known);
            return Ok(());
        }
        // What was subscribed to only now may have grown since the reading above.
        let records = self.memberships().await?;
        self.raise_heads(&records);
        for room in fresh.into_iter().map(|record| record.room.id) {
            let state = self.start_at(room, None, limits::JOIN_TAIL_DEFAULT);
            self.announced.extend(state.map(RoomNews::Here));
        }
        Ok(())
    }

    /// Makes the session a reader again of the rooms that its account left and has entered again since: leaving ended
    /// the reading, and no room came or went that would tell. The cursors stand where they stood. Whether there were any.
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

    /// Takes over the heads that the store has, which was asked after the subscription: every commit since then is
    /// announced, so that nothing falls in between. What the account left before the subscription is not read: the
    /// word of it is on its way.
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
                    list(seat, &mut self.dirty);
                }
            }
            seat.refresh(record);
        }
    }

    /// Hands out what is ready, up to about `limits::WRITE_BUFFER_BYTES_MAX`; the rest stays where it is, in the log.
    ///
    /// # Errors
    /// A fault of the store: nothing is lost, the cursors stand where they stood.
    pub async fn next_batch(&mut self) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        self.mailbox.swap(&mut self.waiting);
        if let Some(why) = self.waiting.logged_out {
            return Ok(vec![Event::LoggedOut(why)]);
        }
        for outcome in std::mem::take(&mut self.waiting.outcomes) {
            self.unacked = self.unacked.saturating_sub(1);
            if matches!(outcome.result, Err(Error::ReadOnly | Error::Fault(_))) {
                self.failure_is_told();
            }
            events.push(outcome.into_event());
        }
        for room in self.waiting.dirty.drain(..) {
            if let Some(seat) = self.seats.seat_mut(room) {
                list(seat, &mut self.dirty);
            }
        }
        if std::mem::take(&mut self.waiting.memberships_changed) {
            // Whoever joins and leaves without pause has all sessions of the account look, in turn; one that did not get its
            // turn looks all the same.
            let _turn = self.mailbox.of_account.reading().await.ok();
            Box::pin(self.reconcile()).await?;
        }
        // Before the entries: a peer is told of a room first.
        events.extend(self.announced.drain(..).map(RoomNews::into_event));
        self.read_rooms(&mut events).await?;
        if std::mem::take(&mut self.waiting.latest_changed) {
            self.read_latest(&mut events);
        }
        Ok(events)
    }

    /// Reads the dirty rooms in turn, so that a room with much to replay does not hold up the others.
    async fn read_rooms(&mut self, events: &mut Vec<Event>) -> Result<(), Error> {
        let mut bytes = 0;
        // One room more is at most a whole buffer, and one entry.
        while bytes < limits::WRITE_BUFFER_BYTES_MAX / 2 {
            let Some(room) = self.dirty.pop_front() else { return Ok(()) };
            let read = self.read_room(room, events).await;
            // Not caught up, or not known to be: it stays listed.
            match read {
                Ok(0) => self.seats.seat_mut(room).into_iter().for_each(|seat| seat.listed = false),
                Ok(_) => self.dirty.push_back(room),
                Err(_) => self.dirty.push_front(room),
            }
            bytes += read?;
        }
        Ok(())
    }

    /// Reads one room from its cursor: from the ring, else a page of the store. The size read; 0: caught up.
    async fn read_room(&mut self, room: RoomId, events: &mut Vec<Event>) -> Result<usize, Error> {
        let Some(Seat { view, side, live: Some(live), .. }) = self.seats.seat_mut(room) else { return Ok(0) };
        let (before, reader) = (events.len(), (self.id, live.key));
        let read = live.room.read_after(reader, live.cursor, limits::WRITE_BUFFER_BYTES_MAX, |piece| {
            let room = view.clone();
            events.push(match piece {
                Piece::Run(run) => Event::Run { room, side: *side, run: Arc::clone(run) },
                Piece::Entry(entry) => Event::Entry { room, entry: Arc::clone(entry) },
            });
        });
        let mut lifted = None;
        if let Read::Behind(head) = read {
            let page = self.hub.store.read_after(room, live.cursor, limits::REPLAY_PAGE_MAX).await?;
            // Behind the page, for a log loses its beginning at any time.
            if let Some(lowest) = page.first().map(|entry| entry.seq).filter(|seq| *seq > live.cursor.next())
                && self.hub.store.first(room).await? >= lowest
            {
                live.cursor = lowest.back(1);
                lifted = Some(live.cursor);
            }
            // What a peer that takes nothing costs: what is beyond the buffer stays in the log. So does what is not announced.
            let mut bytes = 0;
            let fits = page.into_iter().take_while(|entry| {
                let is_in = bytes < limits::WRITE_BUFFER_BYTES_MAX && entry.seq <= head;
                bytes += entry.wire_weight();
                is_in
            });
            events.extend(fits.map(|entry| Event::Entry { room: view.clone(), entry }));
        }
        let mut bytes = 0;
        for event in events.get(before..).unwrap_or_default() {
            for entry in event.entries() {
                if entry.seq != live.cursor.next() && !failpoint::on("hub::gap_unchecked") {
                    let cursor = live.cursor;
                    events.truncate(before);
                    return Err(Error::fault(&format!("room {} has no entry after {cursor}", room.0)));
                }
                live.cursor = entry.seq;
                bytes += entry.wire_weight();
            }
        }
        if let Some(from) = lifted {
            // What was between is not kept any more: the peer is told where it goes on, before it does.
            let state = self.seats.seat(room).map(|seat| Event::Room(seat.state(from)));
            drop(events.splice(before..before, state));
        }
        Ok(bytes)
    }

    /// Reads the latest values in pieces, as the logs: what is left is read when this is written.
    fn read_latest(&mut self, events: &mut Vec<Event>) {
        let Some(cursor) = &mut self.latest else { return };
        let notice = self.hub.writing.notice();
        if notice != cursor.notice {
            cursor.notice = notice;
            events.push(Event::Notice(notice));
        }
        let (news, presence) = self.hub.presence.since(cursor.presence);
        cursor.presence = presence.next;
        events.extend(news.map(Event::Presence));
        let (marks, typing) = self.hub.typing.since(cursor.typing);
        cursor.typing = typing.next;
        // What changes from now on is told when it is time: whoever asked for it here would be told of each change by itself.
        if !(presence.is_last && typing.is_last) {
            self.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
        for (room, name) in marks {
            // Rooms that are not ours are none of ours; our own typing is no news.
            if let Some(seat) = self.seats.seat(room).filter(|_| name != self.name) {
                events.push(Event::Typing { room: seat.view.clone(), name });
            }
        }
    }
}

/// Puts a room into the list of those to be read, once.
fn list(seat: &mut Seat, dirty: &mut VecDeque<RoomId>) {
    if !seat.listed {
        seat.listed = true;
        dirty.push_back(seat.room);
    }
}

impl Outcome {
    fn into_event(self) -> Event {
        let Self { room, client_id, result } = self;
        match result {
            Ok(entry) => Event::Ack { room, entry },
            Err(error) => Event::Refused { client_id, error },
        }
    }
}
