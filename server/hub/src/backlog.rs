//! The drafts that wait for the next commit, and whose turn it is. Each account has a share of a batch, hosts take
//! turns, and on a host each account's first draft comes before any second one.

use std::collections::{HashMap, VecDeque};

use lanchat_model::{AccountId, limits};

use crate::source::Source;

/// A draft, as the turns see it.
pub(crate) trait Queued {
    /// Returns the draft's author.
    fn author(&self) -> AccountId;
    /// Returns the source of the draft.
    fn source(&self) -> Source;
    /// Returns how much of a batch it takes, in bytes.
    fn weight(&self) -> usize;
}

/// Drafts in the order in which they arrived, or by account once there are too many. The user bounds the number.
#[derive(Debug)]
pub(crate) struct Backlog<T> {
    arrived: Vec<T>,
    /// The drafts that waited when turns began and are not taken yet. They are older than all in `arrived`.
    waiting: HashMap<AccountId, Line<T>>,
    /// The number of drafts in `waiting`.
    count: usize,
}

/// The drafts of one account, in order. Never empty.
#[derive(Debug)]
struct Line<T> {
    source: Source,
    drafts: VecDeque<T>,
    weight: usize,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { arrived: Vec::new(), waiting: HashMap::new(), count: 0 }
    }
}

impl<T: Queued> Backlog<T> {
    pub(crate) fn len(&self) -> usize {
        self.arrived.len() + self.count
    }

    /// Returns the list to which new drafts are appended.
    pub(crate) fn end(&mut self) -> &mut Vec<T> {
        &mut self.arrived
    }

    /// Returns the next batch: at most `limits::BATCH_DRAFTS_MAX` and `limits::BATCH_BYTES_MAX`, and each account's
    /// share. If more wait, the batch is smaller and taken by turns. The other drafts stay, in their account's order.
    pub(crate) fn next_batch(&mut self) -> Vec<T> {
        if self.len() <= limits::BATCH_DRAFTS_MAX && self.is_modest() {
            // The order is kept: drafts of one room mostly arrive together, and are written together.
            return self.take_all();
        }
        self.count += self.arrived.len();
        for draft in self.arrived.drain(..) {
            let line = self.waiting.entry(draft.author()).or_insert_with(|| Line {
                source: draft.source(),
                drafts: VecDeque::new(),
                weight: 0,
            });
            line.weight += weight_in_queue(&draft);
            line.drafts.push_back(draft);
        }
        let batch = self.take_turns();
        self.count -= batch.len();
        batch
    }

    /// Returns whether the backlog is no more than one account's share, or nobody has more than one session's window in
    /// it.
    fn is_modest(&self) -> bool {
        let drafts = || self.waiting.values().flat_map(|line| &line.drafts).chain(&self.arrived);
        let mut authors = drafts().map(Queued::author);
        let first = authors.next();
        let others_wait = authors.any(|author| Some(author) != first);
        let most = if others_wait { limits::BATCH_BYTES_MAX } else { limits::BATCH_BYTES_ALONE_MAX };
        if drafts().map(Queued::weight).sum::<usize>() > most {
            return false;
        }
        let mut counts: HashMap<AccountId, usize> = HashMap::new();
        self.len() <= limits::BATCH_DRAFTS_PER_ACCOUNT_MAX
            || drafts().all(|draft| {
                let count = counts.entry(draft.author()).or_default();
                *count += 1;
                *count <= limits::UNACKED_PER_SESSION_MAX
            })
    }

    fn take_all(&mut self) -> Vec<T> {
        let arrived = std::mem::take(&mut self.arrived);
        if self.count == 0 {
            return arrived;
        }
        self.count = 0;
        let waiting = self.waiting.drain().flat_map(|(_, line)| line.drafts);
        waiting.chain(arrived).collect()
    }

    /// Takes one draft from each host in turn, and from the host's accounts in turn: a host may have very many
    /// accounts.
    fn take_turns(&mut self) -> Vec<T> {
        let (mut hosts, mut shares) = (self.accounts_by_host(), HashMap::<AccountId, usize>::new());
        let (mut batch, mut bytes): (Vec<T>, usize) = (Vec::new(), 0);
        while batch.len() < limits::BATCH_DRAFTS_IN_TURN_MAX
            && let Some(mut accounts) = hosts.pop_front()
        {
            let Some(account) = accounts.pop_front() else { continue };
            let first = self.waiting.get(&account).and_then(|line| line.drafts.front());
            bytes += first.map_or(0, Queued::weight);
            if bytes > limits::BATCH_BYTES_MAX && !batch.is_empty() {
                break;
            }
            batch.extend(self.take_from(account));
            let share = shares.entry(account).or_default();
            *share += 1;
            if *share < limits::BATCH_DRAFTS_PER_ACCOUNT_MAX && self.waiting.contains_key(&account) {
                accounts.push_back(account);
            }
            hosts.push_back(accounts);
        }
        batch
    }

    /// Returns the accounts of each host. Accounts with little waiting come first, and so do their hosts: a flood may
    /// come from very many addresses too.
    fn accounts_by_host(&self) -> VecDeque<VecDeque<AccountId>> {
        let mut lines: Vec<_> = self.waiting.iter().collect();
        lines.sort_unstable_by_key(|(account, line)| (line.weight, **account));
        let (mut hosts, mut places) = (VecDeque::<VecDeque<AccountId>>::new(), HashMap::new());
        for (account, line) in lines {
            let place = *places.entry(&line.source).or_insert(hosts.len());
            match hosts.get_mut(place) {
                Some(accounts) => accounts.push_back(*account),
                None => hosts.push_back([*account].into()),
            }
        }
        hosts
    }

    /// Takes the first draft of a line.
    fn take_from(&mut self, account: AccountId) -> Option<T> {
        let line = self.waiting.get_mut(&account)?;
        let draft = line.drafts.pop_front()?;
        line.weight -= weight_in_queue(&draft);
        if line.drafts.is_empty() {
            self.waiting.remove(&account);
        }
        Some(draft)
    }
}

/// Returns a draft's weight in the queue, which has a minimum.
fn weight_in_queue(draft: &impl Queued) -> usize {
    draft.weight().max(limits::QUEUE_BYTES_PER_DRAFT_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An author, a draft number, and the draft's weight.
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
        Backlog { arrived: drafts.into_iter().collect(), ..Backlog::default() }
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
        assert_eq!(numbers(waiting.next_batch()), [(2, 0), (1, 0), (2, 1)]);
        assert_eq!(numbers(waiting.next_batch()), [(1, 1), (1, 2), (1, 3)], "nobody else waits");
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

    /// Each draft has its own account, at its own address.
    #[test]
    fn whoever_has_little_waiting_is_first_wherever_the_others_come_from() {
        let flood = (0..100).map(|account| (account * 10_000, 0, limits::MESSAGE_BYTES_MAX));
        let mut waiting = backlog(flood);
        waiting.end().push((1_000_000, 0, 20));
        assert_eq!(waiting.next_batch()[0].0, 1_000_000);
    }

    #[test]
    fn very_many_accounts_take_turns() {
        let accounts = limits::BATCH_DRAFTS_IN_TURN_MAX as i64;
        let rounds = 2 * limits::BATCH_DRAFTS_MAX as i64 / accounts;
        let mut waiting =
            backlog((0..rounds * accounts).map(|number| (number % accounts, number as usize, 1)));
        for _ in 0..rounds / 2 {
            let mut authors: Vec<_> = waiting.next_batch().iter().map(|draft| draft.0).collect();
            authors.sort_unstable();
            assert_eq!(authors, (0..accounts).collect::<Vec<_>>());
        }
        assert_eq!(waiting.next_batch().len(), limits::BATCH_DRAFTS_MAX, "no more than that need no turns");
    }
}
