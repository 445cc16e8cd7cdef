//! Whose turn it is to use the hasher: places come round over networks, and in a network to whoever asked least lately, so
//! that nobody waits behind a flood of somebody else, from however many addresses it comes.
//!
//! Of those who asked as much, whoever was refused and came back when it was told to goes first, and of these whoever began
//! first. An address that was never seen costs a flood nothing; to stay with each of them does.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, limits};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::budget::{Budget, Expires, Rate, Remembered};
use crate::source::{Network, Source};

/// Who waits, apart from whom. Each lane that has somebody waiting gets every other turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane<'a> {
    /// Logged in to this account from this source before. An account has one waiter here: what it has beyond is as if it
    /// were new, so that one account cannot fill the lane.
    Known(&'a AccountName),
    /// Everybody else.
    New,
}

/// Why somebody got no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// Too many wait, and none of them asked for more.
    Crowded,
    /// It took longer than there was patience.
    TooLong,
}

/// Turns at something of which there are few. Each lane holds at most `limits::HASH_QUEUE_MAX` that wait; beyond it the
/// network that has the most waiting loses the one whose source asked most lately and came last.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    known: Queue,
    new: Queue,
    /// Whether the known lane had the last turn that both wanted.
    known_was_last: bool,
    next_id: u64,
}

/// Those who wait in one lane: by network, and the networks in the order of their turns.
#[derive(Debug, Default)]
struct Queue {
    halls: VecDeque<Hall>,
    len: usize,
    /// What each source asked for lately.
    asked: Remembered<Source, Asked>,
    /// Chooses among those who asked as much: in no order that somebody could come in.
    lots: RandomState,
}

/// Those who wait in one network, first come first.
#[derive(Debug)]
struct Hall {
    network: Network,
    waiters: Vec<Waiter>,
}

/// What one source asked for lately.
#[derive(Debug, Default)]
struct Asked {
    budget: Budget,
    refused: Option<Refused>,
}

/// A source was told to come again.
#[derive(Clone, Copy, Debug)]
struct Refused {
    at: Instant,
    /// When it came first.
    since: Instant,
}

/// Where a waiter stands in its network: the lower, the earlier it has its turn, and the later it has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// How often its source had asked lately when it came.
    asked: u32,
    claim: Claim,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// It was refused, came back when it was told to, and began then.
    Since(Instant),
    None,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    rank: Rank,
    /// Of the known lane: for which account.
    account: Option<AccountName>,
    go: oneshot::Sender<Turn>,
}

/// The right to do one thing; the next one gets it when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Option<Arc<Turns>>);

/// A place in the queue, given up when dropped.
struct Place<'a> {
    turns: &'a Turns,
    is_known: bool,
    network: Network,
    id: u64,
}

/// What a source may ask for at once before it stands with all others that ask for too much.
const ASKED: Rate = Rate { burst: limits::HASH_ASKED_MAX, every: limits::HASH_ASKED_EVERY };

impl Turns {
    /// So many at once.
    pub(crate) fn new(free: usize) -> Arc<Self> {
        let state =
            State { free, known: Queue::default(), new: Queue::default(), known_was_last: false, next_id: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn, for at most `patience`. Cancel safe.
    pub(crate) async fn take(
        self: &Arc<Self>,
        lane: Lane<'_>,
        source: &Source,
        patience: Duration,
    ) -> Result<Turn, NoTurn> {
        let (came, network) = (Instant::now(), source.network());
        let (is_known, id, rank, mine) = {
            let mut state = self.lock();
            let account = state.lane_of(lane);
            let is_known = account.is_some();
            let rank = state.queue(is_known).rank(source, came);
            if state.free > 0 && state.known.len + state.new.len == 0 {
                state.free -= 1;
                return Ok(Turn(Some(Arc::clone(self))));
            }
            if !state.queue(is_known).make_room(network, rank) {
                state.queue(is_known).refuse(source, rank.began(came));
                return Err(NoTurn::Crowded);
            }
            let (go, mine) = oneshot::channel();
            let id = state.next_id;
            state.next_id += 1;
            state.queue(is_known).push(network, Waiter { id, rank, account, go });
            (is_known, id, rank, mine)
        };
        let _place = Place { turns: self, is_known, network, id };
        let why = match timeout(patience, mine).await {
            Ok(Ok(turn)) => return Ok(turn),
            // Another waiter was let in, and this one shed.
            Ok(Err(_)) => NoTurn::Crowded,
            Err(_) => NoTurn::TooLong,
        };
        self.lock().queue(is_known).refuse(source, rank.began(came));
        Err(why)
    }

    /// Hands the turn that became free to whoever is next.
    fn pass_on(self: &Arc<Self>) {
        while let Some(waiter) = self.next_or_free() {
            // Not under the lock: whoever wakes up may need it at once.
            match waiter.go.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Nobody waits there any more. The turn must not come back here by being dropped.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    /// Whoever is next; if nobody is, the turn is free.
    fn next_or_free(&self) -> Option<Waiter> {
        let mut state = self.lock();
        let next = state.next();
        state.free += usize::from(next.is_none());
        next
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The account, if it is one that waits in the known lane.
    fn lane_of(&self, lane: Lane<'_>) -> Option<AccountName> {
        match lane {
            Lane::Known(account) if !self.known.has(account) => Some(account.clone()),
            Lane::Known(_) | Lane::New => None,
        }
    }

    fn queue(&mut self, is_known: bool) -> &mut Queue {
        if is_known { &mut self.known } else { &mut self.new }
    }

    fn next(&mut self) -> Option<Waiter> {
        let is_known = match (self.known.len, self.new.len) {
            (0, _) => false,
            (_, 0) => true,
            _ => !self.known_was_last,
        };
        self.known_was_last = is_known;
        self.queue(is_known).pop()
    }
}

impl Queue {
    /// Where a source stands that asks now. Counts that it does, unless it goes on with what it was refused.
    fn rank(&mut self, source: &Source, now: Instant) -> Rank {
        let asked = self.asked.touch(source.clone(), Asked::default);
        let returns = limits::HASH_AGAIN_AFTER..=limits::HASH_AGAIN_WITHIN;
        let claim = match asked.refused.take() {
            Some(refused) if returns.contains(&(now - refused.at)) => Claim::Since(refused.since),
            _ => Claim::None,
        };
        if claim == Claim::None {
            asked.budget.take(ASKED, now);
        }
        Rank { asked: asked.budget.used(ASKED, now), claim }
    }

    /// Remembers that a source is told to come again, and since when it has asked.
    fn refuse(&mut self, source: &Source, since: Instant) {
        let refused = Refused { at: Instant::now(), since };
        self.asked.touch(source.clone(), Asked::default).refused = Some(refused);
    }

    fn has(&self, account: &AccountName) -> bool {
        self.halls
            .iter()
            .flat_map(|hall| &hall.waiters)
            .any(|waiter| waiter.account.as_ref() == Some(account))
    }

    /// Makes room for one more of a network, which would stand there. `false`: it would be the first to go itself.
    fn make_room(&mut self, network: Network, rank: Rank) -> bool {
        if self.len < limits::HASH_QUEUE_MAX {
            return true;
        }
        let standing = self.halls.iter().flat_map(|hall| {
            let waiting = hall.waiters.len() + usize::from(hall.network == network);
            hall.waiters.iter().map(move |waiter| (waiting, waiter, hall.network))
        });
        let greed = |(waiting, waiter, _): &(usize, &Waiter, Network)| {
            (*waiting, waiter.rank, self.lots.hash_one(waiter.id))
        };
        let Some((waiting, greediest, of)) = standing.max_by_key(greed) else { return false };
        let own =
            self.halls.iter().find(|hall| hall.network == network).map_or(0, |hall| hall.waiters.len()) + 1;
        let id = greediest.id;
        (waiting, greediest.rank) >= (own, rank) && self.remove(of, id)
    }

    fn push(&mut self, network: Network, waiter: Waiter) {
        match self.halls.iter_mut().find(|hall| hall.network == network) {
            Some(hall) => hall.waiters.push(waiter),
            None => self.halls.push_back(Hall { network, waiters: vec![waiter] }),
        }
        self.len += 1;
    }

    /// Of the network whose turn it is the first of those who stand first; that network goes behind all others.
    fn pop(&mut self) -> Option<Waiter> {
        let mut hall = self.halls.pop_front()?;
        let (at, _) = hall.waiters.iter().enumerate().min_by_key(|(_, waiter)| waiter.rank)?;
        let waiter = hall.waiters.remove(at);
        self.len -= 1;
        if !hall.waiters.is_empty() {
            self.halls.push_back(hall);
        }
        Some(waiter)
    }

    fn remove(&mut self, network: Network, id: u64) -> bool {
        let Some(at) = self.halls.iter().position(|hall| hall.network == network) else { return false };
        let waiters = &mut self.halls[at].waiters;
        let Some(place) = waiters.iter().position(|waiter| waiter.id == id) else { return false };
        waiters.remove(place);
        if waiters.is_empty() {
            self.halls.remove(at);
        }
        self.len -= 1;
        true
    }
}

impl Rank {
    /// When somebody began to ask who stands there and came now.
    fn began(self, came: Instant) -> Instant {
        match self.claim {
            Claim::Since(began) => began,
            Claim::None => came,
        }
    }
}

impl Expires for Asked {
    fn at(&self) -> Option<Instant> {
        self.budget.at().max(self.refused.map(|refused| refused.at + limits::HASH_AGAIN_WITHIN))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.lock().queue(self.is_known).remove(self.network, self.id);
    }
}

#[cfg(test)]
mod tests;
