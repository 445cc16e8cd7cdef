//! The conversation of one connection, frame by frame: hello, a login, then requests and deliveries.

use std::sync::Arc;

use lanchat_hub::{Error, Event, Reply, Run, Side, Welcome, WireVariant};
use lanchat_listener::{Closing, Flow, Inbound};
use lanchat_model::{RoomRef, ServerId, limits};
use lanchat_protocol as wire;
use wire::{BadFrame, ClientFrame, ErrorCode, ErrorFrame, Registration, Severity, encode};

use crate::listing::Listing;
use crate::{from_hub, to_hub};

/// The form for all members of a group room.
static FOR_ALL: WireVariant = WireVariant::for_all("json");
/// The form for one side of a private chat, under the other's name.
static FOR_ONE: WireVariant = WireVariant::for_one_side("json, one side");
/// The form for the other side.
static FOR_OTHER: WireVariant = WireVariant::for_one_side("json, other side");

/// What a server says about itself in `hello`.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// The id under which pins are kept.
    pub server_id: ServerId,
    /// The name for people.
    pub name: String,
    /// Program and version.
    pub software: String,
    /// Whether anybody may make an account.
    pub registration_open: bool,
}

/// The requests and answers of one connection. The door cuts frames out of the received bytes and passes them in.
/// Output is appended to `out` as whole lines of JSON, except for an answer that is written in pieces
/// ([`Conversation::go_on`]).
///
/// The methods are those of [`Dialect`](lanchat_listener::Dialect), and are called by its rules.
pub struct Conversation {
    info: Arc<ServerInfo>,
    /// Whether there is a session. Decides which requests are allowed, and how long a frame may be.
    logged_in: bool,
    /// The version negotiated at the peer's login.
    version: u32,
    /// An answer that is only partly written.
    listing: Option<Box<Listing>>,
}

impl Conversation {
    /// Begins a conversation, with a server that introduces itself with `info`.
    pub fn new(info: Arc<ServerInfo>) -> Self {
        Self { info, logged_in: false, version: wire::version::DEFAULT, listing: None }
    }

    /// Returns how many bytes a frame from the peer may have now, its line end included. To be checked before a frame
    /// is complete.
    pub fn frame_bytes_max(&self) -> usize {
        if self.logged_in { limits::FRAME_BYTES_MAX } else { limits::FRAME_BYTES_BEFORE_LOGIN_MAX }
    }

    /// Takes one whole frame, without its line end.
    pub fn take(&mut self, frame: &[u8], out: &mut Vec<u8>) -> Inbound {
        match ClientFrame::decode(frame) {
            Ok(frame) => self.act_on(frame, out),
            Err(bad) => self.refuse(bad, out),
        }
    }

    /// Says what is wrong with a line that is not a frame.
    pub fn refuse(&self, bad: BadFrame, out: &mut Vec<u8>) -> Inbound {
        refuse(bad.id, bad.code, bad.reason, out)
    }

    /// Turns a frame into a request for the hub, or answers it if that does not need the hub.
    fn act_on(&mut self, frame: ClientFrame, out: &mut Vec<u8>) -> Inbound {
        let id = frame.id().to_owned();
        if let ClientFrame::Ping(_) = frame {
            encode(&wire::ServerFrame::from(wire::Pong { id }), out);
            return Inbound::Answered;
        }
        if let Some((code, reason)) = self.out_of_turn(&frame) {
            return refuse(Some(id), code, reason.into(), out);
        }
        if let Some(theirs) = versions_of(&frame) {
            match wire::version::negotiate(theirs) {
                Some(version) => self.version = version,
                None => return refuse(Some(id), ErrorCode::UnsupportedVersion, unsupported_version(), out),
            }
        }
        match to_hub::request(frame) {
            Ok(request) => Inbound::Request(request),
            Err(unfit) => refuse(Some(id), unfit.code, unfit.reason, out),
        }
    }

    fn out_of_turn(&self, frame: &ClientFrame) -> Option<(ErrorCode, &'static str)> {
        let is_login =
            matches!(frame, ClientFrame::Register(_) | ClientFrame::Login(_) | ClientFrame::Resume(_));
        match (self.logged_in, is_login) {
            (true, true) => Some((
                ErrorCode::AlreadyLoggedIn,
                "This connection is logged in. Open another one for another account.",
            )),
            (false, false) if !matches!(frame, ClientFrame::Bye(_)) => {
                Some((ErrorCode::LoginRequired, "Log in first: register, login or resume."))
            }
            _ => None,
        }
    }

    /// Writes `hello`, before the peer has said anything. `online`: the number of sessions logged in.
    pub fn greet(&mut self, online: u64, out: &mut Vec<u8>) {
        let limits = wire::Limits {
            frame_bytes: limits::FRAME_BYTES_MAX as u64,
            message_bytes: limits::MESSAGE_BYTES_MAX as u64,
            unacked: limits::UNACKED_PER_SESSION_MAX as u64,
            typing_seconds: limits::TYPING_SHOWN.as_secs(),
            keepalive_seconds: limits::KEEPALIVE.as_secs(),
        };
        let ServerInfo { server_id, name, software, registration_open } = &*self.info;
        let hello = wire::Hello {
            server_id: server_id.to_string(),
            name: name.clone(),
            software: software.clone(),
            versions: wire::version::SUPPORTED.to_vec(),
            registration: if *registration_open { Registration::Open } else { Registration::Closed },
            online,
            limits,
        };
        say(hello, out);
    }

    /// Answers an attempt to log in.
    pub fn welcome(&mut self, tag: &str, result: Result<Welcome, Error>, out: &mut Vec<u8>) -> Flow {
        match result {
            Ok(welcome) => {
                self.logged_in = true;
                say(from_hub::welcome(tag, self.version, welcome), out);
                Flow::Continue
            }
            Err(error) => say_error(Some(tag), &error, out),
        }
    }

    /// Answers a command. An answer that is a list may go on: see [`Conversation::go_on`].
    pub fn reply(&mut self, tag: &str, result: Result<Reply, Error>, out: &mut Vec<u8>) -> Flow {
        match result {
            Ok(reply) => {
                let flow = if reply.ends_session() { Flow::Close } else { Flow::Continue };
                self.listing = Listing::begin(tag, reply, out).map(Box::new);
                flow
            }
            Err(error) => say_error(Some(tag), &error, out),
        }
    }

    /// Writes more of an answer that is too long for one piece. Returns `false` at the end of its line.
    pub fn go_on(&mut self, out: &mut Vec<u8>) -> bool {
        let goes_on = self.listing.as_mut().is_some_and(|listing| listing.go_on(out));
        if !goes_on {
            self.listing = None;
        }
        goes_on
    }

    /// Delivers an event.
    pub fn deliver(&mut self, event: &Event, out: &mut Vec<u8>) -> Flow {
        match event {
            // The same bytes for everybody who sees the room under the same name: encoded once, then shared.
            Event::Run { room, side, run } => {
                out.extend_from_slice(&run.wire_form(variant(room, *side), || lines(frames(room, run))));
            }
            Event::Presence(news) => {
                out.extend_from_slice(&news.wire_form(&FOR_ALL, || lines(from_hub::presence_news(news))));
            }
            Event::LoggedOut(why) => {
                say(from_hub::logged_out(*why), out);
                return Flow::Close;
            }
            Event::Entry { room, entry } => say(from_hub::entry(room, entry), out),
            Event::Ack { room, entry } => say(from_hub::ack(room, entry), out),
            Event::Refused { client_id, error } => {
                say(from_hub::error(Some(&client_id.to_string()), error), out);
            }
            Event::Room(state) => say(wire::Room { id: None, state: from_hub::room_state(state) }, out),
            Event::RoomGone(room) => say(wire::RoomGone { room: room.to_string() }, out),
            Event::Typing { room, name } => say(from_hub::typing(room, name), out),
            Event::Notice(what) => say(from_hub::notice(*what), out),
        }
        Flow::Continue
    }

    /// Writes a sign of life.
    pub fn keep_alive(&mut self, out: &mut Vec<u8>) {
        say(wire::KeepAlive {}, out);
    }

    /// Says why the connection closes.
    pub fn close(&mut self, why: Closing<'_>, out: &mut Vec<u8>) {
        match why {
            Closing::Bye { tag } => say(wire::Goodbye { id: Some(tag.to_owned()), retry_after: None }, out),
            Closing::Drain { retry_after } => {
                say(wire::Goodbye { id: None, retry_after: Some(retry_after) }, out)
            }
            Closing::LoginTimeout => {
                let reason = format!(
                    "Nobody logged in within {} seconds. Connect again.",
                    limits::LOGIN_MAX.as_secs()
                );
                refuse(None, ErrorCode::LoginTimeout, reason, out);
            }
            Closing::TooManyRequests => {
                let reason = format!(
                    "Nobody logged in within {} requests. Connect again.",
                    limits::REQUESTS_BEFORE_LOGIN_MAX
                );
                refuse(None, ErrorCode::LoginTimeout, reason, out);
            }
            Closing::PlaceTaken => {
                let reason =
                    "The server is crowded, and nobody has logged in on this connection. Connect again.";
                refuse(None, ErrorCode::LoginTimeout, reason.into(), out);
            }
            Closing::Fault(error) => {
                let mut frame = from_hub::error(None, error);
                frame.fatal = true;
                say(frame, out);
            }
        }
    }
}

/// Returns the wire form of a run for sessions that see its room this way.
fn variant(room: &RoomRef, side: Side) -> &'static WireVariant {
    match (room, side) {
        (RoomRef::Group(_), _) => &FOR_ALL,
        (RoomRef::Private(_), Side::One) => &FOR_ONE,
        (RoomRef::Private(_), Side::Other) => &FOR_OTHER,
    }
}

/// Returns the versions that a login offers.
fn versions_of(frame: &ClientFrame) -> Option<&[u32]> {
    match frame {
        ClientFrame::Register(frame) => Some(&frame.versions),
        ClientFrame::Login(frame) => Some(&frame.versions),
        ClientFrame::Resume(frame) => Some(&frame.versions),
        _ => None,
    }
}

fn unsupported_version() -> String {
    format!(
        "This server speaks versions {:?} of the protocol. Use a program that does.",
        wire::version::SUPPORTED
    )
}

fn refuse(id: Option<String>, code: ErrorCode, reason: String, out: &mut Vec<u8>) -> Inbound {
    let fatal = code.severity() == Severity::Violation;
    say(ErrorFrame { id, code, reason, retry_after: None, fatal }, out);
    if fatal { Inbound::Broken { code: code.as_str() } } else { Inbound::Answered }
}

fn say(frame: impl Into<wire::ServerFrame>, out: &mut Vec<u8>) {
    encode(&frame.into(), out);
}

/// Returns the frames of a run.
fn frames(room: &RoomRef, run: &Run) -> impl Iterator<Item = wire::ServerFrame> {
    run.entries().iter().map(move |entry| from_hub::entry(room, entry))
}

/// Encodes frames as lines.
fn lines(frames: impl Iterator<Item = wire::ServerFrame>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frames.for_each(|frame| encode(&frame, &mut bytes));
    bytes
}

/// Writes an error; a violation closes the connection.
fn say_error(id: Option<&str>, error: &Error, out: &mut Vec<u8>) -> Flow {
    let frame = from_hub::error(id, error);
    let flow = if frame.fatal { Flow::Close } else { Flow::Continue };
    say(frame, out);
    flow
}
