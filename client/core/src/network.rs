//! Whether this computer's network is still the one that the connection was made over. Only the computer is looked at;
//! nothing is sent.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lanchat_model::limits;
use tokio::time::Instant;

/// How far, between two looks, the wall clock may run ahead of the clock that stops when the computer sleeps.
const ASLEEP_MIN: Duration = Duration::from_secs(5);

/// The state of the network at the last look.
#[derive(Debug)]
pub(crate) struct Network {
    addresses: BTreeSet<IpAddr>,
    looked: Instant,
    looked_by_the_wall: SystemTime,
}

impl Network {
    /// Returns the current state. Blocks for a few system calls.
    pub(crate) fn now() -> Self {
        Self { addresses: addresses(), looked: Instant::now(), looked_by_the_wall: SystemTime::now() }
    }

    /// Waits until this computer's addresses have changed or it was asleep. Looks every
    /// `limits::NETWORK_LOOK_EVERY`. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            tokio::time::sleep_until(self.looked + limits::NETWORK_LOOK_EVERY).await;
            if self.look(addresses(), Instant::now(), SystemTime::now()) {
                return;
            }
        }
    }

    /// Notes the current state, and returns whether it has changed.
    fn look(&mut self, addresses: BTreeSet<IpAddr>, now: Instant, by_the_wall: SystemTime) -> bool {
        // A clock that was set back does not show whether the computer slept.
        let wall = by_the_wall.duration_since(self.looked_by_the_wall).unwrap_or_default();
        let slept = wall.saturating_sub(now.duration_since(self.looked)) >= ASLEEP_MIN;
        let changed = slept || addresses != self.addresses;
        (self.addresses, self.looked, self.looked_by_the_wall) = (addresses, now, by_the_wall);
        changed
    }
}

/// Returns this computer's addresses, or an empty set if the system does not report them. Temporary IPv6 addresses come
/// and go while all is well, which costs a `ping`.
fn addresses() -> BTreeSet<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.iter().filter(|interface| !interface.is_loopback()).map(|interface| interface.ip()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_addresses_and_a_sleep_are_changes_and_a_clock_that_is_set_back_is_none() {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let own = |last: u8| BTreeSet::from([IpAddr::from([10, 77, 0, last])]);
        let mut network = Network { addresses: own(1), looked: start, looked_by_the_wall: wall };
        let seconds = Duration::from_secs;
        assert!(!network.look(own(1), start + seconds(3), wall + seconds(3)));
        assert!(network.look(own(2), start + seconds(6), wall + seconds(6)));
        assert!(network.look(BTreeSet::new(), start + seconds(9), wall + seconds(9)), "the cable is out");
        assert!(!network.look(BTreeSet::new(), start + seconds(12), wall + seconds(12)), "told once");
        assert!(network.look(BTreeSet::new(), start + seconds(15), wall + seconds(3600)), "it was asleep");
        assert!(!network.look(BTreeSet::new(), start + seconds(18), wall));
    }
}
