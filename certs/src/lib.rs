//! A server's identity, and how a client recognises it: fingerprint, pins, verifier and TLS configurations.
//!
//! Code only: the repository holds no key or certificate. This crate has no frames, no domain logic and no sockets.

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
