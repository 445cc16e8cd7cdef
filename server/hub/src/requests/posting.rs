//! Posts.

use lanchat_model::{AccountName, ClientId, RoomId, RoomRef};

use crate::bus::Hint;
use crate::command::{Post, Reply};
use crate::entry::Body;
use crate::error::Error;
use crate::port::{Appended, Draft};
use crate::refusal::Refusal;
use crate::session::Session;

impl Session {
    /// Admits a post; its outcome comes later, by [`Session::next_batch`]. The first post to a private chat opens it,
    /// for both sides. The store decides whether the author may write there, and only for a post that it does not have:
    /// a resend of a post accepted before its author left gets the first answer.
    ///
    /// # Errors
    /// As for [`Session::submit`].
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
            // Boxed, to keep the usual path small.
            None => Box::pin(self.room_without_seat(&view)).await?,
        };
        let draft = self.draft(room, client_id, body);
        self.go_on_behind_failed(client_id);
        self.sequencer.post(draft, &self.source, self.mailbox.clone(), view, self.round).await?;
        self.unacked += 1;
        Ok(Reply::Admitted)
    }

    /// Finds the room of a post whose author, as far as this session knows, is not in it; [`RoomId::NONE`] if there is
    /// none.
    async fn room_without_seat(&self, view: &RoomRef) -> Result<RoomId, Error> {
        // A private chat has just been opened, and is never left.
        let RoomRef::Group(name) = view else { return Err(Refusal::NotAMember.into()) };
        let found = self.hub.store.group(name.clone()).await?;
        Ok(found.map_or(RoomId::NONE, |room| room.id))
    }

    /// Opens a private chat for a post, unless its client id was used for another post: such a post must not open a
    /// chat.
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
            // The check comes after the author's other posts, as the post itself will.
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

    pub(super) fn draft(&self, room: RoomId, client_id: ClientId, body: Body) -> Draft {
        Draft { room, author: self.account, author_name: self.name.clone(), client_id, body }
    }
}
