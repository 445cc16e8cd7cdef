//! How long to wait before the next attempt to reconnect: exponential, with full jitter, so that
//! the clients of a server that comes back do not all come at once.

use std::time::Duration;

use lanchat_model::limits;

/// Counts failures.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Starts over after a stable connection: the next loss counts as the first.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns how many attempts have failed since the last reset.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the wait before the next attempt. It is at least what the server asked for, of which at most
    /// `limits::RETRY_AFTER_MAX` counts.
    pub(crate) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let doubled = limits::RECONNECT_DELAY_MIN.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after.unwrap_or_default().min(limits::RETRY_AFTER_MAX);
        asked + doubled.min(limits::RECONNECT_DELAY_MAX).mul_f64(fraction())
    }
}

/// Returns a random number from 0 to 1.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness, wait the longest: that is slow, but cannot cause a stampede.
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_bounded_and_spread() {
        let waits =
            |failures: u32| -> Vec<Duration> { (0..200).map(|_| Backoff { failures }.next(None)).collect() };
        assert!(waits(0).iter().all(|wait| *wait <= limits::RECONNECT_DELAY_MIN));
        assert!(waits(60).iter().all(|wait| *wait <= limits::RECONNECT_DELAY_MAX));
        let (least, most) = (*waits(60).iter().min().unwrap(), *waits(60).iter().max().unwrap());
        assert!(least < limits::RECONNECT_DELAY_MAX / 4 && most > limits::RECONNECT_DELAY_MAX / 2);
    }

    #[test]
    fn a_server_may_ask_for_a_wait_but_not_for_any() {
        let asked = Duration::from_secs(7);
        assert!(Backoff::default().next(Some(asked)) >= asked);
        let longest = limits::RETRY_AFTER_MAX + limits::RECONNECT_DELAY_MAX;
        assert!(Backoff::default().next(Some(Duration::MAX)) <= longest);
    }
}
