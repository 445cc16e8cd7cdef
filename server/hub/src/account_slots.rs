//! Bounds what one account, over all its sessions, may have under way at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use lanchat_model::limits;
use tokio::time::timeout;

use crate::error::Error;
use crate::refusal::Refusal;
use crate::slots::{Slot, Slots};

/// The slots of one account, shared by the mailboxes of its sessions. They are made on first use, because most sessions
/// are idle.
#[derive(Debug, Default)]
pub(crate) struct AccountSlots(OnceLock<Box<Kinds>>);

#[derive(Debug)]
struct Kinds {
    answers: Arc<Slots>,
    posts: Arc<Slots>,
    /// The bytes of `limits::QUEUE_BYTES_OWN_MAX` that posts have taken.
    queued: Arc<AtomicUsize>,
    /// This field and `changing` have one slot each, so a slot is a turn.
    reading: Arc<Slots>,
    changing: Arc<Slots>,
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            answers: Slots::new(limits::ANSWERS_PER_ACCOUNT_MAX),
            posts: Slots::new(limits::POSTS_PER_ACCOUNT_MAX),
            queued: Arc::default(),
            reading: Slots::new(1),
            changing: Slots::new(1),
        }
    }
}

impl AccountSlots {
    /// Waits for a slot for a long answer, and takes it. Cancel safe.
    pub(crate) async fn answer(&self) -> Slot {
        self.kinds().answers.take().await
    }

    /// Waits for a slot for a post that is not yet on disk, and takes it. Cancel safe.
    pub(crate) async fn post(&self) -> Slot {
        self.kinds().posts.take().await
    }

    /// Takes bytes of the account's own part of the queue in front of the disk, if that part has enough left or is
    /// empty.
    pub(crate) fn take_queued(&self, bytes: usize) -> Option<OwnBytes> {
        let more = |taken: usize| {
            let all = taken.checked_add(bytes)?;
            (taken == 0 || all <= limits::QUEUE_BYTES_OWN_MAX).then_some(all)
        };
        let queued = &self.kinds().queued;
        let taken = queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| OwnBytes(Arc::clone(queued), bytes))
    }

    /// Returns whether posts of the account wait to be on disk.
    pub(crate) fn has_posts(&self) -> bool {
        self.0.get().is_some_and(|kinds| kinds.posts.are_taken())
    }

    /// Waits for the turn to change what the account says about itself, as `away` and `back` do. There is one change at
    /// a time, so that the last change stored is the last one announced. Cancel safe.
    ///
    /// # Errors
    /// `Busy` if the turn did not come within `limits::READING_WAIT_MAX`.
    pub(crate) async fn change(&self) -> Result<Slot, Error> {
        turn(&self.kinds().changing).await
    }

    /// Waits for the turn to read a list, whose cost grows with its length: the account's rooms, all rooms, or a room's
    /// members. There is one reading at a time, so that all sessions of an account together load the store no more than
    /// one. Returns `None` if there is only one session, which needs no turn. Cancel safe.
    ///
    /// # Errors
    /// `Busy` if the turn did not come within `limits::READING_WAIT_MAX`.
    pub(crate) async fn reading(self: &Arc<Self>) -> Result<Option<Slot>, Error> {
        // The reference held by its mailbox.
        const OF_ONE_SESSION: usize = 1;
        if Arc::strong_count(self) <= OF_ONE_SESSION {
            return Ok(None);
        }
        turn(&self.kinds().reading).await.map(Some)
    }

    fn kinds(&self) -> &Kinds {
        self.0.get_or_init(Box::default)
    }
}

/// Bytes of an account's own part of the queue; returned when dropped. It holds only the byte counter, so that it does
/// not count as a session (see `reading`).
#[derive(Debug)]
pub(crate) struct OwnBytes(Arc<AtomicUsize>, usize);

impl Drop for OwnBytes {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

async fn turn(of: &Arc<Slots>) -> Result<Slot, Error> {
    let busy = |_| Refusal::Busy(limits::READING_WAIT_MAX).into();
    timeout(limits::READING_WAIT_MAX, of.take()).await.map_err(busy)
}
