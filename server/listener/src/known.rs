//! Sources that somebody has logged in from: for them places are kept in front of the login.

use std::collections::{BTreeMap, HashMap, VecDeque};

use lanchat_hub::Source;
use lanchat_model::{AccountName, limits};

/// The last `limits::KNOWN_SOURCES_PER_ACCOUNT_MAX` of each account: one that has addresses without end pushes out its own
/// alone. Of the last `limits::KNOWN_ACCOUNTS_MAX` accounts; the one that did not log in for the longest time goes first.
#[derive(Debug, Default)]
pub(crate) struct KnownSources {
    logins: u64,
    accounts: HashMap<AccountName, Remembered>,
    /// The accounts by their last login.
    by_login: BTreeMap<u64, AccountName>,
    /// How many accounts each source is known of: never 0.
    holders: HashMap<Source, usize>,
}

/// Where one account logged in from.
#[derive(Debug, Default)]
struct Remembered {
    /// The number of its last login; the first one is 1.
    last: u64,
    /// The one that was used last comes last.
    sources: VecDeque<Source>,
}

impl KnownSources {
    /// Somebody has just logged in from there.
    pub(crate) fn note(&mut self, account: &AccountName, source: &Source) {
        self.logins += 1;
        let of_account = self.accounts.entry(account.clone()).or_default();
        self.by_login.remove(&of_account.last);
        of_account.last = self.logins;
        self.by_login.insert(self.logins, account.clone());
        let before = of_account.sources.iter().position(|known| known == source);
        if before.and_then(|at| of_account.sources.remove(at)).is_none() {
            *self.holders.entry(source.clone()).or_default() += 1;
        }
        of_account.sources.push_back(source.clone());
        let is_too_many = of_account.sources.len() > limits::KNOWN_SOURCES_PER_ACCOUNT_MAX;
        let oldest = if is_too_many { of_account.sources.pop_front() } else { None };
        oldest.iter().for_each(|source| self.forget(source));
        if self.accounts.len() > limits::KNOWN_ACCOUNTS_MAX
            && let Some((_, account)) = self.by_login.pop_first()
            && let Some(forgotten) = self.accounts.remove(&account)
        {
            forgotten.sources.iter().for_each(|source| self.forget(source));
        }
    }

    pub(crate) fn contains(&self, source: &Source) -> bool {
        self.holders.contains_key(source)
    }

    /// One account less is known to have been there.
    fn forget(&mut self, source: &Source) {
        if let Some(count) = self.holders.get_mut(source) {
            *count -= 1;
            if *count == 0 {
                self.holders.remove(source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> AccountName {
        format!("somebody-{number}").parse().unwrap()
    }

    fn source(number: usize) -> Source {
        Source(number.to_string())
    }

    #[test]
    fn an_account_with_endless_addresses_pushes_out_its_own_alone() {
        let mut known = KnownSources::default();
        known.note(&name(1), &source(1));
        (1..10_000).for_each(|number| known.note(&name(2), &source(number)));
        assert!(known.contains(&source(1)), "another account is known there");
        let of_the_other = (2..10_000).filter(|number| known.contains(&source(*number)));
        assert_eq!(of_the_other.count(), limits::KNOWN_SOURCES_PER_ACCOUNT_MAX);
        assert_eq!(known.holders.len(), limits::KNOWN_SOURCES_PER_ACCOUNT_MAX + 1);
    }

    #[test]
    fn the_accounts_that_logged_in_last_are_known_and_where_they_did() {
        let mut known = KnownSources::default();
        (0..limits::KNOWN_ACCOUNTS_MAX).for_each(|number| known.note(&name(number), &source(number)));
        known.note(&name(0), &source(0));
        known.note(&name(limits::KNOWN_ACCOUNTS_MAX), &source(limits::KNOWN_ACCOUNTS_MAX));
        assert!(known.contains(&source(0)) && known.contains(&source(limits::KNOWN_ACCOUNTS_MAX)));
        assert!(!known.contains(&source(1)));
        let sizes = (known.accounts.len(), known.by_login.len(), known.holders.len());
        assert_eq!(
            sizes,
            (limits::KNOWN_ACCOUNTS_MAX, limits::KNOWN_ACCOUNTS_MAX, limits::KNOWN_ACCOUNTS_MAX)
        );
    }
}
