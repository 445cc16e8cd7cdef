//! Guessing passwords is slow: per account and source, per account over all sources, and per source over all accounts.
//!
//! An attempt counts before its hash is computed, and is given back if it was none: so guesses at the same moment are
//! counted like guesses one after the other. An unknown account is treated as a known one. A source that logged in to
//! an account before is slowed by its own failures there alone, never by those of others (ADR 10).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, limits};
use tokio::time::Instant;

use crate::budget::{Budget, Expires, Rate, Remembered};
use crate::known::KnownSources;
use crate::source::Source;

/// Attempts that are remembered.
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
    /// When the one before it failed.
    before: Option<Instant>,
    /// Whether the source failed at this account before; decides which budget it was taken from.
    failing: bool,
    /// Whether the source logged in to this account before: no budget was taken from.
    pub(crate) known: bool,
}

/// An attempt that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooEarly {
    /// How long it has to wait.
    pub(crate) wait: Duration,
    /// Whether it is worth a line of the log: the first one since an attempt was let through.
    pub(crate) first: bool,
}

#[derive(Debug, Default)]
struct State {
    failures: Remembered<(AccountName, Source), Failures>,
    accounts: Remembered<AccountName, OfAccount>,
    sources: Remembered<Source, Budget>,
    /// Who has shown a token that opened no session.
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

/// What all sources together may try at one account, but for those that logged in to it before.
#[derive(Debug, Default)]
struct OfAccount {
    /// Sources that failed at it before.
    failing: Budget,
    /// Sources that did not: an owner on a new device does not stand behind those that guess.
    fresh: Budget,
}

const FAILING: Rate = Rate { burst: limits::LOGIN_ACCOUNT_BURST, every: limits::LOGIN_ACCOUNT_EVERY };
const FRESH: Rate = Rate { burst: limits::LOGIN_FRESH_BURST, every: limits::LOGIN_FRESH_EVERY };
const SOURCE: Rate = Rate { burst: limits::LOGIN_SOURCE_BURST, every: limits::LOGIN_SOURCE_EVERY };
const BAD_TOKEN: Rate = Rate { burst: 1, every: limits::BAD_TOKEN_SHOWN };

impl Failures {
    /// How long the next attempt has to wait.
    fn wait(&self) -> Option<Duration> {
        let over = self.count.checked_sub(limits::LOGIN_FAILURES_FREE)?;
        let delay = Duration::from_secs(1 << over.min(6)).min(limits::LOGIN_DELAY_MAX);
        delay.checked_sub(self.last.elapsed()).filter(|left| !left.is_zero())
    }
}

impl Expires for Failures {
    /// A second for each: whoever failed often is not forgotten for others who failed once.
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
    /// Counts an attempt, before it is known what becomes of it.
    pub(crate) fn begin(&self, name: &AccountName, source: &Source) -> Result<Attempt, TooEarly> {
        let (mut state, now) = (self.lock(), Instant::now());
        let state = &mut *state;
        let key = (name.clone(), source.clone());
        let known = state.known.is_at(name, source);
        // What is refused leaves no trace: it must not push out what was not.
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

    /// The attempt was a login: its owner is here.
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        let mut state = self.lock();
        state.give_back(&attempt);
        let Attempt { name, source, .. } = attempt;
        state.known.note(&name, &source);
        state.failures.forget(&(name, source));
    }

    /// The attempt was none: the server did not look at the password.
    pub(crate) fn undo(&self, attempt: &Attempt) {
        let mut state = self.lock();
        state.give_back(attempt);
        let key = (attempt.name.clone(), attempt.source.clone());
        if let Some(failures) = state.failures.peek_mut(&key) {
            failures.count = failures.count.saturating_sub(1);
            failures.last = attempt.before.unwrap_or(failures.last);
        }
    }

    /// The server did not look at the password because too many wait: that counts against the source, or, of one that
    /// logged in to this account before, against its attempts there, and against nobody else.
    pub(crate) fn crowded(&self, attempt: &Attempt) {
        if attempt.known {
            return;
        }
        self.undo(attempt);
        self.count_against(&attempt.source);
    }

    /// Whether a source may register. An account that was made does not count, one that was refused does.
    pub(crate) fn may_register(&self, source: &Source) -> Result<(), TooEarly> {
        match self.lock().sources.peek_mut(source) {
            Some(budget) => {
                budget.wait(SOURCE, Instant::now()).map_or(Ok(()), |wait| Err(TooEarly::after(wait, budget)))
            }
            None => Ok(()),
        }
    }

    /// Counts something that was refused against its source alone: a registration, or a login because too many wait.
    pub(crate) fn count_against(&self, source: &Source) {
        self.lock().sources.touch(source.clone(), Budget::default).take(SOURCE, Instant::now());
    }

    /// A source has shown a token that opened no session.
    pub(crate) fn bad_token(&self, source: &Source) {
        self.lock().bad_tokens.touch(source.clone(), Budget::default).take(BAD_TOKEN, Instant::now());
    }

    /// Whether it did so lately.
    pub(crate) fn shows_bad_tokens(&self, source: &Source) -> bool {
        let mut state = self.lock();
        state.bad_tokens.peek_mut(source).is_some_and(|shown| shown.used(BAD_TOKEN, Instant::now()) > 0)
    }

    /// Somebody at `source` is who they say they are.
    pub(crate) fn is_at(&self, name: &AccountName, source: &Source) {
        self.lock().known.note(name, source);
    }

    /// Whether somebody has logged in from there.
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
