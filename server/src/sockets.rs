//! Binds the server's sockets. Falls back to IPv4 if the default is asked for and the host has no IPv6.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::listen::{Listen, default_listen};

/// Why a socket was not bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", why(cause))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The system's error. The message includes what matters of it, so it is not a separate source.
    pub cause: io::Error,
}

fn why(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program uses this port, perhaps another lanchat server. Stop it, or choose another port: --listen \
             [::]:PORT; port 0 takes a free one"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this computer has no such address. Leave --listen out to listen on all that it has"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root. Choose a higher one with --listen",
        _ => return error.to_string(),
    };
    known.to_owned()
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The kind of listener, with the actual port.
    pub(crate) listen: Listen,
    pub(crate) socket: TcpListener,
}

/// Binds all of these; an empty list means the default port on all addresses of the host.
pub(crate) fn bind(listen: &[Listen]) -> Result<Vec<Bound>, BindError> {
    if !listen.is_empty() {
        return listen.iter().copied().map(bind_one).collect();
    }
    let default = default_listen();
    match bind_one(default) {
        Err(error) if error.cause.kind() != io::ErrorKind::AddrInUse => {
            tracing::info!(%error, "no IPv6 on this host");
            let without = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), default.address().port());
            Ok(vec![bind_one(without.into())?])
        }
        socket => Ok(vec![socket?]),
    }
}

fn bind_one(listen: Listen) -> Result<Bound, BindError> {
    let address = listen.address();
    let bound = || {
        let socket = lanchat_listener::bind(address)?;
        io::Result::Ok(Bound { listen: listen.at(socket.local_addr()?), socket })
    };
    bound().map_err(|cause| BindError { address, cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_was_asked_for_is_bound_or_nothing() {
        let loopback = "127.0.0.1:0".parse().unwrap();
        let sockets = bind(&[loopback, loopback]).unwrap();
        let taken = sockets[1].listen;
        assert_eq!(sockets[1].socket.local_addr().unwrap(), taken.address());
        assert_ne!(sockets[0].listen, taken);
        let error = bind(&[loopback, taken]).unwrap_err();
        assert_eq!(error.address, taken.address());
        assert!(error.to_string().contains("--listen"), "{error}");
    }
}
