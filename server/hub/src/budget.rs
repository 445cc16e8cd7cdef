//! How much somebody may ask for, and a bounded memory of what each has used.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use lanchat_model::limits;
use tokio::time::Instant;

/// A token bucket (RFC 2697) in time: a burst, refilled one by one. It holds the moment at which it will be full again.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    until: Option<Instant>,
    /// Whether somebody was told that nothing is left, since the last take.
    told: bool,
}

/// The size of a [`Budget`], and how fast it refills.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) every: Duration,
}

impl Budget {
    /// Returns how long nothing is left, or `None` if something is.
    pub(crate) fn wait(&self, rate: Rate, now: Instant) -> Option<Duration> {
        let used = self.until?.checked_duration_since(now)?;
        let left = rate.every.saturating_mul(rate.burst.saturating_sub(1));
        used.checked_sub(left).filter(|wait| !wait.is_zero())
    }

    /// Takes one, even if nothing is left: the amount used stays within the burst.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) {
        let used = self.until.map_or(now, |until| until.max(now)) + rate.every;
        self.until = Some(used.min(now + rate.every.saturating_mul(rate.burst)));
        self.told = false;
    }

    /// Returns how much is used, at most the burst.
    pub(crate) fn used(&self, rate: Rate, now: Instant) -> u32 {
        let left = self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        u32::try_from(left.as_millis().div_ceil(rate.every.as_millis().max(1))).unwrap_or(rate.burst)
    }

    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.until = self.until.and_then(|until| until.checked_sub(rate.every));
    }

    /// Notes that somebody is told that nothing is left. Returns whether this is the first time since the last take.
    pub(crate) fn is_told_first(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }
}

/// Something that expires.
pub(crate) trait Expires {
    /// Returns when the value has expired, or `None` if it already has.
    fn at(&self) -> Option<Instant>;
}

impl Expires for Budget {
    fn at(&self) -> Option<Instant> {
        self.until
    }
}

/// A memory of at most `limits::LOGIN_SOURCES_MAX` values. When it is full, an eighth is forgotten: those that expire
/// first, and among equals those touched longest ago. So somebody who has used up much is not forgotten for others who
/// have used up little.
#[derive(Debug)]
pub(crate) struct Remembered<K, V> {
    entries: HashMap<K, (u64, V)>,
    touches: u64,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), touches: 0 }
    }
}

impl<K: Eq + Hash, V: Expires> Remembered<K, V> {
    pub(crate) fn touch(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.touches += 1;
        if self.entries.len() >= limits::LOGIN_SOURCES_MAX && !self.entries.contains_key(&key) {
            self.make_room();
        }
        let (touched, value) = self.entries.entry(key).or_insert_with(|| (0, make()));
        *touched = self.touches;
        value
    }

    /// Makes room for many at once, because it has to look at all of them.
    fn make_room(&mut self) {
        let rank = |(touched, value): &(u64, V)| (value.at(), *touched);
        let mut ranks: Vec<_> = self.entries.values().map(rank).collect();
        let (.., first_to_stay, _) = ranks.select_nth_unstable(limits::LOGIN_SOURCES_MAX / 8);
        let first_to_stay = *first_to_stay;
        self.entries.retain(|_, entry| rank(&*entry) >= first_to_stay);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(crate) fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    pub(crate) fn forget(&mut self, key: &K) {
        self.entries.remove(key);
    }
}
