//! Repeatable randomness: everything random in a ledger run comes from one number.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A random number generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Seed {
    start: u64,
    state: u64,
}

impl Seed {
    /// Starts from the number in `LANCHAT_SEED`, otherwise from the clock. The caller prints it.
    pub fn from_environment() -> Self {
        let given = std::env::var("LANCHAT_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::new(given.unwrap_or_else(|| clock().as_micros() as u64))
    }

    /// Starts from a number.
    pub fn new(start: u64) -> Self {
        Self { start, state: start }
    }

    /// Returns the number that it started from.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Returns another generator, for a part that runs in parallel.
    pub fn branch(&self, number: u64) -> Self {
        Self { start: self.start, state: self.start ^ (number + 1).wrapping_mul(0xd1b5_4a32_d192_ed03) }
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Returns an index into a list of `len` items, which must not be empty.
    pub fn index(&mut self, len: usize) -> usize {
        (self.number() % len as u64) as usize
    }

    /// Returns 1 to 500 ms, half of the time at most 22 ms: a crash during a start or a login is as likely as one
    /// during normal work.
    pub fn pause(&mut self) -> Duration {
        let exponent = self.below(1_000_000) as f64 / 1e6;
        Duration::from_micros((1000.0 * 500_f64.powf(exponent)) as u64)
    }
}

/// Returns whether `LANCHAT_LEDGER=long` asks for the run that is too long for daily use.
pub fn long_run() -> bool {
    std::env::var("LANCHAT_LEDGER").is_ok_and(|value| value == "long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_its_branches_differ() {
        let draw = |mut seed: Seed| (0..8).map(|_| seed.number()).collect::<Vec<_>>();
        let seed = Seed::new(7);
        assert_eq!(draw(seed.clone()), draw(Seed::new(7)));
        assert_ne!(draw(seed.branch(0)), draw(seed.branch(1)));
        assert_ne!(draw(seed.clone()), draw(Seed::new(8)));
    }

    #[test]
    fn pauses_are_from_1_to_500_ms() {
        let mut seed = Seed::new(1);
        let pauses: Vec<_> = (0..1000).map(|_| seed.pause().as_millis()).collect();
        assert!(pauses.iter().all(|ms| (1..=500).contains(ms)), "{pauses:?}");
        assert!(pauses.iter().any(|ms| *ms < 5) && pauses.iter().any(|ms| *ms > 300), "{pauses:?}");
    }
}
