//! When the sessions of a stopping server are to reconnect: not all at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use lanchat_model::limits;

/// Seconds that a restart takes at least. Clients add their own jitter.
const RETRY_AFTER_MIN: u64 = 1;

/// The sessions that one stop disconnects.
#[derive(Debug, Default)]
pub(crate) struct Reconnects(OnceLock<usize>);

impl Reconnects {
    /// Returns the seconds after which one of them is to reconnect: random, so that about `limits::RETURNS_PER_SECOND`
    /// return in each second. Only the first value of `online` is used: later it has shrunk.
    pub(crate) fn retry_after(&self, online: usize) -> u64 {
        let all = *self.0.get_or_init(|| online);
        let seconds = (all / limits::RETURNS_PER_SECOND) as u64 + 1;
        // The keys of each state are random. That is enough: the results only have to differ.
        RETRY_AFTER_MIN + RandomState::new().hash_one(()) % seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_come_back_at_once_and_many_are_spread() {
        let few = Reconnects::default();
        assert!((0..100).all(|_| few.retry_after(100) == RETRY_AFTER_MIN));
        let many = Reconnects::default();
        let waits: Vec<u64> = (1..=2000).rev().map(|online| many.retry_after(online)).collect();
        for second in 1..=6 {
            let count = waits.iter().filter(|wait| **wait == second).count();
            assert!((200..500).contains(&count), "{count} after {second} seconds");
        }
        assert!(waits.iter().all(|wait| (1..=6).contains(wait)));
    }
}
