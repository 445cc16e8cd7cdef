//! A connection to a server whose key is known, and what it takes to trust the server.

use std::fmt;
use std::net::SocketAddr;

use lanchat_certs::{Decision, Fingerprint};
use lanchat_model::ServerId;
use lanchat_protocol::{Hello, LineBuffer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::{ConnectError, HomeError};
use crate::home::Home;
use crate::target::Target;

/// A server that answered, proved that it holds its key, and greeted. Nothing was sent to it yet, and nothing can be
/// until it is trusted.
pub struct Connection {
    pub(crate) stream: TlsStream<TcpStream>,
    /// What arrived after `hello`.
    pub(crate) received: LineBuffer,
    pub(crate) hello: Hello,
    pub(crate) hello_line: String,
    pub(crate) server_id: ServerId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) decision: Decision,
    pub(crate) address: SocketAddr,
    pub(crate) target: Target,
}

impl Connection {
    /// Returns what the server says about itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Returns the id in its certificate, which is the one in `hello`.
    pub fn server_id(&self) -> ServerId {
        self.server_id
    }

    /// Returns the key that it holds.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns whether it was met before.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// Returns whether a link demanded this very key, so that there is nothing to compare.
    pub fn is_invited(&self) -> bool {
        self.target.is_link && self.target.expected == Some(self.fingerprint)
    }

    /// Returns where it answered.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Trusts the server: at the first meeting its key is pinned now, before any secret can be sent.
    /// Notes the address. Blocks for a few file operations.
    ///
    /// # Errors
    /// [`ConnectError::Home`] when the pin or the address cannot be kept; the connection is then
    /// closed. A full disk is not an error if the server is known, since its pin is kept already.
    pub fn trust(self, home: &Home) -> Result<Trusted, ConnectError> {
        if self.decision == Decision::First {
            // The pins may have been moved away while a token stayed. Anybody can claim the id that the token is kept
            // under.
            home.forget_login(self.server_id)?;
        }
        let (id, name) = (self.server_id, &self.hello.name);
        self.unless_full(home.pin(id, self.fingerprint, name, self.is_invited()))?;
        self.unless_full(home.remember(id, name, self.address, self.target.typed.as_ref()))?;
        Ok(Trusted(self))
    }

    /// Excuses a full disk if the server was known already.
    fn unless_full(&self, kept: Result<(), HomeError>) -> Result<(), HomeError> {
        match kept {
            Err(error) if self.decision == Decision::Match && error.is_full() => {
                tracing::warn!(%error, "what is new about the server is not kept for next time");
                Ok(())
            }
            kept => kept,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("server_id", &self.server_id)
            .field("fingerprint", &self.fingerprint)
            .field("decision", &self.decision)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A connection to a server whose key is pinned: the only kind that secrets can be sent over.
#[derive(Debug)]
pub struct Trusted(pub(crate) Connection);

impl Trusted {
    /// Returns what the server says about itself.
    pub fn hello(&self) -> &Hello {
        &self.0.hello
    }

    /// Returns its id.
    pub fn server_id(&self) -> ServerId {
        self.0.server_id
    }

    /// Returns the key that it holds.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// Returns where it answered.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Returns the target to reconnect to this very server: where it was looked for and where it answered, held to its
    /// id and its key, whatever becomes of the pin.
    pub fn way_back(&self) -> Target {
        let Connection { target, server_id, fingerprint, address, .. } = &self.0;
        target.clone().bound_to(*server_id, *fingerprint, *address)
    }
}
