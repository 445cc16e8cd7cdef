//! The sockets of one interface.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::task::Poll;

use lanchat_model::limits;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::interfaces::Interface;
use crate::message::{GROUP_V4, GROUP_V6, PORT};

/// Sockets that reach the neighbours on one interface, and nobody else.
pub(crate) struct Link {
    sockets: Vec<UdpSocket>,
    index: u32,
    /// The socket that is read first. The sockets take turns, so that a flood on one does not hide the others.
    turn: usize,
}

/// Opens a socket on an interface: for IPv4 if an IPv4 address is given, else for IPv6.
type Opener = fn(&Interface, Option<Ipv4Addr>) -> io::Result<Socket>;

/// A message, and where it came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) socket: usize,
    pub(crate) bytes: usize,
    pub(crate) from: SocketAddr,
}

impl Link {
    /// Joins the multicast groups at the port of multicast DNS. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system's error, if no socket could be opened at all.
    pub(crate) fn join(interface: &Interface) -> io::Result<Self> {
        Self::open(interface, &[open_group])
    }

    /// As [`Link::join`], and also opens ports of its own. Questions from there are answered there, where a flood of
    /// the groups does not arrive.
    ///
    /// # Errors
    /// The system's error, if no socket could be opened at all.
    pub(crate) fn join_and_ask(interface: &Interface) -> io::Result<Self> {
        Self::open(interface, &[open_own, open_group])
    }

    fn open(interface: &Interface, kinds: &[Opener]) -> io::Result<Self> {
        let v4 = interface.addresses.iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        let has_v6 = interface.addresses.iter().any(IpAddr::is_ipv6);
        let families = [v4.map(Some), has_v6.then_some(None)];
        let (mut sockets, mut failure) = (Vec::new(), io::Error::from(io::ErrorKind::AddrNotAvailable));
        for family in families.into_iter().flatten() {
            for open in kinds {
                match open(interface, family).and_then(|socket| UdpSocket::from_std(socket.into())) {
                    Ok(socket) => sockets.push(socket),
                    Err(error) => failure = error,
                }
            }
        }
        if sockets.is_empty() { Err(failure) } else { Ok(Self { sockets, index: interface.index, turn: 0 }) }
    }

    /// Sends a message to all neighbours through every socket. Best effort: what cannot be sent is lost, like any
    /// packet.
    pub(crate) async fn multicast(&self, bytes: &[u8]) {
        for socket in &self.sockets {
            let is_v4 = socket.local_addr().is_ok_and(|at| at.is_ipv4());
            let group = if is_v4 {
                SocketAddr::from((GROUP_V4, PORT))
            } else {
                SocketAddrV6::new(GROUP_V6, PORT, 0, self.index).into()
            };
            if let Err(error) = socket.send_to(bytes, group).await {
                tracing::debug!(%error, %group, "a multicast DNS message was not sent");
            }
        }
    }

    /// Sends a message to the sender of another one.
    pub(crate) async fn reply(&self, to: Received, bytes: &[u8]) {
        if let Some(socket) = self.sockets.get(to.socket)
            && let Err(error) = socket.send_to(bytes, to.from).await
        {
            tracing::debug!(%error, to = %to.from, "a multicast DNS answer was not sent");
        }
    }

    /// Reads the next message into `buffer`. Cancel safe.
    ///
    /// # Errors
    /// The system's error for any of the sockets.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let (count, first) = (self.sockets.len(), self.turn);
        let received = poll_fn(|context| {
            for socket in (0..count).map(|nth| (first + nth) % count) {
                let mut into = ReadBuf::new(buffer);
                if let Poll::Ready(from) = self.sockets[socket].poll_recv_from(context, &mut into) {
                    return Poll::Ready(from.map(|from| Received {
                        socket,
                        bytes: into.filled().len(),
                        from,
                    }));
                }
            }
            Poll::Pending
        });
        let received = received.await;
        self.turn = (self.turn + 1) % count;
        received
    }
}

/// Returns a buffer for any message.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; limits::MDNS_DATAGRAM_BYTES_MAX]
}

fn open_group(interface: &Interface, v4: Option<Ipv4Addr>) -> io::Result<Socket> {
    let socket = open(interface, v4)?;
    // Other responders on this host use the port too.
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    if let Some(address) = v4 {
        #[cfg(target_os = "linux")]
        socket.set_multicast_all_v4(false)?;
        socket.bind(&SocketAddrV4::new(bound_v4(), PORT).into())?;
        // Wine does not support an index here.
        let by_index = InterfaceIndexOrAddress::Index(interface.index);
        let interface = if cfg!(windows) { InterfaceIndexOrAddress::Address(address) } else { by_index };
        socket.join_multicast_v4_n(&GROUP_V4, &interface)?;
    } else {
        // An old kernel lacks this option; then a message may be read once for each interface.
        #[cfg(target_os = "linux")]
        let _ = socket.set_multicast_all_v6(false);
        // Windows does not accept a scope with the unspecified address.
        let scope = if cfg!(windows) { 0 } else { interface.index };
        socket.bind(&SocketAddrV6::new(bound_v6(), PORT, 0, scope).into())?;
        socket.join_multicast_v6(&GROUP_V6, interface.index)?;
    }
    Ok(socket)
}

/// Returns the address to bind to. On Linux a socket bound to the group receives nothing else, and leaves the rest to
/// the others that share the port.
#[cfg(target_os = "linux")]
fn bound_v4() -> Ipv4Addr {
    GROUP_V4
}

#[cfg(not(target_os = "linux"))]
fn bound_v4() -> Ipv4Addr {
    Ipv4Addr::UNSPECIFIED
}

#[cfg(target_os = "linux")]
fn bound_v6() -> Ipv6Addr {
    GROUP_V6
}

#[cfg(not(target_os = "linux"))]
fn bound_v6() -> Ipv6Addr {
    Ipv6Addr::UNSPECIFIED
}

fn open_own(interface: &Interface, v4: Option<Ipv4Addr>) -> io::Result<Socket> {
    let socket = open(interface, v4)?;
    let any: SocketAddr = match v4 {
        Some(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        None => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    socket.bind(&any.into())?;
    Ok(socket)
}

/// Opens a socket that multicasts on this interface alone, no further than the link, and to this host too.
fn open(interface: &Interface, v4: Option<Ipv4Addr>) -> io::Result<Socket> {
    let domain = if v4.is_some() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    match v4 {
        Some(address) => {
            socket.set_multicast_if_v4(&address)?;
            socket.set_multicast_ttl_v4(255)?;
            socket.set_multicast_loop_v4(true)?;
        }
        None => {
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(interface.index)?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    Ok(socket)
}
