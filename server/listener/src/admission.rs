//! Who may wait in front of the login: so many in all, so many from one place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use lanchat_hub::Source;
use lanchat_model::limits;

/// Counts the connections that have not logged in.
#[derive(Debug, Default)]
pub(crate) struct Anteroom {
    /// Bounded by `limits::CONNECTIONS_BEFORE_LOGIN_MAX`: each key stands for at least one of them.
    waiting: Mutex<HashMap<Source, usize>>,
}

/// A place in the anteroom, given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    anteroom: Arc<Anteroom>,
    source: Source,
}

impl Anteroom {
    /// A place, if there is one: neither all of `limits::CONNECTIONS_BEFORE_LOGIN_MAX` nor those of this source are
    /// taken.
    pub(crate) fn enter(self: &Arc<Self>, source: &Source) -> Option<Place> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = waiting.values().sum();
        let from_here = waiting.get(source).copied().unwrap_or(0);
        if total >= limits::CONNECTIONS_BEFORE_LOGIN_MAX
            || from_here >= limits::CONNECTIONS_BEFORE_LOGIN_PER_ADDRESS_MAX
        {
            return None;
        }
        waiting.insert(source.clone(), from_here + 1);
        Some(Place { anteroom: Arc::clone(self), source: source.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.anteroom.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.source);
            }
        }
    }
}

/// Where a peer is, as limits count it: an IPv4 address, or the /64 that one IPv6 host has to itself.
pub(crate) fn source_of(peer: SocketAddr) -> Source {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => Source(address.to_string()),
        IpAddr::V6(address) if address.is_unicast_link_local() || address.is_loopback() => {
            Source(address.to_string())
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Source(format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_places() {
        let anteroom = Arc::new(Anteroom::default());
        let (greedy, other) = (source_of(([10, 0, 0, 9], 1).into()), source_of(([10, 0, 0, 1], 1).into()));
        let mut places: Vec<Place> = std::iter::from_fn(|| anteroom.enter(&greedy)).collect();
        assert_eq!(places.len(), limits::CONNECTIONS_BEFORE_LOGIN_PER_ADDRESS_MAX);
        assert!(anteroom.enter(&other).is_some());
        places.pop();
        assert!(anteroom.enter(&greedy).is_some());
    }

    #[test]
    fn all_places_together_are_bounded() {
        let anteroom = Arc::new(Anteroom::default());
        let sources = (0..1000_u32).map(|n| source_of((n.to_be_bytes(), 1).into()));
        let places: Vec<Place> = sources.filter_map(|source| anteroom.enter(&source)).collect();
        assert_eq!(places.len(), limits::CONNECTIONS_BEFORE_LOGIN_MAX);
    }

    #[test]
    fn an_ipv6_host_is_its_64_and_a_mapped_ipv4_address_is_itself() {
        let of = |text: &str| source_of(format!("[{text}]:1").parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("fe80::1"), of("fe80::2"));
        assert_eq!(of("::ffff:10.0.0.1"), Source("10.0.0.1".into()));
    }
}
