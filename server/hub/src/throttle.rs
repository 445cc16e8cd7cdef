//! Guessing passwords is slow: after a few failures from one source for one account, each attempt waits.
//!
//! Keyed by both, so that an attacker slows himself and not the owner; an unknown account is treated as a known one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, limits};
use tokio::time::Instant;

/// Where a connection comes from, as its listener names it: one address, a link-local one with its interface. Cheap to
/// clone. One host may have very many of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub Arc<str>);

type Key = (AccountName, Source);

/// Failed attempts that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<State>,
}

/// What is remembered of one source and account.
#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// Whether the log was told that attempts have to wait.
    told: bool,
}

/// An attempt that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooEarly {
    /// How long it has to wait.
    pub(crate) wait: Duration,
    /// Whether it is the first one since the source last logged in to the account, which is worth a line of the log.
    pub(crate) first: bool,
}

#[derive(Debug, Default)]
struct State {
    failures: HashMap<Key, Failures>,
    /// By first failure. Bounded by `limits::LOGIN_SOURCES_MAX`: the oldest is forgotten.
    order: VecDeque<Key>,
}

impl Throttle {
    /// Whether this attempt has to wait.
    pub(crate) fn wait(&self, name: &AccountName, source: &Source) -> Option<TooEarly> {
        let mut state = self.lock();
        let failures = state.failures.get_mut(&(name.clone(), source.clone()))?;
        let over = failures.count.checked_sub(limits::LOGIN_FAILURES_FREE)?;
        let delay = Duration::from_secs(1 << over.min(6)).min(limits::LOGIN_DELAY_MAX);
        let wait = delay.checked_sub(failures.last.elapsed()).filter(|left| !left.is_zero())?;
        let first = !std::mem::replace(&mut failures.told, true);
        Some(TooEarly { wait, first })
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, name: AccountName, source: Source) {
        let mut state = self.lock();
        let key = (name, source);
        if let Some(failures) = state.failures.get_mut(&key) {
            failures.count = failures.count.saturating_add(1);
            failures.last = Instant::now();
            return;
        }
        if state.order.len() >= limits::LOGIN_SOURCES_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.failures.remove(&oldest);
        }
        state.order.push_back(key.clone());
        state.failures.insert(key, Failures { count: 1, last: Instant::now(), told: false });
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
            waits.push(throttle.wait(&ana, &attacker).map_or(0, |early| early.wait.as_secs()));
        }
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(throttle.wait(&ana, &owner), None);
        tokio::time::advance(limits::LOGIN_DELAY_MAX).await;
        assert_eq!(throttle.wait(&ana, &attacker), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_attempt_that_waits_is_told_from_those_after_it() {
        let (throttle, ana) = (Throttle::default(), "ana".parse::<AccountName>().unwrap());
        let source = Source("10.0.0.9".into());
        for _ in 0..2 {
            (0..limits::LOGIN_FAILURES_FREE).for_each(|_| throttle.failed(ana.clone(), source.clone()));
            let mut firsts = Vec::new();
            for _ in 0..3 {
                firsts.push(throttle.wait(&ana, &source).unwrap().first);
                throttle.failed(ana.clone(), source.clone());
            }
            assert_eq!(firsts, [true, false, false]);
            throttle.succeeded(&ana, &source);
        }
    }
}
