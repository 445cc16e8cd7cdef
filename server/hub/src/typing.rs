//! Who is typing where: latest values that nobody stores.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanchat_model::{AccountName, RoomId, limits};
use tokio::time::Instant;

use crate::latest::{Latest, Piece};

/// A mark that repeats one this young says nothing new.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// Typing marks of everybody.
#[derive(Debug)]
pub(crate) struct TypingBoard {
    marks: Mutex<Latest<(RoomId, AccountName), Instant>>,
}

impl TypingBoard {
    pub(crate) fn new() -> Self {
        Self { marks: Mutex::new(Latest::new(limits::TYPING_MARKS_MAX)) }
    }

    /// Marks somebody as typing. `false`: they were a moment ago, and nobody needs to be woken.
    pub(crate) fn mark(&self, room: RoomId, name: AccountName) -> bool {
        let (mut marks, key, now) = (self.lock(), (room, name), Instant::now());
        if marks.value(&key).is_some_and(|at| now.duration_since(*at) < REPEAT_AFTER) {
            return false;
        }
        marks.put(key, now);
        true
    }

    /// The version of the last mark: where a new reader starts.
    pub(crate) fn version(&self) -> u64 {
        self.lock().version()
    }

    /// Marks after `version` that are still worth showing, in pieces.
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
}
