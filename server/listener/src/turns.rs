//! Which handshake is worked on next: a few at a time, and the sources in turn.
//!
//! A TLS handshake costs the server a signature and a key exchange, and its peer perhaps nothing. So however many wait,
//! the chat competes only with the few in progress, and a source that sends a thousand waits behind every source that
//! sends one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lanchat_hub::Source;
use tokio::sync::oneshot;
use tokio::task::yield_now;

/// Hands out the turns.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Turns that are free.
    free: usize,
    /// The next number, for a source in a ring or for a ticket.
    next: u64,
    /// The connections in reserved places, and the others. The two rings alternate, so that neither waits for all of
    /// the other.
    rings: [Ring; 2],
    kept_is_next: bool,
}

/// Sources in the order in which they get their turns. Bounded by the connections before login: each has one ticket.
#[derive(Debug, Default)]
struct Ring {
    order: BTreeMap<u64, Source>,
    waiting: HashMap<Source, Queue>,
}

/// The tickets of one source, first come, first served.
#[derive(Debug)]
struct Queue {
    /// The position of the source in the order.
    at: u64,
    tickets: BTreeMap<u64, oneshot::Sender<()>>,
}

/// The right to work on a handshake, for one step without waiting. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turns>);

/// A wait for a turn, given up when dropped.
#[derive(Debug)]
struct Ticket {
    turns: Arc<Turns>,
    source: Source,
    kept: bool,
    number: u64,
    called: oneshot::Receiver<()>,
    is_taken: bool,
}

impl Turns {
    /// Makes a queue that allows `at_once` turns at a time.
    pub(crate) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: at_once,
            next: 0,
            rings: Default::default(),
            kept_is_next: true,
        })))
    }

    /// Waits for this source's turn. `kept`: the connection has a reserved place. Cancel safe: if it is given up, the
    /// turn goes to the next one.
    pub(crate) async fn wait(self: &Arc<Self>, source: &Source, kept: bool) -> Turn {
        let mut ticket = {
            let mut state = self.lock();
            if state.free > 0 {
                // Waiting tickets are called as soon as a turn is free, so now there are none.
                state.free -= 1;
                return Turn(Arc::clone(self));
            }
            let (sender, called) = oneshot::channel();
            let number = state.join(source, kept, sender);
            Ticket { turns: Arc::clone(self), source: source.clone(), kept, number, called, is_taken: false }
        };
        // The sender is never dropped before it has called.
        let _ = (&mut ticket.called).await;
        ticket.is_taken = true;
        let turn = Turn(Arc::clone(self));
        // The runtime runs a task that was just woken before all that are ready: one handshake after the other would
        // precede the chat.
        yield_now().await;
        turn
    }

    fn release(&self) {
        let next = {
            let mut state = self.lock();
            let next = state.pop();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // A waiter that gave up meanwhile no longer finds its ticket, and passes the turn on.
            let _ = next.send(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn join(&mut self, source: &Source, kept: bool, sender: oneshot::Sender<()>) -> u64 {
        let number = self.number();
        let Ring { order, waiting } = &mut self.rings[usize::from(kept)];
        let queue = waiting.entry(source.clone()).or_insert_with(|| {
            order.insert(number, source.clone());
            Queue { at: number, tickets: BTreeMap::new() }
        });
        queue.tickets.insert(number, sender);
        number
    }

    /// Removes the next ticket. Its source goes to the end, if it has more tickets.
    fn pop(&mut self) -> Option<oneshot::Sender<()>> {
        let first = usize::from(self.kept_is_next);
        self.kept_is_next = !self.kept_is_next;
        let at = self.number();
        self.rings[first].pop(at).or_else(|| self.rings[1 - first].pop(at))
    }

    /// Removes a ticket. Returns whether it was still there.
    fn leave(&mut self, source: &Source, kept: bool, number: u64) -> bool {
        let Ring { order, waiting } = &mut self.rings[usize::from(kept)];
        let Some(queue) = waiting.get_mut(source) else { return false };
        let was_there = queue.tickets.remove(&number).is_some();
        if queue.tickets.is_empty() {
            order.remove(&queue.at);
            waiting.remove(source);
        }
        was_there
    }
}

impl Ring {
    fn pop(&mut self, at: u64) -> Option<oneshot::Sender<()>> {
        let (_, source) = self.order.pop_first()?;
        let queue = self.waiting.get_mut(&source)?;
        let ticket = queue.tickets.pop_first().map(|(_, sender)| sender);
        if queue.tickets.is_empty() {
            self.waiting.remove(&source);
        } else {
            queue.at = at;
            self.order.insert(at, source);
        }
        ticket
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_taken {
            return;
        }
        let waited = self.turns.lock().leave(&self.source, self.kept, self.number);
        if !waited {
            // It was called, but has gone without taking the turn.
            self.turns.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::*;

    /// Starts a waiter that reports when its turn comes. It is in the queue when this returns.
    async fn ask(turns: &Arc<Turns>, who: &str, kept: bool, said: &mpsc::Sender<String>) -> JoinHandle<()> {
        let (turns, who, said) = (Arc::clone(turns), who.to_owned(), said.clone());
        let waiting = tokio::spawn(async move {
            let turn = turns.wait(&Source(who.as_str().into()), kept).await;
            said.send(who).await.unwrap();
            drop(turn);
        });
        yield_now().await;
        waiting
    }

    async fn order(heard: &mut mpsc::Receiver<String>, count: usize) -> Vec<String> {
        let mut order = Vec::new();
        while order.len() < count {
            order.push(heard.recv().await.unwrap());
        }
        order
    }

    #[tokio::test]
    async fn a_source_with_one_goes_before_the_second_of_a_source_with_many() {
        let (turns, (said, mut heard)) = (Turns::new(1), mpsc::channel(16));
        let at_work = turns.wait(&Source("many".into()), false).await;
        for who in ["many", "many", "many", "one"] {
            ask(&turns, who, false, &said).await;
        }
        drop(at_work);
        assert_eq!(order(&mut heard, 4).await, ["many", "one", "many", "many"]);
        assert_eq!(turns.lock().free, 1);
    }

    #[tokio::test]
    async fn kept_places_and_the_others_alternate() {
        let (turns, (said, mut heard)) = (Turns::new(1), mpsc::channel(16));
        let at_work = turns.wait(&Source("a".into()), false).await;
        for (who, kept) in [("a", false), ("b", false), ("c", false), ("x", true), ("y", true)] {
            ask(&turns, who, kept, &said).await;
        }
        drop(at_work);
        assert_eq!(order(&mut heard, 5).await, ["x", "a", "y", "b", "c"]);
    }

    #[tokio::test]
    async fn who_gives_up_keeps_nobody_waiting() {
        let (turns, (said, mut heard)) = (Turns::new(1), mpsc::channel(16));
        let at_work = turns.wait(&Source("a".into()), false).await;
        let waits = ask(&turns, "b", false, &said).await;
        ask(&turns, "c", false, &said).await;
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        assert!(!turns.lock().rings[0].waiting.contains_key(&Source("b".into())));
        // Called, but given up before it noticed.
        let called = ask(&turns, "d", true, &said).await;
        drop(at_work);
        called.abort();
        assert_eq!(order(&mut heard, 1).await, ["c"]);
        assert_eq!(turns.lock().free, 1, "no turn is lost");
    }
}
