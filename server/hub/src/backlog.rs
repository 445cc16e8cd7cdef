//! What waits for the next commit, and whose turn it is: each account has a share of a batch, hosts take turns, and on a host
//! the first draft of each account comes before anybody's second one.

use std::collections::HashMap;

use lanchat_model::{AccountId, limits};

use crate::source::Source;

/// A draft, as far as turns are concerned.
pub(crate) trait Queued {
    /// Whose it is.
    fn author(&self) -> AccountId;
    /// Where it came from.
    fn source(&self) -> Source;
    /// What it takes of a batch, in bytes.
    fn weight(&self) -> usize;
}

/// Drafts in the order in which they came. Bounded by its user.
#[derive(Debug)]
pub(crate) struct Backlog<T>(Vec<T>);

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Drafts by the round that they are in: the first one of everybody, the second one, and so on.
struct Rounds<T>(Vec<Vec<T>>);

impl<T> Default for Rounds<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Rounds<T> {
    /// Puts a draft into a round, all those before which have one already: whoever is in one was in all before it.
    fn put(&mut self, round: usize, draft: T) {
        match self.0.get_mut(round) {
            Some(others) => others.push(draft),
            None => self.0.push(vec![draft]),
        }
    }

    fn in_order(self) -> impl Iterator<Item = T> {
        self.0.into_iter().flatten()
    }
}

impl<T: Queued> Backlog<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where drafts are put, behind those that are there.
    pub(crate) fn end(&mut self) -> &mut Vec<T> {
        &mut self.0
    }

    /// The next batch: at most `limits::BATCH_DRAFTS_MAX` and `limits::BATCH_BYTES_MAX`, and of each account its share. What
    /// is not in it stays, in order.
    pub(crate) fn next_batch(&mut self) -> Vec<T> {
        if self.0.len() <= limits::BATCH_DRAFTS_MAX && self.is_modest() {
            // The order stays: the drafts of a room mostly come together, and are written together.
            return std::mem::take(&mut self.0);
        }
        self.take_turns()
    }

    /// Whether it is no more than the share of one account, or nobody has more than a window of it, which is what one session
    /// may have.
    fn is_modest(&self) -> bool {
        let mut authors = self.0.iter().map(Queued::author);
        let first = authors.next();
        let others_wait = authors.any(|author| Some(author) != first);
        let most = if others_wait { limits::BATCH_BYTES_MAX } else { limits::BATCH_BYTES_ALONE_MAX };
        if self.0.iter().map(Queued::weight).sum::<usize>() > most {
            return false;
        }
        let mut counts: HashMap<AccountId, usize> = HashMap::new();
        self.0.len() <= limits::BATCH_DRAFTS_PER_ACCOUNT_MAX
            || self.0.iter().all(|draft| {
                let count = counts.entry(draft.author()).or_default();
                *count += 1;
                *count <= limits::UNACKED_PER_SESSION_MAX
            })
    }

    fn take_turns(&mut self) -> Vec<T> {
        let mut shares: HashMap<AccountId, usize> = HashMap::new();
        let (mut of_accounts, mut left) = (Rounds::default(), Vec::new());
        for draft in self.0.drain(..) {
            let share = shares.entry(draft.author()).or_default();
            if *share < limits::BATCH_DRAFTS_PER_ACCOUNT_MAX {
                of_accounts.put(*share, draft);
                *share += 1;
            } else {
                left.push(draft);
            }
        }
        // One host may have very many accounts.
        let mut counts: HashMap<Source, usize> = HashMap::new();
        let mut of_sources = Rounds::default();
        for draft in of_accounts.in_order() {
            let count = counts.entry(draft.source()).or_default();
            of_sources.put(*count, draft);
            *count += 1;
        }
        let mut turns = of_sources.in_order().peekable();
        let (mut batch, mut bytes): (Vec<T>, usize) = (Vec::new(), 0);
        while batch.len() < limits::BATCH_DRAFTS_MAX
            && let Some(next) = turns.next_if(|next| bytes + next.weight() <= limits::BATCH_BYTES_MAX)
        {
            bytes += next.weight();
            batch.push(next);
        }
        self.0.extend(turns.chain(left));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An author, the number of the draft, and its weight.
    type Draft = (i64, usize, usize);

    impl Queued for Draft {
        fn author(&self) -> AccountId {
            AccountId(self.0)
        }

        /// Each host has ten thousand accounts.
        fn source(&self) -> Source {
            Source(format!("host {}", self.0 / 10_000).into())
        }

        fn weight(&self) -> usize {
            self.2
        }
    }

    fn backlog(drafts: impl IntoIterator<Item = Draft>) -> Backlog<Draft> {
        Backlog(drafts.into_iter().collect())
    }

    #[test]
    fn whoever_comes_is_in_the_next_batch_and_order_is_kept() {
        let share = limits::BATCH_DRAFTS_PER_ACCOUNT_MAX;
        let mut waiting = backlog((0..5 * share).map(|number| (1, number, 10)));
        let mut of_flood = Vec::new();
        let mut rounds = 0;
        while waiting.len() > 0 {
            waiting.end().push((2, rounds, 10));
            waiting.end().push((3, rounds, 10));
            let batch = waiting.next_batch();
            assert!(batch.len() <= share + 2);
            let place = |author| batch.iter().position(|draft| draft.0 == author && draft.1 == rounds);
            assert!(place(2) < Some(3) && place(3) < Some(3), "their turn comes first: {batch:?}");
            of_flood.extend(batch.iter().filter(|draft| draft.0 == 1).map(|draft| draft.1));
            rounds += 1;
        }
        assert_eq!(of_flood, (0..5 * share).collect::<Vec<_>>());
        assert_eq!(rounds, 5);
    }

    #[test]
    fn while_nobody_has_more_than_a_window_the_order_stays() {
        let window = limits::UNACKED_PER_SESSION_MAX;
        let drafts = (0..4 * window).map(|number| ((number / window) as i64, number, 10));
        assert_eq!(backlog(drafts.clone()).next_batch(), drafts.collect::<Vec<_>>());
    }

    #[test]
    fn a_single_session_is_never_cut() {
        let window = limits::UNACKED_PER_SESSION_MAX;
        let mut waiting = backlog((0..window).map(|number| (1, number, limits::MESSAGE_BYTES_MAX)));
        assert_eq!(waiting.next_batch().len(), window);
    }

    #[test]
    fn long_drafts_use_a_batch_up_sooner_and_nothing_overtakes() {
        let half = limits::BATCH_BYTES_MAX / 2;
        let mut waiting =
            backlog([(1, 0, half), (1, 1, half), (1, 2, half), (1, 3, 1), (2, 0, 1), (2, 1, 1)]);
        let numbers = |batch: Vec<Draft>| batch.iter().map(|draft| (draft.0, draft.1)).collect::<Vec<_>>();
        assert_eq!(numbers(waiting.next_batch()), [(1, 0), (2, 0)]);
        assert_eq!(numbers(waiting.next_batch()), [(1, 1), (2, 1)]);
        assert_eq!(numbers(waiting.next_batch()), [(1, 2), (1, 3)]);
    }

    #[test]
    fn very_many_accounts_make_no_long_batch() {
        let accounts = 40;
        let mut waiting =
            backlog((0..8 * accounts).map(|number| {
                (number % accounts, usize::try_from(number).unwrap(), limits::MESSAGE_BYTES_MAX)
            }));
        let elsewhere = 10_000;
        waiting.end().push((elsewhere, 0, 1));
        let (mut batches, mut waited) = (Vec::new(), None);
        while waiting.len() > 0 {
            let batch = waiting.next_batch();
            assert!(batch.iter().map(Queued::weight).sum::<usize>() <= limits::BATCH_BYTES_MAX);
            if batch.iter().any(|draft| draft.0 == elsewhere) {
                waited.get_or_insert(batches.len());
            }
            batches.push(batch.len());
        }
        assert_eq!(waited, Some(0), "one line is in the first: {batches:?}");
        assert_eq!(batches.iter().sum::<usize>(), 8 * 40 + 1);
    }

    #[test]
    fn however_many_accounts_a_host_has_another_ones_line_is_next() {
        let accounts = 500;
        let mut waiting = backlog((0..accounts).map(|account| (account, 0, limits::MESSAGE_BYTES_MAX)));
        waiting.end().push((10_000, 0, limits::MESSAGE_BYTES_MAX));
        let batch = waiting.next_batch();
        assert_eq!(batch.iter().position(|draft| draft.0 == 10_000), Some(1), "{batch:?}");
    }

    #[test]
    fn very_many_accounts_take_turns() {
        let accounts = limits::BATCH_DRAFTS_MAX as i64;
        let mut waiting = backlog((0..2 * accounts).map(|number| (number % accounts, number as usize, 1)));
        for _ in 0..2 {
            let mut authors: Vec<_> = waiting.next_batch().iter().map(|draft| draft.0).collect();
            authors.sort_unstable();
            assert_eq!(authors, (0..accounts).collect::<Vec<_>>());
        }
        assert_eq!(waiting.len(), 0);
    }
}
