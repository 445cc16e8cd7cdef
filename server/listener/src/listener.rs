//! Accepts connections: each gets a place first, then a TLS handshake in a task of its own. No peer ever waits for
//! another.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lanchat_hub::{Hub, Source};
use lanchat_model::limits;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::admission::{Place, source_of};
use crate::connection::Connection;
use crate::door::{Chat, Opening, TakeOver};
use crate::entrance::Entrance;
use crate::gate::{Gate, Way};
use crate::newcomer::Newcomer;
use crate::pump::Pump;
use crate::socket_options::{abort, tune};
use crate::stream::Stream;
use crate::visitor::Visitor;

/// Connections that are accepted before chat sessions get their turn: in a flood there is always one more.
const ACCEPTED_IN_A_ROW: usize = 8;
/// The pause after them while each new connection displaces another: a flood accepted at full speed would take a core
/// from the chat sessions. Connections that the kernel queues meanwhile are accepted within a second.
const CROWDED_PAUSE: Duration = Duration::from_millis(1);
/// The pause after a failed accept, most likely for lack of descriptors: connections that end meanwhile free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The same when connections were closed to free descriptors.
const ACCEPT_PAUSE_SHORT: Duration = Duration::from_millis(5);
/// Connections before the login that are closed after a failed accept.
const SENT_AWAY: usize = 8;

/// Accepts connections and serves them until told to stop.
pub struct Listener {
    gates: Vec<Gate>,
    hub: Hub,
}

impl Listener {
    /// Makes a listener for these gates. All of them share the limits on connections.
    pub fn new(gates: Vec<Gate>, hub: Hub) -> Self {
        Self { gates, hub }
    }

    /// Serves until `shutdown`; then stops accepting, lets every connection say goodbye, and resolves when all are
    /// gone, after `limits::DRAIN_MAX` at the latest.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { gates, hub } = self;
        let entrance = Arc::new(Entrance::new(hub, shutdown));
        let mut accepting = JoinSet::new();
        for Gate { socket, way } in gates {
            accepting.spawn(Arc::clone(&entrance).accept(socket, Arc::new(way)));
        }
        accepting.join_all().await;
    }
}

impl Entrance {
    /// Accepts until the shutdown, then waits until the connections accepted here have ended.
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
                    // Most likely there are no descriptors left, and connections that have not logged in give up theirs
                    // first.
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

    /// Admits a peer, which has a place from now on. Returns whether another connection before the login had to make
    /// room.
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
        // Each part is boxed, so that a waiting connection only takes the memory for waiting, not for the handshake.
        // This one is boxed out here, so that its captures are not kept twice.
        let received = Box::pin(Arc::clone(self).receive(stream, place, Arc::clone(way)));
        connections.spawn(async move {
            if let Some(pump) = received.await {
                pump.run().await;
            }
        });
        is_crowded
    }

    /// Brings a connection to its door. Returns the pump, unless the connection ended before it became a chat.
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
            // rustls refuses a wrong ALPN protocol by itself, but accepts a client without ALPN. Such a client gets no
            // application data.
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

    /// Waits for the first bytes, then shakes hands, within `limits::HANDSHAKE_MAX`, unless the place is taken away.
    async fn shake_hands(
        &self,
        tcp: TcpStream,
        tls: &Arc<ServerConfig>,
        place: &Place,
        accepted_at: Instant,
    ) -> Option<Stream> {
        let deadline = accepted_at + limits::HANDSHAKE_MAX;
        let source = &place.source;
        // A silent peer costs no more than this: no TLS state, and not even a socket option.
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

    /// Hands a whole connection to a door, unless its place is taken away. Returns the pump if it became a chat.
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
        // The door may have given input to the dialect, too.
        pump.has_input = true;
        Some(pump)
    }
}
