//! The task that owns the connection: one loop over the socket, the requests of the handles, and
//! the clock.
//!
//! Whatever it waits for, it keeps doing the rest: a blocked write does not stop reading, and a
//! user who does not read events stops reading only.

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
use lanchat_protocol::{Bye, ClientFrame, ErrorCode, Mark, MarkTyping, Secret};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::attach::AttachPolicy;
use crate::backoff::Backoff;
use crate::breaches::Breaches;
use crate::client::Shared;
use crate::connect::Trusted;
use crate::delivery::Delivery;
use crate::error::RequestError;
use crate::event::{Event, EventQueue, Place, Session};
use crate::home::{Home, TokenLock};
use crate::link::{Link, LinkEvent};
use crate::marks::Marks;
use crate::network::Network;
use crate::outbox::{Outbox, Post};
use crate::requests::{Asker, LoggedIn, Request, Requests};
use crate::sentence::Sentence;
use crate::servers::Login;
use crate::spool::Leftovers;
use crate::target::Target;
use frames::not_a_frame;
use keeping::Keeper;

pub(crate) use crate::requests::Answer;

/// What a handle asks of the driver.
pub(crate) enum Command {
    /// Register this account, or log in to it by password.
    LogIn { frame: ClientFrame, account: String, reply: oneshot::Sender<LoggedIn> },
    /// Log in by the token that is kept.
    Resume { login: (Login, TokenLock), reply: oneshot::Sender<LoggedIn> },
    /// Start delivery.
    Attach { policy: AttachPolicy, reply: oneshot::Sender<Answer> },
    /// Anything else that has an answer.
    Request { frame: ClientFrame, reply: oneshot::Sender<Answer> },
    /// A message for the outbox.
    Post(Post),
    /// A sign of typing.
    Typing(MarkTyping),
}

/// How far a connection that is up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The server has greeted; nobody is logged in on this connection.
    Greeted,
    /// The session is being resumed by this request.
    Resuming(u64),
    /// Delivery is being started again by this request.
    Attaching(u64),
    /// Posts and requests may go.
    Ready,
}

/// An account that is logged in, connected or not.
struct Account {
    session: Session,
    /// The token to resume with.
    token: Secret,
    /// The token of this account that the folder has in its place, because that one could not be written: an older one,
    /// perhaps of another device.
    stale: Option<Secret>,
}

/// See the module.
pub(crate) struct Driver {
    home: Home,
    /// Whether a lost server is looked for by mDNS.
    rediscover: bool,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Command>,
    /// `None` once nobody reads events.
    queue: Option<EventQueue>,
    /// Events that wait for room in the queue; while there are any, the socket is left unread. At
    /// most what one frame gives rise to: a few, or a refusal per post.
    waiting: VecDeque<Event>,
    /// Which server this is, for as long as the client lives: no other is ever accepted.
    server_id: ServerId,
    fingerprint: Fingerprint,
    target: Target,
    link: Link,
    phase: Phase,
    /// Posts that the server lets a session have on the wire.
    window: usize,
    account: Option<Account>,
    /// Held from the use of a token until the next one is kept.
    token_lock: Option<TokenLock>,
    delivery: Delivery,
    outbox: Outbox,
    keeper: Keeper,
    /// Files of programs before this one whose posts are sent again and could not be written anew. They go when all posts
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
    /// When an attempt was made before its time.
    hastened: Option<Instant>,
    /// What this computer's network was when it was looked at last.
    network: Network,
    /// Whether a loss was told that has not been made good yet.
    away: bool,
    /// Whether it was told that the server is crowded, since it was reached last.
    was_turned_away: bool,
    /// Where another server was met meanwhile, and that was told. At most
    /// `limits::OTHER_SERVERS_TOLD_MAX`.
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
        inbox: mpsc::Receiver<Command>,
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

    /// Runs until the client is closed, all handles are gone, or the server can be trusted no
    /// longer.
    pub(crate) async fn run(mut self) {
        let ended = self.shared.ended.clone().drop_guard();
        while !self.over {
            self.keep();
            self.write();
            self.turn().await;
        }
        // What was sent on the way here is kept as well; other requests are told that the client has stopped.
        self.inbox.close();
        while let Ok(command) = self.inbox.try_recv() {
            if let (Command::Post(post), true) = (command, self.account.is_some()) {
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
        // From here on handles are told that the client has stopped: why is in the user's queue by now.
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
            place = place_for(self.queue.as_ref(), self.waiting.front()) => self.deliver(place),
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

    /// Puts on the wire whatever may go.
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
        // After `close` nobody waits for events; what is on its way in the queue can still be read.
        if self.queue.is_some() && self.closing.is_none() {
            self.shared.told.fetch_add(1, Ordering::Relaxed);
            self.waiting.push_back(event);
        }
    }

    fn deliver(&mut self, place: Option<Place>) {
        match place {
            Some(place) => {
                if let Some(event) = self.waiting.pop_front() {
                    place.put(event);
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

    fn obey(&mut self, command: Command) {
        match command {
            Command::LogIn { frame, account, reply } => self.log_in(frame, reply, &account, None),
            Command::Resume { login, reply } => self.log_in_by_token(login, reply),
            Command::Request { frame, reply } if self.account.is_some() => {
                self.requests.insert(Request::new(frame, Asker::User(reply)));
            }
            Command::Attach { policy, reply } if self.account.is_some() => self.attach(policy, reply),
            Command::Request { reply, .. } | Command::Attach { reply, .. } => {
                drop(reply.send(Err(RequestError::NotLoggedIn)));
            }
            Command::Post(post) if self.account.is_some() => self.outbox.push(post),
            Command::Post(post) => {
                let words = "You are not logged in: log in, then send it again.".to_owned();
                self.refuse(post, ErrorCode::LoginRequired, Sentence::Ours(words));
            }
            Command::Typing(frame) => self.typing(frame),
        }
    }

    /// Somebody types: others are told, and a link that was quiet is asked whether it is alive.
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

    /// Takes a post out of the game, and tells why.
    fn refuse(&mut self, post: Post, code: ErrorCode, reason: Sentence) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let Post { id, room, .. } = post;
        self.tell(Event::Refused { id, room, code, reason });
    }

    /// Takes a post out of the game that the server may have and has not answered for.
    fn leave_open(&mut self, post: Post) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let Post { id, room, .. } = post;
        self.tell(Event::Unanswered { id, room });
    }

    /// Sends what was seen, once it can be.
    fn send_marks(&mut self) {
        let (Phase::Ready, Some(wire)) = (self.phase, self.link.wire()) else { return self.marks.postpone() };
        for (room, seq) in self.marks.take(&self.shared.seen) {
            // What was not delivered cannot have been seen.
            if let Some(cursor) = self.delivery.cursors.of(&room) {
                wire.put(&Mark { id: self.shared.request_id(), room, seq: seq.min(cursor) }.into());
            }
        }
    }

    /// Says goodbye, if there is somebody to say it to.
    fn close(&mut self) {
        self.send_marks();
        let Some(wire) = self.link.wire() else { return self.over = true };
        wire.put(&Bye { id: self.shared.request_id() }.into());
        self.closing = Some(Instant::now() + limits::CLOSE_MAX);
        self.shared.delivered.send_replace(u64::MAX);
        self.waiting.clear();
    }
}

/// Tells what is left to be told, as far as somebody reads.
async fn tell_the_rest(queue: Option<EventQueue>, waiting: VecDeque<Event>, shared: &Shared) {
    let Some(queue) = queue else { return };
    for event in waiting {
        let place = tokio::select! {
            place = queue.place_for(&event) => place,
            () = shared.closing.cancelled() => return,
        };
        let Some(place) = place else { return };
        place.put(event);
    }
}

/// A place for the event that waits the longest; `None`: nobody reads. Never, if nothing waits.
async fn place_for(queue: Option<&EventQueue>, event: Option<&Event>) -> Option<Place> {
    match (queue, event) {
        (Some(queue), Some(event)) => queue.place_for(event).await,
        _ => std::future::pending().await,
    }
}

/// Until then; for ever, if there is no time.
async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
