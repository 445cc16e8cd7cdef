//! Joining and leaving.

use lanchat_model::{ClientId, RoomId, RoomName, RoomRef};

use crate::command::Reply;
use crate::entry::{Body, Subject};
use crate::error::Error;
use crate::permit::Act;
use crate::port::{Appended, Opened};
use crate::refusal::Refusal;
use crate::session::{RoomNews, Session};

impl Session {
    /// Has this account's own membership changed, in order with its posts. The draft needs a client id of its own,
    /// although nobody resends it.
    async fn change_membership(&self, room: RoomId, change: fn(Subject) -> Body) -> Result<(), Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| Error::fault(&error))?;
        let body = change(Subject { account: self.account, name: self.name.clone() });
        let draft = self.draft(room, ClientId::from_bytes(bytes), body);
        match self.sequencer.append(draft, &self.source).await? {
            Appended::Fresh { .. } | Appended::Again(_) | Appended::Unchanged => Ok(()),
            Appended::Refused(refusal) => Err(refusal.into()),
        }
    }

    pub(crate) async fn join(&mut self, name: RoomName, tail: u64) -> Result<Reply, Error> {
        let view = RoomRef::Group(name.clone());
        // The seat may just have been lost, through another device.
        self.reconcile().await?;
        if self.seats.find(&view).is_some() {
            return self.entered(&view, tail);
        }
        if let Err(refused) = name.check_new()
            && self.hub.store.group(name.clone()).await?.is_none()
        {
            return Err(Refusal::NotANewName(refused).into());
        }
        let room = match self.hub.store.open_group(name, self.account).await? {
            Opened::Room(room) => room,
            Opened::TooManyRooms => return Err(Refusal::TooManyRooms.into()),
            Opened::TooManyMade(wait) => return Err(Refusal::TooManyMade(wait).into()),
        };
        self.change_membership(room.id, Body::Joined).await?;
        self.reconcile().await?;
        self.entered(&view, tail)
    }

    /// Returns the answer to a `join`, which replaces what is yet to be announced about the room. A peer that was not
    /// told that the room has come starts as asked. For a peer that was not told that it had gone, the cursor
    /// continues.
    fn entered(&mut self, view: &RoomRef, tail: u64) -> Result<Reply, Error> {
        let seat = self.seat_for(Act::Read, view)?;
        let (room, told) = (seat.room, seat.live.as_ref().map(|live| live.cursor));
        let cursor = match self.announced.iter().find(|news| news.room() == view) {
            Some(RoomNews::Gone(_, cursor)) => *cursor,
            Some(RoomNews::Here(_)) => None,
            None => told,
        };
        self.leave_unsaid(view);
        Ok(Reply::Room(self.start_at(room, cursor, tail).ok_or(Refusal::NotAMember)?))
    }

    /// Drops what is to be announced about a room, because the answer to a request says it.
    fn leave_unsaid(&mut self, view: &RoomRef) {
        self.announced.retain(|news| news.room() != view);
    }

    pub(crate) async fn leave(&mut self, name: RoomName) -> Result<Reply, Error> {
        let view = RoomRef::Group(name);
        let room = self.seat_for(Act::Leave, &view)?.room;
        self.change_membership(room, Body::Left).await?;
        self.lose_seat(room);
        self.leave_unsaid(&view);
        Ok(Reply::Done)
    }
}
