//! The handle, through which a user of the library makes requests. The driver owns the connection.

mod asking;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use lanchat_model::{ClientId, MessageText, RoomRef, Seq, limits};
use lanchat_protocol::{
    Attached, ClientFrame, ErrorCode, Login, MarkTyping, Register, Secret, Send, ServerFrame, encode, version,
};
use tokio::sync::{mpsc, oneshot};

use crate::attach::AttachPolicy;
use crate::connection::Trusted;
use crate::driver::Driver;
use crate::error::{RequestError, SendError};
use crate::event::{Events, SessionInfo, event_queue};
use crate::home::Home;
use crate::outbox::Post;
use crate::shared::{Order, Shared};

/// Requests on their way from handles to the driver, which takes them at once unless the socket is blocked.
const COMMANDS_MAX: usize = 64;

/// How a client behaves. Start from the default and change what should differ.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The name of this device, which only the account's owner sees; cut at `limits::DEVICE_LABEL_BYTES_MAX`.
    pub device: Option<String>,
    /// Whether a lost server is also looked for by mDNS, in case its address changed.
    pub rediscover: bool,
}

/// What [`Client::settled`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Messages that were refused since the start; each was reported by [`Event::Refused`](crate::Event::Refused).
    pub refused: u64,
}

/// A handle on the connection to one server, which reconnects by itself. Cheap to clone.
///
/// Dropping the last handle ends the connection; [`Client::close`] ends it cleanly.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Order>,
    shared: Arc<Shared>,
}

impl Client {
    /// Takes over a trusted connection and keeps it alive. Needs a tokio runtime; sends nothing by itself.
    pub fn start(trusted: Trusted, home: Home, options: Options) -> (Self, Events) {
        let (queue, events) = event_queue();
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let shared = Arc::new(Shared::new(&trusted, home.clone(), options.device.as_deref()));
        let driver = Driver::new(trusted, home, options.rediscover, Arc::clone(&shared), inbox, queue);
        tokio::spawn(driver.run());
        (Self { commands, shared }, events)
    }

    /// Registers an account and logs in. The device token is kept in the [`Home`].
    ///
    /// # Errors
    /// [`RequestError`]. If the connection breaks in between, the account may or may not exist: log in to find out.
    pub async fn register(
        &self,
        username: &str,
        display_name: Option<&str>,
        password: &Secret,
    ) -> Result<SessionInfo, RequestError> {
        let frame = |id| Register {
            id,
            username: username.to_owned(),
            password: password.clone(),
            display_name: display_name.map(str::to_owned),
            device: self.shared.device.clone(),
            versions: version::SUPPORTED.to_vec(),
        };
        self.log_in(|id| frame(id).into(), username).await
    }

    /// Logs in by password. The device token is kept in the [`Home`]. While the server is busy with other logins, it is
    /// asked again, up to `limits::LOGIN_TRIES_MAX` times in all. Cancel safe: when the call is dropped, a login that
    /// was requested may still begin.
    ///
    /// # Errors
    /// [`RequestError`], `wrong_password` included.
    pub async fn login(&self, username: &str, password: &Secret) -> Result<SessionInfo, RequestError> {
        let frame = |id| Login {
            id,
            username: username.to_owned(),
            password: password.clone(),
            device: self.shared.device.clone(),
            versions: version::SUPPORTED.to_vec(),
        };
        self.log_in(|id| frame(id).into(), username).await
    }

    /// Logs in by the token that the [`Home`] keeps for this server.
    ///
    /// # Errors
    /// [`RequestError::NoToken`] if there is none, [`RequestError::LoginExpired`] if the server no longer accepts it;
    /// otherwise as [`Client::login`].
    pub async fn resume(&self) -> Result<SessionInfo, RequestError> {
        let (id, key) = (self.shared.server_id, self.shared.fingerprint);
        let login = self.shared.home.newest_login(id, key).await?.ok_or(RequestError::NoToken)?;
        let account = login.0.account.clone();
        let (reply, answer) = oneshot::channel();
        self.submit(Order::Resume { login, reply }).await?;
        let answer = self.wait(answer).await;
        match answer {
            Err(RequestError::Refused { code: ErrorCode::BadToken, reason, .. }) => {
                Err(RequestError::LoginExpired { account, reason })
            }
            other => other,
        }
    }

    /// Asks again for a while if too many others are logging in: a client that comes back when it was told to goes
    /// ahead of clients that come for the first time.
    async fn log_in(
        &self,
        frame: impl Fn(String) -> ClientFrame,
        account: &str,
    ) -> Result<SessionInfo, RequestError> {
        for _ in 1..limits::LOGIN_TRIES_MAX {
            match self.log_in_once(frame(self.shared.request_id()), account).await {
                Err(RequestError::Refused { code: ErrorCode::Busy, retry_after: Some(wait), .. })
                    if wait <= limits::LOGIN_AGAIN_MAX =>
                {
                    tokio::time::sleep(wait).await
                }
                answer => return answer,
            }
        }
        self.log_in_once(frame(self.shared.request_id()), account).await
    }

    async fn log_in_once(&self, frame: ClientFrame, account: &str) -> Result<SessionInfo, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Order::LogIn { frame, account: account.to_owned(), reply }).await?;
        self.wait(answer).await
    }

    /// Starts delivery from where `policy` says. After a reconnect, delivery continues by itself.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn attach(&self, policy: AttachPolicy) -> Result<Attached, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Order::Attach { policy, reply }).await?;
        match self.wait(answer).await? {
            ServerFrame::Attached(attached) => Ok(attached),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    /// Puts a message into the outbox and returns its id, which [`Event::Acked`](crate::Event::Acked) or
    /// [`Event::Refused`](crate::Event::Refused) will carry. The message is written to the [`Home`] before it is sent:
    /// from then on a program that is killed leaves it to the next one that logs in to the same account. Waits while
    /// the outbox is full; needs no connection. Messages of one caller keep their order. Cancel safe: when the call is
    /// dropped, nothing is sent.
    ///
    /// # Errors
    /// [`SendError`]: a message that the server is sure to refuse never enters the outbox.
    pub async fn send(&self, room: &str, message: &str, action: bool) -> Result<ClientId, SendError> {
        let room: RoomRef = room.parse()?;
        let text = MessageText::parse(message)?;
        if text.as_str().len() > self.shared.message_bytes {
            return Err(SendError::TooLong { bytes: message.len(), limit: self.shared.message_bytes });
        }
        let id = ClientId::from_bytes(*uuid::Uuid::now_v7().as_bytes());
        let frame =
            Send { id: id.to_string(), room: room.to_string(), message: text.as_str().to_owned(), action };
        let mut line = Vec::new();
        encode(&ClientFrame::from(frame), &mut line);
        if line.len() > self.shared.frame_bytes {
            return Err(SendError::TooLong { bytes: line.len(), limit: self.shared.frame_bytes });
        }
        if !self.is_logged_in() {
            return Err(SendError::NotLoggedIn);
        }
        let places = Arc::clone(&self.shared.places);
        let place = places.acquire_owned().await.map_err(|_| SendError::Stopped)?;
        let post = Order::Post(Post { id, room: room.to_string(), line, place, was_sent: false });
        if self.commands.send(post).await.is_err() {
            self.shared.stopped().await;
            return Err(SendError::Stopped);
        }
        Ok(id)
    }

    /// Waits until every message that was sent before is acknowledged or refused.
    ///
    /// # Errors
    /// [`SendError::Stopped`] if the client stops before that.
    pub async fn settled(&self) -> Result<Settled, SendError> {
        // All places are free only when no post holds one. The semaphore is fair, so later posts queue up after this
        // call.
        let all = limits::OUTBOX_MAX as u32;
        drop(self.shared.places.acquire_many(all).await.map_err(|_| SendError::Stopped)?);
        self.shared.delivered().await;
        Ok(Settled { refused: self.shared.refused.load(Ordering::Relaxed) })
    }

    /// Tells a room that the account is typing. Best effort: without a connection, or if `room` does not name a room,
    /// nothing happens. The caller observes `limits::TYPING_EVERY`.
    pub fn typing(&self, room: &str) {
        let Ok(room) = room.parse::<RoomRef>() else { return };
        let frame = MarkTyping { id: self.shared.request_id(), room: room.to_string() };
        // A full queue holds requests that matter more.
        let _ = self.commands.try_send(Order::Typing(frame));
    }

    /// Notes that the user has seen `room` up to `seq`. The mark is sent by itself, at most once in
    /// `limits::MARK_EVERY` per room and at [`Client::close`]; it never moves back.
    pub fn seen(&self, room: &str, seq: Seq) {
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = seen.get_mut(room) {
            *last = seq.max(*last);
        } else if seen.len() < limits::ROOMS_PER_ACCOUNT_MAX {
            seen.insert(room.to_owned(), seq);
        }
        drop(seen);
        self.shared.seen_changed.notify_one();
    }

    /// Returns whether there is a session: somebody logged in and has not been logged out since, connected or not.
    pub fn is_logged_in(&self) -> bool {
        self.shared.logged_in.load(Ordering::Relaxed)
    }

    /// Says goodbye and ends the connection within `limits::CLOSE_MAX`, even if there are other handles. Posts still in
    /// the outbox stay in the [`Home`] and are sent at the next login to the same account; wait for [`Client::settled`]
    /// first to be sure that there are none. Queued events can still be read; no more are added.
    pub async fn close(self) {
        self.shared.closing.cancel();
        self.shared.ended.cancelled().await;
    }

    async fn submit(&self, command: Order) -> Result<(), RequestError> {
        match tokio::time::timeout(limits::REQUEST_MAX, self.commands.send(command)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => {
                self.shared.stopped().await;
                Err(RequestError::Stopped)
            }
            Err(_) => Err(RequestError::Disconnected),
        }
    }

    /// Waits for an answer, then until the events before it are in the queue. The driver forgets a request whose asker
    /// no longer waits.
    async fn wait<T>(&self, answer: oneshot::Receiver<Result<T, RequestError>>) -> Result<T, RequestError> {
        match tokio::time::timeout(limits::REQUEST_MAX, answer).await {
            Ok(Ok(answer)) => {
                self.shared.delivered().await;
                answer
            }
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(RequestError::Disconnected),
        }
    }
}
