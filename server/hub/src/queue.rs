//! How much may wait in front of the disk. Each account has a little of its own there, so that whoever says a line now and
//! then is in the next batch whatever others do; what goes beyond it, all accounts share, first come, first served.

use std::sync::Arc;

use lanchat_model::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::account_places::{AccountPlaces, OwnBytes};
use crate::error::Error;
use crate::places::Place;

/// What is left of `limits::QUEUE_BYTES_MAX`.
#[derive(Debug)]
pub(crate) struct Queue(Arc<Semaphore>);

/// The place of one post in the queue; given back when dropped.
#[derive(Debug)]
pub(crate) struct QueuePlace {
    /// One of the account's posts.
    _post: Place,
    _bytes: Bytes,
}

/// Whose bytes a post has taken.
#[derive(Debug)]
enum Bytes {
    OfAccount { _own: OwnBytes },
    OfAll { _permit: OwnedSemaphorePermit },
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(limits::QUEUE_BYTES_MAX)))
    }

    /// Takes a place for a post whose body weighs so many bytes, when there is one. Cancel safe.
    ///
    /// # Errors
    /// None but a fault: the queue is never closed.
    pub(crate) async fn place(&self, of_account: &AccountPlaces, weight: usize) -> Result<QueuePlace, Error> {
        let post = of_account.post().await;
        // No body is nearly as heavy as the queue; one that were would wait for all of it, not for ever.
        let bytes = weight.clamp(limits::QUEUE_BYTES_PER_DRAFT_MIN, limits::QUEUE_BYTES_MAX);
        let bytes = if let Some(own) = of_account.take_queued(bytes) {
            Bytes::OfAccount { _own: own }
        } else {
            let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.0).acquire_many_owned(permits).await;
            Bytes::OfAll { _permit: permit.map_err(|closed| Error::fault(&closed))? }
        };
        Ok(QueuePlace { _post: post, _bytes: bytes })
    }
}
