//! A bounded number of places, for whom others wait in a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// A number of places, and how many wait for one. First come, first served. A place that nobody waits for is taken and given
/// back without a lock: each post does it.
#[derive(Debug)]
pub(crate) struct Places {
    free: AtomicUsize,
    waiting: AtomicUsize,
    /// Places that were given back while somebody waited: they go to whoever waits longest.
    handed_on: Semaphore,
}

impl Places {
    /// So many places, all of them free.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            free: AtomicUsize::new(count),
            waiting: AtomicUsize::new(0),
            handed_on: Semaphore::const_new(0),
        })
    }

    /// Takes a place, when there is one. Cancel safe: who is dropped while waiting loses its turn and nothing else.
    pub(crate) async fn take(self: &Arc<Self>) -> Place {
        if self.waiting.load(Ordering::SeqCst) > 0 || !self.take_free() {
            let _queue = Queued::behind(&self.waiting);
            // Looked at once more behind the count: what becomes free from then on is handed on.
            if !self.take_free()
                && let Ok(permit) = self.handed_on.acquire().await
            {
                permit.forget();
            }
        }
        Place(Arc::clone(self))
    }

    fn take_free(&self) -> bool {
        self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |free| free.checked_sub(1)).is_ok()
    }

    fn give_back(&self) {
        // Free first, and looked around second: whoever counts itself as waiting after that look finds it free.
        self.free.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 && self.take_free() {
            self.handed_on.add_permits(1);
        }
    }
}

/// Counts one that waits, for as long as it does.
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

/// A place that was taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Place {
    /// Whether somebody waits for one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(taking: Pin<&mut impl Future<Output = Place>>) -> Poll<Place> {
        taking.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn whoever_waits_longest_is_next_and_who_gives_up_takes_no_place_along() {
        let places = Places::new(2);
        let (one, other) = (places.take().await, places.take().await);
        assert!(!one.is_wanted());
        let (mut first, mut second) = (Box::pin(places.take()), pin!(places.take()));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        assert!(one.is_wanted());

        drop(one);
        let mut late = pin!(places.take());
        assert!(poll(late.as_mut()).is_pending(), "others wait longer");
        drop(first);
        let Poll::Ready(second) = poll(second.as_mut()) else { panic!("it is next") };
        assert!(poll(late.as_mut()).is_pending());
        drop(other);
        let Poll::Ready(late) = poll(late.as_mut()) else { panic!("it is next") };
        assert!(!late.is_wanted());

        drop((second, late));
        let _both = (places.take().await, places.take().await);
        assert!(poll(pin!(places.take())).is_pending(), "there are two, as before");
    }
}
