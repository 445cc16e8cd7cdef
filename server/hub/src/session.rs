//! A session: the proof of a login, and a set of cursors. Only [`Hub::authenticate`](crate::Hub::authenticate) makes
//! one.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use lanchat_model::{AccountId, AccountName, ClientId, DeviceId, RoomId, RoomRef, Seq, limits};
use tokio::time::{Instant, sleep};

use crate::domain::Domain;
use crate::error::Error;
use crate::event::{Event, Notice, RoomState, Welcome};
use crate::mailbox::{Mailbox, Round, Waiting};
use crate::permit::{Act, Role, Standing, may};
use crate::port::{Account, MembershipRecord, RoomKind, TokenHash};
use crate::refusal::Refusal;
use crate::registry::SessionSlot;
use crate::seats::{Seat, Seats};
use crate::sequencer::Sequencer;
use crate::session_id::SessionId;
use crate::source::Source;
use crate::token::Token;

/// One logged-in connection.
pub struct Session {
    pub(crate) hub: Arc<Domain>,
    pub(crate) sequencer: Sequencer,
    pub(crate) account: AccountId,
    pub(crate) name: AccountName,
    /// The account's role on this server when it logged in; the store checks it again for each write.
    role: Role,
    pub(crate) device: DeviceId,
    /// The hash of the token that the peer was last given.
    pub(crate) given: TokenHash,
    pub(crate) source: Source,
    pub(crate) id: SessionId,
    pub(crate) mailbox: Arc<Mailbox>,
    /// What was taken out of the mailbox and is not handled yet.
    pub(crate) waiting: Waiting,
    /// The rooms of the account. To have a seat is to be a member; the store checks this again for each write.
    pub(crate) seats: Seats,
    /// The rooms to read from, in turn. Bounded by the seats: each room is listed once.
    pub(crate) dirty: VecDeque<RoomId>,
    /// Rooms that came and went, to be announced before anything else. Bounded by the seats: every batch empties it.
    pub(crate) announced: Vec<RoomNews>,
    /// How far presence and typing were read, once delivery has begun.
    pub(crate) latest: Option<LatestCursor>,
    /// The number of posts whose outcome has not been delivered. The listener keeps it within
    /// `limits::UNACKED_PER_SESSION_MAX`.
    pub(crate) unacked: usize,
    /// The round of its present posts.
    pub(crate) round: Round,
    /// When its peer was first told that a post of the round had failed.
    failure_told: Option<Instant>,
    pub(crate) attaches: Attaches,
    /// When something last came from the peer.
    heard: Instant,
    on_purpose: bool,
    /// Whether presence counts this session.
    arrived: bool,
}

/// What is to be announced about a room that came or went.
#[derive(Debug)]
pub(crate) enum RoomNews {
    /// The session has the room.
    Here(RoomState),
    /// The session no longer has the room; how far it was handed out.
    Gone(RoomRef, Option<Seq>),
}

impl RoomNews {
    /// Returns the room that the news is about.
    pub(crate) fn room(&self) -> &RoomRef {
        match self {
            Self::Here(state) => &state.room,
            Self::Gone(room, _) => room,
        }
    }

    /// Returns the event that tells the peer.
    pub(crate) fn into_event(self) -> Event {
        match self {
            Self::Here(state) => Event::Room(state),
            Self::Gone(room, _) => Event::RoomGone(room),
        }
    }
}

/// Limits how often a session attaches.
#[derive(Debug, Default)]
pub(crate) struct Attaches {
    /// When the session's attaches so far will average one in each `limits::ATTACH_EVERY`.
    even: Option<Instant>,
}

impl Attaches {
    /// Waits until the session may attach. The first `limits::ATTACHES_FREE` attaches do not wait.
    pub(crate) async fn wait(&mut self) {
        let now = Instant::now();
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + limits::ATTACH_EVERY);
        let wait = (even - now).saturating_sub(limits::ATTACH_EVERY * (limits::ATTACHES_FREE - 1));
        // The runtime's clock rounds a zero wait up to a millisecond.
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

/// The result of proved credentials.
pub(crate) struct Login {
    pub(crate) account: Account,
    pub(crate) device: DeviceId,
    pub(crate) source: Source,
    /// The largest number of sessions of the account with which the login is accepted.
    pub(crate) most: usize,
    /// [`Registry::logouts`] before the credentials were proved.
    ///
    /// [`Registry::logouts`]: crate::registry::Registry::logouts
    pub(crate) logouts: u64,
    pub(crate) slot: SessionSlot,
}

/// The versions of presence and typing that were handed out, and the notice that the peer knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatestCursor {
    pub(crate) presence: u64,
    pub(crate) typing: u64,
    pub(crate) notice: Notice,
}

impl Session {
    /// Begins a session. It enters the registry before it reads the store, so that it cannot miss a change between the
    /// two, neither of the memberships nor one that ends the login.
    ///
    /// # Errors
    /// [`Refusal::BadToken`] if the device was logged out, or the password changed, since the login was proved.
    pub(crate) async fn begin(
        hub: Arc<Domain>,
        login: Login,
        token: Token,
    ) -> Result<(Self, Welcome), Error> {
        let Login { account, device, source, most, logouts, slot } = login;
        let sequencer = hub.sequencer()?;
        let entered = hub.registry.enter(account.id, device, most, slot);
        let (id, mailbox) = entered.ok_or(Refusal::TooManySessions)?;
        let mut session = Self {
            hub,
            sequencer,
            account: account.id,
            name: account.name.clone(),
            role: Role::of(account.admin),
            device,
            given: token.record().hash,
            source,
            id,
            mailbox,
            waiting: Waiting::default(),
            seats: Seats::default(),
            dirty: VecDeque::new(),
            announced: Vec::new(),
            latest: None,
            unacked: 0,
            round: Round::FIRST,
            failure_told: None,
            attaches: Attaches::default(),
            heard: Instant::now(),
            on_purpose: false,
            arrived: false,
        };
        let (store, generation) = (&*session.hub.store, account.generation);
        // Somebody is hardly ever logged out meanwhile, so the store is usually not asked about that.
        let rooms = if session.hub.registry.logouts() == logouts {
            Some(store.memberships(account.id, device).await?)
        } else {
            store.memberships_if_current(account.id, device, generation).await?
        };
        let rooms = rooms.ok_or(Refusal::BadToken)?;
        session.arrived = true;
        session.hub.presence.arrive(&account);
        rooms.iter().for_each(|record| session.take_seat(record));
        let welcome = Welcome {
            name: session.name.clone(),
            display_name: account.display_name,
            admin: account.admin,
            token: token.expose(),
            epoch: session.hub.epoch.clone(),
            online: session.hub.registry.count() as u64,
            rooms: session.seats.states(),
        };
        Ok((session, welcome))
    }

    /// Returns the name of the account, for logs.
    pub fn name(&self) -> &AccountName {
        &self.name
    }

    /// Checks that the session was not logged out while it waited.
    pub(crate) fn check_is_on(&self) -> Result<(), Error> {
        if self.is_over() { Err(Refusal::BadToken.into()) } else { Ok(()) }
    }

    /// Returns whether the device was logged out. Then nothing more is to be read from the peer, or waited for.
    /// [`Session::next_batch`] gives the reason.
    pub fn is_over(&self) -> bool {
        self.mailbox.is_over()
    }

    /// Returns whether another post may be submitted. If not, the listener leaves the socket unread.
    pub fn has_credit(&self) -> bool {
        self.unacked < limits::UNACKED_PER_SESSION_MAX
    }

    /// Begins a new round with this post, if the peer knows that the last round has failed. It does if it resends the
    /// failed post, or was told so long ago that this post must have been sent since.
    pub(crate) fn go_on_behind_failed(&mut self, post: ClientId) {
        if !self.mailbox.has_failed(self.round) {
            return;
        }
        let is_known = self.failure_told.is_some_and(|at| at.elapsed() >= limits::POSTS_HELD_MAX);
        if is_known || self.mailbox.failed_with(post) {
            (self.round, self.failure_told) = (self.round.next(), None);
        }
    }

    /// Notes that the peer is being told of a post that has failed.
    pub(crate) fn failure_is_told(&mut self) {
        if self.mailbox.has_failed(self.round) {
            self.failure_told.get_or_insert_with(Instant::now);
        }
    }

    /// Returns whether posts wait for their outcome.
    pub fn has_unacked(&self) -> bool {
        self.unacked > 0
    }

    /// Resolves when [`Session::next_batch`] has something to hand out, and once when a drain begins.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ready(&self) {
        poll_fn(|cx| self.poll_ready(cx)).await;
    }

    /// Like [`Session::ready`], for a task that also waits for other things. Only one task may wait: the last one is
    /// woken.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.dirty.is_empty() && self.announced.is_empty() {
            self.mailbox.poll_ready(cx)
        } else {
            Poll::Ready(())
        }
    }

    /// Returns whether the server wants all sessions to end. To be called after [`Session::poll_ready`], because a
    /// drain that began before this session does not wake it.
    pub fn is_draining(&self) -> bool {
        self.hub.is_draining()
    }

    /// Notes that something has just come from the peer, which was thus seen (PROTOCOL §8).
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Notes that the peer leaves on purpose: its absence is announced as soon as the session is dropped.
    pub fn leave_on_purpose(&mut self) {
        self.on_purpose = true;
    }

    /// Reads the account's rooms from the store, with the marks of this device.
    pub(crate) async fn memberships(&self) -> Result<Vec<MembershipRecord>, Error> {
        Ok(self.hub.store.memberships(self.account, self.device).await?)
    }

    /// Returns this account's name for a room.
    pub(crate) fn view_of(&self, kind: &RoomKind) -> RoomRef {
        match kind {
            RoomKind::Group(name) => RoomRef::Group(name.clone()),
            RoomKind::Private([one, other]) => {
                let peer = if one.0 == self.account { other } else { one };
                RoomRef::Private(peer.1.clone())
            }
        }
    }

    /// Adds a room of the account, without starting its delivery.
    pub(crate) fn take_seat(&mut self, record: &MembershipRecord) {
        self.seats.insert(record, self.view_of(&record.room.kind));
    }

    /// Removes a room of the account.
    pub(crate) fn lose_seat(&mut self, room: RoomId) -> Option<RoomRef> {
        let seat = self.seats.remove(room)?;
        if let Some(live) = seat.live {
            self.hub.registry.detach(self.id, room, live.key);
        }
        self.dirty.retain(|dirty| *dirty != room);
        Some(seat.view)
    }

    /// Returns the seat in a room, if the account may do this act there.
    pub(crate) fn seat_for(&self, act: Act, view: &RoomRef) -> Result<&Seat, Error> {
        let seat = self.seats.find(view);
        let standing = Standing { role: self.role, is_member: seat.is_some() };
        may(standing, act, None, view.into())?;
        seat.ok_or(Error::Refused(Refusal::NotAMember))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let read = self.seats.iter().filter_map(|seat| Some((seat.room, seat.live.as_ref()?.key)));
        self.hub.registry.exit(self.account, self.id, read);
        if self.arrived {
            self.hub.presence.depart(self.account, self.heard, self.on_purpose);
        }
    }
}
