//! The generator's connections: up to ten thousand, in one thread and one epoll loop.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use lanchat_certs::{Fingerprint, alpn_of};
use memchr::memchr;
use mio::event::Event;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use rustls::client::UnbufferedClientConnection;
use socket2::{Domain, Socket as RawSocket, Type};

use crate::socket::Socket;
use crate::tls::{self, SEAL_BYTES_MAX, SEALED_BYTES_MAX};
use crate::wire::ALPN;

/// Events that one turn takes from the kernel at most.
const EVENTS_MAX: usize = 1024;
/// Bytes requested in one read.
const READ_BYTES: usize = 256 * 1024;
/// The token of the timer. Connections use the others.
const TIMER: Token = Token(usize::MAX);

/// Handles events on connections. Whatever it appends to `out` is sent on the same connection.
pub trait Handler {
    /// Called when the handshake of a connection is complete.
    fn opened(&mut self, _id: usize, _out: &mut Vec<u8>) {}
    /// Called with each line, without its newline; `now` is when it was read.
    fn line(&mut self, id: usize, line: &[u8], now: Instant, out: &mut Vec<u8>);
    /// Called when the peer closed the connection, or it broke.
    fn closed(&mut self, id: usize);
}

/// Where connections go.
#[derive(Clone, Copy, Debug)]
pub struct Destination {
    /// The address.
    pub address: SocketAddr,
    /// The key that the server must have.
    pub fingerprint: Fingerprint,
}

/// One connection.
struct Peer {
    socket: Socket,
    tls: UnbufferedClientConnection,
    is_open: bool,
    /// Whether its input is left unread.
    is_deaf: bool,
    /// The beginning of an incomplete record, and of an incomplete line.
    record: Vec<u8>,
    line: Vec<u8>,
}

/// All connections of a load.
pub struct Fleet {
    poll: Poll,
    events: Option<Events>,
    timer: TimerFd,
    peers: Vec<Option<Box<Peer>>>,
    incoming: Box<[u8]>,
    sealed: Box<[u8]>,
    plain: Vec<u8>,
    lines: u64,
}

impl Fleet {
    /// Makes a fleet without connections.
    ///
    /// # Errors
    /// The system's error.
    pub fn new() -> Result<Self> {
        let poll = Poll::new()?;
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let descriptor = timer.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), TIMER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Some(Events::with_capacity(EVENTS_MAX)),
            timer,
            peers: Vec::new(),
            incoming: vec![0; READ_BYTES].into(),
            sealed: vec![0; SEALED_BYTES_MAX].into(),
            plain: Vec::new(),
            lines: 0,
        })
    }

    /// Returns how many connections were ever made, which is the id of the next one.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Returns whether no connection was ever made.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Returns how many lines were ever read.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Begins to connect from an address of the loopback network and returns the id: 0, 1, 2 …
    ///
    /// # Errors
    /// The system's error.
    pub fn connect(&mut self, to: Destination, from: Ipv4Addr) -> Result<usize> {
        self.connect_from(to, SocketAddr::from((from, 0)))
    }

    /// Begins to connect from an address and a port, 0 for any, and returns the id. The address belongs to this
    /// thread's network namespace: the connection stays there when the thread leaves it.
    ///
    /// # Errors
    /// The system's error.
    pub fn connect_from(&mut self, to: Destination, from: SocketAddr) -> Result<usize> {
        let mut stream = TcpStream::from_std(begin_to_connect(to.address, from)?.into());
        let id = self.peers.len();
        self.poll.registry().register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        let (tls, hello) = tls::client(to.address.ip(), to.fingerprint)?;
        let mut peer = Peer {
            socket: Socket::new(stream),
            tls,
            is_open: false,
            is_deaf: false,
            record: Vec::new(),
            line: Vec::new(),
        };
        peer.socket.send(&hello)?;
        self.peers.push(Some(Box::new(peer)));
        Ok(id)
    }

    /// Stops reading from a connection.
    pub fn deafen(&mut self, id: usize) {
        if let Some(Some(peer)) = self.peers.get_mut(id) {
            peer.is_deaf = true;
        }
    }

    /// Returns how many bytes a connection has not sent yet, because its peer does not read; 0 if it is gone.
    pub fn owed(&self, id: usize) -> usize {
        self.peers.get(id).and_then(Option::as_ref).map_or(0, |peer| peer.socket.owed())
    }

    /// Returns whether a connection was closed, or never existed.
    pub fn is_gone(&self, id: usize) -> bool {
        self.peers.get(id).is_none_or(Option::is_none)
    }

    /// Sends lines on a connection.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, id: usize, lines: &[u8]) -> Result<()> {
        let Some(Some(peer)) = self.peers.get_mut(id) else { bail!("connection {id} is gone") };
        send(peer, &mut self.sealed, lines)
    }

    /// Sends lines on a connection, each byte in a TLS record of its own.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_bytes(&mut self, id: usize, mut lines: &[u8]) -> Result<()> {
        let Some(Some(peer)) = self.peers.get_mut(id) else { bail!("connection {id} is gone") };
        while !lines.is_empty() {
            let (taken, length) = tls::seal_bytes(&mut peer.tls, lines, &mut self.sealed)?;
            peer.socket.send(self.sealed.get(..length).unwrap_or_default())?;
            lines = lines.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Closes a connection without a goodbye.
    pub fn close(&mut self, id: usize) {
        if let Some(slot) = self.peers.get_mut(id) {
            *slot = None;
        }
    }

    /// Waits for events, or until `until`, and passes all events to `handler`.
    ///
    /// # Errors
    /// The system's error. Errors of single connections go to the handler.
    pub fn turn(&mut self, until: Instant, handler: &mut impl Handler) -> Result<()> {
        let rest = until.saturating_duration_since(Instant::now());
        let wait = if rest.is_zero() {
            Some(rest)
        } else {
            // A separate timer, because epoll counts in milliseconds.
            let at = Expiration::OneShot(TimeSpec::from_duration(rest));
            self.timer.set(at, TimerSetTimeFlags::empty())?;
            None
        };
        let Some(mut events) = self.events.take() else { bail!("a turn within a turn") };
        let polled = self.poll.poll(&mut events, wait);
        if polled.is_ok() {
            for event in events.iter().filter(|event| event.token() != TIMER) {
                self.attend(event, handler);
            }
        }
        self.events = Some(events);
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn attend(&mut self, event: &Event, handler: &mut impl Handler) {
        let id = event.token().0;
        let Some(mut peer) = self.peers.get_mut(id).and_then(Option::take) else { return };
        let lives = (!event.is_writable() || peer.socket.flush().is_ok())
            && if peer.is_deaf {
                !event.is_read_closed() && !event.is_error()
            } else {
                !event.is_readable() || self.read(id, &mut peer, handler).unwrap_or(false)
            };
        if !lives {
            handler.closed(id);
        } else if let Some(slot) = self.peers.get_mut(id) {
            *slot = Some(peer);
        }
    }

    /// Reads everything available. Returns `false` if the peer has gone.
    fn read(&mut self, id: usize, peer: &mut Peer, handler: &mut impl Handler) -> Result<bool> {
        loop {
            let kept = peer.record.len();
            let space = self.incoming.get_mut(kept..).context("a record fits")?;
            let (count, whole) = match peer.socket.read(space)? {
                None => return Ok(true),
                Some(0) => return Ok(false),
                Some(count) => (count, count == space.len()),
            };
            let now = Instant::now();
            let input = self.incoming.get_mut(..kept + count).context("what was read fits")?;
            if let Some(front) = input.get_mut(..kept) {
                front.copy_from_slice(&peer.record);
            }
            peer.record.clear();
            let mut handshake = Vec::new();
            let Self { plain: out, lines, .. } = self;
            let Peer { tls, line, .. } = peer;
            let opened = tls::open(tls, input, &mut handshake, |plain| {
                *lines += split(plain, line, |whole| handler.line(id, whole, now, out));
            })?;
            peer.record.extend_from_slice(input.get(opened.used..).unwrap_or_default());
            if !handshake.is_empty() {
                peer.socket.send(&handshake)?;
            }
            if !peer.is_open && !peer.tls.is_handshaking() {
                anyhow::ensure!(alpn_of(&peer.tls)? == ALPN, "another protocol was chosen");
                peer.is_open = true;
                handler.opened(id, out);
            }
            if !self.plain.is_empty() {
                send(peer, &mut self.sealed, &self.plain)?;
                self.plain.clear();
            }
            if opened.closed || !whole {
                return Ok(!opened.closed);
            }
        }
    }
}

/// Returns a non-blocking socket that is connecting.
///
/// # Errors
/// The system's error.
pub fn begin_to_connect(to: SocketAddr, from: SocketAddr) -> Result<RawSocket> {
    let raw = RawSocket::new(Domain::for_address(to), Type::STREAM, None)?;
    raw.set_nonblocking(true)?;
    raw.set_tcp_nodelay(true)?;
    raw.bind(&from.into()).with_context(|| format!("cannot use {from}"))?;
    match raw.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => {
            Err(error).context("cannot connect")
        }
        _ => Ok(raw),
    }
}

fn send(peer: &mut Peer, sealed: &mut [u8], lines: &[u8]) -> Result<()> {
    for part in lines.chunks(SEAL_BYTES_MAX) {
        let length = tls::seal(&mut peer.tls, part, sealed)?;
        peer.socket.send(sealed.get(..length).unwrap_or_default())?;
    }
    Ok(())
}

/// Splits plaintext into lines and returns how many; `rest` keeps the beginning of an incomplete one.
fn split(mut plain: &[u8], rest: &mut Vec<u8>, mut each: impl FnMut(&[u8])) -> u64 {
    let mut count = 0;
    while let Some(end) = memchr(b'\n', plain) {
        let (line, behind) = plain.split_at(end);
        if rest.is_empty() {
            each(line);
        } else {
            rest.extend_from_slice(line);
            each(rest);
            rest.clear();
        }
        count += 1;
        plain = behind.get(1..).unwrap_or_default();
    }
    rest.extend_from_slice(plain);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let (mut rest, mut seen) = (Vec::new(), Vec::new());
        let mut count = 0;
        for part in ["one\ntw", "o\n", "", "\nthree"] {
            count += split(part.as_bytes(), &mut rest, |line| seen.push(line.to_vec()));
        }
        assert_eq!((count, seen), (3, vec![b"one".to_vec(), b"two".to_vec(), Vec::new()]));
        assert_eq!(rest, b"three");
    }
}
