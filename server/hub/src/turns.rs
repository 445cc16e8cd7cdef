//! Whose turn it is to use the hasher: places come round over sources, so that nobody waits behind a flood of somebody else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::limits;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::throttle::Source;

/// Who waits, apart from whom. Each lane that has somebody waiting gets every other turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Logged in to this account from this source before.
    Known,
    /// Everybody else.
    New,
}

/// Turns at something of which there are few. Each lane holds at most `limits::HASH_QUEUE_MAX` that wait; beyond it the
/// source that has the most waiting loses the one that came last.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    known: Queue,
    new: Queue,
    /// Which lane had the last turn that both wanted.
    last: Lane,
    next_id: u64,
}

/// Those who wait in one lane: by source, and the sources in the order of their turns.
#[derive(Debug, Default)]
struct Queue {
    by_source: HashMap<Source, VecDeque<Waiter>>,
    order: VecDeque<Source>,
    len: usize,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    go: oneshot::Sender<Turn>,
}

/// The right to do one thing; the next one gets it when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Option<Arc<Turns>>);

/// A place in the queue, given up when dropped.
struct Place<'a> {
    turns: &'a Turns,
    lane: Lane,
    source: &'a Source,
    id: u64,
}

impl Turns {
    /// So many at once.
    pub(crate) fn new(free: usize) -> Arc<Self> {
        let state =
            State { free, known: Queue::default(), new: Queue::default(), last: Lane::New, next_id: 0 };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn. `None`: too many wait, or it took longer than `patience`. Cancel safe.
    pub(crate) async fn take(
        self: &Arc<Self>,
        lane: Lane,
        source: &Source,
        patience: Duration,
    ) -> Option<Turn> {
        let (id, mine) = {
            let mut state = self.lock();
            if state.free > 0 && state.known.len + state.new.len == 0 {
                state.free -= 1;
                return Some(Turn(Some(Arc::clone(self))));
            }
            if !state.queue(lane).make_room(source) {
                return None;
            }
            let (go, mine) = oneshot::channel();
            let id = state.next_id;
            state.next_id += 1;
            state.queue(lane).push(source, Waiter { id, go });
            (id, mine)
        };
        let _place = Place { turns: self, lane, source, id };
        // An error: another source's waiter was let in, and this one shed.
        timeout(patience, mine).await.ok()?.ok()
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
    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Known => &mut self.known,
            Lane::New => &mut self.new,
        }
    }

    fn next(&mut self) -> Option<Waiter> {
        let lane = match (self.known.len, self.new.len) {
            (0, _) => Lane::New,
            (_, 0) => Lane::Known,
            _ if self.last == Lane::New => Lane::Known,
            _ => Lane::New,
        };
        self.last = lane;
        self.queue(lane).pop()
    }
}

impl Queue {
    /// Makes room for one more of `source`. `false`: none has more waiting than it has itself.
    fn make_room(&mut self, source: &Source) -> bool {
        if self.len < limits::HASH_QUEUE_MAX {
            return true;
        }
        let own = self.by_source.get(source).map_or(0, VecDeque::len);
        let most = self.by_source.iter().max_by_key(|(_, waiters)| waiters.len());
        let Some(greediest) =
            most.filter(|(_, waiters)| waiters.len() > own + 1).map(|(from, _)| from.clone())
        else {
            return false;
        };
        let last = self.by_source.get(&greediest).and_then(VecDeque::back).map(|waiter| waiter.id);
        last.is_some_and(|id| self.remove(&greediest, id))
    }

    fn push(&mut self, source: &Source, waiter: Waiter) {
        let waiters = self.by_source.entry(source.clone()).or_default();
        if waiters.is_empty() {
            self.order.push_back(source.clone());
        }
        waiters.push_back(waiter);
        self.len += 1;
    }

    /// The first of the source whose turn it is; that source goes behind all others.
    fn pop(&mut self) -> Option<Waiter> {
        let source = self.order.pop_front()?;
        let waiters = self.by_source.get_mut(&source)?;
        let waiter = waiters.pop_front();
        if waiters.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.order.push_back(source);
        }
        self.len -= usize::from(waiter.is_some());
        waiter
    }

    fn remove(&mut self, source: &Source, id: u64) -> bool {
        let Some(waiters) = self.by_source.get_mut(source) else { return false };
        let Some(at) = waiters.iter().position(|waiter| waiter.id == id) else { return false };
        waiters.remove(at);
        if waiters.is_empty() {
            self.by_source.remove(source);
            self.order.retain(|other| other != source);
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
        self.turns.lock().queue(self.lane).remove(self.source, self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    type Waiting = Pin<Box<dyn Future<Output = Option<Turn>>>>;

    fn source(number: usize) -> Source {
        Source(format!("10.0.0.{number}"))
    }

    /// Comes, and waits if it has to.
    async fn come(turns: &Arc<Turns>, lane: Lane, from: usize) -> Result<Option<Turn>, Waiting> {
        let turns = Arc::clone(turns);
        let mut waiting: Waiting = Box::pin(async move { turns.take(lane, &source(from), PATIENCE).await });
        match timeout(Duration::ZERO, &mut waiting).await {
            Ok(done) => Ok(done),
            Err(_) => Err(waiting),
        }
    }

    async fn waits(turns: &Arc<Turns>, lane: Lane, from: usize) -> Waiting {
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
            matches!(come(&turns, Lane::New, 9).await, Ok(None)),
            "the flood is told that it is too much"
        );
        let honest = waits(&turns, Lane::New, 1).await;
        drop(first);
        let of_flood = flood.remove(0).await.expect("it came first");
        drop(of_flood);
        assert!(honest.await.is_some());
        let shed = flood.pop().unwrap();
        assert!(shed.await.is_none(), "the last one of the flood made room");
    }

    #[tokio::test(start_paused = true)]
    async fn known_sources_and_new_ones_take_turns() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        let mut new = Vec::new();
        for number in 1..=limits::HASH_QUEUE_MAX {
            new.push(waits(&turns, Lane::New, number).await);
        }
        assert!(
            matches!(come(&turns, Lane::New, 99).await, Ok(None)),
            "all have as little: who is last waits not"
        );
        let (known, known_too) = (waits(&turns, Lane::Known, 98).await, waits(&turns, Lane::Known, 97).await);
        drop(first);
        drop(known.await.expect("it goes ahead"));
        drop(new.remove(0).await.expect("and then one that is new"));
        drop(known_too.await.expect("and then a known one"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_trace() {
        let turns = Turns::new(1);
        let first = turns.take(Lane::New, &source(0), PATIENCE).await.unwrap();
        drop(waits(&turns, Lane::New, 1).await);
        let too_late = waits(&turns, Lane::New, 2).await;
        assert!(too_late.await.is_none());
        drop(first);
        let state = turns.lock();
        assert_eq!(
            (state.free, state.new.len, state.new.by_source.len(), state.new.order.len()),
            (1, 0, 0, 0)
        );
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
