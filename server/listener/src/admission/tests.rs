//! The anteroom by itself: which connection goes when it is full.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Deref;

use super::*;

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn host(number: usize) -> SocketAddr {
    let [.., a, b] = number.to_be_bytes();
    ([10, 0, a, b], 1).into()
}

/// An anteroom, and the sources from which people have logged in.
#[derive(Default)]
struct Front {
    anteroom: Arc<Anteroom>,
    known: RefCell<HashSet<Source>>,
}

impl Front {
    fn enter(&self, peer: SocketAddr) -> Place {
        let source = source_of(peer);
        let is_known = self.known.borrow().contains(&source);
        self.anteroom.enter(source, is_known)
    }

    /// Records that somebody has logged in from these hosts.
    fn log_in(&self, hosts: impl Iterator<Item = usize>) {
        self.known.borrow_mut().extend(hosts.map(|number| source_of(host(number))));
    }
}

impl Deref for Front {
    type Target = Anteroom;

    fn deref(&self) -> &Anteroom {
        &self.anteroom
    }
}

fn kept(anteroom: &Anteroom, place: &Place) -> bool {
    anteroom.lock().kept.contains(&place.id)
}

fn is_taken(place: &Place) -> bool {
    place.poll_taken(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Returns how many of these still have their place.
fn left(places: &[Place]) -> usize {
    places.iter().filter(|place| !is_taken(place)).count()
}

fn enter_all(anteroom: &Front, peers: impl Iterator<Item = SocketAddr>) -> Vec<Place> {
    peers.map(|peer| anteroom.enter(peer)).collect()
}

#[test]
fn a_source_may_hold_all_places_and_keeps_nobody_out() {
    let anteroom = Front::default();
    let crowd = enter_all(&anteroom, (0..2 * limits::CONNECTIONS_BEFORE_LOGIN_MAX).map(|_| host(9)));
    assert_eq!(left(&crowd), limits::CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX);
    let honest = anteroom.enter(host(1));
    let more = enter_all(&anteroom, (0..5000).map(|_| host(9)));
    assert!(!is_taken(&honest), "whoever holds most makes room");
    assert!(more.iter().rev().take(500).all(|place| !is_taken(place)), "the oldest goes first");
    drop((crowd, more));
    assert_eq!(anteroom.lock().guests.len(), 1);
}

#[test]
fn a_host_with_many_link_local_addresses_keeps_nobody_out() {
    let anteroom = Front::default();
    let honest = anteroom.enter(peer("[fe80::1%2]:1"));
    let elsewhere = anteroom.enter(host(1));
    let addresses = (2..602).cycle().take(6000).map(|number| peer(&format!("[fe80::{number:x}%2]:1")));
    let crowd = enter_all(&anteroom, addresses);
    assert_eq!(left(&crowd), limits::CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX - 1);
    assert!(!is_taken(&honest) && !is_taken(&elsewhere));
}

#[test]
fn a_host_with_endless_addresses_of_a_network_leaves_the_other_networks_their_places() {
    let anteroom = Front::default();
    let honest = enter_all(&anteroom, (0..20).map(|number| peer(&format!("[2001:db8:0:1::{number:x}]:1"))));
    let endless = |network: u16| (0..5000).map(move |n| peer(&format!("[2001:db8:0:{network:x}::{n:x}]:1")));
    let crowds = [enter_all(&anteroom, endless(2)), enter_all(&anteroom, endless(3))];
    assert_eq!(left(&honest), 20);
    assert_eq!(left(&crowds[0]) + left(&crowds[1]) + 20, limits::CONNECTIONS_BEFORE_LOGIN_MAX);
}

#[test]
fn all_places_together_are_bounded() {
    let anteroom = Front::default();
    let places = enter_all(&anteroom, (0..5000).map(|n: u32| (n.rotate_right(16).to_be_bytes(), 1).into()));
    assert_eq!(left(&places), limits::CONNECTIONS_BEFORE_LOGIN_MAX);
    drop(places);
    let room = anteroom.lock();
    assert!(room.guests.is_empty() && room.networks.is_empty() && room.kept.is_empty());
}

#[test]
fn places_are_kept_for_those_who_have_logged_in_before() {
    let anteroom = Front::default();
    anteroom.log_in(1..2);
    let back = enter_all(&anteroom, (0..limits::KEPT_PLACES_PER_SOURCE_MAX + 1).map(|_| host(1)));
    let kept: Vec<bool> = back.iter().map(|place| place.is_kept).collect();
    assert_eq!(kept.iter().filter(|is_kept| **is_kept).count(), limits::KEPT_PLACES_PER_SOURCE_MAX);
    assert!(
        !kept[limits::KEPT_PLACES_PER_SOURCE_MAX],
        "a source that is known cannot take all places either"
    );
    let strangers = enter_all(&anteroom, (2..5000).map(host));
    assert_eq!(
        left(&back),
        limits::KEPT_PLACES_PER_SOURCE_MAX,
        "more sources than places do not drive it out"
    );
    assert!(left(&strangers) > 500);
}

#[test]
fn kept_places_are_bounded_in_all() {
    let anteroom = Front::default();
    anteroom.log_in(0..1000);
    let places = enter_all(&anteroom, (0..1000).map(host));
    assert_eq!(left(&places), limits::CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX);
    let of_places = places.iter().filter(|place| kept(&anteroom, place)).count();
    assert_eq!((of_places, anteroom.lock().kept.len()), (limits::KEPT_PLACES_MAX, limits::KEPT_PLACES_MAX));
    drop(places);
    assert!(anteroom.lock().guests.is_empty() && anteroom.lock().kept.is_empty());
}

#[test]
fn an_account_with_many_addresses_has_a_share_of_the_kept_places() {
    let anteroom = Front::default();
    anteroom.log_in(1..2);
    // An account cannot have more known sources.
    anteroom.log_in(2..2 + limits::KNOWN_SOURCES_PER_ACCOUNT_MAX);
    let eve = enter_all(&anteroom, (2..66).cycle().take(400).map(host));
    let share = limits::KNOWN_SOURCES_PER_ACCOUNT_MAX * limits::KEPT_PLACES_PER_SOURCE_MAX;
    assert_eq!(eve.iter().filter(|place| kept(&anteroom, place)).count(), share);
    let ana = anteroom.enter(host(1));
    let strangers = enter_all(&anteroom, (100..5000).map(host));
    assert!(!is_taken(&ana) && left(&strangers) > 500);
}

/// With many accounts, each with its own addresses, sources with many reserved places give one to a source that has
/// fewer.
#[test]
fn who_comes_when_all_kept_places_are_taken_gets_one_of_the_source_that_has_most() {
    let anteroom = Front::default();
    anteroom.log_in(1..2);
    anteroom.log_in(2..66);
    let crowd = enter_all(&anteroom, (2..66).cycle().take(limits::KEPT_PLACES_MAX).map(host));
    assert_eq!(anteroom.lock().kept.len(), limits::KEPT_PLACES_MAX);
    let ana = anteroom.enter(host(1));
    assert!(
        ana.is_kept && !kept(&anteroom, &crowd[0]) && left(&crowd) == crowd.len(),
        "it only loses its claim"
    );
    let more = enter_all(&anteroom, (2..66).cycle().take(1000).map(host));
    assert!(kept(&anteroom, &ana) && anteroom.lock().kept.len() == limits::KEPT_PLACES_MAX);
    let strangers = enter_all(&anteroom, (100..5000).map(host));
    assert!(!is_taken(&ana) && left(&strangers) > 500);
    drop((crowd, more, strangers, ana));
    assert!(anteroom.lock().guests.is_empty() && anteroom.lock().kept.is_empty());
}

/// With more sources than places, and one connection each, the oldest connection goes, whatever it is doing.
#[test]
fn whoever_comes_gets_a_place_and_goes_after_all_that_came_before() {
    let anteroom = Front::default();
    let crowd = enter_all(&anteroom, (0..limits::CONNECTIONS_BEFORE_LOGIN_PER_NETWORK_MAX).map(host));
    let newest = anteroom.enter(host(5000));
    assert!(!is_taken(&newest) && is_taken(&crowd[0]) && left(&crowd) == crowd.len() - 1);
    let next = enter_all(&anteroom, (6000..6000 + crowd.len() - 1).map(host));
    assert!(!is_taken(&newest) && left(&crowd) == 0);
    drop((crowd, next, newest));
    assert_eq!(anteroom.send_away(3), 0, "there is nobody left");
}

#[test]
fn a_handshake_that_was_finished_goes_after_those_that_came_meanwhile() {
    let anteroom = Front::default();
    let places = enter_all(&anteroom, (1..=3).map(host));
    places[0].is_greeted();
    assert_eq!(anteroom.send_away(2), 2);
    assert!(!is_taken(&places[0]) && left(&places) == 1);
}

#[test]
fn whoever_waits_is_woken_when_its_place_is_taken() {
    use std::sync::atomic::{AtomicBool, Ordering};
    struct Flag(AtomicBool);
    impl std::task::Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let anteroom = Front::default();
    let (place, flag) = (anteroom.enter(host(9)), Arc::new(Flag(AtomicBool::new(false))));
    let waker = Waker::from(Arc::clone(&flag));
    assert!(place.poll_taken(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(anteroom.send_away(3), 1);
    assert!(flag.0.load(Ordering::Relaxed) && is_taken(&place));
}

#[test]
fn a_source_is_one_address_and_a_mapped_ipv4_address_is_itself() {
    let of = |text: &str| source_of(peer(text));
    assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::1]:2"));
    assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8::2]:1"), "a /64 is a whole network");
    assert_ne!(of("[fe80::1%1]:1"), of("[fe80::1%2]:1"), "each link may have a host of that address");
    assert_eq!(of("[::ffff:10.0.0.1]:1"), Source("10.0.0.1".into()));
}
