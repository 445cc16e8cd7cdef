//! Who a server is and how a client knows it again: identity, fingerprint, pins, verifier and TLS configurations.
//!
//! Code only: no key or certificate lives in the repository. This crate knows no frame, no domain and no socket.

mod certificate;
mod fingerprint;
mod identity;
mod pins;
pub mod private_file;
mod tls;
mod verifier;

pub use certificate::BadCertificate;
pub use fingerprint::{BadFingerprint, Fingerprint};
pub use identity::{Identity, IdentityError};
pub use pins::{Pin, Pins, PinsError};
pub use tls::{CertificateSlot, NoAlpn, alpn_of, client_config, server_config};
pub use verifier::{Decision, Observation, Observed, Policy, Refused};
