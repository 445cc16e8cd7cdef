//! Light clients, thousands in one process: a TLS socket and lines of JSON on tokio, and the way clients reconnect
//! (PROTOCOL §8), without any code of the client that we ship.

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lanchat_model::limits;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::peer::{ALPN, tls_config};
use crate::{DEADLINE, PASSWORD};

/// One connection to a server.
pub struct Light {
    stream: BufReader<TlsStream<TcpStream>>,
    line: Vec<u8>,
}

impl Light {
    /// Connects from an address of the loopback network, shakes hands and reads `hello`.
    ///
    /// # Errors
    /// Errors of the socket, of TLS, or from the server.
    pub async fn connect(to: SocketAddr, from: Ipv4Addr) -> Result<Self, Error> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let socket = socket.connect(to).await?;
        socket.set_nodelay(true)?;
        let mut config = tls_config(&[ALPN]);
        // Every handshake is a full one, as after a restart of everything.
        config.resumption = rustls::client::Resumption::disabled();
        let name = ServerName::try_from("lanchat.invalid").expect("a DNS name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        let mut light = Self { stream: BufReader::new(stream), line: Vec::new() };
        light.expect("hello").await?;
        Ok(light)
    }

    /// Registers an account, and returns its token.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn register(to: SocketAddr, name: &str) -> (Self, String) {
        let mut light = Self::connect(to, Ipv4Addr::LOCALHOST).await.expect("a server");
        let register = json!({"type": "register", "id": "r", "username": name, "password": PASSWORD});
        light.say(&register).await.expect("a server that listens");
        let welcome = light.expect("welcome").await.expect("a welcome");
        let token = welcome["token"].as_str().expect("a welcome has a token").to_owned();
        (light, token)
    }

    /// Logs in by a token and starts delivery of the lobby after `cursor`, or only of new entries if `None`. The token
    /// stays valid as long as nobody uses the next one (PROTOCOL §4).
    ///
    /// # Errors
    /// When the connection ends before that.
    pub async fn resume(&mut self, token: &str, cursor: Option<u64>) -> Result<(), Error> {
        self.say(&json!({"type": "resume", "id": "r", "token": token})).await?;
        self.expect("welcome").await?;
        let cursors = cursor.map_or(json!({}), |cursor| json!({"lobby": cursor}));
        self.say(&json!({"type": "attach", "id": "a", "tail": 0, "cursors": cursors})).await?;
        self.expect("attached").await.map(drop)
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn say(&mut self, frame: &Value) -> Result<(), Error> {
        self.write(format!("{frame}\n").as_bytes()).await
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Returns the next line of the server.
    ///
    /// # Errors
    /// When the connection has ended, or [`DEADLINE`] passes first.
    pub async fn next_line(&mut self) -> Result<&[u8], Error> {
        self.line.clear();
        let read = timeout(DEADLINE, self.stream.read_until(b'\n', &mut self.line)).await;
        match read.map_err(|_| Error::from(ErrorKind::TimedOut))?? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(&self.line),
        }
    }

    /// Reads until a frame of this type comes.
    ///
    /// # Errors
    /// When the connection has ended, or the server refuses something.
    pub async fn expect(&mut self, kind: &str) -> Result<Value, Error> {
        loop {
            let frame: Value = serde_json::from_slice(self.next_line().await?)?;
            match frame["type"].as_str() {
                Some(found) if found == kind => return Ok(frame),
                Some("error") => return Err(Error::other(frame.to_string())),
                _ => {}
            }
        }
    }
}

/// The state that all clients of a crowd share: where the server is, and what their reconnects cost.
pub struct Crowd {
    to: SocketAddr,
    /// Attempts that did not lead to a session.
    pub refused: AtomicU64,
}

impl Crowd {
    /// Makes a crowd in front of a server.
    pub fn before(to: SocketAddr) -> Arc<Self> {
        Arc::new(Self { to, refused: AtomicU64::new(0) })
    }

    /// Connects or reconnects as a client does, to read on after `cursor`: it waits as long as the server asked for,
    /// plus a random time of up to 1 second, then up to 2, 4 … 30 seconds.
    ///
    /// # Panics
    /// When [`DEADLINE`] passes without a session.
    pub async fn come(&self, from: Ipv4Addr, token: &str, cursor: Option<u64>, retry_after: u64) -> Light {
        let mut asked = Duration::from_secs(retry_after);
        let mut most = limits::RECONNECT_DELAY_MIN;
        let began = Instant::now();
        loop {
            sleep(asked + most.mul_f64(chance())).await;
            let attempt = async {
                let mut light = Light::connect(self.to, from).await?;
                light.resume(token, cursor).await?;
                Ok::<_, Error>(light)
            };
            match attempt.await {
                Ok(light) => return light,
                Err(error) => assert!(began.elapsed() < DEADLINE, "no session: {error}"),
            }
            self.refused.fetch_add(1, Ordering::Relaxed);
            (asked, most) = (Duration::ZERO, (most * 2).min(limits::RECONNECT_DELAY_MAX));
        }
    }
}

/// Returns a random number from 0 to 1.
fn chance() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    // Each state is different.
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
