//! Gates: the listening addresses, what their connections pass, and the doors behind them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::door::Door;

/// A listening socket, and the doors behind it. Its connections count together with those of all other gates of its
/// listener.
pub struct Gate {
    pub(crate) socket: TcpListener,
    pub(crate) way: Way,
}

/// What the connections of a gate have in common.
pub(crate) struct Way {
    /// `None`: they are not encrypted.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    doors: Doors,
}

enum Doors {
    /// Each chosen by its ALPN protocol. A client without ALPN is refused.
    ByAlpn(Vec<Arc<dyn Door>>),
    /// The only door of the gate.
    One(Arc<dyn Door>),
}

/// Why a gate was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoGate {
    /// It would not be encrypted, although other computers could reach it.
    #[error(
        "{0} can be reached from other computers, and is not encrypted: anybody in between could read along"
    )]
    Exposed(SocketAddr),
    /// The system does not tell the address of the socket.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Gate {
    /// Returns a gate to several doors over TLS, each chosen by ALPN, which is mandatory. `tls` offers the protocols of
    /// all of them.
    pub fn by_alpn(socket: TcpListener, tls: Arc<ServerConfig>, doors: Vec<Arc<dyn Door>>) -> Self {
        Self { socket, way: Way { tls: Some(tls), doors: Doors::ByAlpn(doors) } }
    }

    /// Returns a gate to one door over TLS, for clients that need not name a protocol. `tls` refuses those that name
    /// another one.
    pub fn encrypted(socket: TcpListener, tls: Arc<ServerConfig>, door: Arc<dyn Door>) -> Self {
        Self { socket, way: Way { tls: Some(tls), doors: Doors::One(door) } }
    }

    /// Returns a gate to one door without TLS. `insecure`: it is configured that other computers may reach it.
    ///
    /// # Errors
    /// [`NoGate::Exposed`] when it is not, and the address is not a loopback address.
    pub fn plain(socket: TcpListener, door: Arc<dyn Door>, insecure: bool) -> Result<Self, NoGate> {
        let address = socket.local_addr()?;
        if !insecure && !address.ip().to_canonical().is_loopback() {
            return Err(NoGate::Exposed(address));
        }
        Ok(Self { socket, way: Way { tls: None, doors: Doors::One(door) } })
    }
}

impl Way {
    /// Returns the door for a connection that agreed on this protocol, if there is one.
    pub(crate) fn door(&self, alpn: Option<&[u8]>) -> Option<&dyn Door> {
        match &self.doors {
            Doors::ByAlpn(doors) => {
                let alpn = alpn?;
                doors.iter().map(Arc::as_ref).find(|door| door.alpn() == Some(alpn))
            }
            Doors::One(door) => Some(door.as_ref()),
        }
    }
}
