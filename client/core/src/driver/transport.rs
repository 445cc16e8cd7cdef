//! The connection comes and goes.

use std::time::Duration;

use lanchat_model::limits;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{Driver, Phase};
use crate::connect::{Connection, Trusted};
use crate::error::{ConnectError, RequestError};
use crate::event::Event;
use crate::link::{Link, Wire};
use crate::reconnect::{Reached, Way};
use crate::sentence::Sentence;

impl Driver {
    /// Takes over a connection that was made.
    pub(super) fn made(&mut self, trusted: Trusted) {
        let Trusted(Connection { stream, received, hello, hello_line, address, .. }) = trusted;
        self.window = usize::try_from(hello.limits.unacked).unwrap_or(usize::MAX);
        // A server that takes none at all would never get one.
        self.window = self.window.clamp(1, limits::UNACKED_PER_SESSION_MAX);
        self.target = self.target.clone().bound_to(self.server_id, self.fingerprint, address);
        self.link = Link::Up(Box::new(Wire::new(stream, received, &hello.limits)));
        self.phase = Phase::Greeted;
        self.was_turned_away = false;
        self.others.clear();
        self.tell(Event::Connected { hello, address, line: hello_line });
    }

    /// The attempt to connect has ended.
    pub(super) fn connected(&mut self, outcome: Result<Reached, ConnectError>) {
        match outcome {
            Ok(Reached { trusted, login }) => {
                self.made(trusted);
                self.resume_session(login);
            }
            Err(error) if is_final(&error) => self.stop(error),
            Err(ConnectError::Crowded { .. }) if self.account.is_none() && self.requests.login_waits() => {
                self.turned_away();
                self.link =
                    Link::Waiting(Instant::now() + self.backoff.next(None).min(limits::CROWDED_DELAY_MAX));
            }
            Err(error) if self.account.is_some() => {
                if matches!(error, ConnectError::Crowded { .. }) {
                    self.turned_away();
                }
                self.tell_of_others(&error);
                match error {
                    ConnectError::ServerFull { reason, retry_after } => self.lost(reason, retry_after),
                    error => self.lost(Sentence::Ours(error.to_string()), None),
                }
            }
            Err(error) => {
                // Only a login can have asked for this connection.
                self.link = Link::Idle;
                let reason = error.to_string();
                self.requests.fail_all(|| RequestError::Unreachable(reason.clone()));
            }
        }
    }

    /// Says that the server is crowded, once until it is reached.
    fn turned_away(&mut self) {
        if !std::mem::replace(&mut self.was_turned_away, true) {
            self.tell(Event::Crowded);
        }
    }

    /// Says who answers instead of the server, once each.
    fn tell_of_others(&mut self, error: &ConnectError) {
        let ConnectError::Unreachable { attempts, .. } = error else { return };
        for attempt in attempts {
            if let (Some(address), Some(presented)) = (attempt.address, attempt.other)
                && self.others.len() < limits::OTHER_SERVERS_TOLD_MAX
                && !self.others.contains(&address)
            {
                self.others.push(address);
                self.tell(Event::OtherServer { address, presented });
            }
        }
    }

    /// Whether the server answers what is on the wire at once: nothing waits there for a turn, as logins and reading rooms
    /// do, and it takes what is sent, which it does not while a session has a full window of posts.
    pub(super) fn is_answered_at_once(&self) -> bool {
        self.phase == Phase::Ready && !self.requests.has_slow() && self.outbox.on_wire() < self.window
    }

    /// Asks whether the link is alive. Without an answer it is lost, in `limits::LINK_PROBE_MAX`.
    pub(super) fn probe(&mut self) {
        if self.phase == Phase::Ready
            && let Some(wire) = self.link.wire()
        {
            wire.probe(self.shared.request_id());
        }
    }

    /// Makes the next attempt to come back now: there is reason to think that it goes better than the last one, or somebody
    /// waits for it. At most once in `limits::RECONNECT_HASTE_EVERY`, and never before the time that the server asked for.
    pub(super) fn hasten(&mut self) {
        let now = Instant::now();
        let is_due = self.hastened.is_none_or(|last| now >= last + limits::RECONNECT_HASTE_EVERY);
        if let Link::Waiting(until) = &mut self.link
            && *until > now
            && is_due
            && !self.asked_to_wait
        {
            *until = now;
            self.hastened = Some(now);
        }
    }

    /// Makes a connection.
    pub(super) fn connect(&mut self) {
        let way = Way {
            home: self.home.clone(),
            server_id: self.server_id,
            target: self.target.clone(),
            rediscover: self.rediscover,
            is_long: self.backoff.failures() >= limits::CROWDED_BEFORE_SEARCH,
            resume: self.account.is_some(),
        };
        self.link = Link::Connecting(AbortOnDropHandle::new(tokio::spawn(way.go())));
    }

    /// The connection is gone, or could not be made: whatever was on it will be on the next one.
    pub(super) fn lost(&mut self, reason: Sentence, retry_after: Option<Duration>) {
        if self.closing.is_some() {
            self.over = true;
            return;
        }
        let stable = self.link.wire().is_some_and(|wire| wire.since.elapsed() >= limits::LINK_STABLE);
        if stable && self.phase == Phase::Ready {
            self.backoff.reset();
        }
        self.phase = Phase::Greeted;
        self.token_lock = None;
        self.requests.interrupt();
        self.outbox.rewind();
        if self.account.is_none() {
            tracing::debug!(?reason, "connection lost before login");
            self.link = Link::Idle;
            // Nobody is logged in, so nobody needs a connection before the next login. One that waits goes at once, unless
            // the connection before was as short.
            if stable {
                self.backoff.reset();
            }
            if self.requests.login_waits() {
                let wait = self.backoff.next(None).min(limits::CROWDED_DELAY_MAX);
                self.link = Link::Waiting(Instant::now() + if stable { Duration::ZERO } else { wait });
            }
            return;
        }
        let retry_in = self.backoff.next(retry_after);
        self.asked_to_wait = retry_after.is_some();
        self.link = Link::Waiting(Instant::now() + retry_in);
        let told = std::mem::replace(&mut self.away, true);
        self.tell(if told { Event::Retrying { reason, retry_in } } else { Event::Lost { reason, retry_in } });
    }

    /// The server broke the protocol, or says that we do. It is asked again on another connection, but not for ever.
    pub(super) fn breach(&mut self, what: Sentence) {
        if self.closing.is_none() && self.breaches.note() {
            return self.stop(ConnectError::BrokenProtocol { reason: what });
        }
        let reason = match what {
            Sentence::Ours(what) => Sentence::Ours(format!("the server breaks the protocol: {what}")),
            server => server,
        };
        self.lost(reason, None);
    }

    /// There is no use in going on.
    pub(super) fn stop(&mut self, error: ConnectError) {
        self.link = Link::Idle;
        self.tell(Event::Stopped { error });
        self.over = true;
    }
}

/// Whether another attempt cannot end better, or must not be made.
fn is_final(error: &ConnectError) -> bool {
    matches!(
        error,
        ConnectError::KeyChanged(_)
            | ConnectError::UnexpectedKey { .. }
            | ConnectError::UnsupportedVersion { .. }
    )
}
