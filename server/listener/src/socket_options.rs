//! The options of sockets: how one listens, how a connection waits and how it ends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lanchat_hub::Source;
use lanchat_model::limits;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

/// Connections that the kernel queues for us before they are accepted; by default, Linux queues at most 4096.
const BACKLOG: i32 = 4096;
/// Binds a socket. `[::]` accepts IPv4 as well.
///
/// # Errors
/// The system's error; the caller adds the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // On Unix this allows a restart while old connections are still remembered. On Windows it would share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Makes the socket close at once, without lingering, when it is dropped: after a flood, the kernel would otherwise be
/// full of connections that wait for their peers to close.
pub(crate) fn abort(stream: &TcpStream) {
    // If this fails, it is closed in the usual way.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Sets the options of a socket whose peer has sent something. Best effort: it works without them.
pub(crate) fn tune(stream: &TcpStream, source: &Source) {
    if let Err(error) = set_options(stream) {
        debug!(source = %source.0, %error, "socket options were refused");
    }
}

/// Makes TCP notice a vanished peer: by its silence, or by unacknowledged data.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(limits::KEEPALIVE).with_interval(limits::KEEPALIVE / 3),
    )?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(limits::WRITE_STALL_MAX))?;
        // Data that a peer does not read waits here, where it is counted, rather than in the kernel, which would keep 4
        // MiB for each connection.
        socket.set_tcp_notsent_lowat(limits::SEND_UNSENT_MAX)?;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_peer_does_not_take_waits_where_it_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap());
        let (stream, _peer) = tokio::join!(listener.accept(), peer);
        let (stream, _) = stream.unwrap();
        set_options(&stream).unwrap();
        let unsent = SockRef::from(&stream).tcp_notsent_lowat().unwrap();
        assert_eq!(unsent, limits::SEND_UNSENT_MAX);
    }
}
