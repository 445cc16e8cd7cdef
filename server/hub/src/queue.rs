//! How much may wait in front of the disk. Each account has a small part of its own, so that an occasional line is in
//! the next batch whatever others do. All accounts share the rest, first come, first served.

use std::sync::Arc;

use lanchat_model::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::account_slots::{AccountSlots, OwnBytes};
use crate::error::Error;
use crate::slots::Slot;

/// The rest of `limits::QUEUE_BYTES_MAX`, which all accounts share.
#[derive(Debug)]
pub(crate) struct Queue(Arc<Semaphore>);

/// The slot of one post in the queue; returned when dropped.
#[derive(Debug)]
pub(crate) struct QueueSlot {
    /// A slot of the account's posts.
    _post: Slot,
    _bytes: Bytes,
}

/// The part of the queue from which a post has taken its bytes.
#[derive(Debug)]
enum Bytes {
    OfAccount { _own: OwnBytes },
    OfAll { _permit: OwnedSemaphorePermit },
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(limits::QUEUE_BYTES_MAX)))
    }

    /// Waits for a slot for a post whose body has this weight in bytes, and takes it. Cancel safe.
    ///
    /// # Errors
    /// Only a fault, because the queue is never closed.
    pub(crate) async fn slot(&self, of_account: &AccountSlots, weight: usize) -> Result<QueueSlot, Error> {
        let post = of_account.post().await;
        // Bodies are much smaller than the queue. A larger one would wait for the whole queue instead of for ever.
        let bytes = weight.clamp(limits::QUEUE_BYTES_PER_DRAFT_MIN, limits::QUEUE_BYTES_MAX);
        let bytes = if let Some(own) = of_account.take_queued(bytes) {
            Bytes::OfAccount { _own: own }
        } else {
            let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.0).acquire_many_owned(permits).await;
            Bytes::OfAll { _permit: permit.map_err(|closed| Error::fault(&closed))? }
        };
        Ok(QueueSlot { _post: post, _bytes: bytes })
    }
}
