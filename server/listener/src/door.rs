//! What a door is: how it is chosen, and what it makes of a connection: most are a state machine between bytes and the hub's
//! vocabulary.

use std::pin::Pin;
use std::time::Duration;

use lanchat_hub::{Command, Credentials, Error, Event, Reply, Welcome};

use crate::connection::Connection;
use crate::visitor::Visitor;

/// A way to speak with the server. One per wire.
pub trait Door: Send + Sync {
    /// The ALPN protocol that selects it among the doors of a listener (RFC 7301), and the only one that clients may offer
    /// where it has a listener of its own. `None`: its clients offer none.
    fn alpn(&self) -> Option<&'static [u8]>;
    /// What it makes of one new connection.
    fn open(&self) -> Opening;
}

/// What a door makes of a connection.
pub enum Opening {
    /// A chat, which the pump drives.
    Chat(Box<dyn Dialect>),
    /// Something else, as HTTP is: the door has the connection to itself.
    Whole(TakeOver),
}

/// Takes a connection over. Dropped in between, which happens when its place in front of the login is needed, when nobody
/// logged in within `limits::LOGIN_MAX`, and `limits::DRAIN_MAX` after the server was told to stop.
pub type TakeOver = Box<dyn FnOnce(Connection, Visitor) -> Serving + Send>;

/// A connection that is served by its door, to its end or until it is a chat.
pub type Serving = Pin<Box<dyn Future<Output = Option<Chat>> + Send>>;

/// A connection that became a chat, as by an upgrade to a WebSocket. The pump has it from now on, with the time to log in
/// that was left.
pub struct Chat {
    /// The connection. What was read of it and is the chat's has been given to the dialect.
    pub connection: Connection,
    /// Its conversation from here on.
    pub dialect: Box<dyn Dialect>,
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
    /// Gives a sign of life, or gives the peer up. Called when nothing was said for `limits::KEEPALIVE`.
    fn keep_alive(&mut self, out: &mut Vec<u8>) -> Flow;
    /// Says why the connection closes.
    fn close(&mut self, why: Closing<'_>, out: &mut Vec<u8>);

    /// The silence of the peer after which [`Dialect::quiet`] is to be called, once. Asked whenever something came in, so
    /// that it may depend on what that was. For wires in which nothing else ends a message.
    fn quiet_after(&self) -> Option<Duration> {
        None
    }
    /// The peer was silent for as long as was asked. [`Dialect::next_inbound`] is called next.
    fn quiet(&mut self, out: &mut Vec<u8>) -> Flow {
        let _ = out;
        Flow::Continue
    }
    /// Whether connections end by a reset, for peers that take an end in order for none and read on and on. They have
    /// `limits::LINGER_MAX` to read the last word.
    fn ends_by_reset(&self) -> bool {
        false
    }
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
    /// It does, and the dialect has a request of its own, for which [`Dialect::next_inbound`] is called though nothing came
    /// in: so a dialect asks for what it needs to go on, and says more when it is answered.
    Ask,
    /// It closes, after what was said is written.
    Close,
}
