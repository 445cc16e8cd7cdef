//! Handles what the server sends.

use std::time::Duration;

use lanchat_model::{ClientId, Seq, limits};
use lanchat_protocol::{
    Ack, BadFrame, ClientFrame, Entry, ErrorCode, ErrorFrame, Goodbye, Leave, Ping, Room, ServerFrame,
    Severity,
};
use tokio::time::Instant;

use super::session::without_token;
use super::{Driver, Phase};
use crate::attach::Step;
use crate::error::{ConnectError, RequestError};
use crate::event::Event;
use crate::requests::{Asker, Request};
use crate::sentence::{Sentence, quoted};

/// The reason for a gap: the server is asked again from the last entry received, on a fresh connection.
const LEFT_OUT: &str = "it left out a message";

/// The effect of a user's request, apart from its answer.
enum Outcome {
    /// Nothing.
    Nothing,
    /// A room was left.
    Left(String),
    /// The session was ended.
    LoggedOut,
}

impl Driver {
    /// Takes one line from the server.
    pub(super) async fn heard(&mut self, line: &[u8]) {
        let frame = match ServerFrame::decode(line) {
            Ok(Some(frame)) => frame,
            Ok(None) => return self.unknown(line),
            Err(bad) => return self.breach(not_a_frame(&bad)),
        };
        // A frame that decodes is UTF-8.
        let text = || String::from_utf8_lossy(line).into_owned();
        if let Some(entry) = Entry::of(&frame) {
            let step = self.delivery.cursors.step(entry.room(), entry.seq());
            return self.entry(step, frame, text());
        }
        match frame {
            ServerFrame::Welcome(welcome) => self.welcomed(welcome, line).await,
            ServerFrame::Attached(attached) => self.attached(attached, text()),
            ServerFrame::Ack(ack) => self.acked(ack, text()),
            ServerFrame::ErrorFrame(error) => self.refused(error, text()).await,
            ServerFrame::Room(room) => self.room(room, text()),
            ServerFrame::RoomGone(ref gone) => {
                self.delivery.cursors.remove(&gone.room);
                self.tell(Event::Frame { frame, line: text() });
            }
            ServerFrame::KeepAlive(_) => {
                // The server does not require an answer, but one that never hears anything may think that nobody is
                // there. Data that waits to be written is a sign of life too, so a server that does not read does not
                // pile up pings.
                if let Some(wire) = self.link.wire().filter(|wire| wire.backlog() == 0) {
                    wire.put(&Ping { id: self.shared.request_id() }.into());
                }
            }
            ServerFrame::Goodbye(goodbye) => self.goodbye(&goodbye),
            ServerFrame::Presence(_) | ServerFrame::Typing(_) | ServerFrame::Notice(_) => {
                self.tell(Event::Frame { frame, line: text() });
            }
            frame => self.answered(frame, text()).await,
        }
    }

    /// Takes in an entry of a room's log: each is reported once, in order, and never before the entries that precede
    /// it.
    fn entry(&mut self, step: Step, frame: ServerFrame, line: String) {
        match step {
            Step::Next => self.tell(Event::Frame { frame, line }),
            Step::Again => {}
            Step::Elsewhere => tracing::debug!("an entry of a room that is not delivered"),
            Step::Gap => self.breach(Sentence::Ours(LEFT_OUT.to_owned())),
        }
    }

    /// Skips a frame of an unknown kind, sent by a newer server; if it is an entry, the cursor moves over it (PROTOCOL
    /// §11).
    fn unknown(&mut self, line: &[u8]) {
        #[derive(serde::Deserialize)]
        struct Position {
            room: String,
            seq: Seq,
        }
        let Ok(Position { room, seq }) = serde_json::from_slice(line) else { return };
        if self.delivery.cursors.step(&room, seq) == Step::Gap {
            self.breach(Sentence::Ours(LEFT_OUT.to_owned()));
        }
    }

    fn acked(&mut self, ack: Ack, line: String) {
        let post = ack.id.parse().ok().and_then(|id: ClientId| self.outbox.settle(id));
        let Some(post) = post else { return tracing::debug!("an ack of a message that is settled") };
        let seq = ack.seq;
        self.tell(Event::Frame { frame: ack.into(), line });
        self.tell(Event::Acked { id: post.id, room: post.room.clone(), seq });
    }

    /// Takes in a room that is new to the session.
    fn room(&mut self, room: Room, line: String) {
        let Some(skipped) = self.delivery.entered(&room) else {
            return self.breach(Sentence::Ours("it puts this account in too many rooms".to_owned()));
        };
        self.reset(skipped);
        let request = room.id.as_deref().and_then(|id| self.requests.take(id));
        self.tell(Event::Frame { frame: room.clone().into(), line });
        if let Some(request) = request {
            answer(request, room.into());
        }
    }

    /// Takes in the answer to a request that has no consequences but those of [`Outcome`].
    async fn answered(&mut self, mut frame: ServerFrame, mut line: String) {
        let id = match &frame {
            ServerFrame::Done(done) => &done.id,
            ServerFrame::Rooms(rooms) => &rooms.id,
            ServerFrame::Members(members) => &members.id,
            ServerFrame::History(history) => &history.id,
            ServerFrame::Whois(whois) => &whois.id,
            // A `pong`, or a repeated greeting.
            _ => return,
        };
        // The library's own requests have no asker.
        let Some(request) = self.requests.take(id) else { return };
        // An unasked token is ignored: keeping one syncs a file.
        if let ServerFrame::Done(done) = &mut frame
            && let Some(token) = done.token.take()
        {
            line = without_token(line.as_bytes());
            if matches!(request.frame, ClientFrame::Passwd(_)) {
                self.renew_token(token).await;
            }
        }
        let outcome = match (&frame, &request.frame) {
            (ServerFrame::Done(_), ClientFrame::Leave(Leave { room, .. })) => Outcome::Left(room.clone()),
            (ServerFrame::Done(_), ClientFrame::Logout(_)) => Outcome::LoggedOut,
            _ => Outcome::Nothing,
        };
        self.tell(Event::Frame { frame: frame.clone(), line });
        match outcome {
            Outcome::Nothing => {}
            Outcome::Left(room) => self.delivery.cursors.remove(&room),
            Outcome::LoggedOut => self.logged_out(Sentence::Ours("You logged out.".to_owned())).await,
        }
        answer(request, frame);
    }

    async fn refused(&mut self, error: ErrorFrame, line: String) {
        let fatal = error.fatal.then(|| error.clone());
        let id = error.id.clone().unwrap_or_default();
        let own = match self.phase {
            Phase::Resuming(number) | Phase::Attaching(number) => id == number.to_string(),
            Phase::Greeted | Phase::Ready => false,
        };
        if own {
            return self.not_attached(error).await;
        }
        if let Ok(id) = id.parse::<ClientId>() {
            self.post_refused(id, &error, line);
        } else if let Some(request) = self.requests.take(&id) {
            self.tell(Event::Frame { frame: error.clone().into(), line });
            self.request_refused(request, error).await;
        } else if fatal.is_none() {
            tracing::debug!(code = error.code.as_str(), "a request of the library was refused");
        }
        if let Some(error) = fatal {
            self.ended(error).await;
        }
    }

    /// Handles the refusal of a request to resume or to start delivery.
    async fn not_attached(&mut self, error: ErrorFrame) {
        match self.delivery.reply.take() {
            // A user asked for delivery, and nothing is lost: the user decides.
            Some(reply) if !error.fatal && !self.away => {
                self.phase = Phase::Ready;
                self.delivery.policy = None;
                drop(reply.send(Err(refusal(error))));
            }
            reply => {
                self.delivery.reply = reply;
                self.not_resumed(error).await;
            }
        }
    }

    /// Handles the refusal of a post: for good, or for now because the server has a fault (PROTOCOL §6).
    fn post_refused(&mut self, id: ClientId, error: &ErrorFrame, line: String) {
        if error.code.severity() == Severity::Fault {
            let retry_in = error.retry_after.map_or(limits::RESEND_AFTER, Duration::from_secs);
            let retry_in = retry_in.min(limits::RETRY_AFTER_MAX);
            let Some(room) = self.outbox.defer(id, Instant::now() + retry_in) else { return };
            self.tell(Event::Frame { frame: error.clone().into(), line });
            let reason = Sentence::Server(error.reason.clone());
            self.tell(Event::Deferred { id, room, code: error.code, reason, retry_in });
        } else if let Some(post) = self.outbox.settle(id) {
            self.tell(Event::Frame { frame: error.clone().into(), line });
            self.refuse(post, error.code, Sentence::Server(error.reason.clone()));
        }
    }

    async fn request_refused(&mut self, request: Request, error: ErrorFrame) {
        if let Asker::LogIn { token: Some(token), .. } = &request.asker
            && error.code == ErrorCode::BadToken
        {
            self.drop_login(token.clone()).await;
        }
        request.fail(refusal(error));
    }

    /// Handles an error with which the server closes the connection.
    async fn ended(&mut self, error: ErrorFrame) {
        let reason = Sentence::Server(error.reason.clone());
        match error.code {
            ErrorCode::LoggedOut => self.logged_out(reason).await,
            ErrorCode::LoginTimeout => {
                // A login that crossed this error on the wire was not read. It is sent on the next connection.
                self.requests.unsend();
                self.lost(reason, None);
            }
            ErrorCode::UnsupportedVersion => {
                self.stop(ConnectError::UnsupportedVersion { theirs: Vec::new() })
            }
            _ => {
                if self.account.is_none() {
                    // It can only be about the login that waits.
                    self.requests.fail_all(|| refusal(error.clone()));
                }
                self.turned_down(error);
            }
        }
    }

    fn goodbye(&mut self, goodbye: &Goodbye) {
        if self.closing.is_some() {
            self.over = true;
            return;
        }
        let reason = Sentence::Ours("the server is shutting down".to_owned());
        self.lost(reason, goodbye.retry_after.map(Duration::from_secs));
    }
}

fn refusal(error: ErrorFrame) -> RequestError {
    let retry_after = error.retry_after.map(Duration::from_secs);
    RequestError::Refused { code: error.code, reason: Sentence::Server(error.reason), retry_after }
}

/// Describes what is wrong with a line from the server. The description may quote the line, so it is marked as foreign
/// words.
pub(super) fn not_a_frame(bad: &BadFrame) -> Sentence {
    Sentence::Ours(quoted(&bad.reason))
}

/// Gives a request its answer.
fn answer(request: Request, frame: ServerFrame) {
    match request.asker {
        // An error means that the asker no longer waits.
        Asker::User(reply) => drop(reply.send(Ok(frame))),
        Asker::LogIn { reply, .. } => drop(reply.send(Err(RequestError::BadAnswer(frame.kind())))),
    }
}
