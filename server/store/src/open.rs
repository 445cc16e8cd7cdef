//! Opens connections: files that only their owner may read, and the settings that durability rests
//! on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use lanchat_hub::failpoint;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::fault::refusal;
use crate::migrate::beside;

/// The first SQLite without the bug that loses commits when a journal is reset, as a number and in
/// words.
const ENGINE_LEAST: (i32, &str) = (3_051_003, "3.51.3");
/// How long a statement waits for another program that holds the database, such as a backup.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// The size that the journal file is cut back to after it has grown beyond.
const JOURNAL_BYTES_KEPT: i64 = 64 * 1024 * 1024;
/// Statements that a connection keeps prepared: more than the store has.
const STATEMENTS_MAX: usize = 64;

/// Opens the connection of the writer, and makes the file if there is none.
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

/// Opens a connection that can only read. The file exists and is migrated.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "query_only", true).map_err(|error| refusal(path, &error))?;
    Ok(conn)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    // One thread owns a connection, so SQLite needs no lock of its own. No URI: a path is a path.
    Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|conn| configure(&conn).map(|()| conn))
        .map_err(|error| refusal(path, &error))
}

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A plan that may depend on the values of parameters is made anew for each: at every commit, for the end of a log.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // The writer alone checkpoints, when it says so: not whoever closes last, perhaps after a
    // failed fsync.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    let synchronous = if failpoint::on("store::synchronous_normal") { "NORMAL" } else { "FULL" };
    conn.pragma_update(None, "synchronous", synchronous)?;
    // macOS: a plain fsync stops at the cache of the drive.
    conn.pragma_update(None, "fullfsync", true)?;
    conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    // A read error under a memory map is a signal that kills the process; a read call returns it.
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_KEPT)?;
    // What is sorted may be messages, and belongs in no temporary folder.
    conn.pragma_update(None, "temp_store", "MEMORY")
}

/// Makes an empty file that only its owner may read and write, whatever the umask.
pub(crate) fn create_private(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| OpenError::io(path, source))
}

/// Refuses what is no file of the owner of its folder: a link would lead the messages, or a change of rights, to a place
/// that somebody else chose. There may be none.
fn check_file(path: &Path) -> Result<(), OpenError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(OpenError::io(path, source)),
    };
    if !found.is_file() {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let folder =
            path.parent().map(fs::metadata).transpose().map_err(|source| OpenError::io(path, source))?;
        if folder.is_some_and(|folder| folder.uid() != found.uid()) {
            return Err(OpenError::NotOwned { path: path.to_owned(), owner: found.uid() });
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 == 0)
}

/// Takes the rights of everybody but the owner away. SQLite gives the files beside the database the
/// same rights.
fn set_private(path: &Path) -> Result<(), OpenError> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        match fs::set_permissions(path, mode) {
            // A disk that keeps no rights refuses, also where it was mounted for its user alone.
            Err(_) if is_private(path) => {}
            outcome => outcome.map_err(|source| OpenError::io(path, source))?,
        }
    }
    fs::metadata(path).map(drop).map_err(|source| OpenError::io(path, source))
}

/// Makes the names of the files in the folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), OpenError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    // Windows opens no folder as a file; its file systems journal names by themselves.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| OpenError::io(folder, source))?;
    }
    Ok(())
}
