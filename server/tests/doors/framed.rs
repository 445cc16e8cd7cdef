//! A throw-away door: the frames of the native door in another framing, in plain text. It shows how little a door
//! needs, and that the suite does not depend on lines over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use lanchat_certs::CertificateSlot;
use lanchat_frames::Conversation;
use lanchat_hub::{Error, Event, Hub, Reply, Welcome};
use lanchat_listener::{Closing, Dialect, Door, Flow, Gate, Inbound, Listener, Opening};
use lanchat_model::limits;
use lanchat_protocol::{BadFrame, ErrorCode};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Link;
use crate::native::Lines;
use crate::site::info;
use crate::suite::{Connecting, Heard, Subject, Voice};

/// The length of a frame, in the four bytes before it, most significant first.
const HEAD: usize = 4;

pub(crate) struct FramedDoor;

impl Door for FramedDoor {
    fn alpn(&self) -> Option<&'static [u8]> {
        None
    }

    fn open(&self) -> Opening {
        Opening::Chat(FramedDialect::begin())
    }
}

/// The conversation, in pieces with a length prefix.
pub(crate) struct FramedDialect {
    begun: Vec<u8>,
    conversation: Conversation,
}

impl FramedDialect {
    pub(crate) fn begin() -> Box<dyn Dialect> {
        Box::new(Self { begun: Vec::new(), conversation: Conversation::new(info()) })
    }

    /// Frames the conversation's output as one piece.
    fn piece<T>(&mut self, out: &mut Vec<u8>, say: impl FnOnce(&mut Conversation, &mut Vec<u8>) -> T) -> T {
        let mut said = Vec::new();
        let result = say(&mut self.conversation, &mut said);
        if !said.is_empty() {
            out.extend_from_slice(&framed(&said));
        }
        result
    }
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

/// Removes the first frame, if it is complete.
fn unframed(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = length(bytes)?;
    if bytes.len() < HEAD + length {
        return None;
    }
    let frame = bytes[HEAD..HEAD + length].to_vec();
    bytes.drain(..HEAD + length);
    Some(frame)
}

fn length(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk::<HEAD>().map(|head| u32::from_be_bytes(*head) as usize)
}

impl Dialect for FramedDialect {
    fn greet(&mut self, online: u64, out: &mut Vec<u8>) {
        self.piece(out, |conversation, out| conversation.greet(online, out));
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
    }

    fn held(&self) -> usize {
        self.begun.len()
    }

    fn next_inbound(&mut self, out: &mut Vec<u8>) -> Inbound {
        // Checked before it is complete.
        if length(&self.begun).is_some_and(|length| length > self.conversation.frame_bytes_max()) {
            let reason = "This frame is too long. Send shorter ones.".to_owned();
            let bad = BadFrame { code: ErrorCode::FrameTooLong, reason, id: None };
            return self.piece(out, |conversation, out| conversation.refuse(bad, out));
        }
        let Some(frame) = unframed(&mut self.begun) else { return Inbound::Incomplete };
        self.piece(out, |conversation, out| conversation.take(&frame, out))
    }

    fn welcome(&mut self, tag: &str, result: Result<Welcome, Error>, out: &mut Vec<u8>) -> Flow {
        self.piece(out, |conversation, out| conversation.welcome(tag, result, out))
    }

    fn reply(&mut self, tag: &str, result: Result<Reply, Error>, out: &mut Vec<u8>) -> Flow {
        self.piece(out, |conversation, out| conversation.reply(tag, result, out))
    }

    fn go_on(&mut self, out: &mut Vec<u8>) -> bool {
        self.piece(out, |conversation, out| conversation.go_on(out))
    }

    fn deliver(&mut self, event: &Event, out: &mut Vec<u8>) -> Flow {
        self.piece(out, |conversation, out| conversation.deliver(event, out))
    }

    fn keep_alive(&mut self, out: &mut Vec<u8>) -> Flow {
        self.piece(out, |conversation, out| conversation.keep_alive(out));
        Flow::Continue
    }

    fn close(&mut self, why: Closing<'_>, out: &mut Vec<u8>) {
        self.piece(out, |conversation, out| conversation.close(why, out));
    }
}

pub(crate) struct Framed;

impl Subject for Framed {
    fn listener(&self, socket: TcpListener, _: &Arc<CertificateSlot>, hub: Hub) -> Listener {
        Listener::new(vec![Gate::plain(socket, Arc::new(FramedDoor), false).unwrap()], hub)
    }

    fn connect(&self, address: SocketAddr) -> Connecting<'_> {
        Box::pin(async move {
            let tcp = TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            Box::new(tcp) as Box<dyn Link>
        })
    }

    fn voice(&self) -> Box<dyn Voice> {
        Box::new(FramedVoice::default())
    }
}

#[derive(Default)]
pub(crate) struct FramedVoice {
    lines: Lines,
    begun: Vec<u8>,
}

/// Converts a line to a frame.
fn unlined(line: &[u8]) -> Vec<u8> {
    framed(line.strip_suffix(b"\n").unwrap_or(line))
}

impl Voice for FramedVoice {
    fn register(&mut self, name: &str) -> Vec<u8> {
        unlined(&self.lines.register(name))
    }

    fn log_in(&mut self, name: &str) -> Vec<u8> {
        unlined(&self.lines.log_in(name))
    }

    fn follow(&mut self, cursor: Option<(&str, u64)>) -> Vec<u8> {
        unlined(&self.lines.follow(cursor))
    }

    fn join(&mut self, room: &str) -> Vec<u8> {
        unlined(&self.lines.join(room))
    }

    fn post(&mut self, room: &str, text: &str) -> Vec<u8> {
        unlined(&self.lines.post(room, text))
    }

    fn too_long(&self) -> Vec<u8> {
        framed(" ".repeat(limits::FRAME_BYTES_BEFORE_LOGIN_MAX + 1).as_bytes())
    }

    fn nonsense(&self) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = self.lines.nonsense().iter().map(|line| unlined(line)).collect();
        all.extend([framed(b""), b"GET / HTTP/1.1\r\n".to_vec()]);
        all
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.begun.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while let Some(piece) = unframed(&mut self.begun) {
            heard.extend(self.lines.hear(&piece));
        }
        heard
    }
}
