//! Connections without TLS, or with only its first bytes: they hold a place, and reconnect when they are closed.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::field::{Field, Tally};
use super::ground::Family;
use crate::fleet::begin_to_connect;
use crate::tls;

/// Connections that one turn starts at most.
const BEGUN_PER_TURN_MAX: usize = 256;
/// The pause when the system has no socket left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a turn waits for something to happen.
const TURN: Duration = Duration::from_millis(2);
/// Events that one turn takes from the kernel.
const EVENTS_MAX: usize = 1024;

/// What a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Nothing at all.
    None,
    /// The first half of a TLS handshake's first message.
    Half,
    /// A TLS handshake, a byte at a time, with this pause between two.
    Drip(Duration),
}

struct Seat {
    host: usize,
    from: SocketAddr,
    stream: Option<TcpStream>,
    again: Instant,
    /// Bytes of the first message that have been sent.
    sent: usize,
    /// When the next ones are due; `None` if all have been sent.
    due: Option<Instant>,
}

/// Holds as many places as it can until the flood is over.
///
/// # Errors
/// The system's error; a refusal by the server is not an error.
pub fn rage(field: &Field, family: Family, seats: Vec<(usize, SocketAddr)>, words: Words) -> Result<Tally> {
    let to = field.destination(family, 0)?;
    let (_, hello) = tls::client(to.address.ip(), to.fingerprint)?;
    let now = Instant::now();
    let seat = |(host, from)| Seat { host, from, stream: None, again: now, sent: 0, due: None };
    let mut seats: Vec<Seat> = seats.into_iter().map(seat).collect();
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(EVENTS_MAX));
    let mut tally = Tally::default();
    while !field.is_over() {
        let now = Instant::now();
        let mut begun = 0;
        for (number, seat) in seats.iter_mut().enumerate() {
            if seat.stream.is_none() && seat.again <= now && begun < BEGUN_PER_TURN_MAX {
                let to = field.destination(family, seat.host)?.address;
                let raw = field.ground.attacker(seat.host)?.within(|| begin_to_connect(to, seat.from));
                let Ok(raw) = raw else {
                    seat.again = now + PAUSE;
                    continue;
                };
                let mut stream = TcpStream::from_std(raw.into());
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, Token(number), interest)?;
                (seat.stream, seat.sent) = (Some(stream), 0);
                seat.due = (words != Words::None).then_some(now);
                tally.connections += 1;
                begun += 1;
            }
            seat.speak(words, &hello, now);
        }
        poll.poll(&mut events, Some(TURN)).or_else(interrupted)?;
        for event in &events {
            let Some(seat) = seats.get_mut(event.token().0) else { continue };
            if event.is_error() || event.is_readable() && seat.is_closed() {
                seat.stream = None;
                tally.told("closed");
            }
        }
    }
    let held = seats.iter().filter(|seat| seat.stream.is_some()).count();
    tally.answers.insert("held at the end".to_owned(), held as u64);
    Ok(tally)
}

fn interrupted(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

impl Seat {
    /// Sends what is due. What the kernel does not take is sent later.
    fn speak(&mut self, words: Words, hello: &[u8], now: Instant) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let Some(stream) = &mut self.stream else { return };
        let end = match words {
            Words::None => return,
            Words::Half => hello.len() / 2,
            Words::Drip(_) => self.sent + 1,
        };
        let part = hello.get(self.sent..end.min(hello.len())).unwrap_or_default();
        if let Ok(count) = stream.write(part) {
            self.sent += count;
            self.due = match words {
                Words::Drip(period) if self.sent < hello.len() => Some(now + period),
                _ if count < part.len() => Some(now),
                _ => None,
            };
        }
    }

    /// Returns whether the peer has closed; its data is ignored.
    fn is_closed(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.as_mut().map(|stream| stream.read(&mut bytes)) {
                Some(Ok(count)) if count > 0 => {}
                Some(Err(error)) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                _ => return true,
            }
        }
    }
}
