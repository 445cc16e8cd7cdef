//! From a target to a connection whose key is known: all addresses are raced, and nothing is sent
//! before the key, the protocol and the greeting are right.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use lanchat_certs::{Decision, Fingerprint, Pins, Policy};
use lanchat_model::{ServerId, limits};
use lanchat_protocol::{Hello, LineBuffer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::attempt::{Failure, attempt, silent};
use crate::error::{ConnectError, HomeError, KeyChange, Unanswered};
use crate::home::Home;
use crate::sentence::Sentence;
use crate::target::{Place, Target};

/// A server that answered, proved that it holds its key, and greeted. Nothing was sent to it yet,
/// and nothing can be before it is trusted.
pub struct Connection {
    pub(crate) stream: TlsStream<TcpStream>,
    /// What came behind `hello`.
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
    /// What the server says of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// The id in its certificate, which is the one in `hello`.
    pub fn server_id(&self) -> ServerId {
        self.server_id
    }

    /// The key that it holds.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether it was met before.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// Whether a link demanded this very key, so that there is nothing to compare.
    pub fn is_invited(&self) -> bool {
        self.target.is_link && self.target.expected == Some(self.fingerprint)
    }

    /// Where it answered.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Trusts the server: at a first meeting its key is pinned now, before any secret can be sent.
    /// Notes the address. Blocks for a few file operations.
    ///
    /// # Errors
    /// [`ConnectError::Home`] when the pin or the address cannot be kept; the connection is then
    /// closed. A disk that is full is no error where the server is known: its pin is kept already.
    pub fn trust(self, home: &Home) -> Result<Trusted, ConnectError> {
        if self.decision == Decision::First {
            // The pins may have been moved away, and a token be left. Anybody can claim the id that it is kept under.
            home.forget_login(self.server_id)?;
        }
        let (id, name) = (self.server_id, &self.hello.name);
        self.unless_full(home.pin(id, self.fingerprint, name, self.is_invited()))?;
        self.unless_full(home.remember(id, name, self.address, self.target.typed.as_ref()))?;
        Ok(Trusted(self))
    }

    /// What was kept of the server, or what is as good.
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
    /// What the server says of itself.
    pub fn hello(&self) -> &Hello {
        &self.0.hello
    }

    /// Its id.
    pub fn server_id(&self) -> ServerId {
        self.0.server_id
    }

    /// Where it answered.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The way back to this very server: where it was looked for and where it answered, held to its id and its key,
    /// whatever becomes of the pin.
    pub fn way_back(&self) -> Target {
        let Connection { target, server_id, fingerprint, address, .. } = &self.0;
        target.clone().bound_to(*server_id, *fingerprint, *address)
    }
}

/// What a look at a server found.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What the server says of itself, `online` included.
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

/// Looks at a server without logging in: connects, reads its greeting, and closes. Cancel safe.
///
/// # Errors
/// As [`connect`].
pub async fn probe(target: &Target, home: &Home) -> Result<Probe, ConnectError> {
    let Connection { hello, server_id, fingerprint, decision, address, .. } = connect(target, home).await?;
    Ok(Probe { hello, server_id, fingerprint, decision, address })
}

/// Connects to a server at whichever of its addresses answers first with the right key, within
/// `limits::CONNECT_MAX`. Nothing is sent before [`Connection::trust`]. Cancel safe: given up, all
/// attempts end.
///
/// A typed address that belongs to a known server is held to that server's key: it never becomes a
/// new server unnoticed. At any other address another server is only not the right one: it may have
/// been handed on, or come from a forged advert.
///
/// # Errors
/// [`ConnectError`]; a wrong key at a typed address is told before anything else that went wrong.
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

/// What is more important to be told.
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
    /// Whether a person gave it, or a name that stands for it.
    typed: bool,
}

/// All addresses of a target, and why some of its names have none.
async fn resolve(target: &Target, until: Instant) -> (Vec<Candidate>, Vec<Unanswered>) {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut failures = Vec::new();
    for place in target.places() {
        let typed = target.typed.as_ref() == Some(place);
        let found = match place {
            Place::Address(address) => vec![*address],
            Place::Name(name, port) => {
                // Half of the time that is left, so that the addresses behind a dead name are still
                // tried.
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

/// What an address that gave no connection says of the target.
enum Judged {
    /// It has been found, or somebody who must not be taken for it, and there is no connection.
    Refused(ConnectError),
    /// It is not there.
    NotThere(Unanswered),
}

/// What is known of a target before it answers.
#[derive(Clone)]
struct Known {
    policy: Policy,
    pins: Pins,
    /// The server that the target is held to, because it was reached there before.
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

    /// What a failure means, given what was known. Only where a person pointed to is another key a
    /// reason to stop: an advert can say anything, and an address can be handed on.
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
