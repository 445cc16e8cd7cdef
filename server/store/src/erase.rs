//! Removes deleted content for good: from the database's pages, from what an upgrade left in them, and from old copies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lanchat_hub::failpoint;
use lanchat_model::limits;
use rusqlite::{Connection, OpenFlags};

use crate::clock::Lived;
use crate::error::OpenError;
use crate::fault::refusal;
use crate::files::{beside, sync_folder};
use crate::migrate::{COPY_SUFFIX, copy_into};
use crate::open::open_writer;

/// Makes SQLite overwrite whatever the connection deletes from now on. `FAST` would leave most of a page of long text.
pub(crate) fn overwrite_deleted(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    conn.pragma_update(None, "secure_delete", "ON").map_err(|error| refusal(path, &error))
}

/// Replaces the database by a copy without free pages, if a migration has left content in them that may have been
/// deleted since. A kill leaves the old file or the new one, and the next start finishes the work.
///
/// This is not a `VACUUM` in place, which needs as much memory as the database is large, or a folder for temporary
/// files that others may read. It is postponed if the disk has no space for two databases.
pub(crate) fn vacuum_if_due(conn: Connection, path: &Path) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| refusal(path, &error);
    let is_due: bool = conn.query_row("SELECT vacuum_due FROM meta", [], |row| row.get(0)).map_err(failed)?;
    if !is_due {
        return Ok(conn);
    }
    // A journal beside the file belongs to the old database. It must be emptied and removed before another file gets
    // the name.
    let journal = conn.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0));
    match journal.map_err(failed) {
        Ok(journal) if journal == "delete" => {}
        Ok(_) | Err(OpenError::Busy { .. }) => {
            tracing::warn!("another program reads the database: old pages of it stay until the next start");
            return Ok(conn);
        }
        Err(other) => return Err(other),
    }
    let copy = beside(path, ".vacuum");
    match write_copy(&conn, &copy) {
        Ok(()) => {}
        Err(OpenError::Full { .. }) => {
            tracing::warn!(
                "the disk has no space for a second database: old pages stay until a start finds it"
            );
            remove_if_there(&copy)?;
            return Ok(conn);
        }
        Err(other) => return Err(other),
    }
    drop(conn);
    fs::rename(&copy, path).map_err(|source| OpenError::io(&copy, source))?;
    failpoint::crash("store::in_migration");
    sync_folder(path)?;
    failpoint::crash("store::in_migration");
    tracing::info!("database rewritten without what was deleted");
    open_writer(path)
}

/// Writes the copy to the disk, marked as no longer due for a vacuum.
fn write_copy(conn: &Connection, copy: &Path) -> Result<(), OpenError> {
    remove_if_there(&beside(copy, "-journal"))?;
    let file = copy_into(conn, copy)?;
    Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|copied| copied.execute("UPDATE meta SET vacuum_due = 0", []))
        .map_err(|error| refusal(copy, &error))?;
    file.sync_all().map_err(|source| OpenError::io(copy, source))?;
    failpoint::crash("store::in_migration");
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(OpenError::io(path, source)),
        _ => Ok(()),
    }
}

/// Removes the copies that upgrades kept, once the server has run for `limits::COPY_KEPT_MAX` after the last one: they
/// hold content that was deleted since. The wall clock and the file times may both be wrong and are not used: a copy
/// removed too early is a lost way back.
pub(crate) fn remove_old_copies(conn: &Connection, path: &Path, lived: Lived) -> rusqlite::Result<()> {
    let copies = copies(path).unwrap_or_default();
    if copies.is_empty() {
        return Ok(());
    }
    let since = conn.query_row("SELECT copies_ms FROM meta", [], |row| row.get::<_, Option<i64>>(0))?;
    let Some(since) = since else {
        return conn.execute("UPDATE meta SET copies_ms = ?1", [lived.0]).map(drop);
    };
    let kept = i64::try_from(limits::COPY_KEPT_MAX.as_millis()).unwrap_or(i64::MAX);
    if lived.0.saturating_sub(since) <= kept {
        return Ok(());
    }
    for copy in copies {
        match fs::remove_file(&copy) {
            Ok(()) => tracing::info!(copy = %copy.display(), "old copy of the database removed"),
            Err(error) => {
                tracing::warn!(copy = %copy.display(), %error, "an old copy of the database stays");
            }
        }
    }
    Ok(())
}

/// Lists the copies beside a database.
fn copies(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = beside(path, COPY_SUFFIX);
    let (Some(folder), Some(prefix)) = (path.parent(), prefix.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(Vec::new());
    };
    let is_copy = |found: &PathBuf| {
        let name = found.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(prefix))
    };
    Ok(fs::read_dir(folder)?.flatten().map(|found| found.path()).filter(is_copy).collect())
}
