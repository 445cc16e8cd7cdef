//! What a session does at the request of its peer, apart from delivery.

use std::sync::Arc;

use lanchat_model::{AccountName, ClientId, Password, RoomId, RoomName, RoomRef, Seq, TypedPassword, limits};

use crate::bus::{Devices, Hint};
use crate::command::Post;
use crate::entry::{Body, Subject};
use crate::error::{Error, Refusal};
use crate::event::{LogoutReason, Member, Reply, RoomSummary};
use crate::hub::Purpose;
use crate::password::Asker;
use crate::permit::Act;
use crate::port::{Appended, Away, Draft, NewPassword, Opened, RoomRecord, TokenLeft};
use crate::session::{RoomNews, Session};
use crate::token::Token;

impl Session {
    /// Admits a post; its outcome comes later, by [`Session::next_batch`]. The first post to a private chat opens it, for
    /// both sides. Whether its author may write there the store decides, and only of a post that it does not have already:
    /// what was taken before its author left is answered as it was then.
    ///
    /// # Errors
    /// As [`Session::submit`].
    pub async fn post(&mut self, post: Post) -> Result<Reply, Error> {
        let Post { room: view, client_id, text, action } = post;
        let body = Body::Message { text, action };
        if let RoomRef::Private(peer) = &view
            && self.seats.find(&view).is_none()
        {
            Box::pin(self.open_private(peer.clone(), client_id, &body)).await?;
        }
        let room = match self.seats.find(&view) {
            Some(seat) => seat.room,
            // Boxed: the way of nearly all posts stays short.
            None => Box::pin(self.room_without_seat(&view)).await?,
        };
        let draft = self.draft(room, client_id, body);
        self.go_on_behind_failed(client_id);
        self.sequencer.post(draft, &self.source, self.mailbox.clone(), view, self.round).await?;
        self.unacked += 1;
        Ok(Reply::Admitted)
    }

    /// The room of a post by somebody who is not in it, as far as this session knows; [`RoomId::NONE`] if there is none.
    async fn room_without_seat(&self, view: &RoomRef) -> Result<RoomId, Error> {
        // A private chat was opened a moment ago, and is never left.
        let RoomRef::Group(name) = view else { return Err(Refusal::NotAMember.into()) };
        let found = self.hub.store.group(name.clone()).await?;
        Ok(found.map_or(RoomId::NONE, |room| room.id))
    }

    /// Opens a private chat for a post, which has to be one: an id that stands for another post begins no chat.
    async fn open_private(
        &mut self,
        peer: AccountName,
        client_id: ClientId,
        body: &Body,
    ) -> Result<(), Error> {
        if peer == self.name {
            return Err(Refusal::NotWithYourself.into());
        }
        let other = self.hub.store.account(peer).await?.ok_or(Refusal::NoSuchAccount)?;
        if self.hub.store.private(self.account, other.id).await?.is_none() {
            // Behind the other posts of its author, as the post itself will be.
            let nowhere = self.draft(RoomId::NONE, client_id, body.clone());
            if let Appended::Refused(Refusal::IdReused) = self.sequencer.append(nowhere, &self.source).await?
            {
                return Err(Refusal::IdReused.into());
            }
        }
        let opened = self.hub.store.open_private(self.account, other.id).await?;
        opened.ok_or(Refusal::TooManyChats)?;
        for account in [other.id, self.account] {
            self.hub.announcer.announce(&Hint::Memberships { account });
        }
        self.reconcile().await
    }

    fn draft(&self, room: RoomId, client_id: ClientId, body: Body) -> Draft {
        Draft { room, author: self.account, author_name: self.name.clone(), client_id, body }
    }

    /// Has a membership of this very account changed, in order with its posts. A draft that nobody resends needs an id of
    /// its own all the same.
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
        // A seat may be one that was lost a moment ago, on another device.
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

    /// The answer to a `join`, which says what is to be announced of the room. Whoever was not told that the room is there
    /// starts as asked; for whoever was not told that it was gone the cursor goes on.
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

    /// Drops what is to be announced of a room: the answer to a request says it.
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

    pub(crate) fn typing(&mut self, room: &RoomRef) -> Result<Reply, Error> {
        let room = self.seat_for(Act::Type, room)?.room;
        if self.hub.typing.mark(room, self.name.clone()) {
            self.hub.announcer.announce(&Hint::Typing { room, name: self.name.clone() });
        }
        Ok(Reply::Silent)
    }

    /// A mark beyond the head would hide what comes: it is cut to the head.
    pub(crate) async fn mark(&mut self, view: &RoomRef, seq: Seq) -> Result<Reply, Error> {
        let seat = self.seat_for(Act::Read, view)?;
        if seat.live.is_none() && seq > seat.head() {
            // Before delivery begins nobody says how a room grows.
            let now = self.memberships().await?;
            let of_room = now.iter().find(|record| record.room.id == seat.room);
            let head = of_room.ok_or(Refusal::NotAMember)?.room.head;
            self.hub.store.mark(self.device, seat.room, seq.min(head)).await?;
            return Ok(Reply::Done);
        }
        self.hub.store.mark(self.device, seat.room, seq.min(seat.head())).await?;
        Ok(Reply::Done)
    }

    pub(crate) async fn rooms(&mut self) -> Result<Reply, Error> {
        let groups = self.hub.store.groups(self.account).await?;
        let summary = |group: crate::port::GroupRecord| RoomSummary {
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

    /// A group room is listed, so who is in it is no secret; a private chat is nobody else's.
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

    /// A room of the session, and up to where its log may be shown to it. What is beyond was committed and not announced
    /// yet: it may stand behind the leaving of this very account.
    async fn shown(&mut self, view: &RoomRef) -> Result<(RoomId, Seq), Error> {
        let seat = self.seat_for(Act::Read, view)?;
        let room = seat.room;
        if let Some(head) = seat.live.as_ref().and_then(|live| live.room.head_for(self.id, live.key)) {
            return Ok((room, head));
        }
        // Delivery has not begun, or has ended because the account left, of which the session has not heard yet.
        let of_account = Arc::clone(&self.mailbox.of_account);
        let _turn = of_account.reading().await?;
        let record = self.memberships().await?.into_iter().find(|record| record.room.id == room);
        Ok((room, record.ok_or(Refusal::NotAMember)?.room.head))
    }

    /// Stored first and told second: an answer is never taken back by a server that dies.
    pub(crate) async fn set_away(&mut self, away: Option<Away>) -> Result<Reply, Error> {
        // One change after the other, so that the last one that is stored is the last one that is told.
        let _turn = self.mailbox.of_account.change().await?;
        let stored = self.hub.store.set_away(self.account, away.clone()).await;
        // Success says nothing of posts, which leave a margin for this.
        if stored.is_err() {
            self.hub.writing.note(&stored);
        }
        stored?;
        self.hub.presence.set_away(self.account, away);
        Ok(Reply::Done)
    }

    pub(crate) async fn whois(&mut self, name: AccountName) -> Result<Reply, Error> {
        let account = self.hub.store.account(name).await?.ok_or(Refusal::NoSuchAccount)?;
        let state = self.hub.presence.state_of(account.id, account.last_seen);
        Ok(Reply::Whois {
            member: Member { name: account.name, display_name: account.display_name, state },
            since: account.created,
            admin: account.admin,
            sessions: self.hub.registry.sessions_of(account.id) as u64,
        })
    }

    /// The old password is asked for again, so that an unattended keyboard is not enough; guessing it is as slow as
    /// guessing at the login. This very session stays, and no other one: who else has a session of the same device may
    /// have a copy of its token.
    pub(crate) async fn change_password(
        &mut self,
        old: TypedPassword,
        new: Password,
        renew: bool,
    ) -> Result<Reply, Error> {
        let _changing = self.hub.begin_change(self.account)?;
        let account = self.hub.verify(self.name.clone(), &old, &self.source, Purpose::Change).await?;
        let phc = self.hub.hasher.hash(Asker::Change(&self.source), &new).await?;
        let fresh = if renew { Some(Token::generate()?) } else { None };
        let token =
            fresh.as_ref().map_or(TokenLeft::Given(self.given), |fresh| TokenLeft::Fresh(fresh.record()));
        let (account, known, device) = (account.id, account.generation, self.device);
        if !self.hub.store.set_password(NewPassword { account, known, phc, device, token }).await? {
            // Another session was faster, and has ended this one.
            return Err(Refusal::WrongPassword.into());
        }
        if let Some(fresh) = &fresh {
            self.given = fresh.record().hash;
        }
        let why = LogoutReason::PasswordChanged;
        self.hub.announcer.log_out(account, Devices::All, Some(self.id), why);
        Ok(Reply::PasswordChanged { token: fresh.map(|fresh| fresh.expose()) })
    }

    pub(crate) async fn log_out(&mut self) -> Result<Reply, Error> {
        self.hub.store.remove_device(self.device).await?;
        let devices = Devices::These(vec![self.device]);
        self.hub.announcer.log_out(self.account, devices, Some(self.id), LogoutReason::Elsewhere);
        self.leave_on_purpose();
        Ok(Reply::LoggedOut)
    }
}
