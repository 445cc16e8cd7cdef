//! From a target to a connection whose key is known: all addresses are raced, and nothing is sent until the key, the
//! protocol and the greeting are right.

use std::net::SocketAddr;
use std::time::Duration;

use lanchat_certs::{Decision, Fingerprint, Pins, Policy};
use lanchat_model::{ServerId, limits};
use lanchat_protocol::Hello;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::attempt::{Failure, attempt, silent};
use crate::connection::Connection;
use crate::endpoint::Endpoint;
use crate::error::{ConnectError, KeyChange, Unanswered};
use crate::home::Home;
use crate::sentence::Sentence;
use crate::target::Target;

/// What a probe of a server found.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What the server says about itself, `online` included.
    pub hello: Hello,
    /// The id in its certificate.
    pub server_id: ServerId,
    /// The key that it holds.
    pub fingerprint: Fingerprint,
    /// Whether it was met before.
    pub decision: Decision,
    /// Where it answered.
    pub address: SocketAddr,
}

impl Probe {
    /// Returns a target that has to be the server which was probed, with the same key. Without this, whoever answers the
    /// next connection could be somebody else.
    #[must_use]
    pub fn hold(&self, target: Target) -> Target {
        target.bound_to(self.server_id, self.fingerprint, self.address)
    }
}

/// Probes a server without logging in: connects, reads its greeting, and closes. Cancel safe.
///
/// # Errors
/// As [`connect`].
pub async fn probe(target: &Target, home: &Home) -> Result<Probe, ConnectError> {
    let Connection { hello, server_id, fingerprint, decision, address, .. } = connect(target, home).await?;
    Ok(Probe { hello, server_id, fingerprint, decision, address })
}

/// Connects to a server at whichever of its addresses answers first with the right key, within `limits::CONNECT_MAX`.
/// Nothing is sent before [`Connection::trust`]. Cancel safe: when the call is dropped, all attempts end.
///
/// A typed address that belongs to a known server is held to that server's key: it never becomes a new server
/// unnoticed. At any other address, another server is merely the wrong one: the address may have been handed on, or
/// come from a forged advert.
///
/// # Errors
/// [`ConnectError`]; a wrong key at a typed address takes precedence over anything else that went wrong.
pub async fn connect(target: &Target, home: &Home) -> Result<Connection, ConnectError> {
    let until = Instant::now() + limits::CONNECT_MAX;
    let (candidates, mut failures) = resolve(target, until).await;
    let known = Known::find(target, &candidates, home)?;
    let mut race = JoinSet::new();
    for (nth, Candidate { address, typed }) in (0_u32..).zip(candidates) {
        let (target, known) = (target.clone(), known.clone());
        race.spawn(async move {
            tokio::time::sleep(limits::CANDIDATE_STAGGER * nth).await;
            (address, typed, attempt(address, &target, &known.policy, until).await)
        });
    }
    let mut until = until + Duration::from_secs(1);
    let mut refused: Option<ConnectError> = None;
    // The race ends with its first winner: dropping the set ends the other attempts.
    while let Ok(Some(finished)) = tokio::time::timeout_at(until, race.join_next()).await {
        match finished {
            Ok((_, _, Ok(connection))) => return Ok(connection),
            Ok((address, typed, Err(failure))) => match known.judge(address, typed, failure) {
                Judged::Refused(error) => {
                    until = until.min(Instant::now() + limits::CANDIDATE_GRACE);
                    refused = Some(match refused {
                        Some(before) if rank(&before) >= rank(&error) => before,
                        _ => error,
                    });
                }
                Judged::NotThere(unanswered) => failures.push(unanswered),
            },
            Err(died) => failures.push(Unanswered::nowhere(died.to_string())),
        }
    }
    Err(refused
        .unwrap_or_else(|| ConnectError::Unreachable { target: target.to_string(), attempts: failures }))
}

/// Ranks errors: the highest is the one to report.
fn rank(error: &ConnectError) -> u8 {
    match error {
        ConnectError::KeyChanged(_) => 5,
        ConnectError::UnexpectedKey { .. } => 4,
        ConnectError::ServerFull { .. } => 2,
        ConnectError::UnsupportedVersion { .. } | ConnectError::Crowded { .. } => 1,
        _ => 0,
    }
}

/// An address of a target.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    /// Whether a person typed it, or a name that resolves to it.
    typed: bool,
}

/// Returns all addresses of a target, and why some of its names have none.
async fn resolve(target: &Target, until: Instant) -> (Vec<Candidate>, Vec<Unanswered>) {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut failures = Vec::new();
    for place in target.places() {
        let typed = target.typed.as_ref() == Some(place);
        let found = match place {
            Endpoint::Address(address) => vec![*address],
            Endpoint::Name(name, port) => {
                // Half of the remaining time, so that the addresses after a dead name are still tried.
                let patience = until.duration_since(Instant::now()) / 2;
                let looked_up = tokio::net::lookup_host((name.as_str(), *port));
                match tokio::time::timeout(patience, looked_up).await {
                    Ok(Ok(found)) => found.collect(),
                    Ok(Err(_)) | Err(_) => {
                        failures.push(unresolved(name));
                        Vec::new()
                    }
                }
            }
        };
        for address in found {
            let full = candidates.len() >= limits::CANDIDATES_MAX;
            match candidates.iter_mut().find(|known| known.address == address) {
                Some(known) => known.typed |= typed,
                None if !full => {
                    candidates.push(Candidate { address, typed });
                }
                None => {}
            }
        }
    }
    (candidates, failures)
}

fn unresolved(name: &str) -> Unanswered {
    Unanswered::nowhere(format!("no computer is known by the name '{name}': give its address"))
}

/// What an address without a connection says about the target.
enum Judged {
    /// The target answered, or somebody who must not be taken for it, but there is no connection.
    Refused(ConnectError),
    /// The target is not at this address.
    NotThere(Unanswered),
}

/// What is known of a target before it answers.
#[derive(Clone)]
struct Known {
    policy: Policy,
    pins: Pins,
    /// The server that the target is held to, because that server was reached there before.
    server_id: Option<ServerId>,
}

impl Known {
    fn find(target: &Target, candidates: &[Candidate], home: &Home) -> Result<Self, ConnectError> {
        let pins = home.pins()?;
        let mut server_id = target.server_id;
        if let (None, Some(typed), None) = (server_id, &target.typed, target.expected) {
            let resolved: Vec<SocketAddr> = candidates.iter().map(|candidate| candidate.address).collect();
            server_id = home.server_at(typed, &resolved)?;
        }
        let pinned = server_id.and_then(|id| pins.get(id)).map(|pin| pin.fingerprint);
        let policy = Policy { expected: target.expected.or(pinned), pins: pins.fingerprints() };
        Ok(Self { policy, pins, server_id: pinned.and(server_id) })
    }

    /// Decides what a failure means, given what was known. Another key is a reason to stop only at an address that a
    /// person typed: an advert can say anything, and an address can be handed on.
    fn judge(&self, address: SocketAddr, typed: bool, failure: Failure) -> Judged {
        let error = match failure {
            Failure::Changed { presented, .. }
            | Failure::Unexpected { presented, .. }
            | Failure::WrongServer { presented }
                if !typed =>
            {
                return Judged::NotThere(Unanswered::other(address, presented));
            }
            Failure::NotLanchat(reason) if !typed => {
                let reason =
                    format!("what answers there is not a lanchat server, or does not speak as one: {reason}");
                return Judged::NotThere(Unanswered::at(address, reason));
            }
            Failure::Unanswered(reason) => return Judged::NotThere(Unanswered::at(address, reason)),
            Failure::Silent => return Judged::NotThere(Unanswered::at(address, silent())),
            Failure::WrongServer { presented } => {
                return Judged::NotThere(Unanswered::other(address, presented));
            }
            Failure::Changed { server_id, pinned, presented } => {
                self.changed(server_id, pinned, presented, address)
            }
            Failure::Unexpected { expected, presented } => match self.server_id {
                Some(server_id) => self.changed(server_id, expected, presented, address),
                None => ConnectError::UnexpectedKey { expected, presented, address },
            },
            Failure::Full { reason, retry_after } => {
                ConnectError::ServerFull { reason: Sentence::Server(reason), retry_after }
            }
            Failure::TurnedAway => {
                ConnectError::Crowded { address, is_known: self.policy.expected.is_some() }
            }
            Failure::Version(theirs) => ConnectError::UnsupportedVersion { theirs },
            Failure::NotLanchat(reason) => ConnectError::NotLanchat { address, reason },
        };
        Judged::Refused(error)
    }

    fn changed(
        &self,
        server_id: ServerId,
        pinned: Fingerprint,
        presented: Fingerprint,
        address: SocketAddr,
    ) -> ConnectError {
        let name = self.pins.get(server_id).map(|pin| pin.name.clone()).unwrap_or_default();
        ConnectError::KeyChanged(Box::new(KeyChange { server_id, name, pinned, presented, address }))
    }
}
