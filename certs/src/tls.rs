//! TLS configurations of both sides: version 1.3 only, with ring, without resumption, and always with ALPN.
//!
//! A resumed session would skip the certificate; without resumption, every connection proves the key anew. Chat
//! sessions last for hours, so nobody would notice the round trip that a ticket saves.

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

/// The certificate that a server shows. It can be replaced while the server runs; its key stays the same.
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

    /// Issues another certificate, for new names and addresses. Later handshakes show it; clients that pinned the key
    /// do not notice.
    ///
    /// # Errors
    /// [`IdentityError::Crypto`] when signing fails: the old certificate stays.
    pub fn reissue(&self, names: &[String], addresses: &[IpAddr]) -> Result<(), IdentityError> {
        let next = Arc::new(self.identity.certified_key(names, addresses)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Returns the id of the server.
    pub fn server_id(&self) -> ServerId {
        self.identity.server_id()
    }

    /// Returns the fingerprint of the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }
}

impl ResolvesServerCert for CertificateSlot {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Returns the server's configuration, for the protocols in `alpn`, the preferred one first.
///
/// TLS refuses a client that offers only other protocols. It does *not* refuse one that offers none: the caller must
/// check [`alpn_of`] on each accepted connection, and close it.
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

/// Returns the client's configuration for *one* connection, and where to read its outcome. A second handshake with the
/// same configuration fails: its outcome could not be told apart from the first.
///
/// TLS does *not* refuse a server that chooses no protocol: the caller must check [`alpn_of`] before the first byte.
/// SNI is off, so no name is sent, and any `ServerName` will do, for example the address.
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

/// The connection must be closed: the peer completed TLS, but negotiated no protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer negotiated no application protocol")]
pub struct NoAlpn;

/// Returns the protocol that both sides agreed on, once the handshake is complete. Both sides must check it before any
/// byte is accepted or sent: a key that serves several protocols must never be used with the wrong one (RFC 7301;
/// ALPACA).
///
/// # Errors
/// [`NoAlpn`] when there is none.
pub fn alpn_of(connection: &CommonState) -> Result<&[u8], NoAlpn> {
    connection.alpn_protocol().ok_or(NoAlpn)
}

/// Returns the cryptography provider. It is named here and never taken from the process, so a default installed by
/// another crate does not matter.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
