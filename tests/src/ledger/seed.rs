//! Chance that can be had again: everything random in a ledger run comes from one number.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of chance (SplitMix64).
#[derive(Clone, Debug)]
pub struct Seed {
    start: u64,
    state: u64,
}

impl Seed {
    /// The number in `LANCHAT_SEED`, else one from the clock. Whoever takes it prints it.
    pub fn from_environment() -> Self {
        let given = std::env::var("LANCHAT_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::new(given.unwrap_or_else(|| clock().as_micros() as u64))
    }

    /// From a number.
    pub fn new(start: u64) -> Self {
        Self { start, state: start }
    }

    /// The number that it began with.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Another source, for a part that runs beside this one.
    pub fn branch(&self, number: u64) -> Self {
        Self { start: self.start, state: self.start ^ (number + 1).wrapping_mul(0xd1b5_4a32_d192_ed03) }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// A place in a list of so many, which is not empty.
    pub fn index(&mut self, len: usize) -> usize {
        (self.number() % len as u64) as usize
    }

    /// From 1 to 500 ms, and half of the times at most 22 ms: a crash during a start or a login is as likely as one
    /// in full swing.
    pub fn pause(&mut self) -> Duration {
        let exponent = self.below(1_000_000) as f64 / 1e6;
        Duration::from_micros((1000.0 * 500_f64.powf(exponent)) as u64)
    }
}

/// Whether `LANCHAT_LEDGER=long` asks for the run that is too long for every day.
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
