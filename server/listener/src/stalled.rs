//! What connections hold because their peers do not read it, or have not sent the rest of it: bounded for all of them
//! together. When others need the memory, the connection without progress for the longest time is closed. The client
//! reconnects and resumes from its cursor.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lanchat_model::limits;
use tokio::time::Instant;

/// What all connections hold. Beyond `limits::STALLED_BYTES_MAX`, connections that have held for
/// `limits::STALLED_TIME_MIN` are closed: a crowd behind a slow link makes progress. Beyond
/// `limits::STALLED_BYTES_HARD_MAX`, any of them may be closed.
#[derive(Debug, Default)]
pub(crate) struct Stalled(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    bytes: usize,
    next: u64,
    /// The holders, the one that began first in front. Bounded by the number of connections.
    by_age: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    since: Instant,
    /// The task of the holder.
    waker: Option<Waker>,
}

/// The count of bytes that one connection holds, until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    of: Arc<Stalled>,
    /// When it began: smaller is earlier.
    age: u64,
}

impl Stalled {
    /// Counts what a connection begins to hold. Returns `None` below `limits::STALLED_BYTES_MIN`, which every
    /// connection may hold.
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize) -> Option<Hold> {
        if bytes < limits::STALLED_BYTES_MIN {
            return None;
        }
        let mut inside = self.lock();
        let age = inside.next;
        inside.next += 1;
        inside.by_age.insert(age, Held { bytes: 0, since: Instant::now(), waker: None });
        inside.resize(age, bytes);
        drop(inside);
        Some(Hold { of: Arc::clone(self), age })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn resize(&mut self, age: u64, bytes: usize) {
        let Some(held) = self.by_age.get_mut(&age) else { return };
        self.bytes = self.bytes - held.bytes + bytes;
        held.bytes = bytes;
        self.let_go();
    }

    fn let_go(&mut self) {
        while self.bytes > limits::STALLED_BYTES_MAX
            && let Some(oldest) = self.by_age.first_entry()
            && (self.bytes > limits::STALLED_BYTES_HARD_MAX
                || oldest.get().since.elapsed() >= limits::STALLED_TIME_MIN)
        {
            let oldest = oldest.remove();
            self.bytes -= oldest.bytes;
            if let Some(waker) = oldest.waker {
                waker.wake();
            }
        }
    }
}

impl Hold {
    /// Sets the present number of bytes. Its age does not change.
    pub(crate) fn resize(&self, bytes: usize) {
        self.of.lock().resize(self.age, bytes);
    }

    /// Resolves when the connection must close. For one task at a time: only the last one to poll is woken.
    pub(crate) fn poll_let_go(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inside = self.of.lock();
        inside.let_go();
        let Some(held) = inside.by_age.get_mut(&self.age) else { return Poll::Ready(()) };
        held.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut inside = self.of.lock();
        if let Some(held) = inside.by_age.remove(&self.age) {
            inside.bytes -= held.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EIGHTH: usize = limits::STALLED_BYTES_MAX / 8;

    fn is_let_go(hold: &Hold) -> bool {
        hold.poll_let_go(&Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_holds_longest_goes_when_all_together_hold_too_much() {
        let stalled = Arc::<Stalled>::default();
        let mut holds: Vec<_> = (0..8).filter_map(|_| stalled.hold(EIGHTH)).collect();
        tokio::time::advance(limits::STALLED_TIME_MIN).await;
        assert_eq!(holds.iter().filter(|hold| is_let_go(hold)).count(), 0);
        drop(holds.remove(3));
        holds.extend(stalled.hold(EIGHTH));
        assert!(!holds.iter().any(is_let_go), "the place of one that is done is free");
        holds.extend(stalled.hold(EIGHTH));
        assert_eq!(holds.iter().map(is_let_go).collect::<Vec<_>>(), [&[true][..], &[false; 8]].concat());
        holds[7].resize(3 * EIGHTH);
        let gone: Vec<_> = holds.iter().map(is_let_go).collect();
        assert_eq!(gone, [true, true, true, false, false, false, false, false, false]);
        drop(holds);
        assert_eq!(stalled.lock().bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_that_makes_progress_stays_up_to_a_bound() {
        let stalled = Arc::<Stalled>::default();
        let most = limits::STALLED_BYTES_HARD_MAX / EIGHTH;
        let mut holds: Vec<_> = (0..most).filter_map(|_| stalled.hold(EIGHTH)).collect();
        assert!(!holds.iter().any(is_let_go));
        holds.extend(stalled.hold(EIGHTH));
        assert!(is_let_go(&holds[0]) && !is_let_go(&holds[1]));
        tokio::time::advance(limits::STALLED_TIME_MIN).await;
        assert_eq!(holds.iter().filter(|hold| !is_let_go(hold)).count(), 8, "nobody made any");
    }

    #[test]
    fn a_little_is_everybodys_own() {
        let stalled = Arc::<Stalled>::default();
        assert!(stalled.hold(limits::STALLED_BYTES_MIN - 1).is_none());
        assert_eq!(stalled.lock().bytes, 0);
    }
}
