//! The pump: one task per connection, one loop for every door.

use std::future::{Future, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use lanchat_hub::{AnswerPlace, Command, Error, Reply, Session, Source};
use lanchat_model::limits;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{debug, info};

use crate::admission::Place;
use crate::door::{Closing, Dialect, Flow, Inbound, Request};
use crate::listener::Entrance;
use crate::stalled::Hold;
use crate::stream::Stream;

/// A connection that chats: behind its TLS handshake, if it has one.
pub(crate) struct Pump {
    stream: Stream,
    dialect: Box<dyn Dialect>,
    entrance: Arc<Entrance>,
    source: Source,
    /// What it needs until its login. Boxed: it is no memory of those that live.
    newcomer: Option<Box<Newcomer>>,
    session: Option<Session>,
    /// Whether the dialect may have a whole request. Most wake-ups are for deliveries, and need not ask it.
    pub(crate) has_input: bool,
    /// Requests since it last let others go first.
    taken: u32,
    /// Bytes that came since then, those of TLS itself counted `limits::TLS_BYTE_COST` times.
    received: usize,
    /// What is to be written. Written as soon as it exceeds `limits::WRITE_BUFFER_BYTES_MAX`, and before every wait.
    out: Vec<u8>,
    last_sent: Instant,
    /// What it has of a request that is not whole. Boxed: hardly any connection has much of one.
    half: Option<Box<Hold>>,
    /// When the dialect is to be told that the peer is silent, if it asked for that.
    quiet_at: Option<Instant>,
}

/// A connection that has no session yet.
pub(crate) struct Newcomer {
    /// Held until the login, unless it is taken away.
    pub(crate) place: Place,
    pub(crate) login_deadline: Instant,
    /// Requests so far.
    asked: u32,
    /// Bytes so far, counted as those of [`Pump::received`].
    heard: usize,
    /// Whether its place is gone, and one more look was taken at what it says.
    was_reprieved: bool,
}

impl Newcomer {
    pub(crate) fn new(place: Place, login_deadline: Instant) -> Box<Self> {
        Box::new(Self { place, login_deadline, asked: 0, heard: 0, was_reprieved: false })
    }
}

/// What the loop was woken by: all that is ready at once, so that neither side of a connection waits for the other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wake {
    /// Bytes came in; `false`: the peer has closed.
    received: Option<bool>,
    deliver: bool,
    keep_alive: bool,
    quiet: bool,
    login_timeout: bool,
    place_taken: bool,
    drain: bool,
}

impl Pump {
    /// The pump of a connection of which nothing was read, and to which nothing was said.
    pub(crate) fn new(
        entrance: Arc<Entrance>,
        stream: Stream,
        dialect: Box<dyn Dialect>,
        source: Source,
        newcomer: Option<Box<Newcomer>>,
    ) -> Box<Self> {
        Box::new(Self {
            stream,
            dialect,
            entrance,
            source,
            newcomer,
            session: None,
            has_input: false,
            taken: 0,
            received: 0,
            out: Vec::new(),
            last_sent: Instant::now(),
            half: None,
            quiet_at: None,
        })
    }

    /// Runs the connection to its end. The session ends with it.
    pub(crate) async fn run(mut self: Box<Self>) {
        self.dialect.greet(self.entrance.hub.online() as u64, &mut self.out);
        let ended = self.converse().await;
        if ended.is_ok() {
            let _ = self.flush().await;
        }
        let name = self.session.as_ref().map(|session| session.name().to_string());
        debug!(account = name, source = %self.source.0, reason = ?ended.err(), "connection ended");
        // Whoever never had a session is heard out only while few are.
        let lingers = match self.session {
            Some(_) => Ok(None),
            None => self.entrance.lingering.try_acquire().map(Some),
        };
        // The session first: others need not wait for this socket to close. The place too: nobody could be sent away.
        self.session = None;
        self.newcomer = None;
        // Boxed: what a connection needs only at its end is no memory of those that live.
        match (lingers, self.dialect.ends_by_reset()) {
            (Ok(_permit), false) => Box::pin(self.stream.close()).await,
            (Ok(_permit), true) => Box::pin(self.stream.reset()).await,
            (Err(_), false) => self.stream.close_at_once(),
            (Err(_), true) => self.stream.abort(),
        }
    }

    async fn converse(&mut self) -> io::Result<()> {
        let entrance = Arc::clone(&self.entrance);
        let mut shut_down = pin!(entrance.shutdown.cancelled());
        let mut alarm = pin!(sleep_until(self.next_alarm()));
        loop {
            if self.take_requests().await?.is_break() {
                return Ok(());
            }
            let is_long = self.out.len() >= limits::WRITE_BUFFER_BYTES_MAX / 2;
            self.flush().await?;
            if is_long {
                // A peer that takes all at once is no reason to keep the others waiting: there may be much more for it.
                tokio::task::yield_now().await;
            }
            let wake = poll_fn(|cx| self.poll_wake(cx, alarm.as_mut(), shut_down.as_mut())).await?;
            if self.act_on(wake).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// Whether more requests may be taken: a session with too many posts under way is left unread.
    fn has_credit(&self) -> bool {
        self.session.as_ref().is_none_or(Session::has_credit)
    }

    /// Whether the session was logged out: its peer is told, and served no more.
    fn is_over(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_over)
    }

    /// When to look at the clock next. The alarm is not moved whenever something is sent: it may ring early, and is
    /// then set again.
    fn next_alarm(&self) -> Instant {
        let keep_alive = self.last_sent + limits::KEEPALIVE;
        let login = self.newcomer.as_ref().map(|newcomer| newcomer.login_deadline);
        [login, self.next_quiet()].into_iter().flatten().fold(keep_alive, Instant::min)
    }

    /// When the peer is silent for as long as the dialect asked. Not while its socket is left unread.
    fn next_quiet(&self) -> Option<Instant> {
        self.quiet_at.filter(|_| self.has_credit())
    }

    /// Whether the connection goes on, by the word of its dialect, which may have to be asked for a request.
    fn heed(&mut self, flow: Flow) -> ControlFlow<()> {
        match flow {
            Flow::Continue => ControlFlow::Continue(()),
            Flow::Ask => {
                self.has_input = true;
                ControlFlow::Continue(())
            }
            Flow::Close => ControlFlow::Break(()),
        }
    }

    /// Waits for something to do. Each source is polled once, and all that is ready is said at once.
    fn poll_wake(
        &mut self,
        cx: &mut Context<'_>,
        mut alarm: Pin<&mut Sleep>,
        shut_down: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<io::Result<Wake>> {
        let mut wake = Wake::default();
        if self.has_credit() {
            let Self { stream, dialect, received, newcomer, .. } = self;
            let mut cost = 0;
            let take = |bytes: &[u8]| {
                cost += bytes.len();
                dialect.receive(bytes);
            };
            if let Poll::Ready(came) = stream.poll_read(cx, take) {
                let came = came?;
                cost += came.wrapping * limits::TLS_BYTE_COST;
                *received += cost;
                newcomer.iter_mut().for_each(|newcomer| newcomer.heard += cost);
                wake.received = Some(came.is_open);
                self.has_input = true;
                self.quiet_at = self.dialect.quiet_after().map(|silence| Instant::now() + silence);
                // Also an end in order is something that came from the peer.
                if let Some(session) = &mut self.session {
                    session.heard();
                }
            }
        }
        match &self.session {
            Some(session) => {
                wake.deliver = session.poll_ready(cx).is_ready();
                wake.drain = session.is_draining();
            }
            None => {
                wake.drain = shut_down.poll(cx).is_ready();
                wake.place_taken =
                    self.newcomer.as_ref().is_some_and(|newcomer| newcomer.place.poll_taken(cx).is_ready());
            }
        }
        if let Some(quiet) = self.next_quiet().filter(|quiet| *quiet < alarm.deadline()) {
            alarm.as_mut().reset(quiet);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            wake.quiet = self.next_quiet().is_some_and(|quiet| now >= quiet);
            wake.login_timeout =
                self.newcomer.as_ref().is_some_and(|newcomer| now >= newcomer.login_deadline);
            wake.keep_alive = now >= self.last_sent + limits::KEEPALIVE;
            if wake.login_timeout || wake.keep_alive || wake.quiet {
                break;
            }
            alarm.as_mut().reset(self.next_alarm());
        }
        if wake != Wake::default() {
            return Poll::Ready(Ok(wake));
        }
        self.poll_half(cx).map(Err)
    }

    /// Counts what is there of a request that is not whole. Resolves when others need the memory, and the connection goes.
    fn poll_half(&mut self, cx: &Context<'_>) -> Poll<io::Error> {
        let bytes = self.dialect.held() + self.stream.held();
        if bytes < limits::STALLED_BYTES_MIN {
            self.half = None;
            return Poll::Pending;
        }
        match &self.half {
            Some(half) => half.resize(bytes),
            None => self.half = self.entrance.stalled.hold(bytes).map(Box::new),
        }
        let half = self.half.as_ref();
        half.map_or(Poll::Pending, |half| half.poll_let_go(cx).map(|()| io::ErrorKind::TimedOut.into()))
    }

    async fn act_on(&mut self, wake: Wake) -> io::Result<ControlFlow<()>> {
        if wake.keep_alive {
            let flow = self.dialect.keep_alive(&mut self.out);
            // Also where it said nothing: it is asked again after as long.
            self.last_sent = Instant::now();
            if self.heed(flow).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if wake.quiet {
            self.quiet_at = None;
            self.has_input = true;
            let flow = self.dialect.quiet(&mut self.out);
            if self.heed(flow).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if wake.login_timeout {
            self.dialect.close(Closing::LoginTimeout, &mut self.out);
            return Ok(ControlFlow::Break(()));
        }
        // What came at the last moment may be a login: it is looked at first, once.
        if wake.place_taken
            && let Some(newcomer) = &mut self.newcomer
            && (wake.received != Some(true) || std::mem::replace(&mut newcomer.was_reprieved, true))
        {
            self.dialect.close(Closing::PlaceTaken, &mut self.out);
            return Ok(ControlFlow::Break(()));
        }
        if wake.drain {
            Box::pin(self.drain()).await?;
            return Ok(ControlFlow::Break(()));
        }
        // What was acknowledged leaves even if the peer has closed its side: it may still read.
        if wake.deliver && self.deliver().await.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let closed = wake.received == Some(false);
        Ok(if closed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Hands out one batch.
    async fn deliver(&mut self) -> ControlFlow<()> {
        let Some(session) = &mut self.session else { return ControlFlow::Continue(()) };
        match session.next_batch().await {
            Ok(events) => {
                for event in &events {
                    let flow = self.dialect.deliver(event, &mut self.out);
                    self.heed(flow)?;
                }
                ControlFlow::Continue(())
            }
            Err(error) => {
                // The cursors stand where they stood: the peer comes back and reads on.
                self.dialect.close(Closing::Fault(&error), &mut self.out);
                ControlFlow::Break(())
            }
        }
    }

    /// Posts that were taken are answered before the goodbye.
    async fn drain(&mut self) -> io::Result<()> {
        while let Some(session) = &self.session
            && session.has_unacked()
        {
            session.ready().await;
            if self.deliver().await.is_break() {
                return Ok(());
            }
            self.flush().await?;
        }
        let retry_after = self.entrance.herd.retry_after(self.entrance.hub.online());
        self.dialect.close(Closing::Drain { retry_after }, &mut self.out);
        Ok(())
    }

    /// Takes the requests that are whole, while there is credit; of a session that is logged out, none. After so many, so
    /// long ones, or a full write buffer, it lets others go first: the runtime counts reads, and one read may bring hundreds of
    /// requests that need no waiting.
    async fn take_requests(&mut self) -> io::Result<ControlFlow<()>> {
        while self.has_input && self.has_credit() && !self.is_over() {
            let flow = match self.dialect.next_inbound(&mut self.out) {
                Inbound::Incomplete => {
                    self.has_input = false;
                    Flow::Continue
                }
                Inbound::Answered => Flow::Continue,
                Inbound::Broken { code } => {
                    info!(source = %self.source.0, code, "protocol broken");
                    Flow::Close
                }
                // Boxed: it takes no memory of the many connections that ask nothing.
                Inbound::Request(request) => Box::pin(self.serve(request)).await?,
            };
            if self.heed(flow).is_break() || self.has_asked_enough() {
                return Ok(ControlFlow::Break(()));
            }
            self.taken += 1;
            // A few long requests or answers are as much work as many short ones.
            if self.taken >= limits::REQUESTS_PER_TURN
                || self.received >= limits::READ_BYTES_PER_TURN
                || self.out.len() > limits::WRITE_BUFFER_BYTES_MAX
            {
                (self.taken, self.received) = (0, 0);
                self.flush().await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Counts a request of a connection without a session, and tells it when that was the last one; or that it has sent more
    /// than all of them could be, in lines that are none.
    fn has_asked_enough(&mut self) -> bool {
        let Some(newcomer) = &mut self.newcomer else { return false };
        newcomer.asked += u32::from(self.has_input);
        let is_enough = newcomer.asked >= limits::REQUESTS_BEFORE_LOGIN_MAX
            || newcomer.heard > limits::BYTES_BEFORE_LOGIN_MAX;
        if is_enough {
            self.dialect.close(Closing::TooManyRequests, &mut self.out);
        }
        is_enough
    }

    /// Posts go the short way. All else is rare, and boxed, so that the way of a post stays short.
    async fn serve(&mut self, request: Request) -> io::Result<Flow> {
        if let Request::Command { command, .. } = &request
            && may_wait(command)
        {
            // For seconds: what was answered before them leaves first.
            self.flush().await?;
        }
        Ok(match (request, &mut self.session) {
            (Request::Command { tag, command: Command::Post(post) }, Some(session)) => {
                let result = session.post(post).await;
                self.reply(&tag, result)
            }
            (Request::Command { tag, command }, Some(session)) => {
                // Boxed: an answer that may be long, and its place, are the business of few.
                let place = match Box::pin(session.place_for(&command)).await {
                    Ok(place) => place,
                    Err(busy) => return Ok(self.reply(&tag, Err(busy))),
                };
                let result = Box::pin(session.submit(command)).await;
                let flow = self.reply(&tag, result);
                while self.dialect.go_on(&mut self.out) {
                    if self.is_over() {
                        // In the middle of an answer nothing else can be said: it learns why when it comes back.
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    self.write_out(place.as_ref()).await?;
                    // A peer that takes all at once is no reason to keep the others waiting.
                    tokio::task::yield_now().await;
                }
                flow
            }
            // A dialect lets no command pass before the login.
            (Request::Command { .. }, None) => Flow::Close,
            (Request::Authenticate { tag, credentials }, _) => {
                let result = Box::pin(self.entrance.hub.authenticate(credentials, &self.source)).await;
                let result = result.map(|(session, welcome)| {
                    self.newcomer = None;
                    self.session = Some(session);
                    welcome
                });
                self.dialect.welcome(&tag, result, &mut self.out)
            }
            (Request::Bye { tag }, session) => {
                if let Some(session) = session {
                    session.leave_on_purpose();
                }
                self.dialect.close(Closing::Bye { tag: &tag }, &mut self.out);
                Flow::Close
            }
        })
    }

    /// Answers a request. One that a session which is logged out did not get to is not answered, as those behind it: its
    /// peer may ask again after a login.
    fn reply(&mut self, tag: &str, result: Result<Reply, Error>) -> Flow {
        if result.is_err() && self.is_over() {
            return Flow::Continue;
        }
        self.dialect.reply(tag, result, &mut self.out)
    }

    /// A peer that takes nothing does not keep its place by that.
    async fn flush_to_newcomer(&mut self) -> io::Result<()> {
        let Some(newcomer) = &self.newcomer else { return Ok(()) };
        tokio::select! {
            biased;
            written = self.stream.write(&mut self.out) => written,
            () = poll_fn(|cx| newcomer.place.poll_taken(cx)) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Writes what is to be said to somebody who is logged in, and holds a `place` for an answer or none. While it is not taken
    /// it is held together with what there is of a request.
    async fn write_out(&mut self, place: Option<&AnswerPlace>) -> io::Result<()> {
        self.half = None;
        let beside = self.dialect.held() + self.stream.held();
        let Self { stream, out, session, entrance, .. } = self;
        let is_overdue =
            || session.as_ref().is_some_and(Session::is_over) || place.is_some_and(AnswerPlace::is_overdue);
        stream.write_before(out, |bytes| entrance.stalled.hold(bytes + beside), is_overdue).await?;
        self.last_sent = Instant::now();
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            match &self.newcomer {
                None => return self.write_out(None).await,
                Some(_) => Box::pin(self.flush_to_newcomer()).await?,
            }
            self.last_sent = Instant::now();
        }
        Ok(())
    }
}

/// Whether a command may wait for others before it is done.
fn may_wait(command: &Command) -> bool {
    matches!(
        command,
        Command::Attach { .. }
            | Command::Join { .. }
            | Command::History { .. }
            | Command::Members { .. }
            | Command::Rooms
    )
}
