//! What a door is: how it is chosen, and what it does with a connection. Most doors are a state machine between bytes
//! and the hub's vocabulary.

use std::pin::Pin;
use std::time::Duration;

use lanchat_hub::{Command, Credentials, Error, Event, Reply, Welcome};

use crate::connection::Connection;
use crate::visitor::Visitor;

/// A wire protocol of the server.
pub trait Door: Send + Sync {
    /// Returns the ALPN protocol that selects it among the doors of a listener (RFC 7301). If it has a listener of its
    /// own, clients may offer only this one. `None`: its clients do not use ALPN.
    fn alpn(&self) -> Option<&'static [u8]>;
    /// Decides what to do with one new connection.
    fn open(&self) -> Opening;
}

/// What a door does with a connection.
pub enum Opening {
    /// A chat, which the pump drives.
    Chat(Box<dyn Dialect>),
    /// Something else, such as HTTP: the door has the connection to itself.
    Whole(TakeOver),
}

/// Takes a connection over. The future is dropped when its place before the login is needed, when nobody logs in within
/// `limits::LOGIN_MAX`, and `limits::DRAIN_MAX` after the server is told to stop.
pub type TakeOver = Box<dyn FnOnce(Connection, Visitor) -> Serving + Send>;

/// A connection served by its door, until it ends or becomes a chat.
pub type Serving = Pin<Box<dyn Future<Output = Option<Chat>> + Send>>;

/// A connection that became a chat, for example by an upgrade to a WebSocket. From now on it belongs to the pump, with
/// the remaining time to log in.
pub struct Chat {
    /// The connection. Bytes of the chat that were already read have been given to the dialect.
    pub connection: Connection,
    /// Its conversation from now on.
    pub dialect: Box<dyn Dialect>,
}

/// The conversation of one connection, without socket, clock or store, so that it can be tested with bytes alone.
///
/// It appends its output to `out`.
pub trait Dialect: Send {
    /// Writes a greeting, before the peer has said anything. `online`: the number of sessions logged in.
    fn greet(&mut self, online: u64, out: &mut Vec<u8>);
    /// Takes in bytes from the peer.
    fn receive(&mut self, bytes: &[u8]);
    /// Returns how many bytes wait for the rest of a request.
    fn held(&self) -> usize;
    /// Returns the peer's next request. Called until it returns [`Inbound::Incomplete`].
    fn next_inbound(&mut self, out: &mut Vec<u8>) -> Inbound;
    /// Answers an attempt to log in.
    fn welcome(&mut self, tag: &str, result: Result<Welcome, Error>, out: &mut Vec<u8>) -> Flow;
    /// Answers a command.
    fn reply(&mut self, tag: &str, result: Result<Reply, Error>, out: &mut Vec<u8>) -> Flow;
    /// Writes more of an answer that is too long for one piece, until `out` is long enough for a write. Call it after
    /// [`Dialect::reply`] until it returns `false`, writing `out` in between: nothing else may be written before that.
    fn go_on(&mut self, out: &mut Vec<u8>) -> bool;
    /// Delivers an event.
    fn deliver(&mut self, event: &Event, out: &mut Vec<u8>) -> Flow;
    /// Writes a sign of life, or gives the peer up. Called when nothing was sent for `limits::KEEPALIVE`.
    fn keep_alive(&mut self, out: &mut Vec<u8>) -> Flow;
    /// Says why the connection closes.
    fn close(&mut self, why: Closing<'_>, out: &mut Vec<u8>);

    /// Returns the silence of the peer after which [`Dialect::quiet`] is to be called, once. Asked after every input,
    /// so it may depend on that input. For wire protocols in which only silence ends a message.
    fn quiet_after(&self) -> Option<Duration> {
        None
    }
    /// Notes that the peer was silent for that long. [`Dialect::next_inbound`] is called next.
    fn quiet(&mut self, out: &mut Vec<u8>) -> Flow {
        let _ = out;
        Flow::Continue
    }
    /// Returns whether connections end with a reset, for peers that ignore an orderly close and keep reading. They have
    /// `limits::LINGER_MAX` to read the last output.
    fn ends_by_reset(&self) -> bool {
        false
    }
}

/// What was received.
#[derive(Debug)]
pub enum Inbound {
    /// Nothing complete.
    Incomplete,
    /// A request that the dialect answered by itself.
    Answered,
    /// A request for the hub.
    Request(Request),
    /// The protocol was broken, and the peer was told. The connection must close.
    Broken {
        /// For the log: the error code.
        code: &'static str,
    },
}

/// A request for the hub. The answer quotes the tag.
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
    /// The peer asked for it.
    Bye {
        /// The id of its request.
        tag: &'a str,
    },
    /// Nobody logged in in time.
    LoginTimeout,
    /// It made as many requests as are allowed before login.
    TooManyRequests,
    /// Nobody logged in, and another connection needs the place.
    PlaceTaken,
    /// The server is shutting down; seconds after which to reconnect.
    Drain {
        /// The minimum; peers add jitter, so that they do not all reconnect at once.
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
    /// It does, and the dialect has a request of its own: [`Dialect::next_inbound`] is called although nothing was
    /// received. So a dialect can ask for what it needs, and continue when it is answered.
    Ask,
    /// It closes, after the output is written.
    Close,
}
