//! Delivery is reading: a woken session hands out entries from its cursors on.

use std::sync::Arc;

use lanchat_model::{RoomId, limits};

use crate::error::Error;
use crate::event::Event;
use crate::failpoint;
use crate::mailbox::Outcome;
use crate::room::{Piece, Read};
use crate::seats::Seat;
use crate::session::{RoomNews, Session};

impl Session {
    /// Hands out what is ready, up to about `limits::WRITE_BUFFER_BYTES_MAX`; the rest stays in the log.
    ///
    /// # Errors
    /// A fault of the store. Nothing is lost, since the cursors have not moved.
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
                seat.list(&mut self.dirty);
            }
        }
        if std::mem::take(&mut self.waiting.memberships_changed) {
            // If an account joins and leaves without pause, its sessions look in turn. One that did not get its turn
            // looks all the same.
            let _turn = self.mailbox.of_account.reading().await.ok();
            Box::pin(self.reconcile()).await?;
        }
        // This comes before the entries: a peer is told about a room first.
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
        // One more room adds at most a whole buffer and one entry.
        while bytes < limits::WRITE_BUFFER_BYTES_MAX / 2 {
            let Some(room) = self.dirty.pop_front() else { return Ok(()) };
            let read = self.read_room(room, events).await;
            // A room that is not caught up, or not known to be, stays listed.
            match read {
                Ok(0) => self.seats.seat_mut(room).into_iter().for_each(|seat| seat.listed = false),
                Ok(_) => self.dirty.push_back(room),
                Err(_) => self.dirty.push_front(room),
            }
            bytes += read?;
        }
        Ok(())
    }

    /// Reads one room from its cursor: from the ring, or else a page of the store. Returns the size read, or 0 if
    /// caught up.
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
            // Asked after the page, because a log can lose its beginning at any time.
            if let Some(lowest) = page.first().map(|entry| entry.seq).filter(|seq| *seq > live.cursor.next())
                && self.hub.store.first(room).await? >= lowest
            {
                live.cursor = lowest.back(1);
                lifted = Some(live.cursor);
            }
            // Entries beyond the buffer stay in the log, to bound the cost of a peer that reads nothing. So do
            // unannounced entries.
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
            // The entries between are no longer kept. The peer is told where delivery continues before it does.
            let state = self.seats.seat(room).map(|seat| Event::Room(seat.state(from)));
            drop(events.splice(before..before, state));
        }
        Ok(bytes)
    }

    /// Reads the latest values in pieces, like the logs: the rest is read when this piece is written.
    fn read_latest(&mut self, events: &mut Vec<Event>) {
        let Some(cursor) = &mut self.latest else { return };
        let notice = self.hub.disk_space.notice();
        if notice != cursor.notice {
            cursor.notice = notice;
            events.push(Event::Notice(notice));
        }
        let (news, presence) = self.hub.presence.since(cursor.presence);
        cursor.presence = presence.next;
        events.extend(news.map(Event::Presence));
        let (marks, typing) = self.hub.typing.since(cursor.typing);
        cursor.typing = typing.next;
        // Later changes are announced in their own time. Asking for them here would deliver each change separately.
        if !(presence.is_last && typing.is_last) {
            self.mailbox.leave(|waiting| waiting.latest_changed = true);
        }
        for (room, name) in marks {
            // Rooms of others do not concern us; our own typing is not news.
            if let Some(seat) = self.seats.seat(room).filter(|_| name != self.name) {
                events.push(Event::Typing { room: seat.view.clone(), name });
            }
        }
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
