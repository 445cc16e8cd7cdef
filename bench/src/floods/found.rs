//! Whether the server can still be found: somebody asks for it by multicast DNS, as a searching client does.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::ground::Host;
use super::halt::Halt;
use super::packet::{GROUP, PORT, question, tells_of};
use super::visit::Visit;

/// The pause between two questions of one search.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The pause between two searches. A responder repeats itself at most once a second (RFC 6762 §6).
const PAUSE: Duration = Duration::from_millis(1500);
/// How often a searcher checks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Packets from before a search that may be waiting.
const STALE_MAX: usize = 10_000;
/// A packet of multicast DNS (RFC 6762 §17).
const PACKET_BYTES_MAX: usize = 9000;

/// Returns a multicast DNS socket on a host.
///
/// # Errors
/// The system's error.
pub fn multicast(host: &Host) -> Result<Socket> {
    host.within(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        // Bound to the group, it still receives from the group after it is connected to one of its senders.
        socket.bind(&SocketAddr::from((GROUP, PORT)).into())?;
        socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(host.interface()))?;
        socket.set_multicast_if_v4(&host.ipv4())?;
        // RFC 6762 §11 requires this of every packet.
        socket.set_multicast_ttl_v4(255)?;
        Ok(socket)
    })
    .context("cannot speak multicast DNS")
}

/// Searches for the server of this name, which is at `server`, repeatedly until `halt`.
///
/// # Errors
/// The system's error.
pub fn search(host: &Host, server: &Host, name: &str, halt: &Halt) -> Result<Vec<Visit>> {
    let socket = multicast(host)?;
    // The kernel then delivers packets from the server, and drops those of the flood.
    socket.connect(&SocketAddr::from((server.ipv4(), PORT)).into())?;
    socket.set_read_timeout(Some(LOOK_EVERY))?;
    let mut searches = Vec::new();
    loop {
        // Packets from before this search do not answer it.
        socket.set_nonblocking(true)?;
        for _ in 0..STALE_MAX {
            if received(&socket)?.is_none() {
                break;
            }
        }
        socket.set_nonblocking(false)?;
        let began = Instant::now();
        let (mut attempts, mut next) = (0, began);
        let got_in = loop {
            if Instant::now() >= next {
                // A packet that cannot be sent counts as lost.
                let _ = socket.send_to(&question(), &SocketAddr::from((GROUP, PORT)).into());
                (attempts, next) = (attempts + 1, next + ASK_EVERY);
            }
            if let Some(packet) = received(&socket)?
                && tells_of(&packet, name)
            {
                break true;
            }
            if halt.is_said() {
                break false;
            }
        };
        searches.push(Visit { began, took: began.elapsed(), got_in, attempts });
        if halt.wait(PAUSE) {
            return Ok(searches);
        }
    }
}

/// Reads a packet; `None` when none came in time.
fn received(mut socket: &Socket) -> Result<Option<Vec<u8>>> {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    match socket.read(&mut packet) {
        Ok(count) => {
            packet.truncate(count);
            Ok(Some(packet))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        // Nobody listens there any more: the server has ended.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(error.into()),
    }
}
