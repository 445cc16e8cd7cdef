//! Typing: who is typing where, as latest values that are not stored.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, RoomId, limits};
use tokio::time::Instant;

use crate::latest::{Latest, Piece};

/// A repeated mark is news only after this time.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// The typing marks of all accounts.
#[derive(Debug)]
pub(crate) struct TypingBoard {
    marks: Mutex<Latest<(RoomId, AccountName), Instant>>,
    /// Since when, and in how many rooms, an account has been typing: at most [`limits::TYPING_MARKS_MAX`] accounts.
    /// When it is full, those of an earlier second go; if there are none, no other account is marked.
    recent: Mutex<HashMap<AccountName, (Instant, usize)>>,
}

impl TypingBoard {
    pub(crate) fn new() -> Self {
        Self { marks: Mutex::new(Latest::new(limits::TYPING_MARKS_MAX)), recent: Mutex::default() }
    }

    /// Marks somebody as typing. Returns `false` if they were already marked a moment ago, or type in more rooms than a
    /// person can. Then nobody need be woken.
    pub(crate) fn mark(&self, room: RoomId, name: AccountName) -> bool {
        let now = Instant::now();
        if !self.is_new(&(room, name.clone()), now) || !self.is_in_few_rooms(name.clone(), now) {
            return false;
        }
        self.lock().put((room, name), now);
        true
    }

    fn is_new(&self, key: &(RoomId, AccountName), now: Instant) -> bool {
        self.lock().value(key).is_none_or(|at| now.duration_since(*at) >= REPEAT_AFTER)
    }

    /// Counts a mark of an account. Each mark wakes all readers of a room, and an account may be in very many rooms.
    fn is_in_few_rooms(&self, name: AccountName, now: Instant) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |since: &Instant| now.duration_since(*since) < REPEAT_AFTER;
        if recent.len() >= limits::TYPING_MARKS_MAX && !recent.contains_key(&name) {
            recent.retain(|_, (since, _)| is_recent(since));
            if recent.len() >= limits::TYPING_MARKS_MAX {
                return false;
            }
        }
        let (since, rooms) = recent.entry(name).or_insert((now, 0));
        if !is_recent(since) {
            (*since, *rooms) = (now, 0);
        }
        *rooms += 1;
        *rooms <= limits::TYPING_ROOMS_MAX
    }

    /// Returns the version of the last mark, where a new reader starts.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version()
    }

    /// Returns the marks after `version` that are still worth showing, in pieces.
    pub(crate) fn since(&self, version: u64) -> (Vec<(RoomId, AccountName)>, Piece) {
        let (marks, now) = (self.lock(), Instant::now());
        let fresh = |at: &Instant| now.duration_since(*at) < limits::TYPING_SHOWN;
        let piece = marks.piece(version);
        (marks.read(piece).filter(|(_, at)| fresh(at)).map(|(key, _)| key.clone()).collect(), piece)
    }

    fn lock(&self) -> MutexGuard<'_, Latest<(RoomId, AccountName), Instant>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mark_is_shown_for_six_seconds_and_repeats_are_coalesced() {
        let board = TypingBoard::new();
        let ana: AccountName = "ana".parse().unwrap();
        assert!(board.mark(RoomId(1), ana.clone()));
        assert!(!board.mark(RoomId(1), ana.clone()));
        assert_eq!(board.since(0).0.len(), 1);
        tokio::time::advance(limits::TYPING_SHOWN).await;
        assert!(board.since(0).0.is_empty());
        assert!(board.mark(RoomId(1), ana));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_types_in_many_rooms_at_once() {
        let board = TypingBoard::new();
        let ana: AccountName = "ana".parse().unwrap();
        let marked = (1..=100).filter(|room| board.mark(RoomId(*room), ana.clone())).count();
        assert_eq!(marked, limits::TYPING_ROOMS_MAX);
        assert!(board.mark(RoomId(1), "bob".parse().unwrap()), "others have their own");
        tokio::time::advance(REPEAT_AFTER).await;
        assert!(board.mark(RoomId(100), ana), "and a second later it is another room");
    }
}
