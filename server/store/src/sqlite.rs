//! The store as a whole: a database file, its writer and its readers.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lanchat_hub::port::{Answer, Store};
use lanchat_model::{Timestamp, limits};
use rusqlite::Connection;

use crate::clock::{Clock, Lived, LivedClock, wall};
use crate::erase::{overwrite_deleted, remove_old_copies, vacuum_if_due};
use crate::error::OpenError;
use crate::fault::refusal;
use crate::files::beside;
use crate::membership::remove_never_entered;
use crate::migrate::{MIGRATIONS, migrate};
use crate::open::{open_reader, open_writer, turn_journal_on};
use crate::reader::Readers;
use crate::space::Space;
use crate::writer::Writer;

/// The file of the database, in the data directory.
pub const FILE_NAME: &str = "lanchat.db";

/// All that a server keeps, in one SQLite database.
///
/// Every answer to a change comes after its commit is on disk. Dropping the store blocks the thread until all admitted
/// work is done.
pub struct SqliteStore {
    epoch: String,
    clock: Clock,
    lived: LivedClock,
    space: Space,
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens `lanchat.db` in the folder `dir`, which must exist. Makes the file if there is none, and migrates it if it
    /// is older.
    ///
    /// Blocks. There is one store per folder at a time: the caller holds the lock of the data directory.
    ///
    /// # Errors
    /// [`OpenError`], in words for the operator of the server.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let start = Instant::now();
        Self::open_with_clocks(dir, wall, move || start.elapsed())
    }

    /// Like [`SqliteStore::open`], with a given clock instead of the wall clock, and a given measure of the time since
    /// this start.
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    pub fn open_with_clocks(
        dir: &Path,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        uptime: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let path = dir.join(FILE_NAME);
        // An orderly stop empties the journal.
        let was_killed = std::fs::metadata(beside(&path, "-wal")).is_ok_and(|journal| journal.len() > 0);
        let mut conn = open_writer(&path)?;
        migrate(&mut conn, &path, MIGRATIONS)?;
        let conn = vacuum_if_due(conn, &path)?;
        turn_journal_on(&conn, &path)?;
        overwrite_deleted(&conn, &path)?;
        if let Err(error) = remove_never_entered(&conn) {
            tracing::warn!(%error, "rooms that nobody ever entered stay until the next start");
        }
        let (epoch, lived) = read_meta(&conn, was_killed).map_err(|error| refusal(&path, &error))?;
        if let Err(error) = remove_old_copies(&conn, &path, lived) {
            tracing::warn!(%error, "copies of the database stay until the next start");
        }
        let connections = (0..limits::READERS_MAX).map(|_| open_reader(&path)).collect::<Result<_, _>>()?;
        let no_thread = |source| OpenError::io(&path, source);
        let readers = Readers::start(connections).map_err(no_thread)?;
        let writer = Writer::start(conn, limits::COMPANY_WAIT_MAX).map_err(no_thread)?;
        Ok(Self {
            epoch,
            clock: Arc::new(clock),
            lived: LivedClock::new(lived, uptime),
            space: Space::of(dir),
            readers,
            writer,
        })
    }

    /// Changes something: `work` takes effect whole or not at all, and is on disk when the answer comes.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Clock) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let clock = Arc::clone(&self.clock);
        Box::pin(self.writer.run(move |conn| work(conn, &clock)))
    }

    /// Like `write`, for changes that make the database grow for good. Fails with `Full` once only the margin is left,
    /// which is kept for logins (`limits::DISK_MARGIN_BYTES_MAX`).
    pub(crate) fn write_more<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Clock) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        match self.space.beyond_margin() {
            Ok(()) => self.write(work),
            Err(full) => Box::pin(std::future::ready(Err(full))),
        }
    }

    /// Like `write`, but coalesced with the next write's commit, if one comes soon.
    pub(crate) fn write_deferred<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Clock) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        let clock = Arc::clone(&self.clock);
        Box::pin(self.writer.run_deferred(move |conn| work(conn, &clock)))
    }

    /// Returns how long the server has run.
    pub(crate) fn lived(&self) -> Lived {
        self.lived.now()
    }

    /// Runs `work` on a reader thread, and returns its answer.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(self.readers.run(work))
    }
}

/// Reads the epoch, and how long the server has run. For a server that was killed, the time up to its last stamp counts
/// too. Finding that stamp takes memory and time in proportion to the number of devices.
fn read_meta(conn: &Connection, was_killed: bool) -> rusqlite::Result<(String, Lived)> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Lived(row.get(1)?)));
    let (epoch, Lived(stopped)) = conn.query_row("SELECT epoch, lived_ms FROM meta", [], read)?;
    if !was_killed {
        return Ok((epoch, Lived(stopped)));
    }
    let stamped: Option<i64> = conn.query_row("SELECT max(used_ms) FROM devices", [], |row| row.get(0))?;
    Ok((epoch, Lived(stopped.max(stamped.unwrap_or(0)))))
}

impl Store for SqliteStore {
    fn epoch(&self) -> Answer<'_, String> {
        let epoch = self.epoch.clone();
        Box::pin(async { Ok(epoch) })
    }

    fn check_space(&self) -> Answer<'_, ()> {
        // Writing a number to the header, even the same one, makes a page that must be stored.
        self.write_more(|conn, _| {
            let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            conn.pragma_update(None, "user_version", version)
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        let lived = self.lived();
        Box::pin(async move {
            let counted = self
                .write(move |conn, _| conn.execute("UPDATE meta SET lived_ms = ?1", [lived.0]).map(drop))
                .await;
            if let Err(error) = counted {
                // Unused devices then live a little longer, and nobody is logged out.
                tracing::warn!(%error, "for how long the server has lived was not stored");
            }
            self.writer.checkpoint().await
        })
    }

    fn failed(&self) -> Pin<Box<dyn Future<Output = String> + Send + '_>> {
        Box::pin(self.writer.failed())
    }
}
