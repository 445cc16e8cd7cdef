//! Rows on their way to the thread that prints them: the session adds them without waiting.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use lanchat_model::{Seq, limits};
use tokio::sync::Notify;

/// A queue of rows. Filling it never blocks; the filler waits for [`RowQueue::room`] before it takes on more work, so
/// that the queue holds little more than [`limits::OUTPUT_ROWS_MAX`] rows and [`limits::OUTPUT_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub(crate) struct RowQueue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Notify,
    written: Notify,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<String>,
    /// The bytes of all rows.
    bytes: usize,
    closed: bool,
    /// Why the printing thread cannot go on.
    failure: Option<String>,
    /// How many rows were ever added, and how many of them were written.
    pushed: u64,
    written: u64,
    /// Up to where a room is seen once this many rows are written: one per row and room, so they are bounded by the
    /// rows and by `limits::ROOMS_PER_ACCOUNT_MAX`. Emptied as rows are written.
    marks: VecDeque<(u64, String, Seq)>,
}

impl State {
    fn has_room(&self) -> bool {
        self.closed || self.rows.len() < limits::OUTPUT_ROWS_MAX && self.bytes < limits::OUTPUT_BYTES_MAX
    }
}

impl RowQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds rows. After [`RowQueue::close`] they are dropped.
    pub(crate) fn push(&self, rows: impl IntoIterator<Item = String>) {
        let mut state = self.lock();
        if !state.closed {
            for row in rows {
                state.bytes += row.len();
                state.rows.push_back(row);
                state.pushed += 1;
            }
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Takes the next rows, at most `count`, and returns whether there are more. Does not wait.
    pub(crate) fn take(&self, count: usize) -> (Vec<String>, bool) {
        let mut state = self.lock();
        let count = count.min(state.rows.len());
        let rows: Vec<String> = state.rows.drain(..count).collect();
        state.bytes -= rows.iter().map(String::len).sum::<usize>();
        let more = !state.rows.is_empty();
        drop(state);
        self.emptied.notify_one();
        (rows, more)
    }

    /// Waits for rows and takes all. An empty result means that the queue is closed and nothing is left.
    pub(crate) fn wait(&self) -> Vec<String> {
        let mut state = self.lock();
        while state.rows.is_empty() && !state.closed {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let rows = state.rows.drain(..).collect();
        state.bytes = 0;
        drop(state);
        self.emptied.notify_one();
        rows
    }

    /// Notes that `rows` more rows were written.
    pub(crate) fn wrote(&self, rows: usize) {
        self.lock().written += rows as u64;
        self.written.notify_waiters();
    }

    /// Notes that a room is seen up to `seq` once all rows added so far are written. Does nothing after
    /// [`RowQueue::close`]: nobody sees dropped rows.
    pub(crate) fn mark(&self, room: &str, seq: Seq) {
        let mut state = self.lock();
        if !state.closed {
            let behind = state.pushed;
            // After the same row, one mark per room is enough: so they stay bounded even if no rows come between them.
            let mut of_row = state.marks.iter_mut().rev().take_while(|(row, ..)| *row == behind);
            match of_row.find(|(_, other, _)| other == room) {
                Some((_, _, marked)) => *marked = seq.max(*marked),
                None => state.marks.push_back((behind, room.to_owned(), seq)),
            }
        }
    }

    /// Forgets the waiting marks, whose positions no longer mean anything.
    pub(crate) fn forget_marks(&self) {
        self.lock().marks.clear();
    }

    /// Takes the marks of written rows.
    pub(crate) fn seen(&self) -> Vec<(String, Seq)> {
        let mut state = self.lock();
        let written = state.written;
        std::iter::from_fn(|| state.marks.pop_front_if(|(behind, ..)| *behind <= written))
            .map(|(_, room, seq)| (room, seq))
            .collect()
    }

    /// Notes why rows cannot be written.
    pub(crate) fn fail(&self, reason: String) {
        self.lock().failure = Some(reason);
    }

    /// Returns why rows could not be written.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Waits until all added rows are written, or writing has stopped. Cancel safe.
    pub(crate) async fn all_written(&self) {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            // This comes before the check, so that a notification between the two is not missed.
            written.as_mut().enable();
            let (closed, is_done) = {
                let state = self.lock();
                (state.closed, state.written == state.pushed)
            };
            if closed || is_done {
                return;
            }
            written.await;
        }
    }

    /// Waits until there is room for more. Cancel safe.
    pub(crate) async fn room(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().has_room() {
                return;
            }
            emptied.await;
        }
    }

    /// Accepts no more rows. Waiting rows can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.emptied.notify_one();
        self.written.notify_waiters();
    }

    /// Returns whether [`RowQueue::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order_and_the_end_is_told() {
        let spool = RowQueue::default();
        spool.push(["a", "b", "c"].map(String::from));
        assert_eq!(spool.take(2), (vec!["a".into(), "b".into()], true));
        spool.close();
        spool.push(["late".to_owned()]);
        assert_eq!(spool.wait(), ["c"]);
        assert!(spool.wait().is_empty());
    }

    #[tokio::test]
    async fn what_is_not_written_is_not_seen() {
        let (spool, seq) = (RowQueue::default(), |seq: u64| Seq::try_from(seq).unwrap());
        spool.push(["a", "b"].map(String::from));
        spool.mark("lobby", seq(1));
        spool.push(["c".to_owned()]);
        spool.mark("dev", seq(7));
        assert_eq!(spool.wait().len(), 3);
        assert_eq!(spool.seen(), [], "it was taken, and may never be written");
        spool.wrote(2);
        assert_eq!(spool.seen(), [("lobby".to_owned(), seq(1))]);
        spool.wrote(1);
        spool.all_written().await;
        assert_eq!(spool.seen(), [("dev".to_owned(), seq(7))]);
        spool.push(["d".to_owned()]);
        spool.mark("lobby", seq(8));
        spool.forget_marks();
        assert_eq!(spool.wait().len(), 1);
        spool.wrote(1);
        assert_eq!(spool.seen(), [], "it was of another account");
        spool.close();
        spool.mark("lobby", seq(2));
        spool.all_written().await;
        assert_eq!(spool.seen(), [], "nobody reads any more");
    }

    #[tokio::test]
    async fn long_rows_fill_a_spool_too() {
        let spool = RowQueue::default();
        let row = "x".repeat(limits::OUTPUT_BYTES_MAX / 2);
        spool.push([row.clone()]);
        spool.room().await;
        spool.push([row]);
        assert!(!spool.lock().has_room());
        spool.take(1);
        spool.room().await;
        assert_eq!(spool.wait().len(), 1);
        assert_eq!(spool.lock().bytes, 0);
    }

    #[tokio::test]
    async fn a_full_spool_makes_its_filler_wait() {
        let spool = std::sync::Arc::new(RowQueue::default());
        spool.push((0..limits::OUTPUT_ROWS_MAX).map(|n| n.to_string()));
        let filler = std::sync::Arc::clone(&spool);
        let mut waiting = tokio::spawn(async move { filler.room().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        spool.take(1);
        (&mut waiting).await.unwrap();
        spool.push(["one more".to_owned()]);
        spool.close();
        spool.room().await;
    }

    #[test]
    fn marks_without_rows_are_one_per_room() {
        let spool = RowQueue::default();
        let position = |seq: u64| Seq::try_from(seq).unwrap();
        spool.push(["a row".to_owned()]);
        for seq in 1..1000 {
            spool.mark("lobby", position(seq));
            spool.mark("garden", position(seq));
        }
        assert_eq!(spool.lock().marks.len(), 2);
        spool.wrote(1);
        assert_eq!(spool.seen(), [("lobby".to_owned(), position(999)), ("garden".to_owned(), position(999))]);
    }
}
