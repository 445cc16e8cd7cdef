//! Accept: a permit first, the TLS handshake in a task of its own, never a wait for one peer on behalf of another.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanchat_hub::Hub;
use lanchat_model::limits;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::admission::{Anteroom, Place, source_of};
use crate::door::Door;
use crate::herd::Herd;
use crate::pump::Pump;
use crate::stream::Stream;

/// Connections that the kernel keeps for us before they are accepted.
const BACKLOG: i32 = 1024;
/// After a failed accept, most likely for want of descriptors: those that end meanwhile free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds a socket. `[::]` takes IPv4 as well.
///
/// # Errors
/// As the operating system says; the caller adds the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // On Unix: restart without waiting for old connections to be forgotten. On Windows it would share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections and serves them until told to stop.
pub struct Listener {
    sockets: Vec<TcpListener>,
    tls: Arc<ServerConfig>,
    doors: Arc<[Arc<dyn Door>]>,
    hub: Hub,
    anteroom: Arc<Anteroom>,
}

impl Listener {
    /// Serves `sockets` with `doors`, each chosen by ALPN.
    pub fn new(
        sockets: Vec<TcpListener>,
        tls: Arc<ServerConfig>,
        doors: Vec<Arc<dyn Door>>,
        hub: Hub,
    ) -> Self {
        Self { sockets, tls, doors: doors.into(), hub, anteroom: Arc::default() }
    }

    /// Serves until `shutdown`; then stops accepting, lets every connection say goodbye, and resolves when all are
    /// gone, after `limits::DRAIN_MAX` at the latest.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { sockets, tls, doors, hub, anteroom } = self;
        let entrance = Arc::new(Entrance { tls, doors, hub, anteroom, herd: Herd::default(), shutdown });
        let mut accepting = JoinSet::new();
        for socket in sockets {
            accepting.spawn(Arc::clone(&entrance).accept(socket));
        }
        accepting.join_all().await;
    }
}

/// What all connections share.
pub(crate) struct Entrance {
    tls: Arc<ServerConfig>,
    doors: Arc<[Arc<dyn Door>]>,
    pub(crate) hub: Hub,
    anteroom: Arc<Anteroom>,
    pub(crate) herd: Herd,
    /// Looked at by connections without a session; a session is told by the hub.
    pub(crate) shutdown: CancellationToken,
}

impl Entrance {
    /// Accepts until the shutdown, then waits for the connections that came in here to end.
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = self.shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, &mut connections),
                Err(error) => {
                    warn!(%error, "accept failed");
                    tokio::select! {
                        () = sleep(ACCEPT_PAUSE) => {}
                        () = self.shutdown.cancelled() => break,
                    }
                }
            }
        }
        drop(socket);
        self.hub.drain();
        let all_gone = async { while connections.join_next().await.is_some() {} };
        if timeout(limits::DRAIN_MAX, all_gone).await.is_err() {
            warn!(connections = connections.len(), "some peers took too long to say goodbye to");
            connections.shutdown().await;
        }
    }

    /// A peer without a place is closed, not left hanging.
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let Some(place) = self.anteroom.enter(&source_of(peer)) else {
            debug!(%peer, "too many connections before login");
            return;
        };
        let this = Arc::clone(self);
        connections.spawn(async move {
            // Each part is boxed, so that a connection that waits has the memory of the waiting, not of the handshake.
            if let Some(pump) = Box::pin(this.shake_hands(stream, peer, place)).await {
                pump.run().await;
            }
        });
    }

    async fn shake_hands(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        place: Place,
    ) -> Option<Box<Pump>> {
        let accepted_at = Instant::now();
        if let Err(error) = tune(&stream) {
            debug!(%peer, %error, "socket options were refused");
        }
        let accepted = Stream::accept(Arc::clone(&self.tls), stream);
        let handshake = timeout_at(accepted_at + limits::HANDSHAKE_MAX, accepted);
        let stream = tokio::select! {
            done = handshake => match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    debug!(%peer, %error, "TLS handshake failed");
                    return None;
                }
                Err(_) => {
                    debug!(%peer, "TLS handshake took too long");
                    return None;
                }
            },
            () = self.shutdown.cancelled() => return None,
        };
        let alpn = stream.alpn();
        let Some(door) = self.doors.iter().find(|door| Some(door.alpn()) == alpn) else {
            // rustls refuses a wrong ALPN by itself, but lets none at all pass. No application byte for those.
            debug!(%peer, "no ALPN protocol");
            return None;
        };
        Some(Box::new(Pump {
            dialect: door.open(),
            stream,
            entrance: Arc::clone(&self),
            source: source_of(peer),
            place: Some(place),
            login_deadline: accepted_at + limits::LOGIN_MAX,
            session: None,
            has_input: false,
            out: Vec::new(),
            last_sent: Instant::now(),
        }))
    }
}

/// A peer that vanished without a word is noticed by TCP: by its silence, or by what it leaves unacknowledged.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(limits::KEEPALIVE).with_interval(limits::KEEPALIVE / 3),
    )?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(limits::WRITE_STALL_MAX))?;
    Ok(())
}
