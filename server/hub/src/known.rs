//! The sources from which accounts have logged in. Guesses by others do not slow the owners there, and places before
//! the login are reserved for these sources.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZero;

use lanchat_model::{AccountName, limits};

use crate::source::Source;

/// The last `limits::KNOWN_SOURCES_PER_ACCOUNT_MAX` sources of each account, so that an account with endless addresses
/// evicts only its own. The last `limits::KNOWN_ACCOUNTS_MAX` accounts are kept; the one whose last login is oldest
/// goes first.
#[derive(Debug, Default)]
pub(crate) struct KnownSources {
    hasher: RandomState,
    logins: u64,
    /// A tree, because a hash table that has just grown is half empty.
    accounts: BTreeMap<NameHash, Whereabouts>,
    /// How many accounts are known at each source; never 0.
    holders: HashMap<SourceHash, u32>,
}

/// A hash of a name; like that of a source it has four bytes, because every account that logs in has both here. The
/// hash's key is random, so nobody can search for collisions. Two names that collide by chance are both known where one
/// of them is.
type NameHash = NonZero<u32>;
type SourceHash = NonZero<u32>;

/// Where one account logged in from. It is small, because every account that logs in has one, and nearly all have a
/// single source.
#[derive(Debug, Default)]
struct Whereabouts {
    /// The number of its last login.
    last: u64,
    /// The source that was used most recently.
    source: Option<SourceHash>,
    /// The sources before it, the most recent first.
    earlier: Option<Box<[Option<SourceHash>; limits::KNOWN_SOURCES_PER_ACCOUNT_MAX - 1]>>,
}

impl KnownSources {
    /// Notes a login from a source. Once a source has `limits::KNOWN_ACCOUNTS_PER_SOURCE_MAX` accounts, further ones
    /// are not noted: one address with endless accounts would evict everybody else's.
    pub(crate) fn note(&mut self, account: &AccountName, source: &Source) {
        if self.has_enough(account, source) {
            return;
        }
        let (account, source) = (self.hash(account), self.hash(source));
        self.logins += 1;
        let of_account = self.accounts.entry(account).or_default();
        of_account.last = self.logins;
        let forgotten = of_account.use_now(source);
        if forgotten != Some(source) {
            *self.holders.entry(source).or_default() += 1;
            forgotten.into_iter().for_each(|source| self.forget(source));
        }
        if self.accounts.len() > limits::KNOWN_ACCOUNTS_MAX {
            self.forget_an_account();
        }
    }

    /// Returns whether a source has as many accounts as it may, without this one.
    fn has_enough(&self, account: &AccountName, source: &Source) -> bool {
        let accounts = self.holders.get(&self.hash(source)).copied().unwrap_or_default();
        accounts >= limits::KNOWN_ACCOUNTS_PER_SOURCE_MAX && !self.is_at(account, source)
    }

    /// Returns whether this account is known to have logged in from a source.
    pub(crate) fn is_at(&self, account: &AccountName, source: &Source) -> bool {
        let of_account = self.accounts.get(&self.hash(account));
        of_account.is_some_and(|of_account| of_account.all().any(|known| known == self.hash(source)))
    }

    /// Returns whether anybody is known to have logged in from a source.
    pub(crate) fn contains(&self, source: &Source) -> bool {
        self.holders.contains_key(&self.hash(source))
    }

    /// Forgets the account whose last login is oldest. It scans all accounts, but only once for each login of a new
    /// one.
    fn forget_an_account(&mut self) {
        let first =
            self.accounts.iter().min_by_key(|(_, of_account)| of_account.last).map(|(account, _)| *account);
        let forgotten = first.and_then(|account| self.accounts.remove(&account));
        forgotten.iter().flat_map(Whereabouts::all).for_each(|source| self.forget(source));
    }

    fn hash(&self, of: &impl Hash) -> NonZero<u32> {
        // Either half of the hash would do.
        NonZero::new((self.hasher.hash_one(of) >> 32) as u32).unwrap_or(NonZero::<u32>::MIN)
    }

    /// Counts one account less at a source.
    fn forget(&mut self, source: SourceHash) {
        if let Some(count) = self.holders.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.holders.remove(&source);
            }
        }
    }
}

impl Whereabouts {
    fn all(&self) -> impl Iterator<Item = SourceHash> {
        self.source
            .into_iter()
            .chain(self.earlier.iter().flat_map(|earlier| earlier.iter().flatten().copied()))
    }

    /// Puts a source in front. Returns the source that this removes: itself from its old position, or the last one if
    /// there are too many.
    fn use_now(&mut self, source: SourceHash) -> Option<SourceHash> {
        let before = self.source.replace(source)?;
        if before == source {
            return Some(source);
        }
        let earlier = self.earlier.get_or_insert_default();
        let place = earlier.iter().position(|known| *known == Some(source));
        let end = place.map_or(earlier.len(), |place| place + 1);
        let (moved, _) = earlier.split_at_mut(end);
        moved.rotate_right(1);
        moved.first_mut().and_then(|first| first.replace(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: usize) -> AccountName {
        format!("somebody-{number}").parse().unwrap()
    }

    fn source(number: usize) -> Source {
        Source(number.to_string().into())
    }

    #[test]
    fn an_account_with_endless_addresses_pushes_out_its_own_alone() {
        let mut known = KnownSources::default();
        known.note(&account(1), &source(1));
        (1..10_000).for_each(|number| known.note(&account(2), &source(number)));
        assert!(known.contains(&source(1)), "another account is known there");
        assert!(known.is_at(&account(1), &source(1)) && !known.is_at(&account(2), &source(1)));
        let of_the_other = (2..10_000).filter(|number| known.contains(&source(*number)));
        assert_eq!(of_the_other.count(), limits::KNOWN_SOURCES_PER_ACCOUNT_MAX);
        assert_eq!(known.holders.len(), limits::KNOWN_SOURCES_PER_ACCOUNT_MAX + 1);
    }

    #[test]
    fn an_address_with_accounts_without_end_pushes_out_nobody() {
        let mut known = KnownSources::default();
        known.note(&account(1), &source(1));
        (2..10_000).for_each(|number| known.note(&account(number), &source(2)));
        assert!(known.is_at(&account(1), &source(1)) && known.is_at(&account(2), &source(2)));
        assert!(!known.is_at(&account(9999), &source(2)));
        assert_eq!(known.accounts.len(), limits::KNOWN_ACCOUNTS_PER_SOURCE_MAX as usize + 1);
    }

    #[test]
    fn the_accounts_that_logged_in_last_are_known_and_where_they_did() {
        let mut known = KnownSources::default();
        (0..limits::KNOWN_ACCOUNTS_MAX).for_each(|number| known.note(&account(number), &source(number)));
        known.note(&account(0), &source(0));
        known.note(&account(limits::KNOWN_ACCOUNTS_MAX), &source(limits::KNOWN_ACCOUNTS_MAX));
        assert!(known.contains(&source(0)) && known.contains(&source(limits::KNOWN_ACCOUNTS_MAX)));
        assert!(!known.contains(&source(1)));
        let sizes = (known.accounts.len(), known.holders.len());
        assert_eq!(sizes, (limits::KNOWN_ACCOUNTS_MAX, limits::KNOWN_ACCOUNTS_MAX));
    }
}
