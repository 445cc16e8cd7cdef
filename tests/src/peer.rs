//! A client by hand: a TLS socket and lines of JSON, without any code of the client that we ship.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use serde_json::{Value, json};

use crate::promised::can_be_answered;
use crate::{DEADLINE, PASSWORD};

/// The ALPN name of the native door.
pub(crate) const ALPN: &[u8] = b"lanchat/1";

/// The longest line that a server may send.
const LINE_BYTES_MAX: usize = lanchat_model::limits::SERVER_FRAME_BYTES_MAX;

/// How many pings in a row without a delivery make a barrier: it is wrong one time in 2^40.
const QUIET_PINGS: u32 = 40;

/// Makes an id for a post: 32 hex digits, never the same twice.
pub fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:016x}{:016x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// One connection to a server.
pub struct TestPeer {
    tls: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
    /// Frames that came while another one was waited for.
    unread: VecDeque<Value>,
    hello: Value,
    requests: u64,
    /// Whether silence counts as an end, and not as a failure of the test.
    is_impatient: bool,
}

impl TestPeer {
    /// Connects, shakes hands and reads `hello`.
    pub fn connect(address: SocketAddr) -> Self {
        let mut peer = Self::connect_silently(address);
        peer.hello = peer.read().expect("the server speaks first");
        assert_eq!(peer.hello["type"], "hello", "{}", peer.hello);
        peer
    }

    /// Connects, shakes hands and reads `hello` from a server that may be gone or going. If it is silent for longer
    /// than `patience`, now or later, it counts as closed: a dead server's last packet may be lost.
    ///
    /// # Errors
    /// The reason why it could not connect.
    pub fn try_connect(address: SocketAddr, patience: Duration) -> std::io::Result<Self> {
        let mut peer = Self::over(secure(address, &[ALPN], patience)?);
        peer.is_impatient = true;
        peer.hello = peer.read().ok_or(ErrorKind::UnexpectedEof)?;
        Ok(peer)
    }

    /// Connects and shakes hands, but does not read what the server says first.
    pub fn connect_silently(address: SocketAddr) -> Self {
        Self::over(secure(address, &[ALPN], DEADLINE).expect("the handshake succeeds"))
    }

    fn over(tls: StreamOwned<ClientConnection, TcpStream>) -> Self {
        Self {
            tls,
            buffer: Vec::new(),
            unread: VecDeque::new(),
            hello: Value::Null,
            requests: 0,
            is_impatient: false,
        }
    }

    /// Connects, makes the account `name` and attaches to all its rooms.
    pub fn registered(address: SocketAddr, name: &str) -> Self {
        let mut peer = Self::connect(address);
        peer.register(name);
        peer.attach();
        peer
    }

    /// Connects, logs in to the account `name` as a new device, and attaches to all its rooms.
    pub fn logged_in(address: SocketAddr, name: &str) -> Self {
        let mut peer = Self::connect(address);
        let welcome = peer.request(json!({"type": "login", "username": name, "password": PASSWORD}));
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        peer.attach();
        peer
    }

    /// Returns the port of this end of the connection.
    pub fn port(&self) -> u16 {
        self.tls.sock.local_addr().expect("a connection has two ends").port()
    }

    /// Returns the first frame of the server.
    pub fn hello(&self) -> &Value {
        &self.hello
    }

    /// Returns the certificate that the server showed, as DER.
    pub fn certificate(&self) -> Vec<u8> {
        let chain = self.tls.conn.peer_certificates().expect("the handshake is over");
        chain.first().expect("a server shows a certificate").to_vec()
    }

    /// Registers an account, and returns its welcome.
    pub fn register(&mut self, name: &str) -> Value {
        let welcome = self.request(json!({"type": "register", "username": name, "password": PASSWORD}));
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        welcome
    }

    /// Starts delivery of everything from now on.
    pub fn attach(&mut self) -> Value {
        let attached = self.request(json!({"type": "attach", "tail": 0}));
        assert_eq!(attached["type"], "attached", "{attached}");
        attached
    }

    /// Posts a message, waits until it is on disk, and returns the answer.
    pub fn send(&mut self, room: &str, message: &str) -> Value {
        let ack = self.answer_to(&new_id(), json!({"type": "send", "room": room, "message": message}));
        assert_eq!(ack["type"], "ack", "{ack}");
        ack
    }

    /// Sends a request under a fresh id, and returns its answer. Frames in between can still be read.
    pub fn request(&mut self, frame: Value) -> Value {
        self.requests += 1;
        self.answer_to(&format!("r{}", self.requests), frame)
    }

    /// Sends a request that must be refused, and returns the code.
    pub fn refused(&mut self, frame: Value) -> String {
        let answer = self.request(frame);
        assert_eq!(answer["type"], "error", "this must be refused: {answer}");
        let reason = answer["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(' ') && reason.ends_with(['.', '!', '?']), "not a sentence: {answer}");
        answer["code"].as_str().expect("an error has a code").to_owned()
    }

    /// Sends a request under this id, and returns its answer.
    pub fn answer_to(&mut self, id: &str, frame: Value) -> Value {
        let kind = frame["type"].clone();
        self.try_answer_to(id, frame).unwrap_or_else(|| panic!("closed before the answer to {kind}"))
    }

    /// As [`TestPeer::answer_to`], but returns `None` if the connection ends first.
    pub fn try_answer_to(&mut self, id: &str, mut frame: Value) -> Option<Value> {
        let kind = frame["type"].as_str().unwrap_or_default().to_owned();
        frame["id"] = id.into();
        self.write_line(&frame.to_string());
        let mut between = VecDeque::new();
        loop {
            let frame = self.read()?;
            if frame["id"] == id && frame["type"] != "message" {
                let code = frame["code"].as_str().filter(|_| frame["type"] == "error");
                let is_promised = code.is_none_or(|code| can_be_answered(&kind, code));
                assert!(is_promised, "PROTOCOL does not say that {kind} can be answered so: {frame}");
                self.unread.extend(between);
                return Some(frame);
            }
            between.push_back(frame);
        }
    }

    /// Returns everything that the server has to say by now, oldest first.
    ///
    /// A server picks fairly between an incoming request and a ready delivery: a `ping` overtakes a delivery one time
    /// in two. So [`QUIET_PINGS`] in a row without a delivery mean that there is none.
    pub fn barrier(&mut self) -> Vec<Value> {
        let mut quiet = 0;
        while quiet < QUIET_PINGS {
            let before = self.unread.len();
            let pong = self.request(json!({"type": "ping"}));
            assert_eq!(pong["type"], "pong", "{pong}");
            quiet = if self.unread.len() == before { quiet + 1 } else { 0 };
        }
        self.unread.drain(..).collect()
    }

    /// Reads until a frame of this type comes; frames before it are dropped.
    pub fn expect(&mut self, kind: &str) -> Value {
        self.expect_where(kind, |_| true)
    }

    /// Reads until a frame of this type comes for which `holds` is true; frames before it are dropped.
    pub fn expect_where(&mut self, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next_frame().unwrap_or_else(|| panic!("closed while waiting for {kind}"));
            if frame["type"] == kind && holds(&frame) {
                return frame;
            }
        }
    }

    /// Reads the next frame, or returns `None` when the server has closed.
    pub fn next_frame(&mut self) -> Option<Value> {
        self.unread.pop_front().or_else(|| self.read())
    }

    /// Returns a frame that has already arrived, if there is one.
    pub fn ready_frame(&mut self) -> Option<Value> {
        self.unread.pop_front().or_else(|| self.buffered())
    }

    /// Writes one line. A server that has closed does not accept it; reading shows that.
    pub fn write_line(&mut self, line: &str) {
        self.write_bytes(format!("{line}\n").as_bytes());
    }

    /// Writes bytes as they are.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let _ = self.tls.write_all(bytes).and_then(|()| self.tls.flush());
    }

    /// Updates the TLS keys `count` times, and sends nothing else.
    pub fn update_keys(&mut self, count: usize) {
        for _ in 0..count {
            let _ = self.tls.conn.refresh_traffic_keys();
        }
        let _ = self.tls.flush();
    }

    /// Reads one frame from the socket; `None` at its end.
    fn read(&mut self) -> Option<Value> {
        loop {
            if let Some(frame) = self.buffered() {
                return Some(frame);
            }
            assert!(self.buffer.len() <= LINE_BYTES_MAX, "the server sent a line that is too long");
            let mut chunk = [0; 16 * 1024];
            match self.receive(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock && !self.is_impatient => {
                    panic!("the server stays silent")
                }
                Err(_) => return None,
            }
        }
    }

    /// Takes the first whole line out of the buffer.
    fn buffered(&mut self) -> Option<Value> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        Some(serde_json::from_slice(&line).expect("the server speaks JSON"))
    }

    /// Reads without writing first, as [`StreamOwned`] would. So the server's words before it closed on a long line are
    /// heard, although the rest of the line cannot be sent.
    fn receive(&mut self, chunk: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.tls.conn.reader().read(chunk) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.tls.conn.read_tls(&mut self.tls.sock)? == 0 {
                return Ok(0);
            }
            self.tls.conn.process_new_packets().map_err(std::io::Error::other)?;
        }
    }
}

/// Connects offering `alpn`, and returns the error that ends the handshake.
///
/// # Panics
/// When the server accepts it and continues.
pub fn alpn_error(address: SocketAddr, alpn: &[&[u8]]) -> String {
    match secure(address, alpn, DEADLINE) {
        Err(error) => error.to_string(),
        Ok(mut tls) => match tls.read(&mut [0; 1]) {
            Ok(1) => panic!("the server speaks although no protocol was agreed on"),
            Ok(_) => "closed".to_owned(),
            Err(error) => error.to_string(),
        },
    }
}

/// Returns the TLS configuration of the harness: it accepts any server that holds the key of the certificate it shows.
pub(crate) fn tls_config(alpn: &[&[u8]]) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

fn secure(
    address: SocketAddr,
    alpn: &[&[u8]],
    patience: Duration,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let config = tls_config(alpn);
    let socket = TcpStream::connect_timeout(&address, patience)?;
    socket.set_read_timeout(Some(patience))?;
    socket.set_write_timeout(Some(patience))?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from("lanchat.invalid").expect("a DNS name");
    let connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let mut tls = StreamOwned::new(connection, socket);
    tls.conn.complete_io(&mut tls.sock)?;
    Ok(tls)
}

/// Accepts any certificate, but only from a server that holds its key.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
