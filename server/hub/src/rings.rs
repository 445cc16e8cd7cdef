//! What the tails of all rooms hold together: each is bounded, but one account may be in very many rooms.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use lanchat_model::limits;

/// The sum of all tails. Shared by the rooms that are in memory.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    /// By [`Entry::wire_weight`](crate::entry::Entry::wire_weight).
    bytes: AtomicUsize,
    /// Counts writings, so that the tail that was written longest ago can be told.
    writings: AtomicU64,
}

impl Rings {
    /// A tail was written to. Its number: a later one is larger.
    pub(crate) fn writing(&self) -> u64 {
        self.writings.fetch_add(1, Ordering::Relaxed)
    }

    /// A tail that held `before` holds `after` now.
    pub(crate) fn resized(&self, before: usize, after: usize) {
        // Wraps around twice when it shrinks, which is the difference.
        self.bytes.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// What all tails hold, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether tails have to go.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() > limits::RINGS_BYTES_MAX
    }

    /// Whether enough have gone: so many that the next look is not due soon.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes() <= limits::RINGS_BYTES_MAX / 4 * 3
    }
}
