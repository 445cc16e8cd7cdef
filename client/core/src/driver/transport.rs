//! Makes connections, and handles their loss.

use std::time::Duration;

use lanchat_model::limits;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{Driver, Phase};
use crate::connection::{Connection, Trusted};
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
        // With a window of 0 no post would ever be sent.
        self.window = self.window.clamp(1, limits::UNACKED_PER_SESSION_MAX);
        self.target = self.target.clone().bound_to(self.server_id, self.fingerprint, address);
        self.link = Link::Up(Box::new(Wire::new(stream, received, &hello.limits)));
        self.phase = Phase::Greeted;
        self.was_turned_away = false;
        self.others.clear();
        self.tell(Event::Connected { hello, address, line: hello_line });
    }

    /// Takes in the outcome of an attempt to connect.
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

    /// Reports that the server is crowded, once until it is reached.
    fn turned_away(&mut self) {
        if !std::mem::replace(&mut self.was_turned_away, true) {
            self.tell(Event::Crowded);
        }
    }

    /// Reports each address where another server answers, once.
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

    /// Returns whether the server answers at once. It does not while a request waits there for its turn, as logins and
    /// room reads do, nor while the session's window of posts is full, since it then stops reading.
    pub(super) fn is_answered_at_once(&self) -> bool {
        self.phase == Phase::Ready && !self.requests.has_slow() && self.outbox.on_wire() < self.window
    }

    /// Asks whether the link is alive. Without an answer within `limits::LINK_PROBE_MAX` it is lost.
    pub(super) fn probe(&mut self) {
        if self.phase == Phase::Ready
            && let Some(wire) = self.link.wire()
        {
            wire.probe(self.shared.request_id());
        }
    }

    /// Makes the next attempt to reconnect now, because it is likelier to succeed than the last one or because somebody
    /// waits for it. At most once in `limits::RECONNECT_HASTE_EVERY`, and never before the time that the server asked
    /// for.
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

    /// Starts to connect.
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

    /// Handles a connection that is gone or could not be made: whatever was on it will be sent on the next one.
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
            // Nobody is logged in, so nobody needs a connection before the next login. A waiting login gets one at
            // once, unless the lost connection was short-lived.
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

    /// Handles a breach of the protocol, by the server or, as it says, by us. It is tried again on another connection,
    /// but not for ever.
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

    /// Stops for good, because going on is pointless or unsafe.
    pub(super) fn stop(&mut self, error: ConnectError) {
        self.link = Link::Idle;
        self.tell(Event::Stopped { error });
        self.over = true;
    }
}

/// Returns whether another attempt could not end better, or must not be made.
fn is_final(error: &ConnectError) -> bool {
    matches!(
        error,
        ConnectError::KeyChanged(_)
            | ConnectError::UnexpectedKey { .. }
            | ConnectError::UnsupportedVersion { .. }
    )
}
