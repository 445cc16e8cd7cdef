//! The total size of all rooms' tails. Each tail is bounded, but one account may be in very many rooms.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lanchat_model::limits;

/// The total size of all tails, shared by the rooms in memory.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    /// Counted by [`Entry::wire_weight`](crate::entry::Entry::wire_weight).
    bytes: AtomicUsize,
    /// Counts writes, so that the tail that was written longest ago can be found.
    writings: AtomicU64,
}

impl Rings {
    /// Notes a write to a tail. Returns the number of the write, which is larger for later writes.
    pub(crate) fn writing(&self) -> u64 {
        self.writings.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that a tail's size has changed from `before` to `after`.
    pub(crate) fn resized(&self, before: usize, after: usize) {
        // If the tail shrinks, both operations wrap, and the result is right.
        self.bytes.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Returns the size of all tails, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns whether tails have to go.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() > limits::RINGS_BYTES_MAX
    }

    /// Returns whether so many tails have gone that the next scan is not due soon.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes() <= limits::RINGS_BYTES_MAX / 4 * 3
    }
}
