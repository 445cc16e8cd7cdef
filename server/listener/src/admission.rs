//! Which connections may wait before the login. When no place is left, the oldest connection of the source that holds
//! most is closed: nobody is kept out because others came first (docs/adr/0008).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lanchat_hub::{Network, Source};
use lanchat_model::limits;

#[cfg(test)]
mod tests;

/// The connections that have not logged in.
#[derive(Debug, Default)]
pub(crate) struct Anteroom(Mutex<Guests>);

/// A place in the anteroom, given up when dropped. It may be taken away. A login in progress then continues, and a
/// client that it lets in no longer needs a place. The queues that logins pass bound how many of these there are.
#[derive(Debug)]
pub(crate) struct Place {
    anteroom: Arc<Anteroom>,
    id: u64,
    pub(crate) source: Source,
    /// Whether it was one of the places reserved for known sources when the connection arrived.
    pub(crate) is_kept: bool,
    /// Whether another connection had to make room for it.
    pub(crate) is_anothers: bool,
}

/// The state of the anteroom. `limits::CONNECTIONS_BEFORE_LOGIN_MAX` bounds everything in it.
#[derive(Debug, Default)]
struct Guests {
    next: u64,
    guests: HashMap<u64, Guest>,
    networks: HashMap<Network, Hall>,
    /// The connections in reserved places, at most `limits::KEPT_PLACES_MAX`.
    kept: BTreeSet<u64>,
}

/// One connection.
#[derive(Debug)]
struct Guest {
    source: Source,
    network: Network,
    is_kept: bool,
    /// Greater than that of every connection that arrived, or finished its handshake, earlier.
    age: Reverse<u64>,
    /// Woken when its place is taken away.
    waker: Option<Waker>,
}

/// The connections of one network.
#[derive(Debug, Default)]
struct Hall {
    count: usize,
    parties: HashMap<Source, Party>,
    /// The order in which connections make room, the last one first. Each party has one entry.
    ranking: BTreeSet<Rank>,
}

/// The connections of one source.
#[derive(Debug, Default)]
struct Party {
    kept: usize,
    guests: BTreeSet<Standing>,
    rank: Option<Rank>,
}

/// The order in which connections of one source make room: the greatest goes first. That is an old one, not in a
/// reserved place.
type Standing = (bool, Reverse<u64>, u64);

/// The order in which connections of one network make room: the greatest goes first. That is an old one, not in a
/// reserved place, of a source that holds many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_open: bool,
    held: usize,
    age: Reverse<u64>,
    id: u64,
}

impl Anteroom {
    /// Returns a place for a connection. It may be a reserved one if somebody has logged in from this source before. If
    /// none is left, another connection loses its place.
    pub(crate) fn enter(self: &Arc<Self>, source: Source, is_known: bool) -> Place {
        let network = source.network();
        let mut room = self.lock();
        let is_crowded = |hall: &Hall| hall.count >= limits::CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX;
        let sent_away = if room.networks.get(&network).is_some_and(is_crowded) {
            room.first_of(network)
        } else if room.guests.len() >= limits::CONNECTIONS_BEFORE_LOGIN_MAX {
            room.first_of_all()
        } else {
            None
        };
        let is_anothers = sent_away.is_some();
        let waker = sent_away.and_then(|id| room.remove(id));
        let (id, is_kept) = room.insert(source.clone(), network, is_known);
        drop(room);
        waker.into_iter().for_each(Waker::wake);
        Place { anteroom: Arc::clone(self), id, source, is_kept, is_anothers }
    }

    /// Closes up to `count` connections, in the order in which they would have to make room, and returns how many.
    pub(crate) fn send_away(&self, count: usize) -> usize {
        let mut sent = 0;
        while sent < count {
            let mut room = self.lock();
            let Some(id) = room.first_of_all() else { break };
            let waker = room.remove(id);
            drop(room);
            waker.into_iter().for_each(Waker::wake);
            sent += 1;
        }
        sent
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Resolves when the place has been taken away. Cancel safe.
    pub(crate) fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut room = self.anteroom.lock();
        let Some(guest) = room.guests.get_mut(&self.id) else { return Poll::Ready(()) };
        match &mut guest.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => guest.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Notes that the handshake is over: it cost both sides something, so the age counts from now.
    pub(crate) fn is_greeted(&self) {
        self.anteroom.lock().renew(self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.anteroom.lock().remove(self.id);
        drop(waker);
    }
}

impl Guests {
    fn insert(&mut self, source: Source, network: Network, is_known: bool) -> (u64, bool) {
        self.next += 1;
        let id = self.next;
        let is_kept = is_known && self.has_kept_place(&source, network);
        let hall = self.networks.entry(network).or_default();
        let party = hall.parties.entry(source.clone()).or_default();
        let guest = Guest { source, network, is_kept, age: Reverse(id), waker: None };
        hall.count += 1;
        party.kept += usize::from(is_kept);
        self.kept.extend(is_kept.then_some(id));
        party.guests.insert(guest.standing(id));
        party.rank_in(&mut hall.ranking);
        self.guests.insert(id, guest);
        (id, is_kept)
    }

    /// Returns whether one more connection of a source may have a reserved place. When all are taken, the source with
    /// the most gives up that of its oldest connection, which then counts as an ordinary one.
    fn has_kept_place(&mut self, source: &Source, network: Network) -> bool {
        let has = self.party(source, network).map_or(0, |party| party.kept);
        if has >= limits::KEPT_PLACES_PER_SOURCE_MAX {
            return false;
        }
        if self.kept.len() < limits::KEPT_PLACES_MAX {
            return true;
        }
        let standing = |id: &u64| {
            let guest = self.guests.get(id)?;
            let of_source = self.party(&guest.source, guest.network)?.kept;
            Some((of_source, guest.age, *id))
        };
        let first = self.kept.iter().filter_map(standing).max();
        let Some((.., id)) = first.filter(|(of_source, ..)| *of_source > has) else { return false };
        self.kept.remove(&id);
        self.update(id, |guest, party| {
            guest.is_kept = false;
            party.kept -= 1;
        });
        true
    }

    fn party(&self, source: &Source, network: Network) -> Option<&Party> {
        self.networks.get(&network)?.parties.get(source)
    }

    /// Removes a connection, and returns the waker to call once the lock is released: the connection will find its
    /// place gone.
    fn remove(&mut self, id: u64) -> Option<Waker> {
        let guest = self.guests.remove(&id)?;
        self.kept.remove(&id);
        let hall = self.networks.get_mut(&guest.network)?;
        hall.count -= 1;
        if let Some(party) = hall.parties.get_mut(&guest.source) {
            party.kept -= usize::from(guest.is_kept);
            party.guests.remove(&guest.standing(id));
            party.rank_in(&mut hall.ranking);
            if party.guests.is_empty() {
                hall.parties.remove(&guest.source);
            }
        }
        if hall.count == 0 {
            self.networks.remove(&guest.network);
        }
        guest.waker
    }

    fn renew(&mut self, id: u64) {
        self.next += 1;
        let age = Reverse(self.next);
        self.update(id, |guest, _| guest.age = age);
    }

    fn update(&mut self, id: u64, change: impl FnOnce(&mut Guest, &mut Party)) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        let Some(hall) = self.networks.get_mut(&guest.network) else { return };
        let Some(party) = hall.parties.get_mut(&guest.source) else { return };
        party.guests.remove(&guest.standing(id));
        change(guest, party);
        party.guests.insert(guest.standing(id));
        party.rank_in(&mut hall.ranking);
    }

    /// Returns the connection that has to go first in one network.
    fn first_of(&self, network: Network) -> Option<u64> {
        Some(self.networks.get(&network)?.ranking.last()?.id)
    }

    /// Returns the connection that has to go first: between sources that hold the same number, one of the network that
    /// holds most.
    fn first_of_all(&self) -> Option<u64> {
        let key = |rank: &Rank, hall: &Hall| (rank.is_open, rank.held, hall.count, rank.age, rank.id);
        let firsts = self.networks.values().filter_map(|hall| Some(key(hall.ranking.last()?, hall)));
        firsts.max().map(|(.., id)| id)
    }
}

impl Guest {
    fn standing(&self, id: u64) -> Standing {
        (!self.is_kept, self.age, id)
    }
}

impl Party {
    /// Updates its rank.
    fn rank_in(&mut self, ranking: &mut BTreeSet<Rank>) {
        if let Some(before) = self.rank.take() {
            ranking.remove(&before);
        }
        let held = self.guests.len();
        self.rank = self.guests.last().map(|&(is_open, age, id)| Rank { is_open, held, age, id });
        ranking.extend(self.rank);
    }
}

/// Returns a peer's source, as limits count it: its address. An IPv4 address mapped into IPv6 counts as IPv4. A
/// link-local address includes its interface, since another host may have the same one on another interface.
pub(crate) fn source_of(peer: SocketAddr) -> Source {
    let name = match (peer.ip().to_canonical(), peer) {
        (IpAddr::V6(address), SocketAddr::V6(scoped)) if address.is_unicast_link_local() => {
            format!("{address}%{}", scoped.scope_id())
        }
        (address, _) => address.to_string(),
    };
    Source(name.into())
}
