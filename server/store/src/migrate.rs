//! Brings a database to the schema of this program: one transaction for each step, and never a step back.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use lanchat_hub::failpoint;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::OpenError;
use crate::fault::refusal;
use crate::files::{beside, create_private, sync_folder};

/// Marks every database of ours (`PRAGMA application_id`): "LANC".
const APPLICATION_ID: i64 = 0x4c41_4e43;

/// Follows the database's name in the name of a copy. The number of the schema that came next follows it.
pub(crate) const COPY_SUFFIX: &str = ".before-v";

/// The first schema that records when a copy was made.
const COPIES_COUNTED_FROM: i64 = 8;

/// One step: brings a database to the schema whose number is the step's position in the list, counted from 1.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    /// Its file, without `.sql`.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) sql: &'static str,
}

/// All steps, in order. A released step never changes; a test compares the list with the folder.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_init", sql: include_str!("../../../migrations/0001_init.sql") },
    Migration {
        name: "0002_one_place_to_write",
        sql: include_str!("../../../migrations/0002_one_place_to_write.sql"),
    },
    Migration { name: "0003_lived_time", sql: include_str!("../../../migrations/0003_lived_time.sql") },
    Migration { name: "0004_rooms_made", sql: include_str!("../../../migrations/0004_rooms_made.sql") },
    Migration { name: "0005_token_series", sql: include_str!("../../../migrations/0005_token_series.sql") },
    Migration { name: "0006_looks", sql: include_str!("../../../migrations/0006_looks.sql") },
    Migration { name: "0007_long_texts", sql: include_str!("../../../migrations/0007_long_texts.sql") },
    Migration { name: "0008_floor", sql: include_str!("../../../migrations/0008_floor.sql") },
];

/// Applies the steps that the database lacks. Before the first step it keeps a copy, unless the database is new.
pub(crate) fn migrate(conn: &mut Connection, path: &Path, steps: &[Migration]) -> Result<(), OpenError> {
    let known = number(steps.len());
    let found = schema_version(conn, path)?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        keep_copy(conn, path, known)?;
    }
    if found >= COPIES_COUNTED_FROM {
        // The copy is new, so its age is counted from now.
        conn.execute("UPDATE meta SET copies_ms = NULL", []).map_err(|error| refusal(path, &error))?;
    }
    failpoint::crash("store::in_migration");
    // A step that rebuilds a table must be able to drop it. Each step is checked as a whole instead.
    conn.pragma_update(None, "foreign_keys", false).map_err(|error| refusal(path, &error))?;
    for (version, step) in (1..).zip(steps).filter(|(version, _)| *version > found) {
        apply(conn, path, version, step)?;
        tracing::info!(step = step.name, "database migrated");
    }
    conn.pragma_update(None, "foreign_keys", true).map_err(|error| refusal(path, &error))
}

/// Returns the database's schema, or 0 for an empty file. Refuses a database that is not ours.
fn schema_version(conn: &Connection, path: &Path) -> Result<i64, OpenError> {
    let ask = |sql: &str| {
        conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| refusal(path, &error))
    };
    let version = ask("PRAGMA user_version")?;
    let ours = match version {
        0 => ask("SELECT count(*) FROM sqlite_schema")? == 0,
        _ => ask("PRAGMA application_id")? == APPLICATION_ID,
    };
    if ours { Ok(version) } else { Err(OpenError::Foreign { path: path.to_owned() }) }
}

fn apply(conn: &mut Connection, path: &Path, version: i64, step: &Migration) -> Result<(), OpenError> {
    let stopped = |detail| OpenError::Migration { path: path.to_owned(), step: step.name, detail };
    let failed = |error: rusqlite::Error| match refusal(path, &error) {
        OpenError::Failed { detail, .. } => stopped(detail),
        named => named,
    };
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute_batch(step.sql).map_err(failed)?;
    failpoint::crash("store::in_migration");
    let dangling: i64 = transaction
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
        .map_err(failed)?;
    if dangling > 0 {
        return Err(stopped(format!("{dangling} rows would refer to nothing")));
    }
    transaction.pragma_update(None, "user_version", version).map_err(failed)?;
    failpoint::crash("store::in_migration");
    transaction.commit().map_err(failed)?;
    failpoint::crash("store::in_migration");
    Ok(())
}

/// Copies the database to `lanchat.db.before-vN`, for going back to the earlier program.
fn keep_copy(conn: &Connection, path: &Path, target: i64) -> Result<(), OpenError> {
    let copy = beside(path, &format!("{COPY_SUFFIX}{target}"));
    let partial = beside(path, &format!("{COPY_SUFFIX}{target}.partial"));
    let failed = |source| OpenError::io(&partial, source);
    let file = copy_into(conn, &partial)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&partial, &copy).map_err(failed)?;
    sync_folder(path)?;
    tracing::info!(copy = %copy.display(), "copy of the database kept");
    Ok(())
}

/// Copies the database, without its free pages, into a file that only its owner may read. Replaces what an earlier
/// attempt left there. Does not sync the file.
pub(crate) fn copy_into(conn: &Connection, target: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::io(target, source);
    if target.exists() {
        fs::remove_file(target).map_err(failed)?;
    }
    let Some(name) = target.to_str() else {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidFilename, "the path is not UTF-8")));
    };
    let file = create_private(target)?;
    // SQLite fills an empty file that exists and keeps its mode.
    conn.execute("VACUUM INTO ?1", [name]).map_err(|error| refusal(target, &error))?;
    failpoint::crash("store::in_migration");
    Ok(file)
}

fn number(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use std::sync::mpsc;

    use super::*;
    use crate::open::open_writer;

    const FIRST: Migration = MIGRATIONS[0];
    const SECOND: Migration =
        Migration { name: "0002_more", sql: "CREATE TABLE more (id INTEGER PRIMARY KEY)" };

    fn ask<T: rusqlite::types::FromSql>(conn: &Connection, sql: &str) -> T {
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Makes a database of schema 1 in a folder of its own.
    fn first() -> (tempfile::TempDir, PathBuf, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lanchat.db");
        let mut conn = open_writer(&path).unwrap();
        migrate(&mut conn, &path, &[FIRST]).unwrap();
        (dir, path, conn)
    }

    #[test]
    fn the_list_is_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|step| format!("{}.sql", step.name)).collect();
        assert_eq!(files, listed);
        for (version, step) in (1..).zip(MIGRATIONS) {
            assert!(step.name.starts_with(&format!("{version:04}_")), "{} is number {version}", step.name);
        }
    }

    #[test]
    fn a_copy_is_kept_before_an_upgrade_and_not_of_a_new_database() {
        let (dir, path, mut conn) = first();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let epoch: String = ask(&conn, "SELECT epoch FROM meta");

        migrate(&mut conn, &path, &[FIRST, SECOND]).unwrap();
        assert_eq!(ask::<i64>(&conn, "PRAGMA user_version"), 2);
        assert_eq!(ask::<i64>(&conn, "SELECT count(*) FROM more"), 0);
        assert_eq!(ask::<i64>(&conn, "PRAGMA foreign_keys"), 1);

        let kept = beside(&path, ".before-v2");
        let copy = Connection::open(&kept).unwrap();
        assert_eq!(ask::<i64>(&copy, "PRAGMA user_version"), 1);
        assert_eq!(ask::<String>(&copy, "SELECT epoch FROM meta"), epoch);
        assert!(!beside(&path, ".before-v2.partial").exists());
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(kept).unwrap().permissions()) & 0o777,
            0o600
        );
    }

    #[test]
    fn the_time_of_a_copy_begins_when_it_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lanchat.db");
        let mut conn = open_writer(&path).unwrap();
        migrate(&mut conn, &path, MIGRATIONS).unwrap();
        conn.execute("UPDATE meta SET copies_ms = 7", []).unwrap();
        let more = [MIGRATIONS, &[SECOND]].concat();
        migrate(&mut conn, &path, &more).unwrap();
        assert_eq!(ask::<Option<i64>>(&conn, "SELECT copies_ms FROM meta"), None);
    }

    #[test]
    fn a_copy_that_was_cut_short_is_made_again() {
        let (_dir, path, mut conn) = first();
        fs::write(beside(&path, ".before-v2.partial"), "half a copy").unwrap();
        fs::write(beside(&path, ".before-v2"), "a copy of an earlier attempt").unwrap();
        migrate(&mut conn, &path, &[FIRST, SECOND]).unwrap();
        let copy = Connection::open(beside(&path, ".before-v2")).unwrap();
        assert_eq!(ask::<i64>(&copy, "PRAGMA user_version"), 1);
    }

    #[test]
    fn a_step_that_fails_leaves_the_database_as_it_was() {
        for sql in [
            "CREATE TABLE half (id INTEGER PRIMARY KEY); SELECT nonsense;",
            // A mark of a device that does not exist.
            "INSERT INTO marks (device, room, seq) VALUES (7, 1, 0)",
        ] {
            let (_dir, path, mut conn) = first();
            let bad = Migration { name: "0002_bad", sql };
            let error = migrate(&mut conn, &path, &[FIRST, bad]).unwrap_err();
            assert!(matches!(error, OpenError::Migration { step: "0002_bad", .. }), "{error}");
            assert_eq!(ask::<i64>(&conn, "PRAGMA user_version"), 1);
            assert_eq!(ask::<i64>(&conn, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
            assert_eq!(ask::<i64>(&conn, "SELECT count(*) FROM marks"), 0);
        }
    }

    /// Copies the files in `dir` as a kill at this instant would leave them.
    fn left_by_a_kill(dir: &Path) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }

    #[test]
    fn a_kill_at_any_point_of_a_step_leaves_the_old_or_the_new() {
        // The cache has one page, so the file changes long before the commit.
        let big = Migration {
            name: "0002_big",
            sql: "PRAGMA cache_size = 1;
                  CREATE TABLE more (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
                  INSERT INTO more (body) VALUES (zeroblob(9000)), (zeroblob(9000)), (zeroblob(9000));
                  UPDATE meta SET epoch = 'ffffffffffffffffffffffffffffffff';
                  DELETE FROM more WHERE id = 2;",
        };
        for journal in ["DELETE", "WAL"] {
            let (dir, path, mut conn) = first();
            conn.query_row(&format!("PRAGMA journal_mode = {journal}"), [], |_| Ok(())).unwrap();
            let (taken, left) = mpsc::sync_channel(64);
            let folder = dir.path().to_owned();
            let (on_row, on_commit) = (taken.clone(), taken);
            conn.update_hook(Some({
                let folder = folder.clone();
                move |_, _: &str, _: &str, _| on_row.send(left_by_a_kill(&folder)).unwrap()
            }))
            .unwrap();
            conn.commit_hook(Some(move || {
                on_commit.send(left_by_a_kill(&folder)).unwrap();
                false
            }))
            .unwrap();
            migrate(&mut conn, &path, &[FIRST, big]).unwrap();
            drop(conn);

            let left: Vec<_> = left.try_iter().chain([left_by_a_kill(dir.path())]).collect();
            assert!(left.len() >= 6, "four rows, a commit and the end: {}", left.len());
            let mut versions = Vec::new();
            for copy in &left {
                let path = copy.path().join("lanchat.db");
                let mut conn = open_writer(&path).unwrap();
                let version: i64 = ask(&conn, "PRAGMA user_version");
                let tables: i64 = ask(&conn, "SELECT count(*) FROM sqlite_schema WHERE name = 'more'");
                let changed: bool = ask(&conn, "SELECT epoch = 'ffffffffffffffffffffffffffffffff' FROM meta");
                assert_eq!((tables == 1, changed), (version == 2, version == 2), "half a step");
                versions.push(version);
                migrate(&mut conn, &path, &[FIRST, big]).unwrap();
                assert_eq!(
                    ask::<i64>(&conn, "SELECT count(*) FROM more"),
                    2,
                    "the next start brings it to the end"
                );
            }
            assert_eq!((versions.first(), versions.last()), (Some(&1), Some(&2)));
        }
    }

    #[test]
    fn a_migrated_database_is_left_alone() {
        let (dir, path, mut conn) = first();
        migrate(&mut conn, &path, &[FIRST]).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
