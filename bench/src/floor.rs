//! The floor: the least that a fan-out server over TLS can do, with one thread and one epoll loop, without storage or
//! checks.
//!
//! The first line of a connection names its room. Every later line goes unchanged to all connections of that room, its
//! sender's included. Everything received in one round of the loop is sent with one write per connection.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use lanchat_certs::{CertificateSlot, Identity, server_config};
use memchr::{memchr, memrchr};
use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use socket2::{Domain, Socket as RawSocket, Type};

use crate::socket::Socket;
use crate::tls::{self, SEAL_BYTES_MAX, SEALED_BYTES_MAX};
use crate::wire::ALPN;

/// Events that one round takes from the kernel.
const EVENTS_MAX: usize = 1024;
/// Bytes requested in one read.
const READ_BYTES: usize = 64 * 1024;
/// Connections that the kernel queues until they are accepted: as many as the server lets wait.
const BACKLOG: i32 = 1024;
/// The token of the listening socket. Connections use the others.
const LISTENER: Token = Token(usize::MAX);

/// A connection and the room that it is in.
struct Member {
    socket: Socket,
    tls: UnbufferedServerConnection,
    room: Option<usize>,
    /// The beginning of an incomplete record, and of an incomplete line.
    record: Vec<u8>,
    line: Vec<u8>,
}

/// A room: its members, and the news of this round.
#[derive(Default)]
struct Room {
    members: Vec<usize>,
    news: Vec<u8>,
}

/// The relay.
struct Floor {
    poll: Poll,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    members: Vec<Option<Box<Member>>>,
    free: Vec<usize>,
    names: HashMap<Vec<u8>, usize>,
    rooms: Vec<Room>,
    /// Rooms with news.
    dirty: Vec<usize>,
    incoming: Box<[u8]>,
    sealed: Box<[u8]>,
}

/// Runs the floor with the identity in a folder until the process is killed. The first line on stdout says where it
/// listens.
///
/// # Errors
/// When it cannot listen, or the system reports an error.
pub fn run(identity: &Path) -> Result<()> {
    let identity = Arc::new(Identity::load_or_create(identity)?);
    let slot = CertificateSlot::new(identity, &[], &[])?;
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(socket.into());
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let floor = Floor {
        poll,
        listener,
        config: server_config(&slot, &[ALPN]),
        members: Vec::new(),
        free: Vec::new(),
        names: HashMap::new(),
        rooms: Vec::new(),
        dirty: Vec::new(),
        incoming: vec![0; READ_BYTES].into(),
        sealed: vec![0; SEALED_BYTES_MAX].into(),
    };
    floor.serve()
}

impl Floor {
    fn serve(mut self) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                } else {
                    self.attend(event);
                }
            }
            self.relay();
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("accept failed"),
            };
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or_else(|| {
                self.members.push(None);
                self.members.len() - 1
            });
            self.poll.registry().register(
                &mut stream,
                Token(place),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            let tls = UnbufferedServerConnection::new(Arc::clone(&self.config))?;
            let member =
                Member { socket: Socket::new(stream), tls, room: None, record: Vec::new(), line: Vec::new() };
            if let Some(slot) = self.members.get_mut(place) {
                *slot = Some(Box::new(member));
            }
        }
    }

    /// Serves one ready connection. A connection that fails is forgotten.
    fn attend(&mut self, event: &Event) {
        let place = event.token().0;
        let Some(mut member) = self.members.get_mut(place).and_then(Option::take) else { return };
        let lives = (!event.is_writable() || member.socket.flush().is_ok())
            && (!event.is_readable() || self.read(place, &mut member).unwrap_or(false));
        if lives {
            if let Some(slot) = self.members.get_mut(place) {
                *slot = Some(member);
            }
        } else {
            if let Some(room) = member.room.and_then(|room| self.rooms.get_mut(room)) {
                room.members.retain(|other| *other != place);
            }
            self.free.push(place);
        }
    }

    /// Reads everything available. Returns `false` if the peer has gone.
    fn read(&mut self, place: usize, member: &mut Member) -> Result<bool> {
        loop {
            let kept = member.record.len();
            let Some(space) = self.incoming.get_mut(kept..) else { return Ok(false) };
            let (count, whole) = match member.socket.read(space)? {
                None => return Ok(true),
                Some(0) => return Ok(false),
                Some(count) => (count, count == space.len()),
            };
            if let Some(front) = self.incoming.get_mut(..kept) {
                front.copy_from_slice(&member.record);
            }
            member.record = Vec::new();
            let mut handshake = Vec::new();
            let Self { incoming, names, rooms, dirty, .. } = self;
            let Some(input) = incoming.get_mut(..kept + count) else { return Ok(false) };
            let Member { tls, room, line, .. } = member;
            let opened = tls::open(tls, input, &mut handshake, |plain| {
                take(plain, place, line, room, names, rooms, dirty);
            })?;
            member.record.extend_from_slice(input.get(opened.used..).unwrap_or_default());
            if !handshake.is_empty() {
                member.socket.send(&handshake)?;
            }
            if opened.closed || !whole {
                return Ok(!opened.closed);
            }
        }
    }

    /// Sends the news of every room to its members: encrypted for each, with one write each.
    fn relay(&mut self) {
        for room in self.dirty.drain(..) {
            let Some(room) = self.rooms.get_mut(room) else { continue };
            for place in &room.members {
                let Some(Some(member)) = self.members.get_mut(*place) else { continue };
                for news in room.news.chunks(SEAL_BYTES_MAX) {
                    let Ok(length) = tls::seal(&mut member.tls, news, &mut self.sealed) else { break };
                    // A broken connection is noticed when it is read.
                    let _ = member.socket.send(self.sealed.get(..length).unwrap_or_default());
                }
            }
            room.news.clear();
        }
    }
}

/// Takes plaintext from one connection: the first line names a room, all others are news for it.
fn take(
    mut plain: &[u8],
    place: usize,
    line: &mut Vec<u8>,
    room: &mut Option<usize>,
    names: &mut HashMap<Vec<u8>, usize>,
    rooms: &mut Vec<Room>,
    dirty: &mut Vec<usize>,
) {
    if room.is_none()
        && let Some(end) = memchr(b'\n', plain)
    {
        line.extend_from_slice(plain.get(..end).unwrap_or_default());
        plain = plain.get(end + 1..).unwrap_or_default();
        let number = *names.entry(std::mem::take(line)).or_insert_with(|| {
            rooms.push(Room::default());
            rooms.len() - 1
        });
        if let Some(entered) = rooms.get_mut(number) {
            entered.members.push(place);
        }
        *room = Some(number);
    }
    let whole = memrchr(b'\n', plain).map_or(0, |end| end + 1);
    let (lines, rest) = plain.split_at(whole);
    if let Some(number) = *room
        && let Some(room) = rooms.get_mut(number)
        && !lines.is_empty()
    {
        if room.news.is_empty() {
            dirty.push(number);
        }
        room.news.append(line);
        room.news.extend_from_slice(lines);
        *line = Vec::new();
    }
    line.extend_from_slice(rest);
}
