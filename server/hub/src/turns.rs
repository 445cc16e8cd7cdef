//! Whose turn it is to use the hasher: places come round over networks, and in a network to whoever asked least lately, so
//! that nobody waits behind a flood of somebody else, from however many addresses it comes.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, limits};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::source::{Network, Source};
use crate::throttle::{Budget, Rate, Remembered};

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
/// network that has the most waiting loses the one whose source asked most lately.
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
    /// How much each source asked for lately.
    asked: Remembered<Source, Budget>,
    /// Chooses among those who asked as much: in no order that somebody could come in.
    lots: RandomState,
}

/// Those who wait in one network, first come first.
#[derive(Debug)]
struct Hall {
    network: Network,
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    /// How often its source had asked lately when it came.
    asked: u32,
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
const ASKED: Rate = Rate { burst: limits::HASH_ASKED_MAX, every: limits::LOGIN_SOURCE_EVERY };

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
        let network = source.network();
        let (is_known, id, mine) = {
            let mut state = self.lock();
            let account = state.lane_of(lane);
            let is_known = account.is_some();
            let asked = state.queue(is_known).count(source);
            if state.free > 0 && state.known.len + state.new.len == 0 {
                state.free -= 1;
                return Ok(Turn(Some(Arc::clone(self))));
            }
            if !state.queue(is_known).make_room(network, asked) {
                return Err(NoTurn::Crowded);
            }
            let (go, mine) = oneshot::channel();
            let id = state.next_id;
            state.next_id += 1;
            state.queue(is_known).push(network, Waiter { id, asked, account, go });
            (is_known, id, mine)
        };
        let _place = Place { turns: self, is_known, network, id };
        // An error inside: another waiter was let in, and this one shed.
        timeout(patience, mine).await.map_err(|_| NoTurn::TooLong)?.map_err(|_| NoTurn::Crowded)
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
    /// Counts that a source asks: how often it did lately.
    fn count(&mut self, source: &Source) -> u32 {
        let (budget, now) = (self.asked.touch(source.clone(), Budget::default), Instant::now());
        budget.take(ASKED, now);
        budget.used(ASKED, now)
    }

    fn has(&self, account: &AccountName) -> bool {
        self.halls
            .iter()
            .flat_map(|hall| &hall.waiters)
            .any(|waiter| waiter.account.as_ref() == Some(account))
    }

    /// Makes room for one more of a network, whose source asked so often. `false`: it would be the first to go itself. A
    /// source that has not asked lately never is.
    fn make_room(&mut self, network: Network, asked: u32) -> bool {
        if self.len < limits::HASH_QUEUE_MAX {
            return true;
        }
        let ranked = self.halls.iter().flat_map(|hall| {
            let waiting = hall.waiters.len() + usize::from(hall.network == network);
            hall.waiters.iter().map(move |waiter| (waiting, waiter, hall.network))
        });
        let rank = |(waiting, waiter, _): &(usize, &Waiter, Network)| {
            (*waiting, waiter.asked, self.lots.hash_one(waiter.id))
        };
        let Some((waiting, greediest, of)) = ranked.max_by_key(rank) else { return false };
        let own =
            self.halls.iter().find(|hall| hall.network == network).map_or(0, |hall| hall.waiters.len()) + 1;
        let id = greediest.id;
        (waiting, greediest.asked) >= (own, asked) && self.remove(of, id)
    }

    fn push(&mut self, network: Network, waiter: Waiter) {
        match self.halls.iter_mut().find(|hall| hall.network == network) {
            Some(hall) => hall.waiters.push(waiter),
            None => self.halls.push_back(Hall { network, waiters: vec![waiter] }),
        }
        self.len += 1;
    }

    /// Of the network whose turn it is the first of those who asked least; that network goes behind all others.
    fn pop(&mut self) -> Option<Waiter> {
        let mut hall = self.halls.pop_front()?;
        let (at, _) = hall.waiters.iter().enumerate().min_by_key(|(_, waiter)| waiter.asked)?;
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
mod tests {
    use std::pin::Pin;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    type Came = Result<Turn, NoTurn>;
    type Waiting = Pin<Box<dyn Future<Output = Came>>>;

    fn source(number: usize) -> Source {
        Source(format!("10.0.0.{number}").into())
    }

    /// One address of each of many networks.
    fn far(number: usize) -> Source {
        Source(format!("10.{number}.0.1").into())
    }

    fn account(name: &str) -> &'static AccountName {
        Box::leak(Box::new(name.parse().unwrap()))
    }

    /// Comes, and waits if it has to.
    async fn come_from(turns: &Arc<Turns>, lane: Lane<'static>, from: Source) -> Result<Came, Waiting> {
        let turns = Arc::clone(turns);
        let mut waiting: Waiting = Box::pin(async move { turns.take(lane, &from, PATIENCE).await });
        match timeout(Duration::ZERO, &mut waiting).await {
            Ok(done) => Ok(done),
            Err(_) => Err(waiting),
        }
    }

    async fn come(turns: &Arc<Turns>, lane: Lane<'static>, from: usize) -> Result<Came, Waiting> {
        come_from(turns, lane, source(from)).await
    }

    async fn waits(turns: &Arc<Turns>, lane: Lane<'static>, from: usize) -> Waiting {
        come(turns, lane, from).await.expect_err("it waits")
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_delays_another_source_by_one_turn() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        let mut flood = Vec::new();
        for _ in 0..limits::HASH_QUEUE_MAX {
            flood.push(waits(&turns, Lane::New, 9).await);
        }
        assert!(
            matches!(come(&turns, Lane::New, 9).await, Ok(Err(NoTurn::Crowded))),
            "the flood is told that it is too much"
        );
        let honest = waits(&turns, Lane::New, 1).await;
        drop(first);
        let of_flood = flood.remove(0).await.expect("it came first");
        drop(of_flood);
        assert!(honest.await.is_ok());
        let shed = flood.pop().unwrap();
        assert!(shed.await.is_err(), "the last one of the flood made room");
    }

    #[tokio::test(start_paused = true)]
    async fn known_sources_and_new_ones_take_turns() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        let mut new = Vec::new();
        for number in 1..=limits::HASH_QUEUE_MAX {
            new.push(waits(&turns, Lane::New, number).await);
        }
        let known = waits(&turns, Lane::Known(account("ana")), 98).await;
        let known_too = waits(&turns, Lane::Known(account("bo")), 97).await;
        drop(first);
        drop(known.await.expect("it goes ahead"));
        drop(new.remove(0).await.expect("and then one that is new"));
        drop(known_too.await.expect("and then a known one"));
    }

    /// More addresses than there are places, each of which comes again as soon as it is refused: in one network, that of
    /// whoever comes then, and in as many.
    #[tokio::test(start_paused = true)]
    async fn a_flood_from_more_addresses_than_places_lets_others_in() {
        for (is_far, address) in [(false, source as fn(usize) -> Source), (true, far)] {
            let turns = Turns::new(1);
            let first = turns.take(Lane::New, &Source("192.168.0.1".into()), PATIENCE).await.unwrap();
            let mut flood: VecDeque<(usize, Waiting)> = VecDeque::new();
            for number in (0..100).chain(64..100).chain(64..100) {
                if let Err(waiting) = come_from(&turns, Lane::New, address(number)).await {
                    flood.push_back((number, waiting));
                }
            }
            let honest = if is_far { Source("10.200.0.9".into()) } else { source(200) };
            let mut honest = come_from(&turns, Lane::New, honest).await.expect_err("it is let in");
            drop(first);
            // Those that are shed come again at once, and so do those that had a turn.
            let mut others_first = 0;
            let turn = loop {
                if let Ok(came) = timeout(Duration::ZERO, &mut honest).await {
                    break came.expect("it stays");
                }
                let mut again = Vec::new();
                for (number, mut waiting) in std::mem::take(&mut flood) {
                    match timeout(Duration::ZERO, &mut waiting).await {
                        Ok(came) => {
                            others_first += usize::from(came.is_ok());
                            again.push(number);
                        }
                        Err(_) => flood.push_back((number, waiting)),
                    }
                }
                for number in again {
                    if let Err(waiting) = come_from(&turns, Lane::New, address(number)).await {
                        flood.push_back((number, waiting));
                    }
                }
            };
            assert!(others_first <= limits::HASH_QUEUE_MAX, "{others_first} turns came first");
            drop(turn);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_with_many_addresses_delays_another_one_by_one_turn() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        let mut flood = Vec::new();
        for number in 1..=limits::HASH_QUEUE_MAX {
            flood.push(waits(&turns, Lane::New, number).await);
        }
        let honest = come_from(&turns, Lane::New, far(9)).await.expect_err("it waits");
        drop(first);
        let mut served = 0;
        for waiting in flood {
            if let Ok(Ok(turn)) = timeout(Duration::ZERO, waiting).await {
                served += 1;
                drop(turn);
            }
            if served == 1 {
                break;
            }
        }
        assert!(timeout(Duration::ZERO, honest).await.expect("it is next").is_ok());
    }

    /// With one known address more than there are places, and all of one account.
    #[tokio::test(start_paused = true)]
    async fn an_account_has_one_waiter_that_goes_ahead() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        let mut flood = Vec::new();
        for number in 1..=limits::HASH_QUEUE_MAX + 1 {
            flood.push(waits(&turns, Lane::Known(account("eve")), number).await);
        }
        {
            let state = turns.lock();
            assert_eq!((state.known.len, state.new.len), (1, limits::HASH_QUEUE_MAX));
        }
        let honest = waits(&turns, Lane::Known(account("ana")), 200).await;
        drop(first);
        drop(flood.remove(0).await.expect("it goes ahead"));
        drop(flood);
        assert!(honest.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_trace() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        drop(waits(&turns, Lane::New, 1).await);
        let too_late = waits(&turns, Lane::New, 2).await;
        assert_eq!(too_late.await.unwrap_err(), NoTurn::TooLong);
        drop(first);
        let state = turns.lock();
        assert_eq!((state.free, state.new.len, state.new.halls.len()), (1, 0, 0));
    }

    /// Looks, when it is woken, whether the lock is free.
    struct FindsTheLock(Arc<Turns>, std::sync::atomic::AtomicBool);

    impl std::task::Wake for FindsTheLock {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0.state.try_lock().is_ok(), std::sync::atomic::Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_woken_finds_the_lock_free() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        let mut waiting = waits(&turns, Lane::New, 1).await;
        let finds = Arc::new(FindsTheLock(Arc::clone(&turns), false.into()));
        let waker = Arc::clone(&finds).into();
        assert!(waiting.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        drop(first);
        assert!(finds.1.load(std::sync::atomic::Ordering::SeqCst));
    }
}
