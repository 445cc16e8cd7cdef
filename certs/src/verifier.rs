//! The client's check of a server's certificate: only the pinned key counts, not names, dates or authorities.
//!
//! Names: a server is known by its id, whatever address it has today. Dates: machines on such networks may think that
//! it is 1970. Authorities: none of them vouches for a machine in the next room. What counts is the key, and the proof
//! that the server holds it: the signature over this very handshake.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lanchat_model::ServerId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};

use crate::certificate::{self, BadCertificate};
use crate::fingerprint::Fingerprint;

/// What a client knows about the server before it connects.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The key that it must have, from an invitation or from the remembered target. No other key is accepted.
    pub expected: Option<Fingerprint>,
    /// The keys of all servers met so far, by id.
    pub pins: HashMap<ServerId, Fingerprint>,
}

/// What the pins say about a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was never met. Nothing confirms that it is the right one, unless [`Policy::expected`] was set.
    First,
    /// It has the key that is pinned.
    Match,
    /// Its key differs from the pinned one: the connection is refused.
    Changed {
        /// The key that is pinned.
        pinned: Fingerprint,
    },
}

impl Policy {
    /// Returns what the pins say about a server that shows this id and this key.
    pub fn decide(&self, id: ServerId, offered: Fingerprint) -> Decision {
        match self.pins.get(&id) {
            None => Decision::First,
            Some(pinned) if *pinned == offered => Decision::Match,
            Some(pinned) => Decision::Changed { pinned: *pinned },
        }
    }
}

/// A server that has proved that it holds its key, and was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its id.
    pub server_id: ServerId,
    /// Its key.
    pub fingerprint: Fingerprint,
    /// [`Decision::First`] or [`Decision::Match`].
    pub decision: Decision,
}

/// Why a server was refused, before any of the user's data was sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Its id is pinned to another key.
    #[error("the server {server_id} shows the key {offered}, but is known by the key {pinned}")]
    Changed {
        /// The id that it shows.
        server_id: ServerId,
        /// The key that is pinned.
        pinned: Fingerprint,
        /// The key that it shows. Whether it holds that key was not checked.
        offered: Fingerprint,
    },
    /// Its key is not the one that the invitation or the remembered target names.
    #[error("the server {server_id} shows the key {offered}, but {expected} is expected")]
    Unexpected {
        /// The id that it shows.
        server_id: ServerId,
        /// The key that it must be.
        expected: Fingerprint,
        /// The key that it shows. Whether it holds that key was not checked.
        offered: Fingerprint,
    },
    /// Its certificate is not that of a lanchat server.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// It shows a certificate, but does not hold the key that belongs to it: a copy.
    #[error("the server shows the certificate of {server_id}, but does not hold its key")]
    KeyNotHeld {
        /// The id that it shows.
        server_id: ServerId,
        /// The key that it does not hold.
        offered: Fingerprint,
    },
}

/// What a handshake found out about the server. Filled while the handshake runs, and readable once it has succeeded or
/// failed.
#[derive(Clone, Debug, Default)]
pub struct Observation(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Unknown,
    /// The certificate was accepted; the signature is not checked yet.
    Shown(Observed),
    Settled(Result<Observed, Refused>),
}

impl Observation {
    /// Returns the outcome. `None`: the handshake ended earlier, for a reason other than trust.
    pub fn outcome(&self) -> Option<Result<Observed, Refused>> {
        match *self.lock() {
            State::Settled(outcome) => Some(outcome),
            State::Unknown | State::Shown(_) => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic cannot leave a `Copy` value half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The verifier of one connection.
#[derive(Debug)]
pub(crate) struct PinVerifier {
    policy: Policy,
    observation: Observation,
    provider: Arc<CryptoProvider>,
}

impl PinVerifier {
    pub(crate) fn new(policy: Policy, provider: Arc<CryptoProvider>) -> (Self, Observation) {
        let observation = Observation::default();
        (Self { policy, observation: observation.clone(), provider }, observation)
    }

    fn judge(&self, der: &[u8]) -> Result<Observed, Refused> {
        let (server_id, key) = certificate::read(der)?;
        let offered = Fingerprint::of_spki(key);
        let decision = self.policy.decide(server_id, offered);
        if let Decision::Changed { pinned } = decision {
            return Err(Refused::Changed { server_id, pinned, offered });
        }
        match self.policy.expected {
            Some(expected) if expected != offered => {
                Err(Refused::Unexpected { server_id, expected, offered })
            }
            _ => Ok(Observed { server_id, fingerprint: offered, decision }),
        }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut state = self.observation.lock();
        if !matches!(*state, State::Unknown) {
            // A second connection would overwrite what the first one found out.
            return Err(Error::General("a client configuration is for one connection".into()));
        }
        match self.judge(end_entity) {
            Ok(observed) => {
                *state = State::Shown(observed);
                Ok(ServerCertVerified::assertion())
            }
            Err(refused) => {
                *state = State::Settled(Err(refused));
                Err(Error::InvalidCertificate(match refused {
                    Refused::Certificate(BadCertificate::Unreadable) => CertificateError::BadEncoding,
                    _ => CertificateError::ApplicationVerificationFailure,
                }))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls13_signature(message, cert, dss, algorithms);
        let mut state = self.observation.lock();
        if let State::Shown(observed) = *state {
            *state = State::Settled(match verified {
                Ok(_) => Ok(observed),
                Err(_) => {
                    Err(Refused::KeyNotHeld { server_id: observed.server_id, offered: observed.fingerprint })
                }
            });
        }
        verified
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
