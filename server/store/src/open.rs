//! Opens connections: files that only their owner may read, and the settings that durability rests
//! on.

use std::path::Path;
use std::time::Duration;

use lanchat_hub::failpoint;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::fault::refusal;
use crate::files::{beside, check_file, create_private, set_private, sync_folder};

/// The first SQLite without the bug that loses commits when a journal is reset, as a number and as text.
const ENGINE_LEAST: (i32, &str) = (3_051_003, "3.51.3");
/// How long a statement waits for another program that holds the database, such as a backup.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// The size to which a journal file that has grown larger is cut back.
const JOURNAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;
/// The number of statements that a connection keeps prepared: more than the store has.
const STATEMENTS_MAX: usize = 64;

/// Opens the writer's connection, and makes the file if there is none.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let found = rusqlite::version_number();
    if found < ENGINE_LEAST.0 {
        return Err(OpenError::EngineTooOld { found: rusqlite::version().to_owned(), least: ENGINE_LEAST.1 });
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        check_file(&beside(path, suffix))?;
    }
    if path.exists() {
        set_private(path)?;
    } else {
        create_private(path)?;
        sync_folder(path)?;
    }
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Turns the write-ahead log on, once it is known that the database is ours.
pub(crate) fn turn_journal_on(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let journal: String = conn
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| refusal(path, &error))?;
    if journal == "wal" { Ok(()) } else { Err(OpenError::NoJournal { path: path.to_owned() }) }
}

/// Opens a connection that can only read. The file must exist and be migrated.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "query_only", true).map_err(|error| refusal(path, &error))?;
    Ok(conn)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    // One thread owns a connection, so SQLite need not lock it. URIs are off: a path is a path.
    Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|conn| configure(&conn).map(|()| conn))
        .map_err(|error| refusal(path, &error))
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // If a plan may depend on parameter values, SQLite plans again for each value: for a log's end, at every commit.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // Only the writer checkpoints, and only when it chooses to. The last connection to close must not, perhaps after a
    // failed fsync.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    let synchronous = if failpoint::on("store::synchronous_normal") { "NORMAL" } else { "FULL" };
    conn.pragma_update(None, "synchronous", synchronous)?;
    // On macOS, a plain fsync stops at the drive's cache.
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    // A read error in a memory map is a signal that kills the process; a read call returns the error.
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_KEPT)?;
    // Sorted rows may contain messages, which must not go to a temporary folder.
    conn.pragma_update(None, "temp_store", "MEMORY")
}
