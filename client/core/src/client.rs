//! The handle: what a user of the library asks for. It owns no connection; the driver does.

mod asking;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lanchat_model::{ClientId, MessageText, RoomRef, Seq, ServerId, limits};
use lanchat_protocol::{
    Attached, ClientFrame, ErrorCode, Login, MarkTyping, Register, Secret, Send, ServerFrame, encode, version,
};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::attach::AttachPolicy;
use crate::connect::Trusted;
use crate::driver::{Command, Driver};
use crate::error::{RequestError, SendError};
use crate::event::{Events, Session, event_queue};
use crate::home::Home;
use crate::outbox::Post;

/// Requests on their way from handles to the driver; it takes them at once unless the socket is
/// blocked.
const COMMANDS_MAX: usize = 64;

/// How a client behaves. Start from the default and set what should differ.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// What this device is called, for the eyes of the account's owner; cut at
    /// `limits::DEVICE_LABEL_BYTES_MAX`.
    pub device: Option<String>,
    /// Whether a lost server is also looked for by mDNS, in case its address changed.
    pub rediscover: bool,
}

/// What [`Client::settled`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Messages that were refused since the start; each was told by
    /// [`Event::Refused`](crate::Event::Refused).
    pub refused: u64,
}

/// A handle on the connection to one server, which comes back by itself when it is lost. Cheap to
/// clone.
///
/// Dropping the last handle ends the connection; [`Client::close`] does it politely.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// What handles and driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// A permit per place in the outbox; a post holds its own until it is settled.
    pub(crate) places: Arc<Semaphore>,
    /// Posts refused so far.
    pub(crate) refused: AtomicU64,
    /// Whether there is a session, connected or not.
    pub(crate) logged_in: AtomicBool,
    /// The last entry seen per room, not sent yet.
    pub(crate) seen: Mutex<BTreeMap<String, Seq>>,
    /// Told when `seen` has something.
    pub(crate) seen_changed: Notify,
    /// Events told so far, and how many of them are in the user's queue; `u64::MAX` once no more will be.
    pub(crate) told: AtomicU64,
    pub(crate) delivered: watch::Sender<u64>,
    /// Cancelled when the client is to be closed.
    pub(crate) closing: CancellationToken,
    /// Cancelled when the client takes nothing more, and what it could not send is on disk.
    pub(crate) ended: CancellationToken,
    /// Where the token is kept, and under which id.
    home: Home,
    server_id: ServerId,
    /// What this device is called.
    device: Option<String>,
    /// The bounds of the server for one frame and one message.
    frame_bytes: usize,
    message_bytes: usize,
    /// The number of the next request.
    next_request: AtomicU64,
}

impl Shared {
    /// A request id that was not used before on this client.
    pub(crate) fn request_id(&self) -> String {
        self.request_number().to_string()
    }

    /// Waits until the events told so far are in the user's queue.
    async fn delivered(&self) {
        let told = self.told.load(Ordering::Relaxed);
        // An error says that there is no sender, and we hold it.
        let _ = self.delivered.subscribe().wait_for(|delivered| *delivered >= told).await;
    }

    /// Waits until it was told why the client has stopped, so that nobody hears of the one before the other.
    async fn stopped(&self) {
        let mut delivered = self.delivered.subscribe();
        let told = delivered.wait_for(|delivered| *delivered == u64::MAX);
        // Whoever reads no events does not want to know.
        let _ = tokio::time::timeout(limits::CLOSE_MAX, told).await;
    }

    /// The number that a request id is made of.
    pub(crate) fn request_number(&self) -> u64 {
        self.next_request.fetch_add(1, Ordering::Relaxed)
    }
}

/// A device's name, cut to what fits.
fn label(text: &str) -> String {
    text[..text.floor_char_boundary(limits::DEVICE_LABEL_BYTES_MAX)].to_owned()
}

impl Client {
    /// Takes over a connection that is trusted, and keeps it alive. Needs a tokio runtime; sends
    /// nothing by itself.
    pub fn start(trusted: Trusted, home: Home, options: Options) -> (Self, Events) {
        let (queue, events) = event_queue();
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let bounds = &trusted.hello().limits;
        let at_most = |theirs: u64, ours: usize| usize::try_from(theirs).unwrap_or(ours).min(ours);
        let shared = Arc::new(Shared {
            places: Arc::new(Semaphore::new(limits::OUTBOX_MAX)),
            refused: AtomicU64::new(0),
            logged_in: AtomicBool::new(false),
            seen: Mutex::default(),
            seen_changed: Notify::new(),
            told: AtomicU64::new(0),
            delivered: watch::Sender::new(0),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            home: home.clone(),
            server_id: trusted.server_id(),
            device: options.device.as_deref().map(label),
            frame_bytes: at_most(bounds.frame_bytes, limits::FRAME_BYTES_MAX),
            message_bytes: at_most(bounds.message_bytes, limits::MESSAGE_BYTES_MAX),
            next_request: AtomicU64::new(1),
        });
        let driver = Driver::new(trusted, home, options.rediscover, Arc::clone(&shared), inbox, queue);
        tokio::spawn(driver.run());
        (Self { commands, shared }, events)
    }

    /// Makes an account and logs in. The device token is kept in the [`Home`].
    ///
    /// # Errors
    /// [`RequestError`]. A connection that broke in between leaves open whether the account exists:
    /// log in to see.
    pub async fn register(
        &self,
        username: &str,
        display_name: Option<&str>,
        password: &Secret,
    ) -> Result<Session, RequestError> {
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

    /// Logs in by password. The device token is kept in the [`Home`]. While the server is busy with other logins it is asked
    /// again, up to `limits::LOGIN_TRIES_MAX` times in all. Cancel safe: given up, a login that was asked for may still begin.
    ///
    /// # Errors
    /// [`RequestError`], `wrong_password` included.
    pub async fn login(&self, username: &str, password: &Secret) -> Result<Session, RequestError> {
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
    /// [`RequestError::NoToken`] if there is none, [`RequestError::LoginExpired`] if the server takes it no longer; else
    /// as [`Client::login`].
    pub async fn resume(&self) -> Result<Session, RequestError> {
        let login =
            self.shared.home.newest_login(self.shared.server_id).await?.ok_or(RequestError::NoToken)?;
        let account = login.0.account.clone();
        let (reply, answer) = oneshot::channel();
        self.submit(Command::Resume { login, reply }).await?;
        let answer = self.wait(answer).await;
        match answer {
            Err(RequestError::Refused { code: ErrorCode::BadToken, reason, .. }) => {
                Err(RequestError::LoginExpired { account, reason })
            }
            other => other,
        }
    }

    /// Asks again for a while if too many others log in just now: whoever comes again when it was told to goes before those
    /// that come for the first time.
    async fn log_in(
        &self,
        frame: impl Fn(String) -> ClientFrame,
        account: &str,
    ) -> Result<Session, RequestError> {
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

    async fn log_in_once(&self, frame: ClientFrame, account: &str) -> Result<Session, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Command::LogIn { frame, account: account.to_owned(), reply }).await?;
        self.wait(answer).await
    }

    /// Starts delivery from where `policy` says. After a reconnect delivery goes on by itself.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn attach(&self, policy: AttachPolicy) -> Result<Attached, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Command::Attach { policy, reply }).await?;
        match self.wait(answer).await? {
            ServerFrame::Attached(attached) => Ok(attached),
            other => Err(RequestError::BadAnswer(other.kind())),
        }
    }

    /// Puts a message into the outbox and gives the id under which
    /// [`Event::Acked`](crate::Event::Acked) or [`Event::Refused`](crate::Event::Refused) will
    /// speak of it. It is written to the [`Home`] before it is sent: from then on a program that is
    /// killed leaves it to the next one that logs in to the same account. Waits while the outbox is full; needs no
    /// connection. Messages of one caller keep their order. Cancel safe: given up, nothing is sent.
    ///
    /// # Errors
    /// [`SendError`]: what the server is sure to refuse never enters the outbox.
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
        let post = Command::Post(Post { id, room: room.to_string(), line, place, was_sent: false });
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
        // All places are free only when no post holds one; the semaphore is fair, so later posts
        // queue up behind.
        let all = limits::OUTBOX_MAX as u32;
        drop(self.shared.places.acquire_many(all).await.map_err(|_| SendError::Stopped)?);
        self.shared.delivered().await;
        Ok(Settled { refused: self.shared.refused.load(Ordering::Relaxed) })
    }

    /// Tells a room that the account is typing. Best effort: without a connection, or if `room` is
    /// no room's name, nothing happens. The caller keeps to `limits::TYPING_EVERY`.
    pub fn typing(&self, room: &str) {
        let Ok(room) = room.parse::<RoomRef>() else { return };
        let frame = MarkTyping { id: self.shared.request_id(), room: room.to_string() };
        // A full queue means that there is more important news than this.
        let _ = self.commands.try_send(Command::Typing(frame));
    }

    /// Says that the user has seen `room` up to `seq`. Sent by itself, at most once in
    /// `limits::MARK_EVERY` per room and at [`Client::close`]; never moves back.
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

    /// Whether there is a session: somebody logged in and was not logged out since, connected or
    /// not.
    pub fn is_logged_in(&self) -> bool {
        self.shared.logged_in.load(Ordering::Relaxed)
    }

    /// Says goodbye and ends the connection, within `limits::CLOSE_MAX`, whatever other handles
    /// there are. What is still in the outbox is left in the [`Home`], and sent at the next login to
    /// the same account; wait for [`Client::settled`] first to know that there is nothing. Events that are queued can still
    /// be read; nothing is added to them.
    pub async fn close(self) {
        self.shared.closing.cancel();
        self.shared.ended.cancelled().await;
    }

    async fn submit(&self, command: Command) -> Result<(), RequestError> {
        match tokio::time::timeout(limits::REQUEST_MAX, self.commands.send(command)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => {
                self.shared.stopped().await;
                Err(RequestError::Stopped)
            }
            Err(_) => Err(RequestError::Disconnected),
        }
    }

    /// What happened before the answer is in the queue of events before the answer is given. The driver forgets a request
    /// whose asker no longer waits.
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
