//! The peer of a connection that a door has taken over, and whether it may stay.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use lanchat_hub::Source;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep_until;

use crate::entrance::Entrance;
use crate::newcomer::Newcomer;

/// The peer of a connection that its door has taken over: shared by the door, the connection and the listener. Cheap to
/// clone.
#[derive(Clone)]
pub struct Visitor(Arc<Inside>);

struct Inside {
    source: Source,
    /// Its place before the login, until it is let in.
    newcomer: Mutex<Option<Box<Newcomer>>>,
    entrance: Arc<Entrance>,
}

impl Visitor {
    pub(crate) fn new(source: Source, newcomer: Box<Newcomer>, entrance: Arc<Entrance>) -> Self {
        Self(Arc::new(Inside { source, newcomer: Mutex::new(Some(newcomer)), entrance }))
    }

    /// Returns its source, as limits count it.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// Notes that the peer has proved its identity: it gives up its place before the login, and can no longer be
    /// displaced. From now on the door must bound how many such peers there are.
    pub fn let_in(&self) {
        drop(self.take_newcomer());
    }

    /// Resolves when the server stops: the door has `limits::DRAIN_MAX` to tell its peer.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn server_stops(&self) {
        self.0.entrance.shutdown.cancelled().await;
    }

    /// Resolves when it has to go: its place is needed, or it was not let in before the deadline.
    pub(crate) async fn has_to_go(&self) {
        let deadline = self.lock().as_ref().map(|newcomer| newcomer.login_deadline);
        let Some(deadline) = deadline else { return pending().await };
        let mut alarm = pin!(sleep_until(deadline));
        poll_fn(|cx| {
            let newcomer = self.lock();
            // A peer that was let in stays, so nothing needs to be woken.
            let Some(newcomer) = &*newcomer else { return Poll::Pending };
            if newcomer.place.poll_taken(cx).is_ready() { Poll::Ready(()) } else { alarm.as_mut().poll(cx) }
        })
        .await;
    }

    /// Returns a permit to linger when closed, so that the peer can read the last output, while few others do.
    pub(crate) fn linger(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.entrance.lingering).try_acquire_owned().ok()
    }

    /// Returns what it needs until its login, if it was not let in.
    pub(crate) fn take_newcomer(&self) -> Option<Box<Newcomer>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Newcomer>>> {
        self.0.newcomer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
