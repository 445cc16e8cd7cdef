//! What waits for the next commit, and whose turn it is: each account has a share of a batch, and its first draft comes before
//! anybody's second one.

use std::collections::HashMap;

use lanchat_model::{AccountId, limits};

/// A draft, as far as turns are concerned.
pub(crate) trait Queued {
    /// Whose it is.
    fn author(&self) -> AccountId;
    /// What it counts against its author's share, in bytes.
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

/// What an account has in the batch that is being made.
#[derive(Default)]
struct Share {
    drafts: usize,
    bytes: usize,
    /// The next one did not fit: nor does what came after it, for the order is kept.
    is_used_up: bool,
}

impl Share {
    /// Takes a draft in, and tells how many of its author come before it.
    fn take(&mut self, weight: usize) -> Option<usize> {
        let fits = self.drafts < limits::BATCH_DRAFTS_PER_ACCOUNT_MAX
            && (self.drafts == 0 || self.bytes + weight <= limits::BATCH_BYTES_PER_ACCOUNT_MAX);
        if self.is_used_up || !fits {
            self.is_used_up = true;
            return None;
        }
        self.bytes += weight;
        self.drafts += 1;
        Some(self.drafts - 1)
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
        if self.0.iter().map(Queued::weight).sum::<usize>() > limits::BATCH_BYTES_PER_ACCOUNT_MAX {
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
        let mut shares: HashMap<AccountId, Share> = HashMap::new();
        let (mut rounds, mut left): (Vec<Vec<T>>, Vec<T>) = (Vec::new(), Vec::new());
        for draft in self.0.drain(..) {
            match shares.entry(draft.author()).or_default().take(draft.weight()) {
                None => left.push(draft),
                Some(round) => match rounds.get_mut(round) {
                    Some(others) => others.push(draft),
                    // Rounds begin in order: whoever is in one was in all before it.
                    None => rounds.push(vec![draft]),
                },
            }
        }
        let mut turns = rounds.into_iter().flatten().peekable();
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
    fn long_drafts_use_a_share_up_sooner_and_nothing_overtakes() {
        let half = limits::BATCH_BYTES_PER_ACCOUNT_MAX / 2;
        let mut waiting = backlog([(1, 0, half), (1, 1, half), (1, 2, half), (1, 3, 1), (2, 0, 1)]);
        let numbers = |batch: Vec<Draft>| batch.iter().map(|draft| (draft.0, draft.1)).collect::<Vec<_>>();
        assert_eq!(numbers(waiting.next_batch()), [(1, 0), (2, 0), (1, 1)]);
        assert_eq!(numbers(waiting.next_batch()), [(1, 2), (1, 3)]);
    }

    #[test]
    fn very_many_accounts_make_no_long_batch() {
        let accounts = 40;
        let mut waiting =
            backlog((0..8 * accounts).map(|number| {
                (number % accounts, usize::try_from(number).unwrap(), limits::MESSAGE_BYTES_MAX)
            }));
        waiting.end().push((accounts, 0, 1));
        let (mut batches, mut waited) = (Vec::new(), None);
        while waiting.len() > 0 {
            let batch = waiting.next_batch();
            assert!(batch.iter().map(Queued::weight).sum::<usize>() <= limits::BATCH_BYTES_MAX);
            if batch.iter().any(|draft| draft.0 == accounts) {
                waited.get_or_insert(batches.len());
            }
            batches.push(batch.len());
        }
        assert_eq!(waited, Some(0), "one line is in the first: {batches:?}");
        assert_eq!(batches.iter().sum::<usize>(), 8 * 40 + 1);
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
