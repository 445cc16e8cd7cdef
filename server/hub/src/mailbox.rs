//! The mailbox, in which the rest of the hub leaves hints for one session: "look there", never the thing itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lanchat_model::{ClientId, RoomId, RoomRef};

use crate::account_slots::AccountSlots;
use crate::entry::Entry;
use crate::error::Error;
use crate::event::LogoutReason;

/// The outcome of a post of this session.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) room: RoomRef,
    pub(crate) client_id: ClientId,
    /// The entry that is acknowledged, or the error.
    pub(crate) result: Result<Arc<Entry>, Error>,
}

/// Everything that waits for one session. Each field has a bound that does not depend on how slow the session is.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Rooms whose log grew. Bounded by the rooms that the session is attached to: each is listed once until it is
    /// read.
    pub(crate) dirty: Vec<RoomId>,
    /// The outcomes of its posts. Bounded by `limits::UNACKED_PER_SESSION_MAX`, beyond which the listener stops
    /// reading.
    pub(crate) outcomes: VecDeque<Outcome>,
    /// Whether the rooms of the account have changed.
    pub(crate) memberships_changed: bool,
    /// Whether presence, typing or the server's notice has changed.
    pub(crate) latest_changed: bool,
    /// The first reason for which the device was logged out.
    pub(crate) logged_out: Option<LogoutReason>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.dirty.is_empty()
            && self.outcomes.is_empty()
            && !(self.memberships_changed || self.latest_changed || self.logged_out.is_some())
    }
}

/// A round of posts: all that a session has posted since the last failure that it knows of. If a post of a round fails,
/// all later posts of the round fail too, whenever they would be stored. So the posts of one connection keep their
/// order, and are resent in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Round(u32);

impl Round {
    /// The number of a session's first round.
    pub(crate) const FIRST: Self = Self(1);

    /// Returns the next round.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// How a round failed.
#[derive(Debug)]
struct Failure {
    /// The first post that failed.
    first: ClientId,
    error: Error,
}

/// The mailbox of one session. Producers: rooms, sequencer, boards, registry. Consumer: the session.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inside: Mutex<Inside>,
    /// Whether the session was told that it is logged out.
    is_over: AtomicBool,
    /// The last round that failed, or 0. Read at each post, and written together with `failure`.
    failed: AtomicU32,
    /// Shared with the other sessions of the account.
    pub(crate) of_account: Arc<AccountSlots>,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: Waiting,
    /// How the last failed round failed. Boxed, because hardly any session has one.
    failure: Option<Box<Failure>>,
    /// The task to wake. It stays after a wake-up, because one task drives a session for its whole life.
    waker: Option<Waker>,
}

impl Mailbox {
    /// Makes the mailbox of one more session of an account.
    pub(crate) fn of(of_account: Arc<AccountSlots>) -> Self {
        Self { of_account, ..Self::default() }
    }

    /// Tells the session that it is logged out; the first reason stays. From now on it does nothing more, however much
    /// its peer has already asked for.
    pub(crate) fn log_out(&self, why: LogoutReason) {
        self.is_over.store(true, Ordering::SeqCst);
        self.leave(|waiting| _ = waiting.logged_out.get_or_insert(why));
    }

    /// Returns whether the session was told that it is logged out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Notes that a post has failed, and with it all later posts of its round.
    pub(crate) fn fail(&self, round: Round, first: ClientId, error: &Error) {
        let mut inside = self.lock();
        if !self.has_failed(round) {
            inside.failure = Some(Box::new(Failure { first, error: error.clone() }));
            self.failed.store(round.0, Ordering::Release);
        }
    }

    /// Returns whether a post of this round has failed.
    pub(crate) fn has_failed(&self, round: Round) -> bool {
        round.0 <= self.failed.load(Ordering::Acquire)
    }

    /// Returns the error that answers all posts of a round, if one has failed.
    pub(crate) fn failure(&self, round: Round) -> Option<Error> {
        if !self.has_failed(round) {
            return None;
        }
        self.lock().failure.as_ref().map(|failure| failure.error.clone())
    }

    /// Returns whether this is the post with which the last failed round began to fail.
    pub(crate) fn failed_with(&self, post: ClientId) -> bool {
        self.lock().failure.as_ref().is_some_and(|failure| failure.first == post)
    }

    /// Leaves a hint and wakes the session.
    pub(crate) fn leave(&self, word: impl FnOnce(&mut Waiting)) {
        let mut inside = self.lock();
        word(&mut inside.waiting);
        if let Some(waker) = &inside.waker {
            waker.wake_by_ref();
        }
    }

    /// Takes everything that waits, in exchange for an emptied one, so that the memory of both is reused.
    pub(crate) fn swap(&self, emptied: &mut Waiting) {
        std::mem::swap(&mut self.lock().waiting, emptied);
    }

    /// Returns ready if something waits; otherwise the task is woken when something does.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inside = self.lock();
        if !inside.waiting.is_empty() {
            return Poll::Ready(());
        }
        if !inside.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            inside.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Locks the mailbox. After a panic under the lock, the set of hints is still a valid set of hints.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
