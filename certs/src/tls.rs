//! TLS configurations of both sides: version 1.3 alone, ring, no resumption, ALPN always.
//!
//! No resumption, because a resumed session skips the certificate: so every connection proves the key anew. Sessions
//! of a chat last for hours; the round trip that a ticket would save is none that anybody waits for.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use lanchat_model::ServerId;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, CommonState, ServerConfig};

use crate::fingerprint::Fingerprint;
use crate::identity::{Identity, IdentityError};
use crate::verifier::{Observation, PinVerifier, Policy};

/// The certificate that a server shows, replaceable while it runs. The key behind it stays the same.
#[derive(Debug)]
pub struct CertificateSlot {
    identity: Arc<Identity>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl CertificateSlot {
    /// Issues the first certificate, for these names and addresses.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when signing fails.
    pub fn new(
        identity: Arc<Identity>,
        names: &[String],
        addresses: &[IpAddr],
    ) -> Result<Arc<Self>, IdentityError> {
        let current = RwLock::new(Arc::new(identity.certified_key(names, addresses)?));
        Ok(Arc::new(Self { identity, current }))
    }

    /// Issues another certificate, for new names and addresses. Handshakes from now on show it; those who pinned the
    /// key do not notice.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when signing fails: the old certificate stays.
    pub fn reissue(&self, names: &[String], addresses: &[IpAddr]) -> Result<(), IdentityError> {
        let next = Arc::new(self.identity.certified_key(names, addresses)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// The id of the server.
    pub fn server_id(&self) -> ServerId {
        self.identity.server_id()
    }

    /// The fingerprint of the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }
}

impl ResolvesServerCert for CertificateSlot {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The server's side, for the protocols in `alpn`, the preferred one first.
///
/// A client that offers other protocols only is refused by TLS. One that offers none is *not*: whoever accepts the
/// connection asks [`alpn_of`], and closes it.
pub fn server_config(slot: &Arc<CertificateSlot>, alpn: &[&[u8]]) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("ring has cipher suites for TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(slot) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_tls13_tickets = 0;
    Arc::new(config)
}

/// The client's side of *one* connection, and where to read what became of it. A second handshake with the same
/// configuration fails: its outcome could not be told from the first.
///
/// A server that chooses no protocol is *not* refused by TLS: whoever connects asks [`alpn_of`] before the first byte.
/// No name goes over the wire (SNI is off), so that any `ServerName`, for example the address, will do.
pub fn client_config(policy: Policy, alpn: &[&[u8]]) -> (Arc<ClientConfig>, Observation) {
    let provider = provider();
    let (verifier, observation) = PinVerifier::new(policy, Arc::clone(&provider));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("ring has cipher suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    (Arc::new(config), observation)
}

/// Why a connection must be closed: the peer takes part in TLS, but did not say what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer negotiated no application protocol")]
pub struct NoAlpn;

/// The protocol that both sides agreed on, once the handshake is complete. To be asked by both sides, before any byte
/// is taken or sent: a key that serves several protocols must never be used with the wrong one (RFC 7301; ALPACA).
///
/// # Errors
/// [`NoAlpn`] when there is none.
pub fn alpn_of(connection: &CommonState) -> Result<&[u8], NoAlpn> {
    connection.alpn_protocol().ok_or(NoAlpn)
}

/// Named here and never taken from the process: what another crate installs as the default does not matter.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
