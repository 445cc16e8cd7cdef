//! Visitors during a flood: a known device with its token, and a person with the right password. They connect as the
//! client does: with its deadline, and with its waits between attempts.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lanchat_model::limits;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::ground::Host;
use super::halt::Halt;
use crate::fleet::Destination;
use crate::seed::PASSWORD;
use crate::tls;
use crate::wire::{Kind, kind, number_of, text_of, write_attach, write_login, write_resume};

/// How often a waiting visitor checks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a leaving visitor waits for the answer.
const LEAVE_MAX: Duration = Duration::from_secs(1);
/// Bytes that one answer may have.
const ANSWER_BYTES_MAX: u64 = limits::SERVER_FRAME_BYTES_MAX as u64;

/// The credentials of a visitor.
#[derive(Clone, Debug)]
pub enum Key {
    /// The token of a device; the newest one is kept here.
    Token(String),
    /// The password of the account of this name.
    Password(String),
}

/// A visit: somebody got in, or tried to until the end.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// When they first tried.
    pub began: Instant,
    /// How long it took them, or how long they have tried.
    pub took: Duration,
    /// Whether they got in.
    pub got_in: bool,
    /// How often they had to try.
    pub attempts: u32,
}

/// How long a client waits before its next attempt: by the `limits` of the real client, which waits a random part of
/// that, here always half; and by what the server asked for.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    failures: u32,
    asked: Duration,
    over: Option<Instant>,
}

impl Patience {
    /// Notes the wait that the server asks for, if the line has one.
    pub fn refused(&mut self, line: &[u8]) {
        let seconds = number_of(line, br#""retry_after":"#).unwrap_or(0);
        self.asked = Duration::from_secs(seconds).min(limits::RETRY_AFTER_MAX);
    }

    /// Notes that an attempt failed, and returns how long to wait.
    pub fn failed(&mut self) -> Duration {
        let doubled = limits::RECONNECT_DELAY_MIN.saturating_mul(1 << self.failures.min(16));
        let wait = self.asked + doubled.min(limits::RECONNECT_DELAY_MAX) / 2;
        (self.failures, self.asked) = (self.failures + 1, Duration::ZERO);
        self.over = Some(Instant::now() + wait);
        wait
    }

    /// Notes that an attempt succeeded.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Returns whether it is time for the next attempt.
    pub fn is_over(&self, now: Instant) -> bool {
        self.over.is_none_or(|over| over <= now)
    }
}

/// Visits until `halt`, with `pause` between two visits, from each of `sources` in turn.
pub fn come_and_go(
    host: &Host,
    sources: &[SocketAddr],
    to: Destination,
    mut key: Key,
    pause: Duration,
    halt: &Halt,
) -> Vec<Visit> {
    let mut visits = Vec::new();
    for from in sources.iter().cycle() {
        let (began, mut patience, mut attempts) = (Instant::now(), Patience::default(), 0);
        loop {
            attempts += 1;
            let attempt = attempt(host, *from, to, &mut key, &mut patience, halt);
            let took = began.elapsed();
            if let Ok((at, connection)) = attempt {
                visits.push(Visit { began, took: at - began, got_in: true, attempts });
                // The visit is over, whether or not the server receives this.
                let _ = leave(connection, &key, halt);
                break;
            }
            if halt.is_said() || halt.wait(patience.failed()) {
                visits.push(Visit { began, took, got_in: false, attempts });
                break;
            }
        }
        if halt.wait(pause) {
            break;
        }
    }
    visits
}

/// Tries once, and returns when it was logged in.
fn attempt(
    host: &Host,
    from: SocketAddr,
    to: Destination,
    key: &mut Key,
    patience: &mut Patience,
    halt: &Halt,
) -> Result<(Instant, Connection)> {
    let mut connection = host.within(|| Connection::open(from, to))?;
    loop {
        let line = connection.line(halt)?;
        match (kind(&line), &mut *key) {
            (Kind::Hello, Key::Token(token)) => connection.say(|out| write_resume(token, out))?,
            (Kind::Hello, Key::Password(name)) => connection.say(|out| write_login(name, PASSWORD, out))?,
            (Kind::Welcome, Key::Token(token)) => {
                let newest = text_of(&line, br#""token":""#).context("a token in a welcome")?;
                *token = String::from_utf8_lossy(newest).into_owned();
                connection.say(write_attach)?;
            }
            (Kind::Welcome, Key::Password(_)) | (Kind::Attached, _) => {
                return Ok((Instant::now(), connection));
            }
            (Kind::Error, _) => {
                patience.refused(&line);
                bail!("refused: {}", String::from_utf8_lossy(&line));
            }
            _ => {}
        }
    }
}

/// Says goodbye. A device that was made for one visit is logged out.
fn leave(mut connection: Connection, key: &Key, halt: &Halt) -> Result<()> {
    let word: &[u8] = match key {
        Key::Token(_) => b"{\"type\":\"bye\",\"id\":\"b\"}\n",
        Key::Password(_) => b"{\"type\":\"logout\",\"id\":\"o\"}\n",
    };
    connection.say(|out| out.extend_from_slice(word))?;
    connection.end = Instant::now() + LEAVE_MAX;
    while connection.line(halt).is_ok() {}
    Ok(())
}

/// A connection that is read line by line.
struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    end: Instant,
}

impl Connection {
    /// Connects within the time that a client gives it.
    fn open(from: SocketAddr, to: Destination) -> Result<Self> {
        let end = Instant::now() + limits::CONNECT_MAX;
        let socket = Socket::new(Domain::for_address(to.address), Type::STREAM, None)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&from.into())?;
        socket.connect_timeout(&to.address.into(), limits::CONNECT_MAX)?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        socket.set_write_timeout(Some(limits::CONNECT_MAX))?;
        let name = ServerName::IpAddress(to.address.ip().into());
        let tls = ClientConnection::new(tls::config(to.fingerprint), name)?;
        Ok(Self { stream: BufReader::new(StreamOwned::new(tls, socket.into())), end })
    }

    fn say(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut line = Vec::new();
        write(&mut line);
        let stream = self.stream.get_mut();
        stream.write_all(&line)?;
        Ok(stream.flush()?)
    }

    /// Returns the next line. An answer has the same deadline as a connection.
    fn line(&mut self, halt: &Halt) -> Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            match self.stream.by_ref().take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(_) if line.ends_with(b"\n") => return Ok(line),
                Ok(_) => bail!("the server closed the connection"),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            ensure!(!halt.is_said(), "told to stop");
            ensure!(Instant::now() < self.end, "no answer in time");
        }
    }
}
