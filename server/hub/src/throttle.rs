//! Guessing passwords is slow: after a few failures from one source for one account, each attempt waits.
//!
//! Keyed by both, so that an attacker slows himself and not the owner; an unknown account is treated as a known one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, limits};
use tokio::time::Instant;

/// Where a connection comes from, as its listener names it: an address, or an IPv6 /64.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source(pub String);

type Key = (AccountName, Source);

/// Failed attempts that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: HashMap<Key, (u32, Instant)>,
    /// By first failure. Bounded by `limits::LOGIN_SOURCES_MAX`: the oldest is forgotten.
    order: VecDeque<Key>,
}

impl Throttle {
    /// How long this attempt has to wait, if it has to.
    pub(crate) fn wait(&self, name: &AccountName, source: &Source) -> Option<Duration> {
        let state = self.lock();
        let (failures, last) = state.failures.get(&(name.clone(), source.clone()))?;
        let over = failures.checked_sub(limits::LOGIN_FAILURES_FREE)?;
        let delay = Duration::from_secs(1 << over.min(6)).min(limits::LOGIN_DELAY_MAX);
        delay.checked_sub(last.elapsed()).filter(|left| !left.is_zero())
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, name: AccountName, source: Source) {
        let mut state = self.lock();
        let key = (name, source);
        if let Some((failures, last)) = state.failures.get_mut(&key) {
            *failures = failures.saturating_add(1);
            *last = Instant::now();
            return;
        }
        if state.order.len() >= limits::LOGIN_SOURCES_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.failures.remove(&oldest);
        }
        state.order.push_back(key.clone());
        state.failures.insert(key, (1, Instant::now()));
    }

    /// An attempt succeeded: the owner is here.
    pub(crate) fn succeeded(&self, name: &AccountName, source: &Source) {
        let mut state = self.lock();
        let key = (name.clone(), source.clone());
        if state.failures.remove(&key).is_some() {
            state.order.retain(|known| *known != key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn guesses_slow_down_and_the_owner_elsewhere_does_not() {
        let (throttle, ana) = (Throttle::default(), "ana".parse::<AccountName>().unwrap());
        let [attacker, owner] = ["10.0.0.9", "10.0.0.1"].map(|at| Source(at.into()));
        let mut waits = Vec::new();
        for _ in 0..14 {
            throttle.failed(ana.clone(), attacker.clone());
            waits.push(throttle.wait(&ana, &attacker).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(throttle.wait(&ana, &owner), None);
        tokio::time::advance(limits::LOGIN_DELAY_MAX).await;
        assert_eq!(throttle.wait(&ana, &attacker), None);
    }
}
