//! When those that a server sends away are to come back: not all at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use lanchat_model::limits;

/// Seconds that a restart takes at least. Clients add jitter of their own.
const RETRY_AFTER_MIN: u64 = 1;

/// The sessions that one stop sends away.
#[derive(Debug, Default)]
pub(crate) struct Herd(OnceLock<usize>);

impl Herd {
    /// The seconds after which one of them is to come back: at random, so that in each second about
    /// `limits::RETURNS_PER_SECOND` do. `online` counts when it is asked first; later it has shrunk.
    pub(crate) fn retry_after(&self, online: usize) -> u64 {
        let all = *self.0.get_or_init(|| online);
        let seconds = (all / limits::RETURNS_PER_SECOND) as u64 + 1;
        // The keys of each state are random: no more is needed than that not all are the same.
        RETRY_AFTER_MIN + RandomState::new().hash_one(()) % seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_come_back_at_once_and_many_are_spread() {
        let few = Herd::default();
        assert!((0..100).all(|_| few.retry_after(100) == RETRY_AFTER_MIN));
        let many = Herd::default();
        let waits: Vec<u64> = (1..=2000).rev().map(|online| many.retry_after(online)).collect();
        for second in 1..=6 {
            let count = waits.iter().filter(|wait| **wait == second).count();
            assert!((200..500).contains(&count), "{count} after {second} seconds");
        }
        assert!(waits.iter().all(|wait| (1..=6).contains(wait)));
    }
}
