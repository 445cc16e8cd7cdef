//! Where the rest of the hub leaves word for one session: "look there", never the thing itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use lanchat_model::{ClientId, RoomId, RoomRef};

use crate::account_places::AccountPlaces;
use crate::entry::Entry;
use crate::error::Error;
use crate::event::LogoutReason;

/// What became of a post of this session.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) room: RoomRef,
    pub(crate) client_id: ClientId,
    /// The entry that is acknowledged, or why not.
    pub(crate) result: Result<Arc<Entry>, Error>,
}

/// All that waits for one session. Every field is bounded by something else than how slow the session is.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Rooms whose log grew. Bounded by the rooms that the session is attached to: each says it once until it is read.
    pub(crate) dirty: Vec<RoomId>,
    /// What became of its posts. Bounded by `limits::UNACKED_PER_SESSION_MAX`: the listener reads no more.
    pub(crate) outcomes: VecDeque<Outcome>,
    /// The rooms of the account are other ones now.
    pub(crate) memberships_changed: bool,
    /// Presence, typing or what holds for the server changed.
    pub(crate) latest_changed: bool,
    /// The device was logged out, and why first.
    pub(crate) logged_out: Option<LogoutReason>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.dirty.is_empty()
            && self.outcomes.is_empty()
            && !(self.memberships_changed || self.latest_changed || self.logged_out.is_some())
    }
}

/// A round of posts: all that a session has posted since one failed that it knows of. When a post of a round fails, all
/// behind it in the round fail with it, whenever they come to be stored: so what one connection posts keeps its order, and
/// comes again in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Round(u32);

impl Round {
    /// The first round of a session.
    pub(crate) const FIRST: Self = Self(1);

    /// The round behind this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// How a round failed.
#[derive(Debug)]
struct Failure {
    /// The post that failed first.
    first: ClientId,
    error: Error,
}

/// The mailbox of one session. Producers: rooms, sequencer, boards, registry. Consumer: the session.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inside: Mutex<Inside>,
    /// Whether the session was told that it is logged out.
    is_over: AtomicBool,
    /// The last round that failed; 0: none. Read at each post, written with `failure`.
    failed: AtomicU32,
    /// Shared with the other sessions of the account.
    pub(crate) of_account: Arc<AccountPlaces>,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: Waiting,
    /// How the last round that failed did. Boxed, because hardly any session has one.
    failure: Option<Box<Failure>>,
    /// The task that waits for word. It stays after a wake-up: a session is driven by one task for as long as it lives.
    waker: Option<Waker>,
}

impl Mailbox {
    /// The mailbox of one session more of an account.
    pub(crate) fn of(of_account: Arc<AccountPlaces>) -> Self {
        Self { of_account, ..Self::default() }
    }

    /// Tells the session that it is logged out, and why first. From now on it does nothing more, however much its peer has
    /// asked for already.
    pub(crate) fn log_out(&self, why: LogoutReason) {
        self.is_over.store(true, Ordering::SeqCst);
        self.leave(|waiting| _ = waiting.logged_out.get_or_insert(why));
    }

    /// Whether the session was told that it is logged out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Notes that a post has failed, and with it all that is behind it in its round.
    pub(crate) fn fail(&self, round: Round, first: ClientId, error: &Error) {
        let mut inside = self.lock();
        if !self.has_failed(round) {
            inside.failure = Some(Box::new(Failure { first, error: error.clone() }));
            self.failed.store(round.0, Ordering::Release);
        }
    }

    /// Whether a post of this round has failed.
    pub(crate) fn has_failed(&self, round: Round) -> bool {
        round.0 <= self.failed.load(Ordering::Acquire)
    }

    /// What all posts of a round are answered by, if one has failed.
    pub(crate) fn failure(&self, round: Round) -> Option<Error> {
        if !self.has_failed(round) {
            return None;
        }
        self.lock().failure.as_ref().map(|failure| failure.error.clone())
    }

    /// Whether this is the post with which the last round that failed did.
    pub(crate) fn failed_with(&self, post: ClientId) -> bool {
        self.lock().failure.as_ref().is_some_and(|failure| failure.first == post)
    }

    /// Leaves word and wakes the session.
    pub(crate) fn leave(&self, word: impl FnOnce(&mut Waiting)) {
        let mut inside = self.lock();
        word(&mut inside.waiting);
        if let Some(waker) = &inside.waker {
            waker.wake_by_ref();
        }
    }

    /// Takes all that waits, for an empty one: so the space of both is used again.
    pub(crate) fn swap(&self, emptied: &mut Waiting) {
        std::mem::swap(&mut self.lock().waiting, emptied);
    }

    /// Ready when something waits; otherwise the task is woken when something does.
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

    /// A panic while the lock was held left a set of hints behind, which is still a set of hints.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
