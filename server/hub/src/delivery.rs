//! Delivery is reading: what a session hands out, from its cursors, when it is woken.

use std::collections::BTreeMap;

use lanchat_model::{RoomId, Seq, limits};

use crate::command::RoomView;
use crate::error::{Error, Refusal};
use crate::event::{Event, Notice, Reply, RoomState};
use crate::failpoint;
use crate::mailbox::Outcome;
use crate::port::Appended;
use crate::room::Read;
use crate::session::{LatestCursor, Live, Seat, Session};

/// What an entry takes on the wire beside its body, roughly: names, ids, punctuation.
const ENTRY_OVERHEAD_BYTES: usize = 192;

impl Session {
    /// Starts delivery: subscribe, then read the heads, then page, then follow. An entry that is committed in between is
    /// read once, because a position is read once.
    pub(crate) async fn attach(
        &mut self,
        epoch: Option<String>,
        cursors: BTreeMap<RoomView, Seq>,
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
        let views: Vec<RoomView> = self.seats.keys().cloned().collect();
        for view in &views {
            self.subscribe(view);
        }
        self.reconcile().await?;
        self.raise_heads().await?;
        self.announced.clear();
        if self.hub.writing.notice() != Notice::Writable {
            self.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
        let mut rooms = Vec::with_capacity(self.seats.len());
        for view in self.seats.keys().cloned().collect::<Vec<_>>() {
            rooms.push(self.start_at(&view, cursors.get(&view).copied(), tail));
        }
        Ok(Reply::Attached { epoch: self.hub.epoch.clone(), rooms })
    }

    /// Makes the session a reader of a room, from its head on.
    fn subscribe(&mut self, view: &RoomView) {
        let Some(seat) = self.seats.get_mut(view) else { return };
        let head = seat.record.room.head;
        let room = self.hub.registry.attach(self.id, self.account.id, &self.mailbox, seat.room, head);
        seat.live = Some(Live { cursor: room.head(), room });
    }

    /// Puts the cursor of a room where delivery is to start: behind `cursor` if the log goes that far, else before the
    /// last `tail` entries.
    pub(crate) fn start_at(&mut self, view: &RoomView, cursor: Option<Seq>, tail: u64) -> RoomState {
        let Some(seat) = self.seats.get_mut(view) else {
            return RoomState {
                room: view.clone(),
                head: Seq::ZERO,
                mark: Seq::ZERO,
                from: Seq::ZERO,
                members: 0,
            };
        };
        let mut from = seat.record.room.head;
        if let Some(live) = &mut seat.live {
            let head = live.room.head();
            from = cursor
                .filter(|cursor| *cursor <= head)
                .unwrap_or_else(|| head.back(tail.min(limits::JOIN_TAIL_MAX)));
            live.cursor = from;
            if from < head && !self.dirty.contains(&seat.room) {
                self.dirty.push_back(seat.room);
            }
        }
        seat.state(view, from)
    }

    /// Brings the seats up to date with the store: rooms that were joined or opened on another device or by another
    /// person appear, rooms that were left disappear, and rooms that were left and entered again are read on.
    pub(crate) async fn reconcile(&mut self) -> Result<(), Error> {
        let records = self.memberships().await?;
        let has_left = |room: RoomId| !records.iter().any(|record| record.room.id == room);
        let gone = self.seats.iter().filter(|(_, seat)| has_left(seat.room));
        for view in gone.map(|(view, _)| view.clone()).collect::<Vec<_>>() {
            self.lose_seat(&view);
            self.announced.push(Event::RoomGone(view));
        }
        self.read_on().await?;
        let mut fresh = Vec::new();
        for record in records {
            if !self.views.contains_key(&record.room.id) {
                fresh.push(self.take_seat(record));
            }
        }
        if self.latest.is_none() {
            // Nothing is delivered before `attach`, whose answer names all rooms.
            self.announced.clear();
        } else if !fresh.is_empty() {
            self.begin_delivery_of(fresh).await?;
        }
        Ok(())
    }

    /// Makes the session a reader again of the rooms that its account left and has entered again since: leaving ended
    /// the reading, and no room came or went that would tell. The cursors stand where they stood.
    async fn read_on(&mut self) -> Result<(), Error> {
        let unread = |seat: &Seat| seat.live.as_ref().is_some_and(|live| !live.room.is_read_by(self.id));
        let unread: Vec<_> =
            self.seats.iter().filter(|(_, seat)| unread(seat)).map(|(view, _)| view.clone()).collect();
        for view in &unread {
            let cursor = self.seats.get(view).and_then(|seat| seat.live.as_ref()).map(|live| live.cursor);
            self.subscribe(view);
            let live = self.seats.get_mut(view).and_then(|seat| seat.live.as_mut());
            if let (Some(live), Some(cursor)) = (live, cursor) {
                live.cursor = cursor;
            }
        }
        if unread.is_empty() { Ok(()) } else { self.raise_heads().await }
    }

    async fn begin_delivery_of(&mut self, fresh: Vec<RoomView>) -> Result<(), Error> {
        for view in &fresh {
            self.subscribe(view);
        }
        self.raise_heads().await?;
        for view in fresh {
            // A private chat that is new is new from its first line; a group room shows its last ones.
            let mark = self.seats.get(&view).map(|seat| seat.record.mark);
            let cursor = mark.filter(|_| matches!(view, RoomView::Private(_)));
            let state = self.start_at(&view, cursor, limits::JOIN_TAIL_DEFAULT);
            self.announced.push(Event::Room(state));
        }
        Ok(())
    }

    /// Reads the heads again, now that every commit after the reading is announced: nothing falls in between.
    /// What the account left before the subscription is not read: the word of it is on its way.
    pub(crate) async fn raise_heads(&mut self) -> Result<(), Error> {
        let records = self.memberships().await?;
        let is_left = |room: RoomId| !records.iter().any(|record| record.room.id == room);
        for seat in self.seats.values().filter(|seat| is_left(seat.room)) {
            self.hub.registry.detach(self.id, seat.room);
        }
        for record in records {
            let Some(seat) = self.views.get(&record.room.id).and_then(|view| self.seats.get_mut(view)) else {
                continue;
            };
            if let Some(live) = &seat.live {
                live.room.raise_head(record.room.head);
                if live.cursor < live.room.head() && !self.dirty.contains(&seat.room) {
                    self.dirty.push_back(seat.room);
                }
            }
            seat.record = record;
        }
        Ok(())
    }

    /// Hands out what is ready, up to about `limits::WRITE_BUFFER_BYTES_MAX`; the rest stays where it is, in the log.
    ///
    /// # Errors
    /// A fault of the store: nothing is lost, the cursors stand where they stood.
    pub async fn next_batch(&mut self) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        let waiting = self.mailbox.take();
        if waiting.logged_out {
            return Ok(vec![Event::LoggedOut]);
        }
        for outcome in waiting.outcomes {
            self.unacked = self.unacked.saturating_sub(1);
            events.push(outcome.into_event());
        }
        for room in waiting.dirty {
            if !self.dirty.contains(&room) {
                self.dirty.push_back(room);
            }
        }
        if waiting.memberships_changed {
            self.reconcile().await?;
        }
        // Before the entries: a peer is told of a room first.
        events.append(&mut self.announced);
        self.read_rooms(&mut events).await?;
        if waiting.latest_changed {
            self.read_latest(&mut events);
        }
        Ok(events)
    }

    /// Reads the dirty rooms in turn, so that a room with much to replay does not hold up the others.
    async fn read_rooms(&mut self, events: &mut Vec<Event>) -> Result<(), Error> {
        let mut bytes = 0;
        while bytes < limits::WRITE_BUFFER_BYTES_MAX {
            let Some(room) = self.dirty.pop_front() else { return Ok(()) };
            match self.read_room(room, events).await {
                Ok(0) => {}
                Ok(read) => {
                    bytes += read;
                    self.dirty.push_back(room);
                }
                Err(error) => {
                    self.dirty.push_front(room);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads one room from its cursor: from the ring, else a page of the store. The size read; 0: caught up.
    async fn read_room(&mut self, room: RoomId, events: &mut Vec<Event>) -> Result<usize, Error> {
        let Some(view) = self.views.get(&room) else { return Ok(0) };
        let Some(live) = self.seats.get_mut(view).and_then(|seat| seat.live.as_mut()) else { return Ok(0) };
        let entries = match live.room.read_after(self.id, live.cursor, limits::REPLAY_PAGE_MAX) {
            Read::CaughtUp => return Ok(0),
            Read::Entries(entries) => entries,
            Read::Behind => self.hub.store.read_after(room, live.cursor, limits::REPLAY_PAGE_MAX).await?,
        };
        let mut bytes = 0;
        for entry in entries {
            if entry.seq != live.cursor.next() && !failpoint::on("hub::gap_unchecked") {
                return Err(Error::fault(&format!("room {} has no entry after {}", room.0, live.cursor)));
            }
            live.cursor = entry.seq;
            bytes += entry.body.weight() + ENTRY_OVERHEAD_BYTES;
            events.push(Event::Entry { room: view.clone(), entry });
        }
        Ok(bytes)
    }

    fn read_latest(&mut self, events: &mut Vec<Event>) {
        let Some(cursor) = &mut self.latest else { return };
        let notice = self.hub.writing.notice();
        if notice != cursor.notice {
            cursor.notice = notice;
            events.push(Event::Notice(notice));
        }
        let (changes, version, connected) = self.hub.presence.since(cursor.presence);
        cursor.presence = version;
        events.extend(changes.into_iter().map(|(name, state)| Event::Presence { name, state, connected }));
        let (marks, version) = self.hub.typing.since(cursor.typing);
        cursor.typing = version;
        for (room, name) in marks {
            // Rooms that are not ours are none of ours; our own typing is no news.
            if let Some(view) = self.views.get(&room).filter(|_| name != self.account.name) {
                events.push(Event::Typing { room: view.clone(), name });
            }
        }
    }
}

impl Outcome {
    fn into_event(self) -> Event {
        let Self { room, client_id, result } = self;
        let refused = |refusal: Refusal| Event::Refused { client_id, error: refusal.into() };
        match result {
            Ok(Appended::Fresh(entry) | Appended::Again(entry)) => Event::Ack { room, entry },
            Ok(Appended::NotAMember | Appended::Unchanged) => refused(Refusal::NotAMember),
            Ok(Appended::TooManyRooms) => refused(Refusal::TooManyRooms),
            Ok(Appended::IdReused) => refused(Refusal::IdReused),
            Err(error) => Event::Refused { client_id, error },
        }
    }
}
