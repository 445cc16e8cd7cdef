//! What the library tells its user, and the bounded queue that it tells it through.

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

/// What a login gave: a [`Welcome`] without its token, which stays inside the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The account, folded.
    pub username: String,
    /// What it is called.
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

impl From<Welcome> for Session {
    fn from(welcome: Welcome) -> Self {
        let Welcome { username, display_name, admin, epoch, online, rooms, .. } = welcome;
        Self { username, display_name, admin, epoch, online, rooms }
    }
}

/// An own message that is not settled.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Under this id.
    pub id: ClientId,
    /// Its room.
    pub room: String,
    /// What it says.
    pub message: String,
}

impl fmt::Debug for Unsent {
    /// Without the message: bodies do not reach logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("id", &self.id).field("room", &self.room).finish_non_exhaustive()
    }
}

/// What happened. A user that shows every [`Event::Frame`] shows the conversation whole; the other
/// events say how the connection and the own messages fare.
#[non_exhaustive]
pub enum Event {
    /// A server that is trusted was reached. The first event; comes again with every reconnect.
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
        session: Session,
        /// `welcome` as it came, without its newline and without its `token`.
        line: String,
    },
    /// The connection is lost; it is tried again by itself. Told once per loss.
    Lost {
        /// Why.
        reason: Sentence,
        /// When the first attempt to come back is made.
        retry_in: Duration,
    },
    /// Another server answers at an address that the lost one had, or is advertised at. Nothing was
    /// sent to it, and the right one is looked for as before. Told once per loss and address, of
    /// `limits::OTHER_SERVERS_TOLD_MAX` addresses at most.
    OtherServer {
        /// Where.
        address: SocketAddr,
        /// The key that it shows.
        presented: Fingerprint,
    },
    /// An attempt to come back failed.
    Retrying {
        /// Why.
        reason: Sentence,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// The server closes connections without a word, for it is crowded; it is tried again by itself. Told once until it
    /// is reached.
    Crowded,
    /// The connection is back and the session goes on. What was missed follows, once each.
    Resumed {
        /// The session, with its rooms as they are now.
        session: Session,
        /// Where delivery goes on, if it had been started by
        /// [`Client::attach`](crate::Client::attach).
        attached: Option<Attached>,
    },
    /// The device is logged in no longer: by [`Client::logout`](crate::Client::logout), by another
    /// device, or because its token is no longer good. What was not acknowledged is refused.
    LoggedOut {
        /// Why.
        reason: Sentence,
    },
    /// The server said something. Entries come in the order of their room, once each and without a
    /// gap. Answers come here too, those to requests that the library made by itself excepted.
    Frame {
        /// What.
        frame: ServerFrame,
        /// The frame as it came, without its newline.
        line: String,
    },
    /// An own message is on the server's disk.
    Acked {
        /// Which.
        id: ClientId,
        /// Its room.
        room: String,
        /// Its position.
        seq: Seq,
    },
    /// An own message was refused, and is not sent again.
    Refused {
        /// Which.
        id: ClientId,
        /// Its room.
        room: String,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, and what to do, for people.
        reason: Sentence,
    },
    /// The session has ended before the server answered for an own message, which may be on its disk or not. It is not sent
    /// again.
    Unanswered {
        /// Which.
        id: ClientId,
        /// Its room.
        room: String,
    },
    /// An own message was not taken yet, because the server has a fault, such as a full disk. It is
    /// kept, and sent again.
    Deferred {
        /// Which.
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
    /// Messages that a program before this one could not settle, for it was killed or gave up: they are sent now, under
    /// the ids that they had, before anything else. Each is told as acknowledged or refused like any other. Comes at most
    /// once after [`Event::LoggedIn`].
    SentAgain {
        /// Which, in the order in which they were written.
        posts: Vec<Unsent>,
    },
    /// Own messages are not kept on this computer until they are acknowledged: they are sent all the same, but do not
    /// outlive a kill of this program. Told once per login.
    NotKept {
        /// Why, as a sentence for people.
        reason: String,
    },
    /// The login is not left for next time, because it could not be written: then the password is needed. The session goes
    /// on.
    LoginNotKept {
        /// Why, as a sentence for people.
        reason: String,
    },
    /// The server's history is another one than before: positions known so far mean nothing, and
    /// what is delivered from now on may repeat or miss what was shown.
    Reset {
        /// The room; all rooms if `None`.
        room: Option<String>,
        /// Why, as a sentence for people.
        reason: String,
    },
    /// The library gave up: the server cannot be trusted any longer, or speaks no version of ours.
    /// The last event.
    Stopped {
        /// Why.
        error: ConnectError,
    },
}

impl Event {
    /// The bytes that count against [`limits::CLIENT_EVENT_BYTES_MAX`].
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
    /// Without lines and frames: message bodies do not reach logs.
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
/// Read it all the time, from another task than the one that makes requests: while it is full the
/// socket is left unread, and then no answer comes either. Dropping it makes the client go on
/// without telling anybody.
pub struct Events {
    queue: mpsc::Receiver<Weighed>,
}

impl Events {
    /// The next event; `None` once the client has stopped. Cancel safe.
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
pub(crate) struct Place {
    slot: mpsc::OwnedPermit<Weighed>,
    bytes: OwnedSemaphorePermit,
}

impl Place {
    /// Puts `event` there.
    pub(crate) fn put(self, event: Event) {
        self.slot.send((event, self.bytes));
    }
}

/// A queue of events and its reader.
pub(crate) fn event_queue() -> (EventQueue, Events) {
    let (sender, receiver) = mpsc::channel(limits::CLIENT_EVENTS_MAX);
    let bytes = Arc::new(Semaphore::new(limits::CLIENT_EVENT_BYTES_MAX));
    (EventQueue { queue: sender, bytes }, Events { queue: receiver })
}

impl EventQueue {
    /// Waits for a place that is large enough for `event`. `None`: nobody reads. Cancel safe.
    pub(crate) async fn place_for(&self, event: &Event) -> Option<Place> {
        let slot = self.queue.clone().reserve_owned().await.ok()?;
        let bytes = tokio::select! {
            bytes = Arc::clone(&self.bytes).acquire_many_owned(event.weight()) => bytes.ok()?,
            () = self.queue.closed() => return None,
        };
        Some(Place { slot, bytes })
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
