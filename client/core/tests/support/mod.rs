//! A server controlled by the test, over real TLS on the loopback.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lanchat_certs::{CertificateSlot, Identity, server_config};
use lanchat_client::{
    AttachPolicy, Client, ConnectError, Connection, Event, Events, Home, Options, Secret, Target, connect,
};
use lanchat_model::ServerId;
use lanchat_protocol::version::ALPN;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// How long a test waits for what has to come: long enough for a loaded computer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `future`, which has to end in time.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// A server under the control of a test.
pub struct Fake {
    listener: TcpListener,
    config: Arc<ServerConfig>,
    pub id: ServerId,
    pub identity: Arc<Identity>,
    /// The longest message that it claims to accept.
    pub message_bytes: u64,
    _folder: TempDir,
}

impl Fake {
    /// Starts a server with a fresh key.
    pub async fn start() -> Self {
        Self::with_alpn(&[ALPN]).await
    }

    /// Starts a server with a fresh key, for these protocols.
    pub async fn with_alpn(alpn: &[&[u8]]) -> Self {
        let folder = TempDir::new().unwrap();
        let identity = Arc::new(Identity::load_or_create(&folder.path().join("identity")).unwrap());
        let slot = CertificateSlot::new(Arc::clone(&identity), &[], &[]).unwrap();
        let config = server_config(&slot, alpn);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, config, id: identity.server_id(), identity, message_bytes: 16384, _folder: folder }
    }

    /// Replaces the server, at the same address, by one with this configuration.
    pub fn become_other(&mut self, config: Arc<ServerConfig>) {
        self.config = config;
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub fn target(&self) -> Target {
        Target::address(self.address())
    }

    /// Accepts the next connection and its handshake. An error is the one from TLS.
    pub async fn try_accept(&self) -> std::io::Result<Peer> {
        let (tcp, _) = within("a connection", self.listener.accept()).await?;
        let stream = within("a handshake", TlsAcceptor::from(self.config()).accept(tcp)).await?;
        Ok(Peer { stream, received: Vec::new() })
    }

    /// Closes the next connection without a word, as a server does that is full before the login.
    pub async fn turn_away(&self) {
        drop(within("a connection", self.listener.accept()).await.unwrap());
    }

    /// Accepts and greets the next connection.
    pub async fn accept(&self) -> Peer {
        let mut peer = self.try_accept().await.unwrap();
        peer.send(self.hello()).await;
        peer
    }

    pub fn hello(&self) -> Value {
        let mut hello = hello(self.id);
        hello["limits"]["message_bytes"] = json!(self.message_bytes);
        hello
    }
}

/// Returns the greeting of a server with this id.
pub fn hello(id: ServerId) -> Value {
    json!({"type": "hello", "server_id": id.to_string(), "name": "fake", "software": "fake 1", "versions": [1],
        "registration": "open", "online": 3,
        "limits": {"frame_bytes": 65536, "message_bytes": 16384, "unacked": 4, "typing_seconds": 6,
            "keepalive_seconds": 30}})
}

/// The server's end of one connection.
pub struct Peer {
    stream: TlsStream<TcpStream>,
    received: Vec<u8>,
}

impl Peer {
    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_line(&frame.to_string()).await;
    }

    /// Sends a line.
    pub async fn send_line(&mut self, line: &str) {
        self.stream.write_all(line.as_bytes()).await.unwrap();
        self.stream.write_all(b"\n").await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends bytes until they are sent or the client closes.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads the next frame; `None` at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let mut bytes = [0; 4096];
            match within("a frame", self.stream.read(&mut bytes)).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.received.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// Reads the next frame, which has to be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next().await.unwrap_or_else(|| panic!("the end instead of '{kind}'"));
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Reads the bytes that the client sends until it closes.
    pub async fn drain(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // An abrupt end counts as an end too.
        let _ = within("the end", self.stream.read_to_end(&mut rest)).await;
        self.received.extend(rest);
        self.received
    }

    /// Answers the next login.
    pub async fn welcome(&mut self, kind: &str, token: &str, rooms: Value) -> Value {
        let request = self.expect(kind).await;
        self.send(json!({"type": "welcome", "id": request["id"], "username": "ana", "display_name": "Ana",
            "admin": false, "token": token, "version": 1, "epoch": "e1", "online": 1, "rooms": rooms}))
            .await;
        request
    }

    /// Answers the next `attach`, starting where it asks.
    pub async fn attached(&mut self, rooms: Value) -> Value {
        let request = self.expect("attach").await;
        self.send(json!({"type": "attached", "id": request["id"], "epoch": "e1", "rooms": rooms})).await;
        request
    }

    /// Takes the next post and acknowledges it.
    pub async fn ack(&mut self, seq: u64) -> Value {
        let post = self.expect("send").await;
        self.send(ack(&post, seq)).await;
        post
    }

    /// Sends the entry of the lobby at this position.
    pub async fn message(&mut self, seq: u64) {
        self.send(message("lobby", seq)).await;
    }
}

pub fn ack(post: &Value, seq: u64) -> Value {
    json!({"type": "ack", "id": post["id"], "room": post["room"], "seq": seq, "ts": "2026-11-21T05:00:00.123Z"})
}

pub fn message(room: &str, seq: u64) -> Value {
    json!({"type": "message", "room": room, "seq": seq, "id": format!("{seq:032x}"), "username": "bob",
        "message": format!("line {seq}"), "ts": "2026-11-21T05:00:00.123Z"})
}

/// Returns a room whose log ends at `head`, delivered from `from` on.
pub fn room(name: &str, head: u64, from: u64) -> Value {
    json!({"room": name, "head": head, "mark": 0, "from": from, "members": 2})
}

/// A state folder that is removed at the end.
pub struct TestHome {
    pub home: Home,
    folder: TempDir,
}

impl TestHome {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { home: Home::open(&folder.path().join("home")).unwrap(), folder }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("home")
    }
}

/// Connects to a server that greets.
pub async fn meet(fake: &Fake, home: &Home) -> (Result<Connection, ConnectError>, Peer) {
    let target = fake.target();
    tokio::join!(connect(&target, home), fake.accept())
}

/// Makes a client that is logged in, and returns the server's end too.
pub async fn logged_in(fake: &Fake, home: &Home, rooms: Value) -> (Client, Events, Peer) {
    let (connection, mut peer) = meet(fake, home).await;
    let trusted = connection.unwrap().trust(home).unwrap();
    let (client, events) = Client::start(trusted, home.clone(), Options::default());
    let password = Secret("correct horse".into());
    let (session, _) = tokio::join!(client.login("ana", &password), peer.welcome("login", "token-1", rooms));
    assert_eq!(session.unwrap().username, "ana");
    (client, events, peer)
}

/// As [`logged_in`], with delivery started in an empty lobby.
pub async fn attached(fake: &Fake, home: &Home) -> (Client, Events, Peer) {
    let (client, events, mut peer) = logged_in(fake, home, json!([room("lobby", 0, 0)])).await;
    let (attached, _) =
        tokio::join!(client.attach(AttachPolicy::default()), peer.attached(json!([room("lobby", 0, 0)])));
    attached.unwrap();
    (client, events, peer)
}

/// Waits for the next event that the test is about.
pub async fn next_of(events: &mut Events, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = within(what, events.next()).await.unwrap_or_else(|| panic!("the end instead of {what}"));
        if wanted(&event) {
            return event;
        }
    }
}

/// Returns the positions of the next entries.
pub async fn entries(events: &mut Events, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        let event = within("an entry", events.next()).await.expect("entries instead of the end");
        if let Event::Frame { frame: lanchat_protocol::ServerFrame::Message(message), .. } = event {
            seqs.push(message.seq.get());
        }
    }
    seqs
}

/// Returns the configuration of an impostor who copied a server's certificate, and signs with the key in `key_folder`.
pub fn impostor(certificate: &Fake, key_folder: &Path) -> Arc<ServerConfig> {
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

    let der = certificate.identity.certificate(&[], &[]).unwrap();
    let key = PrivateKeyDer::from_pem_file(key_folder.join("server.key")).unwrap();
    let signer = ring::sign::any_ecdsa_type(&key).unwrap();
    let shown = SingleCertAndKey::from(CertifiedKey::new(vec![der], signer));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

/// Logs in to the same account from another program with the same home.
pub async fn logged_in_again(fake: &Fake, home: &Home, token: &str) -> (Client, Events, Peer) {
    let (connection, mut peer) = meet(fake, home).await;
    let trusted = connection.unwrap().trust(home).unwrap();
    let (client, events) = Client::start(trusted, home.clone(), Options::default());
    let rooms = json!([room("lobby", 0, 0)]);
    let (session, _) = tokio::join!(client.resume(), peer.welcome("resume", token, rooms));
    session.unwrap();
    (client, events, peer)
}
