//! The task that owns the connection: one loop over the socket, the requests of the handles, and
//! the clock.
//!
//! Waiting for one of them does not hold up the rest: a blocked write does not stop reading, and a user who does not
//! read events stops only the reading.

mod frames;
mod keeping;
mod session;
mod transport;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lanchat_certs::Fingerprint;
use lanchat_model::{ServerId, limits};
use lanchat_protocol::{Bye, ErrorCode, Mark, MarkTyping, Secret};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::breaches::Breaches;
use crate::connection::Trusted;
use crate::delivery::Delivery;
use crate::error::RequestError;
use crate::event::{Event, EventQueue, EventSlot, SessionInfo};
use crate::home::{Home, TokenLock};
use crate::link::{Link, LinkEvent};
use crate::marks::Marks;
use crate::network::Network;
use crate::outbox::{Outbox, Post};
use crate::requests::{Asker, Request, Requests};
use crate::sentence::Sentence;
use crate::shared::{Order, Shared};
use crate::spool::Leftovers;
use crate::target::Target;
use frames::not_a_frame;
use keeping::Keeper;

/// The phase of an established connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The server has greeted; nobody is logged in on this connection.
    Greeted,
    /// The session is being resumed by this request.
    Resuming(u64),
    /// Delivery is being started again by this request.
    Attaching(u64),
    /// Posts and requests may be sent.
    Ready,
}

/// An account that is logged in, connected or not.
struct SignedIn {
    session: SessionInfo,
    /// The token to resume with.
    token: Secret,
    /// The token of this account that the folder still holds, because `token` could not be written: an older one,
    /// perhaps another device's.
    stale: Option<Secret>,
}

/// See the module.
pub(crate) struct Driver {
    home: Home,
    /// Whether a lost server is looked for by mDNS.
    rediscover: bool,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Order>,
    /// `None` once nobody reads events.
    queue: Option<EventQueue>,
    /// Events that wait for room in the queue; while there are any, the socket is left unread. At most as many as one
    /// frame causes: a few, or a refusal for each post.
    waiting: VecDeque<Event>,
    /// The id of this server, for as long as the client lives: another one is never accepted.
    server_id: ServerId,
    fingerprint: Fingerprint,
    target: Target,
    link: Link,
    phase: Phase,
    /// How many posts the server lets a session have on the wire.
    window: usize,
    account: Option<SignedIn>,
    /// Held from the moment a token is used until the next one is kept.
    token_lock: Option<TokenLock>,
    delivery: Delivery,
    outbox: Outbox,
    keeper: Keeper,
    /// Files of earlier programs whose posts are sent again but could not be copied. They are removed when all posts
    /// are settled.
    leftovers: Option<Leftovers>,
    /// The task that removes them.
    removal: Option<JoinHandle<()>>,
    requests: Requests,
    marks: Marks,
    backoff: Backoff,
    breaches: Breaches,
    /// Whether the server asked for the wait before the next attempt.
    asked_to_wait: bool,
    /// When an attempt was last made ahead of schedule.
    hastened: Option<Instant>,
    /// The state of this computer's network at the last look.
    network: Network,
    /// Whether a loss was reported and the session has not resumed since.
    away: bool,
    /// Whether crowding was reported since the server was last reached.
    was_turned_away: bool,
    /// Addresses where another server was met meanwhile and reported. At most `limits::OTHER_SERVERS_TOLD_MAX`.
    others: Vec<SocketAddr>,
    /// When to stop, if a handle asked for it.
    closing: Option<Instant>,
    /// Whether there is nothing left to do.
    over: bool,
}

impl Driver {
    pub(crate) fn new(
        trusted: Trusted,
        home: Home,
        rediscover: bool,
        shared: Arc<Shared>,
        inbox: mpsc::Receiver<Order>,
        queue: EventQueue,
    ) -> Self {
        let mut driver = Self {
            home,
            rediscover,
            shared,
            inbox,
            queue: Some(queue),
            waiting: VecDeque::new(),
            server_id: trusted.0.server_id,
            fingerprint: trusted.0.fingerprint,
            target: trusted.0.target.clone(),
            link: Link::Idle,
            phase: Phase::Greeted,
            window: 1,
            account: None,
            token_lock: None,
            delivery: Delivery::default(),
            outbox: Outbox::default(),
            keeper: Keeper::default(),
            leftovers: None,
            removal: None,
            requests: Requests::default(),
            marks: Marks::default(),
            backoff: Backoff::default(),
            breaches: Breaches::default(),
            asked_to_wait: false,
            hastened: None,
            network: Network::now(),
            away: false,
            was_turned_away: false,
            others: Vec::new(),
            closing: None,
            over: false,
        };
        driver.made(trusted);
        driver
    }

    /// Runs until the client is closed, all handles are gone, or the server can no longer be trusted.
    pub(crate) async fn run(mut self) {
        let ended = self.shared.ended.clone().drop_guard();
        while !self.over {
            self.keep();
            self.write();
            self.turn().await;
        }
        // Posts that are already in the inbox are kept as well; other requests are answered with
        // [`RequestError::Stopped`].
        self.inbox.close();
        while let Ok(command) = self.inbox.try_recv() {
            if let (Order::Post(post), true) = (command, self.account.is_some()) {
                self.outbox.push(post);
            }
        }
        self.end_keeping().await;
        drop(ended);
        let Self { shared, inbox, mut requests, mut outbox, link, queue, waiting, closing, .. } = self;
        shared.logged_in.store(false, Ordering::Relaxed);
        let until = closing.unwrap_or_else(|| Instant::now() + limits::CLOSE_MAX);
        if let Link::Up(wire) = link {
            let _ = tokio::time::timeout_at(until, wire.shut_down()).await;
        }
        tell_the_rest(queue, waiting, &shared).await;
        // From here on handles learn that the client has stopped; the reason is in the user's queue by now.
        drop(inbox);
        shared.places.close();
        drop(outbox.drain());
        shared.delivered.send_replace(u64::MAX);
        requests.fail_all(|| RequestError::Stopped);
    }

    /// Waits for the next thing to do, and does it.
    async fn turn(&mut self) {
        let backlog = self.link.wire().map_or(0, |wire| wire.backlog());
        let has_room = backlog < limits::WRITE_BUFFER_BYTES_MAX;
        let takes_commands = self.closing.is_none() && self.requests.has_room() && has_room;
        let reads = self.waiting.is_empty();
        let (mark_due, held) = (self.marks.due(), self.outbox.held());
        let (prompt, logged_in) = (self.is_answered_at_once(), self.account.is_some());
        tokio::select! {
            () = self.shared.closing.cancelled(), if self.closing.is_none() => self.close(),
            () = sleep_until(self.closing) => self.over = true,
            place = slot_for(self.queue.as_ref(), self.waiting.front()) => self.deliver(place),
            event = self.link.next(reads, prompt) => match event {
                LinkEvent::Line(line) => self.heard(&line).await,
                LinkEvent::Broken(reason) => self.lost(Sentence::Ours(reason), None),
                LinkEvent::Breach(bad) => self.breach(not_a_frame(&bad)),
                LinkEvent::Made(outcome) => self.connected(*outcome),
                LinkEvent::Due => self.connect(),
                LinkEvent::Quiet => self.probe(),
            },
            command = self.inbox.recv(), if takes_commands => match command {
                Some(command) => self.obey(command),
                None => self.close(),
            },
            () = self.shared.seen_changed.notified() => self.marks.changed(),
            () = sleep_until(mark_due), if has_room => self.send_marks(),
            () = sleep_until(held) => self.outbox.release(),
            written = self.keeper.done() => self.kept(written),
            () = self.network.changed(), if logged_in => { self.probe(); self.hasten(); }
        }
    }

    /// Puts everything on the wire that may be sent.
    fn write(&mut self) {
        let Link::Up(wire) = &mut self.link else { return };
        match self.phase {
            Phase::Greeted => self.requests.unsent(false).for_each(|frame| wire.put(frame)),
            Phase::Resuming(_) | Phase::Attaching(_) => {}
            Phase::Ready => {
                self.requests.unsent(true).for_each(|frame| wire.put(frame));
                while wire.backlog() < limits::WRITE_BUFFER_BYTES_MAX
                    && let Some(post) = self.outbox.next(self.window)
                {
                    wire.put_line(&post.line);
                }
            }
        }
    }

    /// Queues an event for the user.
    fn tell(&mut self, event: Event) {
        // After `close` nobody waits for new events; those in the queue can still be read.
        if self.queue.is_some() && self.closing.is_none() {
            self.shared.told.fetch_add(1, Ordering::Relaxed);
            self.waiting.push_back(event);
        }
    }

    fn deliver(&mut self, slot: Option<EventSlot>) {
        match slot {
            Some(slot) => {
                if let Some(event) = self.waiting.pop_front() {
                    slot.put(event);
                    self.shared.delivered.send_modify(|delivered| *delivered = delivered.saturating_add(1));
                }
            }
            None => {
                self.queue = None;
                self.shared.delivered.send_replace(u64::MAX);
                self.waiting.clear();
            }
        }
    }

    fn obey(&mut self, command: Order) {
        match command {
            Order::LogIn { frame, account, reply } => self.log_in(frame, reply, &account, None),
            Order::Resume { login, reply } => self.log_in_by_token(login, reply),
            Order::Request { frame, reply } if self.account.is_some() => {
                self.requests.insert(Request::new(frame, Asker::User(reply)));
            }
            Order::Attach { policy, reply } if self.account.is_some() => self.attach(policy, reply),
            Order::Request { reply, .. } | Order::Attach { reply, .. } => {
                drop(reply.send(Err(RequestError::NotLoggedIn)));
            }
            Order::Post(post) if self.account.is_some() => self.outbox.push(post),
            Order::Post(post) => {
                let words = "You are not logged in: log in, then send it again.".to_owned();
                self.refuse(post, ErrorCode::LoginRequired, Sentence::Ours(words));
            }
            Order::Typing(frame) => self.typing(frame),
        }
    }

    /// Passes on that the user is typing, and probes a link that was quiet.
    fn typing(&mut self, frame: MarkTyping) {
        if let (Phase::Ready, Some(wire)) = (self.phase, self.link.wire()) {
            wire.put(&frame.into());
            if wire.quiet_for() >= limits::LINK_QUIET {
                self.probe();
            }
        } else {
            self.hasten();
        }
    }

    /// Drops a post and reports why.
    fn refuse(&mut self, post: Post, code: ErrorCode, reason: Sentence) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let Post { id, room, .. } = post;
        self.tell(Event::Refused { id, room, code, reason });
    }

    /// Drops a post that the server may have but has not answered for.
    fn leave_open(&mut self, post: Post) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let Post { id, room, .. } = post;
        self.tell(Event::Unanswered { id, room });
    }

    /// Sends the read marks as soon as the connection allows.
    fn send_marks(&mut self) {
        let (Phase::Ready, Some(wire)) = (self.phase, self.link.wire()) else { return self.marks.postpone() };
        for (room, seq) in self.marks.take(&self.shared.seen) {
            // What was not delivered cannot have been seen.
            if let Some(cursor) = self.delivery.cursors.of(&room) {
                wire.put(&Mark { id: self.shared.request_id(), room, seq: seq.min(cursor) }.into());
            }
        }
    }

    /// Says goodbye if there is a connection.
    fn close(&mut self) {
        self.send_marks();
        let Some(wire) = self.link.wire() else { return self.over = true };
        wire.put(&Bye { id: self.shared.request_id() }.into());
        self.closing = Some(Instant::now() + limits::CLOSE_MAX);
        self.shared.delivered.send_replace(u64::MAX);
        self.waiting.clear();
    }
}

/// Delivers the events that are left, as long as somebody reads.
async fn tell_the_rest(queue: Option<EventQueue>, waiting: VecDeque<Event>, shared: &Shared) {
    let Some(queue) = queue else { return };
    for event in waiting {
        let place = tokio::select! {
            place = queue.slot_for(&event) => place,
            () = shared.closing.cancelled() => return,
        };
        let Some(place) = place else { return };
        place.put(event);
    }
}

/// Returns a place for the event that has waited longest, or `None` if nobody reads. Never returns if nothing waits.
async fn slot_for(queue: Option<&EventQueue>, event: Option<&Event>) -> Option<EventSlot> {
    match (queue, event) {
        (Some(queue), Some(event)) => queue.slot_for(event).await,
        _ => std::future::pending().await,
    }
}

/// Sleeps until the given time, or for ever if there is none.
async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
