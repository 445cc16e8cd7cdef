//! A bounded number of places, for whom others wait in a row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// A number of places, and how many wait for one. First come, first served.
#[derive(Debug)]
pub(crate) struct Places {
    free: Semaphore,
    waiting: AtomicUsize,
}

impl Places {
    /// So many places, all of them free.
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Semaphore::new(count), waiting: AtomicUsize::new(0) })
    }

    /// Takes a place, when there is one. Cancel safe: who is dropped while waiting loses its turn and nothing else.
    pub(crate) async fn take(self: &Arc<Self>) -> Place {
        if let Ok(permit) = self.free.try_acquire() {
            permit.forget();
            return Place(Arc::clone(self));
        }
        let _queue = Queued::behind(&self.waiting);
        if let Ok(permit) = self.free.acquire().await {
            permit.forget();
        }
        Place(Arc::clone(self))
    }
}

/// Counts one that waits, for as long as it does.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn behind(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        self.0.free.add_permits(1);
    }
}
