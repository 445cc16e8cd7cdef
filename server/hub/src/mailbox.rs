//! Where the rest of the hub leaves word for one session: "look there", never the thing itself.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lanchat_model::{ClientId, RoomId};
use tokio::sync::Notify;

use crate::command::RoomView;
use crate::error::Error;
use crate::port::Appended;

/// What became of a post of this session.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) room: RoomView,
    pub(crate) client_id: ClientId,
    pub(crate) result: Result<Appended, Error>,
}

/// All that waits for one session. Every field is bounded by something else than how slow the session is.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Rooms whose log grew. Bounded by the rooms that the session is attached to.
    pub(crate) dirty: BTreeSet<RoomId>,
    /// What became of its posts. Bounded by `limits::UNACKED_PER_SESSION_MAX`: the listener reads no more.
    pub(crate) outcomes: VecDeque<Outcome>,
    /// The rooms of the account are other ones now.
    pub(crate) memberships_changed: bool,
    /// Presence, typing or what holds for the server changed.
    pub(crate) latest_changed: bool,
    /// The device was logged out.
    pub(crate) logged_out: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.dirty.is_empty()
            && self.outcomes.is_empty()
            && !(self.memberships_changed || self.latest_changed || self.logged_out)
    }
}

/// The mailbox of one session. Producers: rooms, sequencer, boards, registry. Consumer: the session.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

impl Mailbox {
    /// Leaves word and wakes the session.
    pub(crate) fn leave(&self, word: impl FnOnce(&mut Waiting)) {
        word(&mut self.lock());
        self.wake.notify_one();
    }

    /// Takes all that waits.
    pub(crate) fn take(&self) -> Waiting {
        std::mem::take(&mut *self.lock())
    }

    /// Resolves when something waits.
    ///
    /// # Cancel safety
    /// Safe: what waits stays until it is taken.
    pub(crate) async fn ready(&self) {
        loop {
            let notified = self.wake.notified();
            if !self.lock().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// A panic while the lock was held left a set of hints behind, which is still a set of hints.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
