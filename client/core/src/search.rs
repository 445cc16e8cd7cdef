//! Looks for servers at remembered and at advertised addresses at the same time. A server that is found has proved its
//! key; what an advert said about it does not count.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use lanchat_certs::{Decision, Fingerprint};
use lanchat_model::{ServerId, limits};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::attempt::Failure;
use crate::connect::Probe;
use crate::connection::Connection;
use crate::discover::{Discovered, Discovery, discover};
use crate::endpoint::Endpoint;
use crate::error::HomeError;
use crate::home::Home;
use crate::on_link::OnLink;
use crate::prober::{Probed, Prober, Reason};
use crate::servers::Server;
use crate::target::Target;

/// What a search found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Sighting {
    /// A server.
    Server(Box<Probe>),
    /// What seems to be a known server without a free place: it closed the connection without a word, or said that it
    /// is full.
    Busy {
        /// The known server.
        known: ServerId,
    },
    /// Another server than the known one: it shows another key, or answers at the address of a remembered server that
    /// has gone.
    Other {
        /// The known server.
        known: ServerId,
        /// Where the other one answers.
        address: SocketAddr,
        /// The key that it shows.
        presented: Fingerprint,
    },
}

/// A search for all servers or for one.
///
/// Remembered servers are asked first and have places of their own, so that no number of adverts keeps them from being
/// found. The address that an advert came from also has a place of its own, since there a server speaks for itself. Of
/// an advert only the addresses on a link of this computer are asked, each once however many adverts name it, and at
/// most `limits::PROBES_MAX` at a time. A server is only asked who it is; nothing is sent to it.
pub struct Search {
    remembered: HashMap<ServerId, Server>,
    known: HashSet<ServerId>,
    /// The server that is looked for, if it is a single one.
    only: Option<ServerId>,
    prober: Prober,
    discovery: Option<Discovery>,
    on_link: OnLink,
    /// The addresses of remembered places that are names.
    resolving: JoinSet<(ServerId, Vec<SocketAddr>)>,
    /// Addresses on the link that adverts have named, and servers that answered at addresses not named yet.
    named: HashSet<SocketAddr>,
    unnamed: HashMap<SocketAddr, Box<Connection>>,
    /// Those of `unnamed` that an advert named in the end.
    ready: Vec<Seen>,
    /// When to stop if nothing waits to be asked, and when to stop in any case.
    until: Instant,
    last: Instant,
}

impl Search {
    /// Starts a search that lasts `limits::DISCOVER_WINDOW`, and up to `limits::SEARCH_MAX` while there are addresses
    /// that were not asked yet. Needs a tokio runtime. Blocks for a few file operations. Without mDNS, only the
    /// remembered servers are looked for.
    ///
    /// # Errors
    /// [`HomeError`] when the known servers cannot be read.
    pub fn start(home: &Home) -> Result<Self, HomeError> {
        let servers = home.servers()?;
        let mut search = Self::new(home, None)?;
        // Takes turns among the servers, the latest address of each first.
        for nth in 0..limits::REMEMBERED_ADDRESSES_MAX + limits::REMEMBERED_TYPED_MAX {
            for server in &servers {
                match server.addresses.get(nth).and_then(|text| text.parse().ok()) {
                    Some(Endpoint::Address(address)) => {
                        search.prober.ask(address, Reason::Remembered(server.id))
                    }
                    Some(Endpoint::Name(name, port)) => {
                        let id = server.id;
                        search.resolving.spawn(async move { (id, look_up(&name, port).await) });
                    }
                    None => {}
                }
            }
        }
        search.known.extend(servers.iter().map(|server| server.id));
        search.remembered = servers.into_iter().map(|server| (server.id, server)).collect();
        Ok(search)
    }

    /// Looks for one server, where it is advertised.
    pub(crate) fn of_one(home: &Home, id: ServerId) -> Result<Self, HomeError> {
        Self::new(home, Some(id))
    }

    fn new(home: &Home, only: Option<ServerId>) -> Result<Self, HomeError> {
        let pins = home.pins()?.fingerprints();
        let now = Instant::now();
        Ok(Self {
            remembered: HashMap::new(),
            known: pins.keys().copied().collect(),
            only,
            prober: Prober::new(pins),
            discovery: discover(limits::DISCOVER_WINDOW).ok(),
            on_link: OnLink::here(),
            resolving: JoinSet::new(),
            named: HashSet::new(),
            unnamed: HashMap::new(),
            ready: Vec::new(),
            until: now + limits::DISCOVER_WINDOW,
            last: now + limits::SEARCH_MAX,
        })
    }

    /// Returns whether any server is known: pinned or remembered. A user who knows none cannot be led away from one.
    pub fn knows_any(&self) -> bool {
        !self.known.is_empty()
    }

    /// Shortens the search, because there is a result to go on with: it ends in `limits::DISCOVER_GRACE`, enough for
    /// servers that answer at once. With `enough`, it ends even if adverts are left.
    pub fn hurry(&mut self, enough: bool) {
        let soon = Instant::now() + limits::DISCOVER_GRACE;
        self.until = self.until.min(soon);
        if enough {
            self.last = self.last.min(soon);
        }
    }

    /// Returns the target to connect to a server that was found.
    pub fn target(&self, probe: &Probe) -> Target {
        let target = match self.remembered.get(&probe.server_id) {
            Some(server) => Target::remembered(server),
            None => Target::anything_at(probe.address),
        };
        target.led_by(probe.server_id, probe.address)
    }

    /// Waits for the next sighting; a server that answers at several addresses comes once for each. Returns `None` at
    /// the end. Cancel safe.
    pub async fn next(&mut self) -> Option<Sighting> {
        let found = match self.sight().await? {
            Seen::Server(connection) => {
                let Connection { hello, server_id, fingerprint, decision, address, .. } = *connection;
                Sighting::Server(Box::new(Probe { hello, server_id, fingerprint, decision, address }))
            }
            Seen::Busy { known } => Sighting::Busy { known },
            Seen::Other { known, address, presented } => Sighting::Other { known, address, presented },
        };
        Some(found)
    }

    /// As [`Search::next`], but with the open connections.
    pub(crate) async fn sight(&mut self) -> Option<Seen> {
        loop {
            if let Some(seen) = self.ready.pop() {
                return Some(seen);
            }
            let end = if self.prober.is_behind() { self.last } else { self.until.min(self.last) };
            tokio::select! {
                answer = self.prober.next() => if let Some(seen) = self.answered(answer) {
                    return Some(seen);
                },
                advert = next_advert(&mut self.discovery) => self.advertised(&advert),
                Some(Ok((id, addresses))) = self.resolving.join_next() => {
                    for address in addresses {
                        self.prober.ask(address, Reason::Remembered(id));
                    }
                }
                () = sleep_until(end) => return None,
            }
        }
    }

    fn advertised(&mut self, advert: &Discovered) {
        if self.only.is_some_and(|id| id != advert.server_id) {
            return;
        }
        let known = self.known.contains(&advert.server_id);
        let reason = if known { Reason::KnownAdvert } else { Reason::Advert };
        for address in advert.addresses.iter().copied().filter(|address| self.on_link.takes(*address)) {
            if self.named.len() < limits::PROBED_ADDRESSES_MAX {
                self.named.insert(address);
            }
            if advert.is_own(address) {
                self.prober.ask_own(address, reason);
            } else {
                self.prober.ask(address, reason);
            }
            self.ready.extend(self.unnamed.remove(&address).map(Seen::Server));
        }
    }

    /// Turns an answer into a sighting. An address that does not answer, or not as a server, is ignored.
    fn answered(&mut self, Probed { reason, address, outcome }: Probed) -> Option<Seen> {
        let meant = match reason {
            Reason::Remembered(id) => Some(id),
            Reason::KnownAdvert | Reason::Advert => self.only,
        };
        match outcome {
            Ok(connection) if meant.is_none_or(|id| id == connection.server_id) => {
                Some(Seen::Server(connection))
            }
            Ok(connection) => {
                let presented = connection.fingerprint;
                // A server that neither is known nor is advertised is not reported until an advert names its address.
                if self.only.is_none() {
                    if connection.decision == Decision::Match || self.named.contains(&address) {
                        return Some(Seen::Server(connection));
                    }
                    if self.unnamed.len() < limits::REMEMBERED_SERVERS_MAX {
                        self.unnamed.insert(address, connection);
                    }
                }
                meant.map(|known| Seen::Other { known, address, presented })
            }
            Err(Failure::Changed { server_id, presented, .. }) => {
                Some(Seen::Other { known: server_id, address, presented })
            }
            Err(Failure::TurnedAway | Failure::Full { .. }) => match reason {
                Reason::Remembered(known) => Some(Seen::Busy { known }),
                Reason::KnownAdvert | Reason::Advert => None,
            },
            Err(_) => None,
        }
    }
}

/// As [`Sighting`], but within the library.
pub(crate) enum Seen {
    Server(Box<Connection>),
    Busy { known: ServerId },
    Other { known: ServerId, address: SocketAddr, presented: Fingerprint },
}

/// Waits for the next advert; never returns once there are no more.
async fn next_advert(discovery: &mut Option<Discovery>) -> Discovered {
    if let Some(running) = discovery {
        if let Some(advert) = running.next().await {
            return advert;
        }
        *discovery = None;
    }
    std::future::pending().await
}

async fn look_up(name: &str, port: u16) -> Vec<SocketAddr> {
    match tokio::net::lookup_host((name, port)).await {
        Ok(found) => found.take(limits::REMEMBERED_ADDRESSES_MAX).collect(),
        Err(_) => Vec::new(),
    }
}
