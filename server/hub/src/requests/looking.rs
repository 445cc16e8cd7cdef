//! Requests to set marks and to look things up: rooms, members, history.

use std::sync::Arc;

use lanchat_model::{RoomId, RoomRef, Seq, limits};

use crate::bus::Hint;
use crate::command::{Member, Reply, RoomSummary};
use crate::error::Error;
use crate::permit::Act;
use crate::port::{GroupRecord, RoomRecord};
use crate::refusal::Refusal;
use crate::session::Session;

impl Session {
    pub(crate) fn typing(&mut self, room: &RoomRef) -> Result<Reply, Error> {
        let room = self.seat_for(Act::Type, room)?.room;
        if self.hub.typing.mark(room, self.name.clone()) {
            self.hub.announcer.announce(&Hint::Typing { room, name: self.name.clone() });
        }
        Ok(Reply::Silent)
    }

    /// Sets a mark. A mark beyond the head would hide later entries, so it is cut to the head.
    pub(crate) async fn mark(&mut self, view: &RoomRef, seq: Seq) -> Result<Reply, Error> {
        let seat = self.seat_for(Act::Read, view)?;
        if seat.live.is_none() && seq > seat.head() {
            // Before delivery begins, the session is not told how a room grows.
            let (room, head) = self.shown(view).await?;
            self.hub.store.mark(self.device, room, seq.min(head)).await?;
            return Ok(Reply::Done);
        }
        self.hub.store.mark(self.device, seat.room, seq.min(seat.head())).await?;
        Ok(Reply::Done)
    }

    pub(crate) async fn rooms(&mut self) -> Result<Reply, Error> {
        let groups = self.hub.store.groups(self.account).await?;
        let summary = |group: GroupRecord| RoomSummary {
            room: self.view_of(&group.room.kind),
            members: group.room.members,
            online: self.hub.registry.accounts_in(group.room.id).len() as u64,
            joined: group.joined,
        };
        Ok(Reply::Rooms(groups.into_iter().map(summary).collect()))
    }

    pub(crate) async fn members(&mut self, view: Option<RoomRef>) -> Result<Reply, Error> {
        let here = self.hub.presence.here();
        let Some(view) = view else {
            let total = here.len() as u64;
            let member = |(_, name, display_name, state)| Member { name, display_name, state };
            let members = here.into_iter().map(member).take(limits::MEMBERS_PAGE_MAX).collect();
            return Ok(Reply::Members { room: None, members, total });
        };
        let room = self.record(&view).await?;
        let first = here.into_iter().map(|(id, ..)| id).collect();
        let records = self.hub.store.members(room.id, first).await?;
        let members = records.into_iter().map(|record| Member {
            state: self.hub.presence.state_of(record.id, record.last_seen),
            name: record.name,
            display_name: record.display_name,
        });
        Ok(Reply::Members { room: Some(view), members: members.collect(), total: room.members })
    }

    /// Finds the room of a view. A group room is listed, so its members are not secret; only its two members can find a
    /// private chat.
    async fn record(&self, view: &RoomRef) -> Result<RoomRecord, Error> {
        let found = match view {
            RoomRef::Group(name) => self.hub.store.group(name.clone()).await?,
            RoomRef::Private(peer) => match self.hub.store.account(peer.clone()).await? {
                Some(peer) => self.hub.store.private(self.account, peer.id).await?,
                None => return Err(Refusal::NoSuchAccount.into()),
            },
        };
        Ok(found.ok_or(Refusal::NoSuchRoom)?)
    }

    pub(crate) async fn history(
        &mut self,
        view: RoomRef,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Reply, Error> {
        let floor = self.seat_for(Act::Read, &view)?.floor();
        let (room, head) = self.shown(&view).await?;
        let limit = limit.clamp(1, limits::HISTORY_PAGE_MAX);
        let before = before.map_or(head.next(), |before| before.min(head.next()));
        let entries = self.hub.store.read_before(room, before, limit).await?;
        let more = entries.first().is_some_and(|oldest| oldest.seq > floor.next());
        Ok(Reply::History { room: view, entries, more })
    }

    /// Returns a room of the session, and the last `seq` that may be shown to it. Later entries are committed but not
    /// yet announced: they may come after this account left.
    async fn shown(&mut self, view: &RoomRef) -> Result<(RoomId, Seq), Error> {
        let seat = self.seat_for(Act::Read, view)?;
        let room = seat.room;
        if let Some(head) = seat.live.as_ref().and_then(|live| live.room.head_for(self.id, live.key)) {
            return Ok((room, head));
        }
        // Delivery has not begun, or has ended because the account left and the session has not been told yet.
        let of_account = Arc::clone(&self.mailbox.of_account);
        let _turn = of_account.reading().await?;
        let record = self.memberships().await?.into_iter().find(|record| record.room.id == room);
        Ok((room, record.ok_or(Refusal::NotAMember)?.room.head))
    }
}
