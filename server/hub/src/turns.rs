//! Whose turn it is to use the hasher. Networks take turns, and in a network the source goes first that has lately
//! asked least. So nobody waits behind somebody else's flood, from however many addresses it comes.
//!
//! Among sources that asked equally often, those go first that were refused and came back when told to, and of these
//! the earliest. Fresh addresses cost a flood nothing, but coming back from each of them does.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, limits};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::budget::{Budget, Expires, Rate, Remembered};
use crate::source::{Network, Source};

/// The lanes in which attempts wait apart. While both have waiters, each lane gets every other turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane<'a> {
    /// The source has logged in to this account before. An account has one waiter here: further ones wait as new, so
    /// that one account cannot fill the lane.
    Known(&'a AccountName),
    /// All others.
    New,
}

/// Why somebody got no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoTurn {
    /// Too many wait, and none of them has asked for more.
    Crowded,
    /// The turn did not come in time.
    TooLong,
}

/// Turns at a scarce resource. Each lane holds at most `limits::HASH_QUEUE_MAX` waiters. Beyond that, the network with
/// the most waiters loses the one whose source has lately asked most.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    known: Queue,
    new: Queue,
    /// Whether the known lane had the last turn.
    known_was_last: bool,
    next_id: u64,
}

/// The waiters in one lane: by network, with the networks in the order of their turns.
#[derive(Debug, Default)]
struct Queue {
    halls: VecDeque<Hall>,
    len: usize,
    /// How much each source has lately asked for.
    asked: Remembered<Source, Asked>,
    /// Chooses among equals by lot, so that nobody gains by when they come.
    lots: RandomState,
}

/// The waiters in one network, in order of arrival.
#[derive(Debug)]
struct Hall {
    network: Network,
    waiters: Vec<Waiter>,
}

/// How much one source has lately asked for.
#[derive(Debug, Default)]
struct Asked {
    budget: Budget,
    refused: Option<Refused>,
}

/// A source that was refused and told to come again.
#[derive(Clone, Copy, Debug)]
struct Refused {
    at: Instant,
    /// When it first came.
    since: Instant,
}

/// A waiter's rank in its network. The lowest rank has its turn first, and is shed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// How often its source had lately asked when it came.
    asked: u32,
    claim: Claim,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// It was refused and came back when told to; when it first came.
    Since(Instant),
    None,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    rank: Rank,
    /// The account, in the known lane.
    account: Option<AccountName>,
    go: oneshot::Sender<Turn>,
}

/// The right to do one thing. When it is dropped, the next waiter gets it.
#[derive(Debug)]
pub(crate) struct Turn(Option<Arc<Turns>>);

/// A waiter's place in the queue, given up when dropped.
struct QueuedTurn<'a> {
    turns: &'a Turns,
    is_known: bool,
    network: Network,
    id: u64,
}

/// How much a source may ask for at once before it ranks with all others that ask for too much.
const ASKED: Rate = Rate { burst: limits::HASH_ASKED_MAX, every: limits::HASH_ASKED_EVERY };

impl Turns {
    /// Makes turns for `free` holders at once.
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
        let _place = QueuedTurn { turns: self, is_known, network, id };
        let why = match timeout(patience, mine).await {
            Ok(Ok(turn)) => return Ok(turn),
            // Another waiter was let in, and this one was shed.
            Ok(Err(_)) => NoTurn::Crowded,
            Err(_) => NoTurn::TooLong,
        };
        self.lock().queue(is_known).refuse(source, rank.began(came));
        Err(why)
    }

    /// Passes a freed turn to the next waiter.
    fn pass_on(self: &Arc<Self>) {
        while let Some(waiter) = self.next_or_free() {
            // Outside the lock, because the woken task may need it at once.
            match waiter.go.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // That waiter has gone. The turn must not come back here by being dropped.
                Err(mut turn) => turn.0 = None,
            }
        }
    }

    /// Takes the next waiter; if there is none, the turn becomes free.
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
    /// Returns the account, if the attempt waits in the known lane.
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
    /// Returns the rank of a source that asks now. Counts the request, unless it continues a refused one.
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

    /// Remembers that a source was told to come again, and since when it has been asking.
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

    /// Makes room for one more waiter of a network, with this rank. Returns `false` if it would itself be the first to
    /// go.
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

    /// Takes the lowest rank, and of equals the first, from the network whose turn it is. That network then goes to the
    /// end.
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
    /// Returns when a waiter with this rank, which came at `came`, began to ask.
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

impl Drop for QueuedTurn<'_> {
    fn drop(&mut self) {
        self.turns.lock().queue(self.is_known).remove(self.network, self.id);
    }
}

#[cfg(test)]
mod tests;
