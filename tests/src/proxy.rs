//! A link that can be cut, reset, stalled and half closed: a TCP relay with one address of its own and a target that
//! may change.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// The connections that one relay carries in its life; a test that needs more is out of control.
const CONNECTIONS_MAX: usize = 1_000_000;

/// A relay. Its connections end when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    link: Arc<Link>,
}

#[derive(Default)]
struct Link {
    state: Mutex<State>,
    /// Notified when the link flows again.
    flows: Condvar,
}

#[derive(Default)]
struct State {
    /// `None` while the link is cut.
    target: Option<SocketAddr>,
    stalled: bool,
    live: Vec<Arc<Pair>>,
}

/// Both ends of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// Whether it ends without a goodbye.
    reset: AtomicBool,
    /// Whether the server's data is swallowed.
    muted: AtomicBool,
}

impl Proxy {
    /// Makes a relay to `target`, on a free port of the loopback interface.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let link = Arc::new(Link::default());
        link.lock().target = Some(target);
        let accepted = Arc::clone(&link);
        thread::spawn(move || {
            for client in listener.incoming().take(CONNECTIONS_MAX).flatten() {
                relay(client, &accepted);
            }
        });
        Self { address, link }
    }

    /// Returns where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the link: all connections end, new ones are closed as soon as they are made.
    pub fn cut(&self) {
        self.link.lock().target = None;
        for pair in self.take_all() {
            pair.shutdown(Shutdown::Both);
        }
        self.flow();
    }

    /// Joins the link again, perhaps to another server.
    pub fn join(&self, target: SocketAddr) {
        self.link.lock().target = Some(target);
    }

    /// Resets all connections: both sides lose the data on its way. New ones can be made.
    pub fn reset(&self) {
        for pair in self.take_all() {
            pair.reset.store(true, Ordering::Relaxed);
            for socket in [&pair.client, &pair.server] {
                // A socket that has already ended need not be reset.
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
            pair.shutdown(Shutdown::Read);
        }
    }

    /// Half-closes all connections: the server receives nothing more, but may still send.
    pub fn half_close(&self) {
        for pair in &self.link.lock().live {
            // As above.
            let _ = pair.server.shutdown(Shutdown::Write);
        }
    }

    /// Swallows the server's data on the existing connections, while their clients' data arrives: clients get no
    /// answers.
    pub fn mute(&self) {
        for pair in &self.link.lock().live {
            pair.muted.store(true, Ordering::SeqCst);
        }
    }

    /// Lets nothing pass, but keeps the connections.
    pub fn stall(&self) {
        self.link.lock().stalled = true;
    }

    /// Ends a stall: delayed data passes, whole and in order.
    pub fn flow(&self) {
        self.link.lock().stalled = false;
        self.link.flows.notify_all();
    }

    fn take_all(&self) -> Vec<Arc<Pair>> {
        std::mem::take(&mut self.link.lock().live)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Pair {
    fn shutdown(&self, how: Shutdown) {
        for socket in [&self.client, &self.server] {
            // A connection that has already ended is shut anyway.
            let _ = socket.shutdown(how);
        }
    }
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_it_flows(&self) {
        let state = self.lock();
        drop(self.flows.wait_while(state, |state| state.stalled).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Carries bytes both ways; the lock is held while connecting, so that a cut finds every connection.
fn relay(client: TcpStream, link: &Arc<Link>) {
    let mut state = link.lock();
    let Some(target) = state.target else { return };
    let Ok(server) = TcpStream::connect(target) else { return };
    for socket in [&client, &server] {
        // Without it, the relay is slower but still correct.
        let _ = socket.set_nodelay(true);
    }
    let pair =
        Arc::new(Pair { client, server, reset: AtomicBool::new(false), muted: AtomicBool::new(false) });
    for inbound in [true, false] {
        let (pair, link) = (Arc::clone(&pair), Arc::clone(link));
        thread::spawn(move || carry(&pair, inbound, &link));
    }
    // A pair that no thread carries any more has ended.
    state.live.retain(|pair| Arc::strong_count(pair) > 1);
    state.live.push(pair);
}

fn carry(pair: &Pair, inbound: bool, link: &Link) {
    let (mut from, mut to) =
        if inbound { (&pair.client, &pair.server) } else { (&pair.server, &pair.client) };
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        link.wait_until_it_flows();
        if !inbound && pair.muted.load(Ordering::SeqCst) {
            continue;
        }
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    // Tell the other side that nothing more comes, unless the connection is to be reset.
    if !pair.reset.load(Ordering::Relaxed) {
        pair.shutdown(Shutdown::Both);
    }
}
