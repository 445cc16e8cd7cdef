//! A session: proof of a login, and a set of cursors. Only [`Hub::authenticate`](crate::Hub::authenticate) makes one.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use lanchat_model::{AccountId, AccountName, ClientId, DeviceId, RoomId, RoomRef, Seq, limits};
use tokio::time::{Instant, sleep};

use crate::answers::AnswerPlace;
use crate::command::Command;
use crate::error::{Error, Refusal};
use crate::event::{Event, Notice, Reply, RoomState, Welcome};
use crate::hub::Inner;
use crate::mailbox::{Mailbox, Round, Waiting};
use crate::permit::{Act, Role, Standing, may};
use crate::places;
use crate::port::{Account, MembershipRecord, RoomKind, TokenHash};
use crate::registry::{Place, SessionId};
use crate::seats::{Seat, Seats};
use crate::sequencer::Sequencer;
use crate::source::Source;
use crate::token::Token;

/// One logged-in connection.
pub struct Session {
    pub(crate) hub: Arc<Inner>,
    pub(crate) sequencer: Sequencer,
    pub(crate) account: AccountId,
    pub(crate) name: AccountName,
    /// What the account was on this server when it logged in; the store looks again at what is written.
    role: Role,
    pub(crate) device: DeviceId,
    /// Hash of the token that the peer was given last.
    pub(crate) given: TokenHash,
    pub(crate) source: Source,
    pub(crate) id: SessionId,
    pub(crate) mailbox: Arc<Mailbox>,
    /// What was taken out of the mailbox and not yet looked at.
    pub(crate) waiting: Waiting,
    /// The rooms of the account. To have a seat is to be a member; the store looks again at what is written.
    pub(crate) seats: Seats,
    /// Rooms to read from, in turn. Bounded by the seats: each is listed once.
    pub(crate) dirty: VecDeque<RoomId>,
    /// Rooms that came and went, to be told before anything else. Bounded by the seats: it is emptied by every batch.
    pub(crate) announced: Vec<RoomNews>,
    /// Where presence and typing were read up to, once delivery has begun.
    pub(crate) latest: Option<LatestCursor>,
    /// Posts whose outcome has not been delivered. At most `limits::UNACKED_PER_SESSION_MAX`, by the listener's leave.
    pub(crate) unacked: usize,
    /// What it posts now belongs to.
    pub(crate) round: Round,
    /// When its peer was first told that a post of the round has failed.
    failure_told: Option<Instant>,
    attaches: Attaches,
    /// When something last came from the peer.
    heard: Instant,
    on_purpose: bool,
    /// Whether presence counts it.
    arrived: bool,
}

/// What is to be told of a room that came or went.
#[derive(Debug)]
pub(crate) enum RoomNews {
    /// The session has it.
    Here(RoomState),
    /// The session has it no longer. How far it was handed out.
    Gone(RoomRef, Option<Seq>),
}

impl RoomNews {
    /// The room that it is of.
    pub(crate) fn room(&self) -> &RoomRef {
        match self {
            Self::Here(state) => &state.room,
            Self::Gone(room, _) => room,
        }
    }

    /// As the peer is told.
    pub(crate) fn into_event(self) -> Event {
        match self {
            Self::Here(state) => Event::Room(state),
            Self::Gone(room, _) => Event::RoomGone(room),
        }
    }
}

/// How often a session begins delivery anew.
#[derive(Debug, Default)]
struct Attaches {
    /// When it has done no more than one in each `limits::ATTACH_EVERY`.
    even: Option<Instant>,
}

impl Attaches {
    /// Waits until the session may: at once for the first `limits::ATTACHES_FREE`.
    async fn wait(&mut self) {
        let now = Instant::now();
        let even = self.even.map_or(now, |even| even.max(now));
        self.even = Some(even + limits::ATTACH_EVERY);
        let wait = (even - now).saturating_sub(limits::ATTACH_EVERY * (limits::ATTACHES_FREE - 1));
        // The clock of the runtime makes a millisecond of no wait at all.
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

/// What credentials proved.
pub(crate) struct Login {
    pub(crate) account: Account,
    pub(crate) device: DeviceId,
    pub(crate) source: Source,
    /// Sessions of the account beyond which it is refused.
    pub(crate) most: usize,
    /// [`Registry::logouts`] before the credentials were proved.
    ///
    /// [`Registry::logouts`]: crate::registry::Registry::logouts
    pub(crate) logouts: u64,
    pub(crate) place: Place,
}

/// Versions of presence and typing that were handed out, and what the peer believes of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LatestCursor {
    pub(crate) presence: u64,
    pub(crate) typing: u64,
    pub(crate) notice: Notice,
}

impl Session {
    /// Enters the registry first and reads the store second, so that no change between the two is missed: neither of the
    /// memberships, nor one that ends the login.
    ///
    /// # Errors
    /// [`Refusal::BadToken`] when the device was logged out, or the password changed, since the login was proved.
    pub(crate) async fn begin(hub: Arc<Inner>, login: Login, token: Token) -> Result<(Self, Welcome), Error> {
        let Login { account, device, source, most, logouts, place } = login;
        let sequencer = hub.sequencer()?;
        let entered = hub.registry.enter(account.id, device, most, place);
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
        // Hardly ever was somebody logged out meanwhile: nobody asks the store for that.
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

    /// The name of the account, for logs.
    pub fn name(&self) -> &AccountName {
        &self.name
    }

    /// Does what the peer asks. Posts are answered later, by [`Session::next_batch`].
    ///
    /// # Errors
    /// [`Error::Refused`] for what the peer did wrong, otherwise a fault of ours. The session goes on in both cases.
    pub async fn submit(&mut self, command: Command) -> Result<Reply, Error> {
        match command {
            Command::Post(post) => self.post(post).await,
            Command::Typing { room } => self.typing(&room),
            Command::Mark { room, seq } => self.mark(&room, seq).await,
            Command::Attach { epoch, cursors, tail } => {
                self.attaches.wait().await;
                let _turn = self.turn_to_read().await?;
                self.attach(epoch, cursors, tail).await
            }
            Command::Join { room, tail } => {
                let _turn = self.turn_to_read().await?;
                self.join(room, tail).await
            }
            Command::Leave { room } => self.leave(room).await,
            Command::Rooms => {
                let _turn = self.turn_to_read().await?;
                self.rooms().await
            }
            Command::Members { room } => {
                let _turn = self.turn_to_read().await?;
                self.members(room).await
            }
            Command::History { room, before, limit } => self.history(room, before, limit).await,
            Command::Away { reason } => self.set_away(Some(crate::port::Away { reason })).await,
            Command::Back => self.set_away(None).await,
            Command::Whois { name } => self.whois(name).await,
            Command::ChangePassword { old, new, renew } => self.change_password(old, new, renew).await,
            Command::Logout => self.log_out().await,
        }
    }

    /// The place that the answer to this command needs while it is held in memory, if it may be long. Waits for one.
    ///
    /// # Errors
    /// `Busy` when there was none for `limits::ANSWER_WAIT_MAX`.
    ///
    /// # Cancel safety
    /// Safe: nothing has been done yet.
    pub async fn place_for(&self, command: &Command) -> Result<Option<AnswerPlace>, Error> {
        match command {
            Command::Rooms | Command::Members { .. } | Command::History { .. } => {
                let place = self.hub.answers.place(&self.mailbox.of_account).await?;
                self.check_is_on()?;
                Ok(Some(place))
            }
            _ => Ok(None),
        }
    }

    async fn turn_to_read(&self) -> Result<Option<places::Place>, Error> {
        let turn = self.mailbox.of_account.reading().await?;
        self.check_is_on()?;
        Ok(turn)
    }

    /// Whoever has waited may be logged out meanwhile.
    fn check_is_on(&self) -> Result<(), Error> {
        if self.is_over() { Err(Refusal::BadToken.into()) } else { Ok(()) }
    }

    /// Whether the device was logged out: nothing more is to be taken from the peer, nor is it to be waited for.
    /// [`Session::next_batch`] says why.
    pub fn is_over(&self) -> bool {
        self.mailbox.is_over()
    }

    /// Whether another post may be submitted. While not, the listener leaves the socket unread.
    pub fn has_credit(&self) -> bool {
        self.unacked < limits::UNACKED_PER_SESSION_MAX
    }

    /// Begins a new round of posts with this one, if the peer knows that the one before has failed: it sends the very post
    /// again, or was told so long ago that what comes was sent since.
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

    /// Whether posts wait for their outcome.
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

    /// As [`Session::ready`], for a task that waits for other things too. One task at a time: the last one is woken.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.dirty.is_empty() && self.announced.is_empty() {
            self.mailbox.poll_ready(cx)
        } else {
            Poll::Ready(())
        }
    }

    /// Whether the server wants all sessions to end. To be asked after [`Session::poll_ready`]: the word of a drain that
    /// began before this session did wakes nobody.
    pub fn is_draining(&self) -> bool {
        self.hub.is_draining()
    }

    /// Says that something came from the peer just now: it is seen (PROTOCOL §8).
    pub fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Says that the peer leaves on purpose: its absence is announced at once when the session is dropped.
    pub fn leave_on_purpose(&mut self) {
        self.on_purpose = true;
    }

    /// The account's rooms, with the marks of this device, as the store has them now.
    pub(crate) async fn memberships(&self) -> Result<Vec<MembershipRecord>, Error> {
        Ok(self.hub.store.memberships(self.account, self.device).await?)
    }

    /// How this account names a room.
    pub(crate) fn view_of(&self, kind: &RoomKind) -> RoomRef {
        match kind {
            RoomKind::Group(name) => RoomRef::Group(name.clone()),
            RoomKind::Private([one, other]) => {
                let peer = if one.0 == self.account { other } else { one };
                RoomRef::Private(peer.1.clone())
            }
        }
    }

    /// Adds a room of the account; delivery of it has not begun.
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

    /// The seat in a room, if the account may do this there.
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
