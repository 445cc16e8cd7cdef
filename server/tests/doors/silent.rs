//! A dialect whose messages end with silence, which makes requests of its own, and which ends connections with a reset.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanchat_hub::{Body, Command, Credentials, Error, Event, Reply, Welcome};
use lanchat_listener::{Closing, Dialect, Door, Flow, Gate, Inbound, Listener, Opening, Request};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::site::Site;

struct SilentDoor;

impl Door for SilentDoor {
    fn alpn(&self) -> Option<&'static [u8]> {
        None
    }

    fn open(&self) -> Opening {
        Opening::Chat(Box::new(Silent::default()))
    }
}

/// The first message is a name. Each arrival is counted for everybody.
#[derive(Default)]
struct Silent {
    begun: Vec<u8>,
    /// A message that silence has ended.
    whole: Option<String>,
    asks: VecDeque<Command>,
    has_session: bool,
}

impl Silent {
    fn next(&mut self) -> Option<Request> {
        let tag = String::new();
        if let Some(command) = self.asks.pop_front() {
            return Some(Request::Command { tag, command });
        }
        let text = self.whole.take()?;
        assert!(!self.has_session, "a name is all that is said");
        let credentials = Credentials::Register {
            name: text.parse().unwrap(),
            display_name: text.parse().unwrap(),
            password: "correct horse battery".into(),
            device: None,
        };
        Some(Request::Authenticate { tag, credentials })
    }
}

impl Dialect for Silent {
    fn greet(&mut self, _: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"who are you?\n");
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
    }

    fn held(&self) -> usize {
        self.begun.len()
    }

    fn next_inbound(&mut self, _: &mut Vec<u8>) -> Inbound {
        self.next().map_or(Inbound::Incomplete, Inbound::Request)
    }

    fn welcome(&mut self, _: &str, result: Result<Welcome, Error>, out: &mut Vec<u8>) -> Flow {
        let Ok(welcome) = result else { return Flow::Close };
        self.has_session = true;
        out.extend_from_slice(format!("welcome, {}\n", welcome.name).as_bytes());
        self.asks.push_back(Command::Attach { epoch: None, cursors: BTreeMap::new(), tail: 0 });
        Flow::Ask
    }

    fn reply(&mut self, _: &str, result: Result<Reply, Error>, out: &mut Vec<u8>) -> Flow {
        match result.unwrap() {
            Reply::Members { total, .. } => {
                out.extend_from_slice(format!("{total} members\n").as_bytes());
            }
            other => assert!(matches!(other, Reply::Attached { .. }), "{other:?}"),
        }
        Flow::Continue
    }

    fn go_on(&mut self, _: &mut Vec<u8>) -> bool {
        false
    }

    fn deliver(&mut self, event: &Event, _: &mut Vec<u8>) -> Flow {
        let (Event::Run { room, .. } | Event::Entry { room, .. }) = event else { return Flow::Continue };
        assert!(event.entries().iter().all(|entry| !matches!(entry.body, Body::Message { .. })));
        self.asks.push_back(Command::Members { room: Some(room.clone()) });
        Flow::Ask
    }

    fn keep_alive(&mut self, _: &mut Vec<u8>) -> Flow {
        Flow::Continue
    }

    fn close(&mut self, _: Closing<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"farewell\n");
    }

    fn quiet_after(&self) -> Option<Duration> {
        Some(Duration::from_millis(40))
    }

    fn quiet(&mut self, _: &mut Vec<u8>) -> Flow {
        self.whole = Some(String::from_utf8(std::mem::take(&mut self.begun)).unwrap());
        Flow::Continue
    }

    fn ends_by_reset(&self) -> bool {
        true
    }
}

/// Connects, sends only a name, and reads the welcome.
async fn welcomed(address: SocketAddr, name: &str) -> BufReader<TcpStream> {
    let mut peer = BufReader::new(TcpStream::connect(address).await.unwrap());
    assert_eq!(line(&mut peer).await, "who are you?\n");
    peer.write_all(name.as_bytes()).await.unwrap();
    assert_eq!(line(&mut peer).await, format!("welcome, {name}\n"));
    peer
}

async fn line(peer: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    peer.read_line(&mut line).await.unwrap();
    line
}

#[tokio::test]
async fn a_dialect_is_told_of_a_silence_asks_after_a_delivery_and_ends_by_a_reset() {
    let site = Site::with(|socket, _, hub| {
        Listener::new(vec![Gate::plain(socket, Arc::new(SilentDoor), false).unwrap()], hub)
    })
    .await;
    let mut ana = welcomed(site.address, "ana").await;
    let _bob = welcomed(site.address, "bob").await;
    // Nobody has asked explicitly.
    assert_eq!(line(&mut ana).await, "2 members\n");

    site.shutdown.cancel();
    assert_eq!(line(&mut ana).await, "farewell\n");
    let ended = ana.read_line(&mut String::new()).await;
    // Wine closes in order where Windows resets, and these tests run under wine there.
    if cfg!(not(windows)) || ended.is_err() {
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset, "no end in order");
    }
    site.close().await;
}
