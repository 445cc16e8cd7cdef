//! Keeps the write-ahead log short while the server runs, and empties it when the server stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use lanchat_hub::failpoint;
use lanchat_hub::port::StoreError;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};

use crate::fault::{Severity, severity};

/// The journal's length in pages from which it is copied into the database, as far as readers allow: 4 MiB. A copied
/// journal is overwritten from its beginning, and a commit that does not extend a file costs the disk less.
const PAGES_CALM_MAX: i32 = 1000;
/// The same under load, less than [`CALM_AFTER`] after the last copy: 16 MiB. The ends of the logs are rewritten often,
/// and a longer journal combines more of these writes into one copy. Where a third of the pages are new, as with long
/// messages, that saves little, and a long copy keeps everybody waiting.
const PAGES_BUSY_MAX: i32 = 4000;
/// A journal that takes at least this long to fill is not under load.
const CALM_AFTER: Duration = Duration::from_secs(1);
/// The length in pages from which the copy waits for readers, so that a stream of them cannot make the journal grow for
/// ever: 64 MiB, as much as `journal_size_limit` keeps on disk.
const PAGES_HARD_MAX: i32 = 16_000;

/// The writer's connection and the length of its journal.
pub(crate) struct Journal {
    conn: Connection,
    pages: Arc<AtomicI32>,
    /// When this process last copied it.
    copied_at: Option<Instant>,
    /// The database's size in pages at that time.
    pages_then: i32,
}

impl Journal {
    /// Begins to watch the journal of `conn`.
    pub(crate) fn of(mut conn: Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&pages);
        conn.wal_hook(Some(move |_: &mut Wal, pages: i32| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        let pages_then = page_count(&conn)?;
        Ok(Self { conn, pages, copied_at: None, pages_then })
    }

    /// Returns the connection.
    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Checkpoints if the journal has grown long. A full disk or a busy reader only postpones it.
    ///
    /// # Errors
    /// The cause, if the disk failed: retrying a checkpoint after a failed fsync proves nothing.
    pub(crate) fn keep_short(&mut self) -> Result<(), String> {
        let is_calm = || self.copied_at.is_none_or(|at| at.elapsed() >= CALM_AFTER);
        let many_are_new = |pages| self.new_pages() >= pages / 3;
        let mode = match self.pages.load(Ordering::Relaxed) {
            pages if pages >= PAGES_HARD_MAX => CheckpointMode::RESTART,
            pages if pages >= PAGES_BUSY_MAX => CheckpointMode::PASSIVE,
            pages if pages >= PAGES_CALM_MAX && (is_calm() || many_are_new(pages)) => CheckpointMode::PASSIVE,
            _ => return Ok(()),
        };
        self.copied_at = Some(Instant::now());
        self.pages_then += self.new_pages();
        if let Err(error) = self.checkpoint(mode)? {
            tracing::warn!(%error, "checkpoint postponed");
        }
        Ok(())
    }

    /// Returns by how many pages the database has grown since the last copy.
    fn new_pages(&self) -> i32 {
        // If this fails, the next commit will report the disk's error.
        page_count(&self.conn).unwrap_or(self.pages_then) - self.pages_then
    }

    /// Copies all of the journal into the database and truncates its file to zero.
    ///
    /// # Errors
    /// As for [`Journal::keep_short`]; the inner error only postpones the checkpoint.
    pub(crate) fn empty(&self) -> Result<Result<(), StoreError>, String> {
        self.checkpoint(CheckpointMode::TRUNCATE)
    }

    fn checkpoint(&self, mode: CheckpointMode) -> Result<Result<(), StoreError>, String> {
        failpoint::crash_during("store::in_checkpoint");
        let Err(error) = self.conn.wal_checkpoint_v2(Some(MAIN_DB), mode) else {
            return Ok(Ok(()));
        };
        match (severity(&error), error.sqlite_error_code()) {
            (Severity::Full, _) => Ok(Err(StoreError::Full)),
            (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                Ok(Err(StoreError::Failed("a reader kept the journal".into())))
            }
            _ => Err(error.to_string()),
        }
    }
}

fn page_count(conn: &Connection) -> rusqlite::Result<i32> {
    conn.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))
}
