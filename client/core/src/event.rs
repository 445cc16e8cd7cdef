//! The events that the library reports to its user, and the bounded queue that carries them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanchat_certs::Fingerprint;
use lanchat_model::{ClientId, Seq, limits};
use lanchat_protocol::{Attached, ErrorCode, Hello, RoomState, ServerFrame, Welcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::ConnectError;
use crate::sentence::Sentence;

/// The result of a login: a [`Welcome`] without its token, which stays inside the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// The account, folded.
    pub username: String,
    /// Its display name.
    pub display_name: String,
    /// Whether it may administer this server.
    pub admin: bool,
    /// Changes when the server's history was restored from a backup.
    pub epoch: String,
    /// Sessions that are logged in now, this one included.
    pub online: u64,
    /// The rooms that the account is in, with the head and the read mark of each.
    pub rooms: Vec<RoomState>,
}

impl From<Welcome> for SessionInfo {
    fn from(welcome: Welcome) -> Self {
        let Welcome { username, display_name, admin, epoch, online, rooms, .. } = welcome;
        Self { username, display_name, admin, epoch, online, rooms }
    }
}

/// The user's message that is not settled.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Its id.
    pub id: ClientId,
    /// Its room.
    pub room: String,
    /// What it says.
    pub message: String,
}

impl fmt::Debug for Unsent {
    /// Leaves out the message: bodies do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("id", &self.id).field("room", &self.room).finish_non_exhaustive()
    }
}

/// What happened. A user that shows every [`Event::Frame`] shows the whole conversation; the other events report on the
/// connection and on the user's own messages.
#[non_exhaustive]
pub enum Event {
    /// A trusted server was reached. The first event; comes again with every reconnect.
    Connected {
        /// What the server says of itself.
        hello: Hello,
        /// Where it was reached.
        address: SocketAddr,
        /// `hello` as it came, without its newline.
        line: String,
    },
    /// A request to register, to log in or to resume was granted.
    LoggedIn {
        /// The session.
        session: SessionInfo,
        /// `welcome` as it came, without its newline and without its `token`.
        line: String,
    },
    /// The connection is lost; the client reconnects by itself. Reported once per loss.
    Lost {
        /// Why.
        reason: Sentence,
        /// When the first attempt to reconnect is made.
        retry_in: Duration,
    },
    /// Another server answers at an address that the lost one had or is advertised at. Nothing was sent to it, and the
    /// right one is looked for as before. Reported once per loss and address, for at most
    /// `limits::OTHER_SERVERS_TOLD_MAX` addresses.
    OtherServer {
        /// Where.
        address: SocketAddr,
        /// The key that it shows.
        presented: Fingerprint,
    },
    /// An attempt to reconnect failed.
    Retrying {
        /// Why.
        reason: Sentence,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// The server closes connections without a word because it is crowded; the client tries again by itself. Reported
    /// once until the server is reached.
    Crowded,
    /// The connection is back and the session goes on. The missed entries follow, once each.
    Resumed {
        /// The session, with its rooms as they are now.
        session: SessionInfo,
        /// Where delivery continues, if it was started by
        /// [`Client::attach`](crate::Client::attach).
        attached: Option<Attached>,
    },
    /// The device is no longer logged in: by [`Client::logout`](crate::Client::logout), by another device, or because
    /// its token is no longer valid. Unacknowledged messages are refused.
    LoggedOut {
        /// Why.
        reason: Sentence,
    },
    /// The server said something. Entries come in the order of their room, once each and without a gap. Answers come
    /// here too, except to requests that the library made by itself.
    Frame {
        /// The frame.
        frame: ServerFrame,
        /// The frame as it came, without its newline.
        line: String,
    },
    /// A message of the user is on the server's disk.
    Acked {
        /// Its id.
        id: ClientId,
        /// Its room.
        room: String,
        /// Its position.
        seq: Seq,
    },
    /// A message of the user was refused, and is not sent again.
    Refused {
        /// Its id.
        id: ClientId,
        /// Its room.
        room: String,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, and what to do, for people.
        reason: Sentence,
    },
    /// The session ended before the server answered for a message of the user, which may or may not be on its disk. It
    /// is not sent again.
    Unanswered {
        /// Its id.
        id: ClientId,
        /// Its room.
        room: String,
    },
    /// The server has not accepted a message of the user yet, because it has a fault, such as a full disk. The message
    /// is kept, and sent again.
    Deferred {
        /// Its id.
        id: ClientId,
        /// Its room.
        room: String,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        reason: Sentence,
        /// When it is sent again.
        retry_in: Duration,
    },
    /// Messages that an earlier program could not settle, because it was killed or gave up: they are sent now, under
    /// the ids that they had, before anything else. Each is reported as acknowledged or refused like any other. Comes
    /// at most once after [`Event::LoggedIn`].
    SentAgain {
        /// The messages, in the order in which they were written.
        posts: Vec<Unsent>,
    },
    /// The user's messages are not kept on this computer until they are acknowledged: they are sent all the same, but
    /// are lost if this program is killed. Reported once per login.
    NotKept {
        /// Why, as a sentence for people.
        reason: String,
    },
    /// The login could not be kept for next time, because it could not be written: the next login needs the password.
    /// The session goes on.
    LoginNotKept {
        /// Why, as a sentence for people.
        reason: String,
    },
    /// The server's history is not the same as before: positions known so far mean nothing, and delivery from now on
    /// may repeat or skip entries.
    Reset {
        /// The room; all rooms if `None`.
        room: Option<String>,
        /// Why, as a sentence for people.
        reason: String,
    },
    /// The library gave up: the server can no longer be trusted, or does not speak a version of ours. The last event.
    Stopped {
        /// Why.
        error: ConnectError,
    },
}

impl Event {
    /// Returns the bytes that count against [`limits::CLIENT_EVENT_BYTES_MAX`].
    fn weight(&self) -> u32 {
        let line = match self {
            Self::Frame { line, .. } | Self::Connected { line, .. } | Self::LoggedIn { line, .. } => {
                line.len()
            }
            Self::SentAgain { posts } => posts.iter().map(|post| post.message.len()).sum(),
            Self::Resumed { session, attached } => {
                let rooms =
                    session.rooms.len() + attached.as_ref().map_or(0, |attached| attached.rooms.len());
                rooms * size_of::<RoomState>()
            }
            _ => 0,
        };
        // Twice: the line, and the frame that was made of it. The cast is exact: both are under the
        // bound.
        (2 * line).min(limits::CLIENT_EVENT_BYTES_MAX) as u32
    }
}

impl fmt::Debug for Event {
    /// Leaves out lines and frames: message bodies do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { address, .. } => f.debug_tuple("Connected").field(address).finish(),
            Self::LoggedIn { session, .. } => f.debug_tuple("LoggedIn").field(&session.username).finish(),
            Self::Lost { reason, retry_in } => f.debug_tuple("Lost").field(reason).field(retry_in).finish(),
            Self::OtherServer { address, presented } => {
                f.debug_tuple("OtherServer").field(address).field(presented).finish()
            }
            Self::Retrying { reason, retry_in } => {
                f.debug_tuple("Retrying").field(reason).field(retry_in).finish()
            }
            Self::Crowded => f.write_str("Crowded"),
            Self::Resumed { session, .. } => f.debug_tuple("Resumed").field(&session.username).finish(),
            Self::LoggedOut { reason } => f.debug_tuple("LoggedOut").field(reason).finish(),
            Self::Frame { frame, .. } => f.debug_tuple("Frame").field(&frame.kind()).finish(),
            Self::Acked { id, room, seq } => {
                f.debug_tuple("Acked").field(id).field(room).field(&seq.get()).finish()
            }
            Self::Refused { id, room, code, .. } => {
                f.debug_tuple("Refused").field(id).field(room).field(code).finish()
            }
            Self::Unanswered { id, room } => f.debug_tuple("Unanswered").field(id).field(room).finish(),
            Self::Deferred { id, room, code, .. } => {
                f.debug_tuple("Deferred").field(id).field(room).field(code).finish()
            }
            Self::SentAgain { posts } => f.debug_struct("SentAgain").field("count", &posts.len()).finish(),
            Self::NotKept { reason } => f.debug_tuple("NotKept").field(reason).finish(),
            Self::LoginNotKept { reason } => f.debug_tuple("LoginNotKept").field(reason).finish(),
            Self::Reset { room, reason } => f.debug_tuple("Reset").field(room).field(reason).finish(),
            Self::Stopped { error } => f.debug_tuple("Stopped").field(error).finish(),
        }
    }
}

type Weighed = (Event, OwnedSemaphorePermit);

/// The events of one [`Client`](crate::Client), in order.
///
/// Read it all the time, from another task than the one that makes requests: while it is full, the socket is left
/// unread, and then answers do not arrive either. After it is dropped, the client goes on without reporting events.
pub struct Events {
    queue: mpsc::Receiver<Weighed>,
}

impl Events {
    /// Waits for the next event. Returns `None` once the client has stopped. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.queue.recv().await.map(|(event, _weight)| event)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// The sending end of [`Events`]: bounded in number and in bytes.
pub(crate) struct EventQueue {
    queue: mpsc::Sender<Weighed>,
    bytes: Arc<Semaphore>,
}

/// A place in the queue for one event.
pub(crate) struct EventSlot {
    slot: mpsc::OwnedPermit<Weighed>,
    bytes: OwnedSemaphorePermit,
}

impl EventSlot {
    /// Puts `event` into the place.
    pub(crate) fn put(self, event: Event) {
        self.slot.send((event, self.bytes));
    }
}

/// Makes a queue of events and its reader.
pub(crate) fn event_queue() -> (EventQueue, Events) {
    let (sender, receiver) = mpsc::channel(limits::CLIENT_EVENTS_MAX);
    let bytes = Arc::new(Semaphore::new(limits::CLIENT_EVENT_BYTES_MAX));
    (EventQueue { queue: sender, bytes }, Events { queue: receiver })
}

impl EventQueue {
    /// Waits for a place that is large enough for `event`. Returns `None` if nobody reads. Cancel safe.
    pub(crate) async fn slot_for(&self, event: &Event) -> Option<EventSlot> {
        let slot = self.queue.clone().reserve_owned().await.ok()?;
        let bytes = tokio::select! {
            bytes = Arc::clone(&self.bytes).acquire_many_owned(event.weight()) => bytes.ok()?,
            () = self.queue.closed() => return None,
        };
        Some(EventSlot { slot, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_message() {
        let line = r#"{"type":"message","room":"lobby","seq":1,"id":"1","username":"ana","message":"canary","ts":"t"}"#;
        let frame = ServerFrame::decode(line.as_bytes()).unwrap().unwrap();
        let shown = format!("{:?}", Event::Frame { frame, line: line.to_owned() });
        assert_eq!(shown, "Frame(\"message\")");
    }
}
