//! Requests that have one answer, typed.

use lanchat_model::{AccountName, RoomName, RoomRef, Seq, limits};
use lanchat_protocol::{
    AskWhois, Away, Back, ClientFrame, History, Join, Leave, ListMembers, ListRooms, Logout, Members, Passwd,
    ReadHistory, RoomState, Rooms, Secret, ServerFrame, Whois,
};
use tokio::sync::oneshot;

use super::Client;
use crate::error::{HomeError, RequestError};
use crate::requests::RequestResult;
use crate::shared::Order;

impl Client {
    /// Returns the account on this server that the [`Home`](crate::Home) keeps a token for.
    ///
    /// # Errors
    /// [`HomeError`] when the list of servers cannot be read whole.
    pub async fn remembered(&self) -> Result<Option<String>, HomeError> {
        let id = self.shared.server_id;
        let login = self.shared.home.blocking(move |home| home.login(id)).await?;
        Ok(login.map(|login| login.account))
    }

    /// Revokes the token of this device, forgets it, and ends the session.
    ///
    /// # Errors
    /// [`RequestError`]; the token is then kept.
    pub async fn logout(&self) -> Result<(), RequestError> {
        self.done(Logout { id: self.shared.request_id() }.into()).await
    }

    /// Changes the password, which logs out all other sessions and devices. This device keeps a fresh token.
    ///
    /// # Errors
    /// [`RequestError`], `wrong_password` and `bad_password` included.
    pub async fn passwd(&self, old: &Secret, new: &Secret) -> Result<(), RequestError> {
        let id = self.shared.request_id();
        self.done(Passwd { id, old: old.clone(), new: new.clone(), renew: true }.into()).await
    }

    /// Enters a group room, which is made if it does not exist, and delivers its last `tail` entries.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn join(&self, room: &str, tail: u64) -> Result<RoomState, RequestError> {
        let room: RoomName = room.strip_prefix('#').unwrap_or(room).parse()?;
        let tail = Some(tail.min(limits::JOIN_TAIL_MAX));
        let frame = Join { id: self.shared.request_id(), room: room.to_string(), tail };
        match self.request(frame.into()).await? {
            ServerFrame::Room(room) => Ok(room.state),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    /// Leaves a group room.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn leave(&self, room: &str) -> Result<(), RequestError> {
        let room = room.parse::<RoomRef>()?.to_string();
        self.done(Leave { id: self.shared.request_id(), room }.into()).await
    }

    /// Lists the group rooms.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn rooms(&self) -> Result<Rooms, RequestError> {
        match self.request(ListRooms { id: self.shared.request_id() }.into()).await? {
            ServerFrame::Rooms(rooms) => Ok(rooms),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    /// Lists the members of a room, or everybody who is online.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn members(&self, room: Option<&str>) -> Result<Members, RequestError> {
        let room = room.map(str::parse::<RoomRef>).transpose()?.map(|room| room.to_string());
        match self.request(ListMembers { id: self.shared.request_id(), room }.into()).await? {
            ServerFrame::Members(members) => Ok(members),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    /// Reads older entries: at most `limit` of those before `before`, or the latest ones.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn history(
        &self,
        room: &str,
        before: Option<Seq>,
        limit: u64,
    ) -> Result<History, RequestError> {
        let room = room.parse::<RoomRef>()?.to_string();
        let limit = Some(limit.min(limits::HISTORY_PAGE_MAX as u64));
        let frame = ReadHistory { id: self.shared.request_id(), room, before, limit };
        match self.request(frame.into()).await? {
            ServerFrame::History(history) => Ok(history),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    /// Tells everyone that the account is away.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn away(&self, reason: Option<&str>) -> Result<(), RequestError> {
        self.done(Away { id: self.shared.request_id(), reason: reason.map(str::to_owned) }.into()).await
    }

    /// Ends [`Client::away`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn back(&self) -> Result<(), RequestError> {
        self.done(Back { id: self.shared.request_id() }.into()).await
    }

    /// Asks about an account.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn whois(&self, username: &str) -> Result<Whois, RequestError> {
        let username = username.strip_prefix('@').unwrap_or(username).parse::<AccountName>()?.to_string();
        match self.request(AskWhois { id: self.shared.request_id(), username }.into()).await? {
            ServerFrame::Whois(whois) => Ok(whois),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    async fn done(&self, frame: ClientFrame) -> Result<(), RequestError> {
        match self.request(frame).await? {
            ServerFrame::Done(_) => Ok(()),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    async fn request(&self, frame: ClientFrame) -> RequestResult {
        let (reply, answer) = oneshot::channel();
        self.submit(Order::Request { frame, reply }).await?;
        self.wait(answer).await
    }
}
