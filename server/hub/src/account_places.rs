//! What one account may have under way at a time, all its sessions together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use lanchat_model::limits;
use tokio::time::timeout;

use crate::error::{Error, Refusal};
use crate::places::{Place, Places};

/// The places of one account, shared by the mailboxes of its sessions. They are made when the first one is asked for: most
/// sessions are idle.
#[derive(Debug, Default)]
pub(crate) struct AccountPlaces(OnceLock<Box<Kinds>>);

#[derive(Debug)]
struct Kinds {
    answers: Arc<Places>,
    posts: Arc<Places>,
    /// What posts have taken of `limits::QUEUE_BYTES_OWN_MAX`.
    queued: Arc<AtomicUsize>,
    /// One place each: a turn.
    reading: Arc<Places>,
    changing: Arc<Places>,
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            answers: Places::new(limits::ANSWERS_PER_ACCOUNT_MAX),
            posts: Places::new(limits::POSTS_PER_ACCOUNT_MAX),
            queued: Arc::default(),
            reading: Places::new(1),
            changing: Places::new(1),
        }
    }
}

impl AccountPlaces {
    /// Takes a place for an answer that is long, when there is one. Cancel safe.
    pub(crate) async fn answer(&self) -> Place {
        self.kinds().answers.take().await
    }

    /// Takes a place for a post that waits to be on disk, when there is one. Cancel safe.
    pub(crate) async fn post(&self) -> Place {
        self.kinds().posts.take().await
    }

    /// Takes bytes of the account's own part of the queue in front of the disk, if it has so many left there or all of it.
    pub(crate) fn take_queued(&self, bytes: usize) -> Option<OwnBytes> {
        let more = |taken: usize| {
            let all = taken.checked_add(bytes)?;
            (taken == 0 || all <= limits::QUEUE_BYTES_OWN_MAX).then_some(all)
        };
        let queued = &self.kinds().queued;
        let taken = queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| OwnBytes(Arc::clone(queued), bytes))
    }

    /// Whether posts of the account wait to be on disk.
    pub(crate) fn has_posts(&self) -> bool {
        self.0.get().is_some_and(|kinds| kinds.posts.are_taken())
    }

    /// Waits for the turn to change what the account says of itself, as `away` and `back` do: one at a time, so that what is
    /// stored last is what is told last. Cancel safe.
    ///
    /// # Errors
    /// `Busy`, when it did not come for `limits::READING_WAIT_MAX`.
    pub(crate) async fn change(&self) -> Result<Place, Error> {
        turn(&self.kinds().changing).await
    }

    /// Waits for the turn to read a list, which costs as much as it is long: of the rooms that the account is in, of all rooms,
    /// of the members of one. One at a time, so that the sessions of an account together take no more of the store than one of
    /// them. `None`: there is only one, which is one at a time by itself. Cancel safe.
    ///
    /// # Errors
    /// `Busy`, when it did not come for `limits::READING_WAIT_MAX`.
    pub(crate) async fn reading(self: &Arc<Self>) -> Result<Option<Place>, Error> {
        // That of its mailbox.
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

/// Bytes of an account's own part of the queue; given back when dropped. It holds the count alone: who counts the sessions of
/// an account by its places counts no posts.
#[derive(Debug)]
pub(crate) struct OwnBytes(Arc<AtomicUsize>, usize);

impl Drop for OwnBytes {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

async fn turn(of: &Arc<Places>) -> Result<Place, Error> {
    let busy = |_| Refusal::Busy(limits::READING_WAIT_MAX).into();
    timeout(limits::READING_WAIT_MAX, of.take()).await.map_err(busy)
}
