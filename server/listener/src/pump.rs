//! The pump: one task per connection, one loop for every door.

use std::future::{Future, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use lanchat_hub::{AnswerSlot, Command, Error, Reply, Session, Source};
use lanchat_model::limits;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{debug, info};

use crate::door::{Closing, Dialect, Flow, Inbound, Request};
use crate::entrance::Entrance;
use crate::newcomer::Newcomer;
use crate::stalled::Hold;
use crate::stream::Stream;

/// A chat connection, after its TLS handshake if it has one.
pub(crate) struct Pump {
    stream: Stream,
    dialect: Box<dyn Dialect>,
    entrance: Arc<Entrance>,
    source: Source,
    /// The state it needs until its login. Boxed, so that it takes no memory after that.
    newcomer: Option<Box<Newcomer>>,
    session: Option<Session>,
    /// Whether the dialect may have a whole request. Most wake-ups are for deliveries and need not ask the dialect.
    pub(crate) has_input: bool,
    /// Requests taken since it last let other connections go first.
    taken: u32,
    /// Bytes received since then. TLS's own bytes count `limits::TLS_BYTE_COST` times.
    received: usize,
    /// Output not yet written. Written as soon as it exceeds `limits::WRITE_BUFFER_BYTES_MAX`, and before every wait.
    out: Vec<u8>,
    last_sent: Instant,
    /// The count of bytes held for an incomplete request. Boxed: few connections hold many.
    half: Option<Box<Hold>>,
    /// When to tell the dialect that the peer is silent, if the dialect asked for that.
    quiet_at: Option<Instant>,
}

/// Why the loop was woken: everything that is ready, so that neither side of a connection waits for the other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wake {
    /// `true`: bytes were received. `false`: the peer has closed.
    received: Option<bool>,
    deliver: bool,
    keep_alive: bool,
    quiet: bool,
    login_timeout: bool,
    place_taken: bool,
    drain: bool,
}

impl Pump {
    /// Makes the pump of a connection, before anything is read or written.
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
        // Without a session, the connection lingers only while few others do.
        let lingers = match self.session {
            Some(_) => Ok(None),
            None => self.entrance.lingering.try_acquire().map(Some),
        };
        // End the session first: others need not wait for this socket to close. Free the place too: this connection no
        // longer watches whether it is taken.
        self.session = None;
        self.newcomer = None;
        // Boxed: state that is needed only at the end takes no memory of a live connection.
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
                // There may be much more output. Even if the peer reads it all at once, the others must not wait.
                tokio::task::yield_now().await;
            }
            let wake = poll_fn(|cx| self.poll_wake(cx, alarm.as_mut(), shut_down.as_mut())).await?;
            if self.act_on(wake).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// Returns whether more requests may be taken. The socket is not read while its session has too many posts pending.
    fn has_credit(&self) -> bool {
        self.session.as_ref().is_none_or(Session::has_credit)
    }

    /// Returns whether the session was logged out. The peer is told, and no longer served.
    fn is_over(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_over)
    }

    /// Returns when to look at the clock next. The alarm is not moved each time something is sent: it may ring early,
    /// and is then set again.
    fn next_alarm(&self) -> Instant {
        let keep_alive = self.last_sent + limits::KEEPALIVE;
        let login = self.newcomer.as_ref().map(|newcomer| newcomer.login_deadline);
        [login, self.next_quiet()].into_iter().flatten().fold(keep_alive, Instant::min)
    }

    /// Returns when the peer will have been silent for as long as the dialect asked. `None` while the socket is unread.
    fn next_quiet(&self) -> Option<Instant> {
        self.quiet_at.filter(|_| self.has_credit())
    }

    /// Applies the dialect's decision whether the connection goes on. The dialect may also have a request of its own.
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

    /// Waits for something to do. Polls each source once and reports everything that is ready together.
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
                // Even an orderly close is a sign of life from the peer.
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

    /// Counts the bytes held for an incomplete request. Resolves when others need the memory: the connection closes.
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
            // Set even if nothing was written: the dialect is asked again after the same time.
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
        // Input that arrived at the last moment may be a login: it is processed first, once.
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
        // Acks are written even if the peer has closed its side: it may still read. Boxed, so that an idle connection
        // holds no memory for a delivery.
        if wake.deliver && Box::pin(self.deliver()).await.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let closed = wake.received == Some(false);
        Ok(if closed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Delivers one batch.
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
                // The cursors did not move: the peer reconnects and resumes from them.
                self.dialect.close(Closing::Fault(&error), &mut self.out);
                ControlFlow::Break(())
            }
        }
    }

    /// Answers the posts that were taken, then says why the connection closes.
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
        let retry_after = self.entrance.reconnects.retry_after(self.entrance.hub.online());
        self.dialect.close(Closing::Drain { retry_after }, &mut self.out);
        Ok(())
    }

    /// Takes complete requests while there is credit and the session is not logged out. After many requests, many bytes
    /// or a full write buffer, it lets other connections go first: the runtime counts only reads, and one read may
    /// bring hundreds of requests that never wait.
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
                // Boxed, so that it takes no memory of the many connections without a request.
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

    /// Counts a request before the login. Tells the peer and returns `true` when that was the last one allowed, or when
    /// the peer has sent more bytes than all allowed requests could need, for example in invalid lines.
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

    /// Serves a request. Posts take the short path. Everything else is rare, and boxed to keep that path short.
    async fn serve(&mut self, request: Request) -> io::Result<Flow> {
        if let Request::Command { command, .. } = &request
            && may_wait(command)
        {
            // It may wait for seconds: earlier answers are written first.
            self.flush().await?;
        }
        Ok(match (request, &mut self.session) {
            (Request::Command { tag, command: Command::Post(post) }, Some(session)) => {
                let result = session.post(post).await;
                self.reply(&tag, result)
            }
            (Request::Command { tag, command }, Some(session)) => {
                // Boxed: few connections need a slot for an answer that may be long.
                let slot = match Box::pin(session.slot_for(&command)).await {
                    Ok(slot) => slot,
                    Err(busy) => return Ok(self.reply(&tag, Err(busy))),
                };
                let result = Box::pin(session.submit(command)).await;
                let flow = self.reply(&tag, result);
                while self.dialect.go_on(&mut self.out) {
                    if self.is_over() {
                        // Nothing else can be written inside an answer: the peer learns why when it reconnects.
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    self.write_out(slot.as_ref()).await?;
                    // Even if the peer reads everything at once, the others must not wait.
                    tokio::task::yield_now().await;
                }
                flow
            }
            // A dialect does not pass on commands before the login.
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

    /// Answers a request. A request that failed because the session was logged out is not answered, like the requests
    /// after it: the peer may repeat them after a login.
    fn reply(&mut self, tag: &str, result: Result<Reply, Error>) -> Flow {
        if result.is_err() && self.is_over() {
            return Flow::Continue;
        }
        self.dialect.reply(tag, result, &mut self.out)
    }

    /// Writes the output before the login. A peer cannot keep its place by not reading.
    async fn flush_to_newcomer(&mut self) -> io::Result<()> {
        let Some(newcomer) = &self.newcomer else { return Ok(()) };
        tokio::select! {
            biased;
            written = self.stream.write(&mut self.out) => written,
            () = poll_fn(|cx| newcomer.place.poll_taken(cx)) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Writes the output after the login; `slot` is that of a long answer, if any. While the peer does not read, the
    /// unsent bytes are counted together with those of an incomplete request.
    async fn write_out(&mut self, slot: Option<&AnswerSlot>) -> io::Result<()> {
        self.half = None;
        let beside = self.dialect.held() + self.stream.held();
        let Self { stream, out, session, entrance, .. } = self;
        let is_overdue =
            || session.as_ref().is_some_and(Session::is_over) || slot.is_some_and(AnswerSlot::is_overdue);
        stream.write_before(out, |bytes| entrance.stalled.hold(bytes + beside), is_overdue).await?;
        self.last_sent = Instant::now();
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            match &self.newcomer {
                // Boxed, so that an idle connection holds no memory for a write.
                None => return Box::pin(self.write_out(None)).await,
                Some(_) => Box::pin(self.flush_to_newcomer()).await?,
            }
            self.last_sent = Instant::now();
        }
        Ok(())
    }
}

/// Returns whether a command may have to wait for others.
fn may_wait(command: &Command) -> bool {
    matches!(
        command,
        Command::Attach { .. }
            | Command::Join { .. }
            | Command::History { .. }
            | Command::Members { .. }
            | Command::Rooms
            | Command::Whois { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_result<A, R>(_: impl FnOnce(A) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn an_idle_connection_has_no_memory_of_what_it_might_do() {
        // Thousands are idle at a time. The memory to write, to serve a request or to deliver is allocated when needed.
        assert!(size_of_result(|pump: Box<Pump>| pump.run()) <= 512);
    }
}
