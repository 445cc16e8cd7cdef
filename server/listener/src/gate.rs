//! Gates: the addresses that are listened on, what their connections pass, and the doors behind them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::door::Door;

/// A socket that is listened on, and where it leads. Whatever it is, its connections count with those of all other gates of
/// its listener.
pub struct Gate {
    pub(crate) socket: TcpListener,
    pub(crate) way: Way,
}

/// What the connections of a gate have in common.
pub(crate) struct Way {
    /// None: they are not encrypted.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    doors: Doors,
}

enum Doors {
    /// Each chosen by its ALPN protocol. Whoever names none goes nowhere.
    ByAlpn(Vec<Arc<dyn Door>>),
    /// The only one of the gate.
    One(Arc<dyn Door>),
}

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoGate {
    /// It would not be encrypted, and others than this computer could reach it.
    #[error(
        "{0} can be reached from other computers, and is not encrypted: anybody in between could read along"
    )]
    Exposed(SocketAddr),
    /// The system does not tell the address of the socket.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Gate {
    /// A gate to several doors over TLS, each chosen by ALPN, which is mandatory. `tls` offers the protocols of all of them.
    pub fn by_alpn(socket: TcpListener, tls: Arc<ServerConfig>, doors: Vec<Arc<dyn Door>>) -> Self {
        Self { socket, way: Way { tls: Some(tls), doors: Doors::ByAlpn(doors) } }
    }

    /// A gate to one door over TLS, for clients that need not name a protocol. `tls` refuses those that name another one.
    pub fn encrypted(socket: TcpListener, tls: Arc<ServerConfig>, door: Arc<dyn Door>) -> Self {
        Self { socket, way: Way { tls: Some(tls), doors: Doors::One(door) } }
    }

    /// A gate to one door without TLS. `insecure`: somebody said that others than this computer may reach it.
    ///
    /// # Errors
    /// [`NoGate::Exposed`] when nobody said so and the address is not one of the loopback interface.
    pub fn plain(socket: TcpListener, door: Arc<dyn Door>, insecure: bool) -> Result<Self, NoGate> {
        let address = socket.local_addr()?;
        if !insecure && !address.ip().to_canonical().is_loopback() {
            return Err(NoGate::Exposed(address));
        }
        Ok(Self { socket, way: Way { tls: None, doors: Doors::One(door) } })
    }
}

impl Way {
    /// The door for a connection that agreed on this protocol, if there is one.
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
