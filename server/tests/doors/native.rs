//! The native door and its clients: one frame per line, over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lanchat_certs::{CertificateSlot, Policy, client_config, server_config};
use lanchat_hub::Hub;
use lanchat_listener::{Gate, Listener};
use lanchat_model::{Seq, limits};
use lanchat_protocol as wire;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use wire::{ClientFrame, Secret, ServerFrame, encode, version};

use crate::client::Link;
use crate::site::info;
use crate::suite::{Connecting, Heard, Subject, Voice};

const PASSWORD: &str = "correct horse battery";

pub(crate) struct Native;

impl Subject for Native {
    fn listener(&self, socket: TcpListener, slot: &Arc<CertificateSlot>, hub: Hub) -> Listener {
        let tls = server_config(slot, &[version::ALPN]);
        let gate = Gate::by_alpn(socket, tls, vec![lanchat_door_native::door(info())]);
        Listener::new(vec![gate], hub)
    }

    fn connect(&self, address: SocketAddr) -> Connecting<'_> {
        Box::pin(async move {
            let tcp = TcpStream::connect(address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let (config, _) = client_config(Policy::default(), &[version::ALPN]);
            let name = ServerName::from(address.ip());
            let tls = TlsConnector::from(config).connect(name, tcp).await.unwrap();
            Box::new(tls) as Box<dyn Link>
        })
    }

    fn voice(&self) -> Box<dyn Voice> {
        Box::new(Lines::default())
    }
}

/// Frames as lines, for every door that uses frames.
#[derive(Default)]
pub(crate) struct Lines {
    /// The beginning of an incomplete line.
    begun: Vec<u8>,
    requests: u64,
}

impl Lines {
    fn line(&mut self, frame: impl FnOnce(String) -> ClientFrame) -> Vec<u8> {
        self.requests += 1;
        let mut line = Vec::new();
        encode(&frame(format!("r{}", self.requests)), &mut line);
        line
    }
}

/// Returns an id for a post: never the same twice.
fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Voice for Lines {
    fn register(&mut self, name: &str) -> Vec<u8> {
        let (username, password) = (name.to_owned(), Secret(PASSWORD.into()));
        let versions = version::SUPPORTED.to_vec();
        self.line(|id| {
            wire::Register { id, username, password, display_name: None, device: None, versions }.into()
        })
    }

    fn log_in(&mut self, name: &str) -> Vec<u8> {
        let (username, password) = (name.to_owned(), Secret(PASSWORD.into()));
        let versions = version::SUPPORTED.to_vec();
        self.line(|id| wire::Login { id, username, password, device: None, versions }.into())
    }

    fn follow(&mut self, cursor: Option<(&str, u64)>) -> Vec<u8> {
        let seq = |seq: u64| Seq::try_from(seq).unwrap();
        let cursors = cursor.into_iter().map(|(room, at)| (room.to_owned(), seq(at))).collect();
        self.line(|id| wire::Attach { id, epoch: None, cursors, tail: Some(0) }.into())
    }

    fn join(&mut self, room: &str) -> Vec<u8> {
        let room = room.to_owned();
        self.line(|id| wire::Join { id, room, tail: Some(0) }.into())
    }

    fn post(&mut self, room: &str, text: &str) -> Vec<u8> {
        let (room, message) = (room.to_owned(), text.to_owned());
        self.line(|_| wire::Send { id: new_id(), room, message, action: false }.into())
    }

    fn too_long(&self) -> Vec<u8> {
        vec![b' '; limits::FRAME_BYTES_BEFORE_LOGIN_MAX + 1]
    }

    fn nonsense(&self) -> Vec<Vec<u8>> {
        let deep = format!("{}\n", "[".repeat(limits::JSON_DEPTH_MAX + 1));
        let lines = [
            "GET / HTTP/1.1\r\n",
            "NICK ana\r\n",
            "{}\n",
            "[]\n",
            "{\"type\":\"sing\",\"id\":\"1\"}\n",
            &deep,
        ];
        let mut all: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        all.push(b"{\"type\":\"\xff\"}\n".to_vec());
        all
    }

    fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.begun.extend_from_slice(bytes);
        let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.begun.drain(..=end).collect();
        let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| meaning(ServerFrame::decode(line).unwrap().unwrap())).collect()
    }
}

fn meaning(frame: ServerFrame) -> Heard {
    match frame {
        ServerFrame::Hello(_) => Heard::Greeting,
        ServerFrame::Welcome(_) => Heard::Welcome,
        ServerFrame::Attached(_) => Heard::Following,
        ServerFrame::Room(frame) => Heard::Entered(frame.state.room),
        ServerFrame::Message(wire::Message { room, seq, message, .. }) => {
            Heard::Entry { room, seq: seq.get(), text: Some(message) }
        }
        ServerFrame::Joined(wire::Joined { room, seq, .. })
        | ServerFrame::Left(wire::Left { room, seq, .. }) => {
            Heard::Entry { room, seq: seq.get(), text: None }
        }
        ServerFrame::Ack(wire::Ack { room, seq, .. }) => Heard::Stored { room, seq: seq.get() },
        ServerFrame::ErrorFrame(_) => Heard::Refused,
        ServerFrame::Goodbye(_) => Heard::Farewell,
        _ => Heard::Aside,
    }
}
