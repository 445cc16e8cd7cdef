//! Looks for servers by mDNS (RFC 6762, RFC 6763). A result is only a hint: anybody on the link may advertise anything,
//! and only the key proves who is who.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use lanchat_mdns::{Advert, Browser};
use lanchat_model::{ServerId, limits};
use lanchat_protocol::beacon::Beacon;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::error::DiscoverError;

/// What an advert says about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The id that it claims.
    pub server_id: ServerId,
    /// The name that it claims. A stranger's text.
    pub name: String,
    /// The protocol versions that it claims.
    pub versions: Vec<u32>,
    /// The port.
    pub port: u16,
    /// Every address it may have, the likeliest kind first; at most `limits::CANDIDATES_MAX`. Addresses of one kind are
    /// in a random order, drawn anew for each search.
    pub addresses: Vec<SocketAddr>,
    /// The host that advertises it, as the address that the advert came from.
    pub heard_from: IpAddr,
}

impl Discovered {
    /// Returns whether the advert itself came from this address.
    pub(crate) fn is_own(&self, address: SocketAddr) -> bool {
        address.ip() == self.heard_from
    }
}

/// The results of a search, as they come.
#[derive(Debug)]
pub struct Discovery {
    found: mpsc::Receiver<Discovered>,
}

impl Discovery {
    /// Waits for the next server, or for more addresses of an earlier one: same id, same name, same advertising host.
    /// Returns `None` once the window is over. Cancel safe.
    pub async fn next(&mut self) -> Option<Discovered> {
        self.found.recv().await
    }

    /// Returns all servers found in the window, by name; each once for every host that advertises it.
    pub async fn all(mut self) -> Vec<Discovered> {
        let mut servers = BTreeMap::new();
        while let Some(found) = self.next().await {
            servers.insert((found.name.clone(), found.server_id, found.heard_from), found);
        }
        servers.into_values().collect()
    }
}

/// Searches for as long as `window`. Stops when the [`Discovery`] is dropped. Needs a tokio
/// runtime.
///
/// # Errors
/// [`DiscoverError::Mdns`] when this computer does not let anybody listen for adverts.
pub fn discover(window: Duration) -> Result<Discovery, DiscoverError> {
    let browser = Browser::start().map_err(|error| DiscoverError::Mdns(error.to_string()))?;
    let (sender, found) = mpsc::channel(limits::DISCOVERED_MAX);
    tokio::spawn(look(browser, sender, Instant::now() + window));
    Ok(Discovery { found })
}

async fn look(mut browser: Browser, sender: mpsc::Sender<Discovered>, until: Instant) {
    let mut seen = Seen::default();
    // Listed once, and not for every advert of a flood. An advert heard on an interface added later names that
    // interface itself.
    let interfaces = interfaces_with_link_local();
    loop {
        tokio::select! {
            advert = browser.next(), if !seen.is_crowded() => {
                if let Some(found) = read(&advert, &interfaces, &seen.lot) {
                    seen.merge(found);
                }
            }
            () = sleep_until(seen.due.unwrap_or(until).min(until)) => {
                let over = Instant::now() >= until;
                for news in seen.take_news() {
                    // At the end, send only what there is room for: the receiver may have stopped reading.
                    let told = if over { sender.try_send(news).is_ok() } else { tell(&sender, news, until).await };
                    if !told {
                        return;
                    }
                }
                if over {
                    return;
                }
            }
            () = sender.closed() => return,
        }
    }
}

/// Reports a server. Returns false if the receiver is gone or took too long.
async fn tell(sender: &mpsc::Sender<Discovered>, news: Discovered, until: Instant) -> bool {
    tokio::time::timeout_at(until, sender.send(news)).await.is_ok_and(|told| told.is_ok())
}

/// What was found lately. At most `limits::DISCOVERED_MAX` servers: when full, the one found first is forgotten, and is
/// news again if it is heard again. So a flood of adverts cannot hide a server that comes after it.
#[derive(Default)]
struct Seen {
    servers: BTreeMap<Key, Discovered>,
    /// The keys of `servers`, the first found first.
    order: VecDeque<Key>,
    /// Those that were not reported yet.
    news: BTreeSet<Key>,
    /// When to report them.
    due: Option<Instant>,
    /// The hash that orders addresses of one kind at random.
    lot: RandomState,
}

/// One server is one id with one name, advertised by one host. A copied id under another name is a server of its own. A
/// host that advertises somebody else's server does not use up the room for that server's own adverts.
type Key = (ServerId, String, IpAddr);

impl Seen {
    /// Returns whether so much is new that it is reported before anything else is heard: an unreported server is never
    /// forgotten.
    fn is_crowded(&self) -> bool {
        self.news.len() >= limits::DISCOVERED_MAX / 2
    }

    /// Merges an advert with what is known about the same server.
    fn merge(&mut self, found: Discovered) {
        let key = (found.server_id, found.name.clone(), found.heard_from);
        let grown = match self.servers.get_mut(&key) {
            None => {
                if self.servers.len() >= limits::DISCOVERED_MAX
                    && let Some(first) = self.order.pop_front()
                {
                    self.servers.remove(&first);
                    self.news.remove(&first);
                }
                self.order.push_back(key.clone());
                self.servers.insert(key.clone(), found);
                true
            }
            Some(known) => {
                let before = known.addresses.len();
                known.addresses.extend(found.addresses);
                arrange(&mut known.addresses, known.heard_from, &self.lot);
                known.addresses.len() > before
            }
        };
        if grown {
            self.news.insert(key);
            let due =
                if self.is_crowded() { Instant::now() } else { Instant::now() + limits::DISCOVER_SETTLE };
            self.due = Some(self.due.map_or(due, |before| before.min(due)));
        }
    }

    fn take_news(&mut self) -> Vec<Discovered> {
        self.due = None;
        let news = std::mem::take(&mut self.news);
        news.iter().filter_map(|key| self.servers.get(key).cloned()).collect()
    }
}

/// Reads an advert. Returns `None` if it is not one of ours or does not name an address.
fn read(advert: &Advert, interfaces: &[u32], lot: &RandomState) -> Option<Discovered> {
    let value = |key: &str| advert.txt.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let Beacon { server_id, name, versions } = Beacon::from_txt(value)?;
    let port = advert.port;
    let candidates = |ip: &IpAddr| candidates(*ip, port, advert.interface, interfaces);
    let mut addresses: Vec<SocketAddr> = advert.addresses.iter().flat_map(candidates).collect();
    arrange(&mut addresses, advert.from, lot);
    if port == 0 || addresses.is_empty() {
        return None;
    }
    Some(Discovered { server_id, name, versions, port, addresses, heard_from: advert.from })
}

/// Sorts the addresses: the one that the advert came from first, then IPv4, link-local and loopback last. The fewer
/// traps a kind of address has, the earlier it is tried. Addresses of one kind are ordered at random: in a fixed order,
/// all clients of a server with several addresses would crowd on the lowest one. Each stays once, at most
/// `limits::CANDIDATES_MAX`.
fn arrange(addresses: &mut Vec<SocketAddr>, heard_from: IpAddr, lot: &RandomState) {
    addresses.sort_by_cached_key(|address| {
        (address.ip() != heard_from, kind(address.ip()), lot.hash_one(address), *address)
    });
    addresses.dedup();
    addresses.truncate(limits::CANDIDATES_MAX);
}

/// Returns the addresses to try for one address of an advert. A link-local one means something only together with an
/// interface (RFC 4007 §6). If there are several, the interface that mDNS names may be the wrong one: it is tried
/// first, the others after it.
fn candidates(ip: IpAddr, port: u16, heard_on: u32, interfaces: &[u32]) -> Vec<SocketAddr> {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            let others = interfaces.iter().copied().filter(|index| *index != heard_on);
            let scopes = [heard_on].into_iter().filter(|index| *index != 0).chain(others);
            scopes.map(|scope| SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope))).collect()
        }
        other => vec![SocketAddr::new(other, port)],
    }
}

fn kind(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(v4) if v4.is_loopback() => 4,
        IpAddr::V4(v4) if v4.is_link_local() => 2,
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_loopback() => 4,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 3,
        IpAddr::V6(_) => 1,
    }
}

fn interfaces_with_link_local() -> Vec<u32> {
    let mut indices: Vec<u32> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .iter()
        .filter(|interface| matches!(interface.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .filter_map(|interface| interface.index)
        .collect();
    indices.sort_unstable();
    indices.dedup();
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: u8, name: &str, host: u8) -> Discovered {
        let addresses = vec![SocketAddr::from(([192, 0, 2, host], 7072))];
        Discovered {
            server_id: ServerId::from_bytes([id; 16]),
            name: name.to_owned(),
            versions: vec![1],
            port: 7072,
            addresses,
            heard_from: IpAddr::from([192, 0, 2, 200]),
        }
    }

    #[test]
    fn one_server_is_news_once_and_again_only_with_more_addresses() {
        let mut seen = Seen::default();
        seen.merge(found(1, "lab", 2));
        seen.merge(found(1, "lab", 1));
        assert!(seen.due.is_some());
        let news = seen.take_news();
        assert_eq!(news.len(), 1);
        let shown: BTreeSet<String> = news[0].addresses.iter().map(SocketAddr::to_string).collect();
        assert_eq!(shown, BTreeSet::from(["192.0.2.1:7072", "192.0.2.2:7072"].map(String::from)));
        seen.merge(found(1, "lab", 1));
        assert!(seen.due.is_none() && seen.take_news().is_empty());
        seen.merge(found(2, "lab", 1));
        assert_eq!(seen.take_news().len(), 1, "another id is another server");
    }

    /// The id and the name of a server are known to everybody.
    #[test]
    fn what_somebody_else_says_of_a_server_hides_nothing_that_it_says_itself() {
        let mut seen = Seen::default();
        for host in 0..100 {
            seen.merge(found(1, "lab", host));
        }
        let own = Discovered { heard_from: IpAddr::from([192, 0, 2, 150]), ..found(1, "lab", 150) };
        let address = own.addresses[0];
        seen.merge(own);
        for host in 0..100 {
            seen.merge(found(1, "lab", host));
        }
        assert!(seen.take_news().iter().any(|found| found.addresses.contains(&address)), "it is asked");
    }

    #[test]
    fn the_address_that_an_advert_came_from_is_tried_first_and_never_cut_off() {
        let heard_from = IpAddr::from([192, 0, 2, 150]);
        let mut addresses: Vec<_> = (0..=150).map(|host| SocketAddr::from(([192, 0, 2, host], 9))).collect();
        arrange(&mut addresses, heard_from, &RandomState::new());
        assert_eq!((addresses.len(), addresses[0].ip()), (limits::CANDIDATES_MAX, heard_from));
    }

    #[test]
    fn clients_spread_over_the_addresses_of_a_kind_and_keep_the_kinds_in_order() {
        const CLIENTS: usize = 3000;
        let addresses: Vec<SocketAddr> = [
            "127.0.0.1:9",
            "[fe80::1%2]:9",
            "169.254.0.1:9",
            "[2001:db8::1]:9",
            "192.0.2.3:9",
            "192.0.2.1:9",
            "192.0.2.2:9",
        ]
        .map(|address| address.parse().unwrap())
        .into();
        // The advert comes from none of these addresses, as if it were relayed.
        let heard_from = IpAddr::from([192, 0, 2, 99]);
        let mut firsts = BTreeMap::new();
        for _ in 0..CLIENTS {
            let (mut arranged, lot) = (addresses.clone(), RandomState::new());
            arrange(&mut arranged, heard_from, &lot);
            assert_eq!(arranged.len(), addresses.len());
            assert!(arranged.is_sorted_by_key(|address| kind(address.ip())), "{arranged:?}");
            *firsts.entry(arranged[0]).or_insert(0) += 1;
            let mut again = arranged.clone();
            again.extend(&addresses);
            arrange(&mut again, heard_from, &lot);
            assert_eq!(again, arranged, "one look around has one order");
        }
        assert_eq!(firsts.len(), 3, "{firsts:?}");
        assert!(firsts.values().all(|count| (28..=39).contains(&(count * 100 / CLIENTS))), "{firsts:?}");
    }

    #[test]
    fn a_flood_of_adverts_is_bounded() {
        let mut seen = Seen::default();
        for n in 0..10_000 {
            seen.merge(found(1, &format!("fake {n}"), 1));
        }
        for host in 0..=255 {
            seen.merge(found(1, "fake 0", host));
        }
        let news = seen.take_news();
        assert_eq!(news.len(), limits::DISCOVERED_MAX);
        assert!(news.iter().all(|found| found.addresses.len() <= limits::CANDIDATES_MAX));
    }

    #[test]
    fn a_link_local_address_is_tried_on_every_interface() {
        let ip = IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]);
        let shown: Vec<String> = candidates(ip, 9, 2, &[2, 3]).iter().map(SocketAddr::to_string).collect();
        assert_eq!(shown, ["[fe80::1%2]:9", "[fe80::1%3]:9"]);
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(candidates(ip, 9, 2, &[2, 3]).len(), 1);
    }
}
