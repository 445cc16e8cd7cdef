//! Rows on their way to whoever prints them: filled by the session without waiting, emptied by a
//! thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use lanchat_model::limits;
use tokio::sync::Notify;

/// A queue of rows. Filling it never blocks; whoever fills it waits for [`Spool::room`] before it
/// takes on more work, so that it holds little more than [`limits::OUTPUT_ROWS_MAX`] rows and
/// [`limits::OUTPUT_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    rows: VecDeque<String>,
    /// Of all rows.
    bytes: usize,
    closed: bool,
}

impl State {
    fn has_room(&self) -> bool {
        self.closed || self.rows.len() < limits::OUTPUT_ROWS_MAX && self.bytes < limits::OUTPUT_BYTES_MAX
    }
}

impl Spool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds rows. After [`Spool::close`] they go nowhere.
    pub(crate) fn push(&self, rows: impl IntoIterator<Item = String>) {
        let mut state = self.lock();
        if !state.closed {
            for row in rows {
                state.bytes += row.len();
                state.rows.push_back(row);
            }
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Takes the next rows, at most `count`, and says whether there are more. Does not wait.
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

    /// Waits for rows and takes all. Empty: the spool is closed, and nothing is left.
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

    /// Takes no more rows. Those that wait can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.emptied.notify_one();
    }

    /// Whether [`Spool::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order_and_the_end_is_told() {
        let spool = Spool::default();
        spool.push(["a", "b", "c"].map(String::from));
        assert_eq!(spool.take(2), (vec!["a".into(), "b".into()], true));
        spool.close();
        spool.push(["late".to_owned()]);
        assert_eq!(spool.wait(), ["c"]);
        assert!(spool.wait().is_empty());
    }

    #[tokio::test]
    async fn long_rows_fill_a_spool_too() {
        let spool = Spool::default();
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
        let spool = std::sync::Arc::new(Spool::default());
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
}
