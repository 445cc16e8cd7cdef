//! A bounded number of slots, with a queue for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// A number of slots, and a count of those who wait for one. First come, first served. Without waiters, a slot is taken
/// and returned without a lock, because each post does so.
#[derive(Debug)]
pub(crate) struct Slots {
    count: usize,
    free: AtomicUsize,
    waiting: AtomicUsize,
    /// Slots that were returned while somebody waited. They go to the longest waiter.
    handed_on: Semaphore,
}

impl Slots {
    /// Makes `count` slots, all of them free.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            count,
            free: AtomicUsize::new(count),
            waiting: AtomicUsize::new(0),
            handed_on: Semaphore::const_new(0),
        })
    }

    /// Waits for a slot, and takes it. Cancel safe: a caller that is dropped while it waits loses only its turn.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        if self.waiting.load(Ordering::SeqCst) > 0 || !self.take_free() {
            let _queue = Queued::behind(&self.waiting);
            // Tried once more after being counted as waiting: slots that become free from then on are handed on.
            if !self.take_free()
                && let Ok(permit) = self.handed_on.acquire().await
            {
                permit.forget();
            }
        }
        Slot(Arc::clone(self))
    }

    /// Returns whether one of them is taken.
    pub(crate) fn are_taken(&self) -> bool {
        self.free.load(Ordering::SeqCst) < self.count
    }

    fn take_free(&self) -> bool {
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    fn give_back(&self) {
        // The slot is freed before the check for waiters: a caller that counts itself as waiting after the check finds
        // it free.
        self.free.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 && self.take_free() {
            self.handed_on.add_permits(1);
        }
    }
}

/// Counts one waiter, for as long as it waits.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn behind(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A taken slot; returned when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Slot {
    /// Returns whether somebody waits for a slot.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::hint::{black_box, spin_loop};
    use std::pin::{Pin, pin};
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};
    use std::thread;

    use super::*;

    /// A barrier that spins instead of sleeping, so that all threads continue at the same moment.
    struct Meeting {
        of: usize,
        came: AtomicUsize,
    }

    impl Meeting {
        fn wait(&self) {
            let round = self.came.fetch_add(1, Ordering::SeqCst) / self.of;
            let mut looks = 0_u32;
            while self.came.load(Ordering::SeqCst) / self.of == round {
                looks += 1;
                // There may be fewer cores than threads.
                if looks.is_multiple_of(100) { thread::yield_now() } else { spin_loop() }
            }
        }
    }

    /// Passes some nanoseconds for each moment.
    fn pass_time(moments: usize) {
        for moment in 0..moments {
            black_box(moment);
        }
    }

    fn poll(taking: Pin<&mut impl Future<Output = Slot>>) -> Poll<Slot> {
        taking.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn whoever_waits_longest_is_next_and_who_gives_up_takes_no_slot_along() {
        let slots = Slots::new(2);
        let (one, other) = (slots.take().await, slots.take().await);
        assert!(!one.is_wanted());
        let (mut first, mut second) = (Box::pin(slots.take()), pin!(slots.take()));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        assert!(one.is_wanted());

        drop(one);
        let mut late = pin!(slots.take());
        assert!(poll(late.as_mut()).is_pending(), "others wait longer");
        drop(first);
        let Poll::Ready(second) = poll(second.as_mut()) else { panic!("it is next") };
        assert!(poll(late.as_mut()).is_pending());
        drop(other);
        let Poll::Ready(late) = poll(late.as_mut()) else { panic!("it is next") };
        assert!(!late.is_wanted());

        drop((second, late));
        let _both = (slots.take().await, slots.take().await);
        assert!(poll(pin!(slots.take())).is_pending(), "there are two, as before");
    }

    #[test]
    fn whoever_begins_to_wait_while_the_only_slot_comes_back_has_it_next() {
        const MOMENTS: usize = 64;
        const ROUNDS: usize = 32 * MOMENTS * MOMENTS;
        // More threads than cores would seldom meet.
        let takers = thread::available_parallelism().map_or(1, usize::from).clamp(2, 4) - 1;
        let slots = Slots::new(1);
        let meeting = Meeting { of: takers + 1, came: AtomicUsize::new(0) };
        let waiting = Mutex::new(Vec::new());
        let take = |delay: usize| {
            let mut taking = Box::pin(slots.take());
            meeting.wait();
            pass_time(delay);
            if poll(taking.as_mut()).is_pending() {
                waiting.lock().unwrap().push(taking);
            }
            meeting.wait();
        };
        let mut lost = 0;
        thread::scope(|scope| {
            for taker in 0..takers {
                // Each round shifts the takers against each other and against the thread that returns slots.
                scope.spawn(move || (0..ROUNDS).for_each(|round| take(round * (taker + 1) % MOMENTS)));
            }
            for round in 0..ROUNDS {
                let slot = poll(pin!(slots.take()));
                meeting.wait();
                pass_time(round / MOMENTS % MOMENTS);
                lost += usize::from(slot.is_pending());
                drop(slot);
                meeting.wait();
                let mut left = std::mem::take(&mut *waiting.lock().unwrap());
                while !left.is_empty() {
                    let before = left.len();
                    // A taker that gets the slot returns it, to the next one.
                    left.retain_mut(|taking| poll(taking.as_mut()).is_pending());
                    if left.len() == before {
                        lost += 1;
                        break;
                    }
                }
            }
        });
        assert_eq!(lost, 0, "rounds in which all wait for a slot that nobody has");
    }
}
