//! How much somebody may ask for, and a bounded memory of what each has used up.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use lanchat_model::limits;
use tokio::time::Instant;

/// So many at once, and one more every so often: the moment until which it is used up (RFC 2697, in time).
#[derive(Debug, Default)]
pub(crate) struct Budget {
    until: Option<Instant>,
    /// Whether somebody was told since something was taken that there is nothing left.
    told: bool,
}

/// How much a [`Budget`] holds.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) every: Duration,
}

impl Budget {
    /// How long there is nothing left.
    pub(crate) fn wait(&self, rate: Rate, now: Instant) -> Option<Duration> {
        let used = self.until?.checked_duration_since(now)?;
        let left = rate.every.saturating_mul(rate.burst.saturating_sub(1));
        used.checked_sub(left).filter(|wait| !wait.is_zero())
    }

    /// Takes one, be it more than there is: what is used up stays within the burst.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) {
        let used = self.until.map_or(now, |until| until.max(now)) + rate.every;
        self.until = Some(used.min(now + rate.every.saturating_mul(rate.burst)));
        self.told = false;
    }

    /// How much of it is used up, at most the burst.
    pub(crate) fn used(&self, rate: Rate, now: Instant) -> u32 {
        let left = self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        u32::try_from(left.as_millis().div_ceil(rate.every.as_millis().max(1))).unwrap_or(rate.burst)
    }

    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.until = self.until.and_then(|until| until.checked_sub(rate.every));
    }

    /// Somebody is told that there is nothing left: whether for the first time since something was taken.
    pub(crate) fn is_told_first(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }
}

/// Something that is forgotten by time.
pub(crate) trait Expires {
    /// When it is as if it had never been. `None`: it is already.
    fn at(&self) -> Option<Instant>;
}

impl Expires for Budget {
    fn at(&self) -> Option<Instant> {
        self.until
    }
}

/// What is known of somebody. At most `limits::LOGIN_SOURCES_MAX`: when full, an eighth is forgotten, what would be as good as
/// new first, and of the same what was touched longest ago. So nobody who has used up much is forgotten for others who have
/// used up little.
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

    /// Looks at all of them, and therefore makes room for many.
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
