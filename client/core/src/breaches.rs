//! How often a server broke the protocol: a fault that comes back with every connection does not go away by itself.

use lanchat_model::limits;
use tokio::time::Instant;

/// Counts breaches on consecutive connections.
#[derive(Debug, Default)]
pub(crate) struct Breaches {
    count: u32,
    last: Option<Instant>,
}

impl Breaches {
    /// Counts a breach. Returns `true` if it is one too many and the server is given up.
    pub(crate) fn note(&mut self) -> bool {
        let now = Instant::now();
        let follows = self.last.is_some_and(|last| now.duration_since(last) < limits::BREACH_FORGOTTEN);
        self.count = if follows { self.count + 1 } else { 1 };
        self.last = Some(now);
        self.count >= limits::BREACHES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn breaches_that_follow_each_other_are_too_many_and_others_are_not() {
        let mut breaches = Breaches::default();
        for _ in 0..3 * limits::BREACHES_MAX {
            assert!(!breaches.note(), "each is long after the last");
            tokio::time::advance(limits::BREACH_FORGOTTEN).await;
        }
        let noted: Vec<bool> = (0..limits::BREACHES_MAX).map(|_| breaches.note()).collect();
        assert_eq!(noted.iter().position(|enough| *enough), Some(limits::BREACHES_MAX as usize - 1));
    }
}
