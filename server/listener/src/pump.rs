//! The pump: one task per connection, one loop for every door.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use lanchat_hub::{Hub, Session, Source};
use lanchat_model::limits;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::admission::Place;
use crate::door::{Closing, Dialect, Flow, Inbound, Request};
use crate::herd::Herd;
use crate::stream::Stream;

/// A connection behind its TLS handshake.
pub(crate) struct Pump {
    pub(crate) stream: Stream,
    pub(crate) dialect: Box<dyn Dialect>,
    pub(crate) hub: Hub,
    pub(crate) herd: Arc<Herd>,
    pub(crate) source: Source,
    /// Held until the login.
    pub(crate) place: Option<Place>,
    pub(crate) login_deadline: Instant,
    pub(crate) shutdown: CancellationToken,
    pub(crate) session: Option<Session>,
    /// What is to be written. Written as soon as it exceeds `limits::WRITE_BUFFER_BYTES_MAX`, and before every wait.
    pub(crate) out: Vec<u8>,
    pub(crate) last_sent: Instant,
}

/// What the loop was woken by.
enum Wake {
    /// Bytes came in; `false`: the peer has closed.
    Received(bool),
    Deliver,
    KeepAlive,
    LoginTimeout,
    Drain,
}

impl Pump {
    /// Runs the connection to its end. The session ends with it.
    pub(crate) async fn run(mut self) {
        self.dialect.greet(self.hub.online() as u64, &mut self.out);
        let ended = self.converse().await;
        if ended.is_ok() {
            let _ = self.flush().await;
        }
        let name = self.session.as_ref().map(|session| session.name().to_string());
        debug!(account = name, source = %self.source.0, reason = ?ended.err(), "connection ended");
        // The session first: others need not wait for this socket to close.
        drop(self.session);
        self.stream.close().await;
    }

    async fn converse(&mut self) -> io::Result<()> {
        loop {
            if self.take_requests().await?.is_break() {
                return Ok(());
            }
            self.flush().await?;
            let wake = self.wake().await?;
            if self.act_on(wake).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// Whether more requests may be taken: a session with too many posts under way is left unread.
    fn has_credit(&self) -> bool {
        self.session.as_ref().is_none_or(Session::has_credit)
    }

    /// Waits for something to do. Only cancel-safe things are waited for.
    async fn wake(&mut self) -> io::Result<Wake> {
        let has_credit = self.has_credit();
        let Self { stream, dialect, session, shutdown, .. } = self;
        let delivery = async {
            match session {
                Some(session) => session.ready().await,
                None => std::future::pending().await,
            }
        };
        let login_deadline = self.login_deadline;
        // A connection keeps its place in the anteroom until it has a session.
        let waits_for_login = self.place.is_some();
        tokio::select! {
            bytes = stream.read(), if has_credit => {
                let bytes = bytes?;
                dialect.receive(bytes);
                Ok(Wake::Received(!bytes.is_empty()))
            }
            () = delivery => Ok(Wake::Deliver),
            () = sleep_until(login_deadline), if waits_for_login => Ok(Wake::LoginTimeout),
            () = sleep_until(self.last_sent + limits::KEEPALIVE) => Ok(Wake::KeepAlive),
            () = shutdown.cancelled() => Ok(Wake::Drain),
        }
    }

    async fn act_on(&mut self, wake: Wake) -> io::Result<ControlFlow<()>> {
        match wake {
            Wake::Received(true) => return Ok(ControlFlow::Continue(())),
            Wake::Received(false) => {}
            Wake::Deliver => return Ok(self.deliver().await),
            Wake::KeepAlive => {
                self.dialect.keep_alive(&mut self.out);
                return Ok(ControlFlow::Continue(()));
            }
            Wake::LoginTimeout => self.dialect.close(Closing::LoginTimeout, &mut self.out),
            Wake::Drain => self.drain().await?,
        }
        Ok(ControlFlow::Break(()))
    }

    /// Hands out one batch.
    async fn deliver(&mut self) -> ControlFlow<()> {
        let Some(session) = &mut self.session else { return ControlFlow::Continue(()) };
        match session.next_batch().await {
            Ok(events) => {
                for event in &events {
                    if self.dialect.deliver(event, &mut self.out) == Flow::Close {
                        return ControlFlow::Break(());
                    }
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
        let retry_after = self.herd.retry_after(self.hub.online());
        self.dialect.close(Closing::Drain { retry_after }, &mut self.out);
        Ok(())
    }

    /// Takes the requests that are whole, while there is credit.
    async fn take_requests(&mut self) -> io::Result<ControlFlow<()>> {
        while self.has_credit() {
            let flow = match self.dialect.next_inbound(&mut self.out) {
                Inbound::Incomplete => break,
                Inbound::Answered => Flow::Continue,
                Inbound::Broken { code } => {
                    info!(source = %self.source.0, code, "protocol broken");
                    Flow::Close
                }
                Inbound::Request(request) => self.serve(request).await,
            };
            if flow == Flow::Close {
                return Ok(ControlFlow::Break(()));
            }
            if self.out.len() > limits::WRITE_BUFFER_BYTES_MAX {
                self.flush().await?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn serve(&mut self, request: Request) -> Flow {
        match (request, &mut self.session) {
            (Request::Authenticate { tag, credentials }, _) => {
                match self.hub.authenticate(credentials, &self.source).await {
                    Ok((session, welcome)) => {
                        self.session = Some(session);
                        self.place = None;
                        self.dialect.welcome(&tag, Ok(welcome), &mut self.out)
                    }
                    Err(error) => self.dialect.welcome(&tag, Err(error), &mut self.out),
                }
            }
            (Request::Command { tag, command }, Some(session)) => {
                let result = session.submit(command).await;
                self.dialect.reply(&tag, result, &mut self.out)
            }
            // A dialect lets no command pass before the login.
            (Request::Command { .. }, None) => Flow::Close,
            (Request::Bye { tag }, session) => {
                if let Some(session) = session {
                    session.leave_on_purpose();
                }
                self.dialect.close(Closing::Bye { tag: &tag }, &mut self.out);
                Flow::Close
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.stream.write(&mut self.out).await?;
            self.last_sent = Instant::now();
        }
        Ok(())
    }
}
