//! Slows password guessing: per account and source, per account over all sources, and per source over all accounts.
//!
//! An attempt counts before its hash is computed, and is given back if it was not a guess, so simultaneous guesses
//! count like successive ones. An unknown account is treated like a known one. A source that has logged in to an
//! account is slowed there only by its own failures, never by those of others (ADR 10).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, limits};
use tokio::time::Instant;

use crate::budget::{Budget, Expires, Rate, Remembered};
use crate::known::KnownSources;
use crate::source::Source;

/// The remembered attempts.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<State>,
}

/// An attempt that counts as a failure from now on, unless it is given back.
#[derive(Debug)]
#[must_use = "it counts as a failure until it is given back"]
pub(crate) struct Attempt {
    name: AccountName,
    source: Source,
    /// When the attempt before it failed.
    before: Option<Instant>,
    /// Whether the source failed at this account before. This decides which budget it was taken from.
    failing: bool,
    /// Whether the source logged in to this account before. Then it was not taken from a budget.
    pub(crate) known: bool,
}

/// An attempt that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooEarly {
    /// How long it has to wait.
    pub(crate) wait: Duration,
    /// Whether it is worth a line in the log: it is the first since an attempt was let through.
    pub(crate) first: bool,
}

#[derive(Debug, Default)]
struct State {
    failures: Remembered<(AccountName, Source), Failures>,
    accounts: Remembered<AccountName, OfAccount>,
    sources: Remembered<Source, Budget>,
    /// The sources that have shown a token that opened no session.
    bad_tokens: Remembered<Source, Budget>,
    known: KnownSources,
}

/// Failures of one source at one account.
#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    /// Whether the log was told that attempts have to wait.
    told: bool,
}

/// How much all sources together may try at one account, except those that logged in to it before.
#[derive(Debug, Default)]
struct OfAccount {
    /// For sources that failed at it before.
    failing: Budget,
    /// For sources that did not, so that an owner on a new device does not wait behind those that guess.
    fresh: Budget,
}

const FAILING: Rate = Rate { burst: limits::LOGIN_ACCOUNT_BURST, every: limits::LOGIN_ACCOUNT_EVERY };
const FRESH: Rate = Rate { burst: limits::LOGIN_FRESH_BURST, every: limits::LOGIN_FRESH_EVERY };
const SOURCE: Rate = Rate { burst: limits::LOGIN_SOURCE_BURST, every: limits::LOGIN_SOURCE_EVERY };
const BAD_TOKEN: Rate = Rate { burst: 1, every: limits::BAD_TOKEN_SHOWN };

impl Failures {
    /// Returns how long the next attempt has to wait.
    fn wait(&self) -> Option<Duration> {
        let over = self.count.checked_sub(limits::LOGIN_FAILURES_FREE)?;
        let delay = Duration::from_secs(1 << over.min(6)).min(limits::LOGIN_DELAY_MAX);
        delay.checked_sub(self.last.elapsed()).filter(|left| !left.is_zero())
    }
}

impl Expires for Failures {
    /// Adds a second for each failure, so that a source that failed often is not forgotten for others that failed once.
    fn at(&self) -> Option<Instant> {
        (self.count > 0).then(|| self.last + Duration::from_secs(self.count.into()))
    }
}

impl Expires for OfAccount {
    fn at(&self) -> Option<Instant> {
        self.failing.at().max(self.fresh.at())
    }
}

impl TooEarly {
    fn after(wait: Duration, budget: &mut Budget) -> Self {
        Self { wait, first: budget.is_told_first() }
    }
}

impl Throttle {
    /// Counts an attempt, before its outcome is known.
    pub(crate) fn begin(&self, name: &AccountName, source: &Source) -> Result<Attempt, TooEarly> {
        let (mut state, now) = (self.lock(), Instant::now());
        let state = &mut *state;
        let key = (name.clone(), source.clone());
        let known = state.known.is_at(name, source);
        // A refused attempt leaves no trace, so that it does not push out those that were let through.
        let failures = state.failures.peek_mut(&key);
        let failing = failures.as_ref().is_some_and(|failures| failures.count > 0);
        if let Some(failures) = failures
            && let Some(wait) = failures.wait()
        {
            return Err(TooEarly { wait, first: !std::mem::replace(&mut failures.told, true) });
        }
        if !known {
            if let Some(budget) = state.sources.peek_mut(source)
                && let Some(wait) = budget.wait(SOURCE, now)
            {
                return Err(TooEarly::after(wait, budget));
            }
            if let Some(of_account) = state.accounts.peek_mut(name)
                && let (budget, rate) = of_account.budget(failing)
                && let Some(wait) = budget.wait(rate, now)
            {
                return Err(TooEarly::after(wait, budget));
            }
            state.sources.touch(source.clone(), Budget::default).take(SOURCE, now);
            let (budget, rate) = state.accounts.touch(name.clone(), OfAccount::default).budget(failing);
            budget.take(rate, now);
        }
        let failures = state.failures.touch(key, || Failures { count: 0, last: now, told: false });
        let before = failing.then_some(failures.last);
        (failures.count, failures.last) = (failures.count.saturating_add(1), now);
        Ok(Attempt { name: name.clone(), source: source.clone(), before, failing, known })
    }

    /// Notes that the attempt was a login: the owner is here.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        let mut state = self.lock();
        state.give_back(&attempt);
        let Attempt { name, source, .. } = attempt;
        state.known.note(&name, &source);
        state.failures.forget(&(name, source));
    }

    /// Undoes an attempt of which the server did not check the password.
    pub(crate) fn undo(&self, attempt: &Attempt) {
        let mut state = self.lock();
        state.give_back(attempt);
        let key = (attempt.name.clone(), attempt.source.clone());
        if let Some(failures) = state.failures.peek_mut(&key) {
            failures.count = failures.count.saturating_sub(1);
            failures.last = attempt.before.unwrap_or(failures.last);
        }
    }

    /// Notes that the server did not check the password because too many wait. This counts only against the source. For
    /// a source that logged in to this account before, it counts only as an attempt there.
    pub(crate) fn crowded(&self, attempt: &Attempt) {
        if attempt.known {
            return;
        }
        self.undo(attempt);
        self.count_against(&attempt.source);
    }

    /// Checks whether a source may register. Only refused registrations count against it.
    pub(crate) fn may_register(&self, source: &Source) -> Result<(), TooEarly> {
        match self.lock().sources.peek_mut(source) {
            Some(budget) => {
                budget.wait(SOURCE, Instant::now()).map_or(Ok(()), |wait| Err(TooEarly::after(wait, budget)))
            }
            None => Ok(()),
        }
    }

    /// Counts a refusal against its source alone: of a registration, or of a login because too many wait.
    pub(crate) fn count_against(&self, source: &Source) {
        self.lock().sources.touch(source.clone(), Budget::default).take(SOURCE, Instant::now());
    }

    /// Notes that a source has shown a token that opened no session.
    pub(crate) fn bad_token(&self, source: &Source) {
        self.lock().bad_tokens.touch(source.clone(), Budget::default).take(BAD_TOKEN, Instant::now());
    }

    /// Returns whether a source has lately shown such a token.
    pub(crate) fn shows_bad_tokens(&self, source: &Source) -> bool {
        let mut state = self.lock();
        state.bad_tokens.peek_mut(source).is_some_and(|shown| shown.used(BAD_TOKEN, Instant::now()) > 0)
    }

    /// Notes that an account has logged in from `source`.
    pub(crate) fn is_at(&self, name: &AccountName, source: &Source) {
        self.lock().known.note(name, source);
    }

    /// Returns whether anybody is known to have logged in from a source.
    pub(crate) fn knows(&self, source: &Source) -> bool {
        self.lock().known.contains(source)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfAccount {
    fn budget(&mut self, failing: bool) -> (&mut Budget, Rate) {
        if failing { (&mut self.failing, FAILING) } else { (&mut self.fresh, FRESH) }
    }
}

impl State {
    fn give_back(&mut self, attempt: &Attempt) {
        if attempt.known {
            return;
        }
        if let Some(budget) = self.sources.peek_mut(&attempt.source) {
            budget.give_back(SOURCE);
        }
        if let Some(of_account) = self.accounts.peek_mut(&attempt.name) {
            let (budget, rate) = of_account.budget(attempt.failing);
            budget.give_back(rate);
        }
    }
}

#[cfg(test)]
mod tests;
