//! Doors that take a connection over completely: back-pressure, the return to a chat, and the place before the login.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use lanchat_listener::{Chat, Connection, Door, Gate, Listener, Opening, Visitor};
use lanchat_model::limits;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::client::Client;
use crate::framed::{Framed, FramedDialect, FramedDoor, FramedVoice};
use crate::site::Site;
use crate::suite::{Heard, Voice};

/// What a peer of [`WholeDoor`] says, each followed by a line feed.
const ECHO: &str = "echo";
const LET_IN: &str = "let me in";
const FLOOD: &str = "flood";
const CHAT: &str = "chat";

/// More than all the sockets in between can hold.
const FLOOD_BYTES: usize = 64 * 1024 * 1024;

/// Receives how many bytes of a flood were accepted before back-pressure stopped it.
type Stalled = Arc<Mutex<Option<oneshot::Sender<usize>>>>;

/// A door that is not a chat until it is asked to become one.
#[derive(Default)]
struct WholeDoor {
    stalled: Stalled,
}

impl Door for WholeDoor {
    fn alpn(&self) -> Option<&'static [u8]> {
        None
    }

    fn open(&self) -> Opening {
        let stalled = Arc::clone(&self.stalled);
        Opening::Whole(Box::new(|connection, visitor| Box::pin(serve(connection, visitor, stalled))))
    }
}

async fn serve(mut connection: Connection, visitor: Visitor, stalled: Stalled) -> Option<Chat> {
    assert_eq!(&*visitor.source().0, "127.0.0.1");
    loop {
        match asked(&mut connection).await?.as_str() {
            ECHO => connection.write_all(b"echo\n").await.ok()?,
            LET_IN => {
                visitor.let_in();
                connection.write_all(b"welcome\n").await.ok()?;
            }
            FLOOD => {
                let taken = flood(&mut connection).await;
                let told = stalled.lock().unwrap().take().unwrap();
                told.send(taken).unwrap();
                let rest = vec![b'x'; FLOOD_BYTES - taken];
                connection.write_all(&rest).await.ok()?;
                connection.shutdown().await.ok()?;
                return None;
            }
            CHAT => return Some(Chat { connection, dialect: FramedDialect::begin() }),
            other => panic!("{other}"),
        }
        connection.flush().await.ok()?;
    }
}

/// Reads a line, and not a byte more. `None`: the peer has closed.
async fn asked(connection: &mut Connection) -> Option<String> {
    let mut line = String::new();
    loop {
        match connection.read_u8().await.ok()? {
            b'\n' => return Some(line),
            byte => line.push(byte.into()),
        }
    }
}

/// Writes until the connection would block, and returns how much was written.
async fn flood(connection: &mut Connection) -> usize {
    let (mut taken, piece) = (0, [b'x'; 16 * 1024]);
    while taken + piece.len() < FLOOD_BYTES {
        let step = poll_fn(|cx| Poll::Ready(Pin::new(&mut *connection).poll_write(cx, &piece))).await;
        match step {
            Poll::Ready(count) => taken += count.unwrap(),
            Poll::Pending => break,
        }
    }
    taken
}

fn listener(socket: tokio::net::TcpListener, door: WholeDoor, hub: lanchat_hub::Hub) -> Listener {
    Listener::new(vec![Gate::plain(socket, Arc::new(door), false).unwrap()], hub)
}

async fn connected(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends a line, and reads the answer.
async fn ask(peer: &mut TcpStream, line: &str, answer: &str) {
    peer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let mut heard = vec![0; answer.len()];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, answer.as_bytes());
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_its_door_up_and_gets_all_in_the_end() {
    let (tell, stalled) = oneshot::channel();
    let door = WholeDoor { stalled: Arc::new(Mutex::new(Some(tell))) };
    let site = Site::with(|socket, _, hub| listener(socket, door, hub)).await;
    let mut peer = connected(site.address).await;
    peer.write_all(b"flood\n").await.unwrap();
    let taken = stalled.await.unwrap();
    assert!(taken + 16 * 1024 < FLOOD_BYTES, "nothing pushed back");
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard.len(), FLOOD_BYTES);
    site.close().await;
}

#[tokio::test]
async fn a_connection_becomes_a_chat_and_nothing_that_was_said_is_lost() {
    let site = Site::with(|socket, _, hub| listener(socket, WholeDoor::default(), hub)).await;
    let mut peer = connected(site.address).await;
    ask(&mut peer, ECHO, "echo\n").await;
    let mut voice = FramedVoice::default();
    // In one piece: the door reads its first line, and the chat gets the rest.
    let said = [b"chat\n".to_vec(), voice.register("ana"), voice.follow(None), voice.post("lobby", "hello")];
    peer.write_all(&said.concat()).await.unwrap();
    let mut heard: Vec<Heard> = Vec::new();
    while !heard.iter().any(|heard| matches!(heard, Heard::Stored { .. })) {
        let mut piece = [0; 4096];
        let count = peer.read(&mut piece).await.unwrap();
        assert_ne!(count, 0, "{heard:?}");
        heard.extend(voice.hear(&piece[..count]));
    }
    assert_eq!(heard[..2], [Heard::Greeting, Heard::Welcome]);
    assert_eq!(site.hub.online(), 1);
    site.close().await;
}

/// All gates count together, and a peer that is not let in yet makes room, whatever its door does.
#[tokio::test]
async fn places_in_front_of_the_login_are_those_of_all_gates() {
    lanchat_server::raise_descriptor_limit();
    let mut beside = None;
    let site = Site::with(|socket, _, hub| {
        let other = lanchat_listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        beside = Some(other.local_addr().unwrap());
        let gates = [
            Gate::plain(socket, Arc::new(FramedDoor), false),
            Gate::plain(other, Arc::new(WholeDoor::default()), false),
        ];
        Listener::new(gates.into_iter().map(Result::unwrap).collect(), hub)
    })
    .await;
    let beside = beside.unwrap();
    let (mut stranger, mut known) = (connected(beside).await, connected(beside).await);
    ask(&mut stranger, ECHO, "echo\n").await;
    ask(&mut known, LET_IN, "welcome\n").await;

    let mut crowd = Vec::new();
    for _ in 0..limits::CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX {
        crowd.push(Client::connect(&Framed, &site).await);
    }
    // The oldest of those that have not been let in.
    assert_eq!(stranger.read(&mut [0]).await.unwrap_or(0), 0);
    ask(&mut known, ECHO, "echo\n").await;
    // None of the crowd had to make room for the peer that was let in.
    let mut last = crowd.swap_remove(0);
    last.say(|voice| voice.register("ana")).await;
    last.until(Heard::Welcome).await;
    drop(crowd);
    drop(known);
    site.close().await;
}
