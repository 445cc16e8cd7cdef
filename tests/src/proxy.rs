//! A link that can be cut: a TCP relay with one address of its own and a target that may change.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Connections that one relay carries in its life; a test that needs more is not a scenario.
const CONNECTIONS_MAX: usize = 4096;

/// A relay. Its connections end when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    /// `None` while the link is cut.
    target: Option<SocketAddr>,
    live: Vec<TcpStream>,
}

impl Proxy {
    /// A relay to `target`, on a free port of the loopback interface.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(Mutex::new(State { target: Some(target), live: Vec::new() }));
        let accepted = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().take(CONNECTIONS_MAX).flatten() {
                relay(client, &accepted);
            }
        });
        Self { address, state }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the link: all connections end, new ones are closed as soon as they are made.
    pub fn cut(&self) {
        let mut state = lock(&self.state);
        state.target = None;
        for socket in state.live.drain(..) {
            // A connection that has ended already is cut as well.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Joins the link again, perhaps to somebody else.
    pub fn join(&self, target: SocketAddr) {
        lock(&self.state).target = Some(target);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Carries bytes both ways; the lock is held while connecting, so that a cut finds every connection.
fn relay(client: TcpStream, state: &Mutex<State>) {
    let mut state = lock(state);
    let Some(target) = state.target else { return };
    let Ok(server) = TcpStream::connect(target) else { return };
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        thread::spawn(move || carry(from, to));
    }
    state.live.extend([client, server]);
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    // The other side learns that nothing more comes; if it is gone, there is nobody to tell.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
