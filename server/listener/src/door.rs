//! What a door is: a name in ALPN, and a state machine between bytes and the hub's vocabulary.

use lanchat_hub::{Command, Credentials, Error, Event, Reply, Welcome};

/// A way to speak with the server. One per wire.
pub trait Door: Send + Sync {
    /// The ALPN protocol that selects it (RFC 7301).
    fn alpn(&self) -> &'static [u8];
    /// The state of one new connection.
    fn open(&self) -> Box<dyn Dialect>;
}

/// The conversation of one connection: no socket, no clock, no store, so that it can be tested with bytes alone.
///
/// What it wants to say it appends to `out`.
pub trait Dialect: Send {
    /// Speaks first. `online`: sessions that are logged in.
    fn greet(&mut self, online: u64, out: &mut Vec<u8>);
    /// Takes in bytes from the peer.
    fn receive(&mut self, bytes: &[u8]);
    /// How many bytes wait for the rest of what the peer asks.
    fn held(&self) -> usize;
    /// The next thing that the peer asked. Called until it is [`Inbound::Incomplete`].
    fn next_inbound(&mut self, out: &mut Vec<u8>) -> Inbound;
    /// Says what became of an attempt to log in.
    fn welcome(&mut self, tag: &str, result: Result<Welcome, Error>, out: &mut Vec<u8>) -> Flow;
    /// Answers a command.
    fn reply(&mut self, tag: &str, result: Result<Reply, Error>, out: &mut Vec<u8>) -> Flow;
    /// Says more of an answer that is too long for one piece, until `out` is long enough for a write. To be called behind
    /// [`Dialect::reply`] for as long as it is true, with `out` written in between: nothing else may be said before.
    fn go_on(&mut self, out: &mut Vec<u8>) -> bool;
    /// Delivers an event.
    fn deliver(&mut self, event: &Event, out: &mut Vec<u8>) -> Flow;
    /// Gives a sign of life.
    fn keep_alive(&mut self, out: &mut Vec<u8>);
    /// Says why the connection closes.
    fn close(&mut self, why: Closing<'_>, out: &mut Vec<u8>);
}

/// What came in.
#[derive(Debug)]
pub enum Inbound {
    /// Nothing whole.
    Incomplete,
    /// Something that the dialect answered by itself.
    Answered,
    /// Something for the hub.
    Request(Request),
    /// The protocol was broken, and the peer was told: close.
    Broken {
        /// For the log: the error code.
        code: &'static str,
    },
}

/// A request for the hub. Tags are quoted by the answer.
#[derive(Debug)]
pub enum Request {
    /// Make a session.
    Authenticate {
        /// The request id.
        tag: String,
        /// Who.
        credentials: Credentials,
    },
    /// Do something in the session.
    Command {
        /// The request id.
        tag: String,
        /// What.
        command: Command,
    },
    /// Leave on purpose.
    Bye {
        /// The request id.
        tag: String,
    },
}

/// Why a connection closes.
#[derive(Clone, Copy, Debug)]
pub enum Closing<'a> {
    /// The peer said so.
    Bye {
        /// The id of its request.
        tag: &'a str,
    },
    /// Nobody logged in in time.
    LoginTimeout,
    /// It asked as often as one may that has not logged in.
    TooManyRequests,
    /// Nobody logged in, and others need the place.
    PlaceTaken,
    /// The server is shutting down; seconds after which to come back.
    Drain {
        /// At least; peers add jitter, so that they do not all come at once.
        retry_after: u64,
    },
    /// The store failed while reading for this session.
    Fault(&'a Error),
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Continue,
    /// It closes, after what was said is written.
    Close,
}
