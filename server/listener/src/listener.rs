//! Accept: a place first, the TLS handshake in a task of its own, never a wait for one peer on behalf of another.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanchat_hub::{Hub, Source};
use lanchat_model::limits;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::admission::{Anteroom, Place, source_of};
use crate::connection::Connection;
use crate::door::{Chat, Opening, TakeOver};
use crate::gate::{Gate, Way};
use crate::herd::Herd;
use crate::pump::{Newcomer, Pump};
use crate::stalled::Stalled;
use crate::stream::Stream;
use crate::turns::Turns;
use crate::visitor::Visitor;

/// Connections that the kernel keeps for us before they are accepted; Linux keeps 4096 at most unless told otherwise.
const BACKLOG: i32 = 4096;
/// Connections that are accepted before those who chat get their turn: in a flood there is always one more.
const ACCEPTED_IN_A_ROW: usize = 8;
/// The pause after them while one has to go for each that comes: a flood that is accepted as fast as it comes takes a core
/// from those who chat. What the kernel keeps meanwhile is accepted within a second.
const CROWDED_PAUSE: Duration = Duration::from_millis(1);
/// After a failed accept, most likely for want of descriptors: those that end meanwhile free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The same when some were sent away to free descriptors.
const ACCEPT_PAUSE_SHORT: Duration = Duration::from_millis(5);
/// Connections in front of the login that are sent away after a failed accept.
const SENT_AWAY: usize = 8;

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
    gates: Vec<Gate>,
    hub: Hub,
}

impl Listener {
    /// Serves what comes in at these gates. All of them share the limits on connections.
    pub fn new(gates: Vec<Gate>, hub: Hub) -> Self {
        Self { gates, hub }
    }

    /// Serves until `shutdown`; then stops accepting, lets every connection say goodbye, and resolves when all are
    /// gone, after `limits::DRAIN_MAX` at the latest.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { gates, hub } = self;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let entrance = Arc::new(Entrance {
            hub,
            anteroom: Arc::default(),
            turns: Turns::new((cores / 2).clamp(1, limits::HANDSHAKES_AT_WORK_MAX)),
            lingering: Arc::new(Semaphore::new(limits::LINGERING_MAX)),
            stalled: Arc::default(),
            herd: Herd::default(),
            shutdown,
        });
        let mut accepting = JoinSet::new();
        for Gate { socket, way } in gates {
            accepting.spawn(Arc::clone(&entrance).accept(socket, Arc::new(way)));
        }
        accepting.join_all().await;
    }
}

/// What all connections share, whichever gate they came through.
pub(crate) struct Entrance {
    pub(crate) hub: Hub,
    anteroom: Arc<Anteroom>,
    turns: Arc<Turns>,
    /// A permit for each connection without a session that is closed slowly, so that its peer reads why.
    pub(crate) lingering: Arc<Semaphore>,
    pub(crate) stalled: Arc<Stalled>,
    pub(crate) herd: Herd,
    /// Looked at by connections without a session; a session is told by the hub.
    pub(crate) shutdown: CancellationToken,
}

impl Entrance {
    /// Accepts until the shutdown, then waits for the connections that came in here to end.
    async fn accept(self: Arc<Self>, socket: TcpListener, way: Arc<Way>) {
        let mut connections = JoinSet::new();
        let mut in_a_row = 0;
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = self.shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let is_crowded = self.admit(stream, peer, &way, &mut connections);
                    in_a_row = (in_a_row + 1) % ACCEPTED_IN_A_ROW;
                    match (in_a_row, is_crowded) {
                        (0, true) => sleep(CROWDED_PAUSE).await,
                        (0, false) => yield_now().await,
                        _ => {}
                    }
                }
                Err(error) => {
                    warn!(%error, "accept failed");
                    // Most likely for want of descriptors, and those who have not logged in are the first to give theirs.
                    let freed = self.anteroom.send_away(SENT_AWAY) > 0;
                    tokio::select! {
                        () = sleep(if freed { ACCEPT_PAUSE_SHORT } else { ACCEPT_PAUSE }) => {}
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

    /// Begins with a peer, which has a place from now on. Returns whether one of those before the login had to go for it.
    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        way: &Arc<Way>,
        connections: &mut JoinSet<()>,
    ) -> bool {
        let source = source_of(peer);
        let is_known = self.hub.knows(&source);
        let place = self.anteroom.enter(source, is_known);
        let is_crowded = place.is_anothers;
        // Each part is boxed, so that a connection that waits has the memory of the waiting, not of the handshake; this one
        // out here, so that what it takes along is not kept beside it.
        let received = Box::pin(Arc::clone(self).receive(stream, place, Arc::clone(way)));
        connections.spawn(async move {
            if let Some(pump) = received.await {
                pump.run().await;
            }
        });
        is_crowded
    }

    /// Brings a connection to its door. Returns the pump, unless it ended before it was a chat.
    async fn receive(self: Arc<Self>, tcp: TcpStream, place: Place, way: Arc<Way>) -> Option<Box<Pump>> {
        let accepted_at = Instant::now();
        let stream = match &way.tls {
            Some(tls) => self.shake_hands(tcp, tls, &place, accepted_at).await?,
            None => {
                tune(&tcp, &place.source);
                Stream::plain(tcp)
            }
        };
        let Some(door) = way.door(stream.alpn()) else {
            // rustls refuses a wrong ALPN by itself, but lets none at all pass. No application byte for those.
            debug!(source = %place.source.0, "no ALPN protocol");
            return None;
        };
        let source = place.source.clone();
        let newcomer = Newcomer::new(place, accepted_at + limits::LOGIN_MAX);
        match door.open() {
            Opening::Chat(dialect) => Some(Pump::new(self, stream, dialect, source, Some(newcomer))),
            Opening::Whole(take_over) => {
                // Boxed: few connections need it.
                Box::pin(self.hand_over(take_over, stream, source, newcomer)).await
            }
        }
    }

    /// Waits for the first bytes, then shakes hands, within `limits::HANDSHAKE_MAX`, as long as the place is not taken away.
    async fn shake_hands(
        &self,
        tcp: TcpStream,
        tls: &Arc<ServerConfig>,
        place: &Place,
        accepted_at: Instant,
    ) -> Option<Stream> {
        let deadline = accepted_at + limits::HANDSHAKE_MAX;
        let source = &place.source;
        // Whoever says nothing costs no more than this: no TLS, and not one option of its socket.
        tokio::select! {
            readable = timeout_at(deadline, tcp.readable()) => readable.ok()?.ok()?,
            () = poll_fn(|cx| place.poll_taken(cx)) => {
                abort(&tcp);
                return None;
            }
            () = self.shutdown.cancelled() => return None,
        }
        tune(&tcp, source);
        let mut stream = match Stream::new(Arc::clone(tls), tcp) {
            Ok(stream) => stream,
            Err(error) => {
                debug!(source = %source.0, %error, "TLS is not possible");
                return None;
            }
        };
        let (turns, is_kept) = (&self.turns, place.is_kept);
        let handshake = stream.shake_hands(move || turns.wait(source, is_kept));
        tokio::select! {
            done = timeout_at(deadline, handshake) => match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    debug!(source = %source.0, %error, "TLS handshake failed");
                    return None;
                }
                Err(_) => {
                    debug!(source = %source.0, "TLS handshake took too long");
                    return None;
                }
            },
            () = poll_fn(|cx| place.poll_taken(cx)) => {
                stream.abort();
                debug!(source = %source.0, "sent away from the handshake: its place was needed");
                return None;
            }
            () = self.shutdown.cancelled() => return None,
        }
        place.is_greeted();
        Some(stream)
    }

    /// Lets a door have a connection whole, as long as its place is not taken away. Returns the pump, if it became a chat.
    async fn hand_over(
        self: Arc<Self>,
        take_over: TakeOver,
        stream: Stream,
        source: Source,
        newcomer: Box<Newcomer>,
    ) -> Option<Box<Pump>> {
        let visitor = Visitor::new(source.clone(), newcomer, Arc::clone(&self));
        let connection = Connection::new(stream, visitor.clone());
        let served = tokio::select! {
            served = take_over(connection, visitor.clone()) => served,
            () = visitor.has_to_go() => {
                debug!(source = %source.0, "sent away: its place was needed, or it was not let in in time");
                None
            }
        };
        let Chat { connection, mut dialect } = served?;
        let (stream, unread) = connection.into_stream();
        dialect.receive(&unread);
        let mut pump = Pump::new(self, stream, dialect, source, visitor.take_newcomer());
        // The dialect may have been given something by its door, too.
        pump.has_input = true;
        Some(pump)
    }
}

/// Has the socket closed at once and forgotten, when it is dropped: a flood of those that are sent away would fill the
/// kernel with connections that wait for their peers' last word.
pub(crate) fn abort(stream: &TcpStream) {
    // Otherwise it is closed in the usual way.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Sets the options of a socket whose peer has something to say. Without them it works all the same.
fn tune(stream: &TcpStream, source: &Source) {
    if let Err(error) = set_options(stream) {
        debug!(source = %source.0, %error, "socket options were refused");
    }
}

/// A peer that vanished without a word is noticed by TCP: by its silence, or by what it leaves unacknowledged.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(limits::KEEPALIVE).with_interval(limits::KEEPALIVE / 3),
    )?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(limits::WRITE_STALL_MAX))?;
        // What a peer does not take waits here, where it is counted, and not in the kernel, which keeps 4 MiB for each.
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
