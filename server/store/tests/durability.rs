//! Tests of what survives crashes, restarts and upgrades, and of what is refused: damaged files, newer files, and
//! devices unused for too long.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]

use std::fs;
use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use lanchat_conformance::scene::{
    another_device, append, draft, facts, fresh, fresh_name, fresh_token, group, join, message, person, seqs,
    token_after,
};
use lanchat_hub::port::{Accounts, Appended, Log, NotResumed, Rooms, Store};
use lanchat_model::{RoomName, Seq, Timestamp, limits};
use lanchat_store::{OpenError, SqliteStore};
use rusqlite::Connection;
use tempfile::{TempDir, tempdir};

/// Copies the files of an open database, as a crash would leave them.
fn crash(from: &Path, to: &Path) {
    for name in ["lanchat.db", "lanchat.db-wal"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// Returns a refusal and its message.
fn refusal(dir: &Path) -> (OpenError, String) {
    match SqliteStore::open(dir) {
        Ok(_) => panic!("opened"),
        Err(error) => {
            let words = error.to_string();
            (error, words)
        }
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let (dir, after) = (tempdir().unwrap(), tempdir().unwrap());
    let store = SqliteStore::open(dir.path()).unwrap();
    let ana = person(&store, "ana").await;
    let room = group(&store, &fresh_name("room")).await.id;
    join(&store, &ana, room).await;
    let post = draft(&ana, room, message("kept"));
    let acked = fresh(append(&store, post.clone()).await);
    store.mark(ana.device, room, acked.seq).await.unwrap();
    crash(dir.path(), after.path());

    let recovered = SqliteStore::open(after.path()).unwrap();
    assert_eq!(recovered.epoch().await.unwrap(), store.epoch().await.unwrap());
    assert_eq!(facts(&recovered.read_after(room, Seq::ZERO, 9).await.unwrap()[1]), facts(&acked));
    assert!(recovered.memberships(ana.id, ana.device).await.unwrap().iter().any(|m| m.mark == acked.seq));
    let Appended::Again(again) = append(&recovered, post).await else { panic!("posted twice") };
    assert_eq!(facts(&again), facts(&acked));
    assert!(recovered.resume(ana.token, fresh_token()).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_store_that_is_dropped_finishes_what_it_took() {
    let dir = tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let ana = person(&store, "ana").await;
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();
    for n in 0..20 {
        let mut appending = store.append(vec![draft(&ana, lobby.id, message(&format!("line {n}")))]);
        // One poll hands the draft over; nobody waits for the answer.
        poll_fn(|context| {
            let _ = appending.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
    drop(store);

    let store = SqliteStore::open(dir.path()).unwrap();
    let page = store.read_after(lobby.id, lobby.head, 100).await.unwrap();
    let head = lobby.head.get();
    assert_eq!(seqs(&page), (head + 1..=head + 20).collect::<Vec<_>>());
    assert!(page.iter().enumerate().all(|(n, entry)| entry.body == message(&format!("line {n}"))));
}

#[tokio::test]
async fn a_checkpoint_leaves_nothing_in_the_journal() {
    let (dir, after) = (tempdir().unwrap(), tempdir().unwrap());
    let store = SqliteStore::open(dir.path()).unwrap();
    let ana = person(&store, "ana").await;
    store.close().await.unwrap();
    assert_eq!(fs::metadata(dir.path().join("lanchat.db-wal")).unwrap().len(), 0);
    fs::copy(dir.path().join("lanchat.db"), after.path().join("lanchat.db")).unwrap();
    let copied = SqliteStore::open(after.path()).unwrap();
    assert!(copied.account(ana.name).await.unwrap().is_some());
}

/// Opens a store whose server has run for `uptime` milliseconds, under a wall clock that stands still.
fn open_at(dir: &TempDir, uptime: &Arc<AtomicU64>) -> SqliteStore {
    let uptime = Arc::clone(uptime);
    let uptime = move || Duration::from_millis(uptime.load(Ordering::Relaxed));
    SqliteStore::open_with_clocks(dir.path(), || Timestamp(0), uptime).unwrap()
}

#[tokio::test]
async fn a_device_that_rests_too_long_is_logged_out() {
    let day = 24 * 3600 * 1000;
    let rest = u64::try_from(limits::DEVICE_IDLE_MAX.as_millis()).unwrap();
    let dir = tempdir().unwrap();
    let time = Arc::new(AtomicU64::new(1_000_000));
    let store = open_at(&dir, &time);
    let (ana, bo) = (person(&store, "ana").await, person(&store, "bo").await);
    let lobby = store.group(RoomName::lobby()).await.unwrap().unwrap();

    time.fetch_add(rest, Ordering::Relaxed);
    let next = fresh_token();
    assert!(store.resume(ana.token, next).await.unwrap().is_ok(), "just in time");
    // Bo's device was connected all the while, and marks what it sees.
    store.mark(bo.device, lobby.id, lobby.head).await.unwrap();
    time.fetch_add(day, Ordering::Relaxed);
    assert!(store.resume(bo.token, fresh_token()).await.unwrap().is_ok());

    time.fetch_add(rest - day + 1, Ordering::Relaxed);
    assert!(store.recognise(next).await.unwrap().device().is_none(), "a millisecond too late");
    assert!(store.resume(next, fresh_token()).await.unwrap().is_err(), "a millisecond too late");
    assert!(store.resume(ana.token, fresh_token()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_clock_that_jumps_logs_nobody_out() {
    let year = 365 * 24 * 3600 * 1000_i64;
    let dir = tempdir().unwrap();
    let wall = Arc::new(AtomicI64::new(56 * year));
    let open = || {
        let wall = Arc::clone(&wall);
        let now = move || Timestamp(wall.load(Ordering::Relaxed));
        SqliteStore::open_with_clocks(dir.path(), now, || Duration::ZERO).unwrap()
    };
    let (ana, bo) = {
        let store = open();
        (person(&store, "ana").await, person(&store, "bo").await)
    };
    let mut token = ana.token;
    // The clock is in 1970 at boot (no battery), jumps to 2036, and is right again. Each change comes with a start and
    // while it runs.
    for now in [0, 66 * year, 0, 56 * year] {
        wall.store(now, Ordering::Relaxed);
        let store = open();
        for later in [now, 66 * year - now] {
            wall.store(later, Ordering::Relaxed);
            let next = fresh_token();
            assert!(store.recognise(token).await.unwrap().device().is_some(), "at {later}");
            assert!(store.resume(token, next).await.unwrap().is_ok(), "at {later}");
            token = next;
        }
    }
    assert!(open().resume(bo.token, fresh_token()).await.unwrap().is_ok(), "who was away through all of it");
}

#[tokio::test]
async fn a_server_ages_over_its_starts_and_not_between_them() {
    let rest = u64::try_from(limits::DEVICE_IDLE_MAX.as_millis()).unwrap();
    let (dir, time) = (tempdir().unwrap(), Arc::new(AtomicU64::new(0)));
    let store = open_at(&dir, &time);
    let (ana, bo) = (person(&store, "ana").await, person(&store, "bo").await);
    // One half passes until an orderly stop, the other until a kill right after a stamp.
    time.store(rest / 2, Ordering::Relaxed);
    store.close().await.unwrap();
    drop(store);
    time.store(0, Ordering::Relaxed);
    let store = open_at(&dir, &time);
    time.store(rest / 2 + 1, Ordering::Relaxed);
    person(&store, "carl").await;
    drop(store);
    time.store(0, Ordering::Relaxed);
    let store = open_at(&dir, &time);
    assert!(store.resume(ana.token, fresh_token()).await.unwrap().is_err());
    time.store(1, Ordering::Relaxed);
    assert!(store.recognise(bo.token).await.unwrap().device().is_none());
}

#[tokio::test]
async fn the_least_recently_used_device_makes_room() {
    let (dir, time) = (tempdir().unwrap(), Arc::new(AtomicU64::new(0)));
    let store = open_at(&dir, &time);
    let ana = person(&store, "ana").await;
    let add = async |token| {
        time.fetch_add(1, Ordering::Relaxed);
        another_device(&store, ana.id, token).await;
    };
    let second = fresh_token();
    add(second).await;
    for _ in 2..limits::DEVICES_PER_ACCOUNT_MAX {
        add(fresh_token()).await;
    }
    let next = fresh_token();
    time.fetch_add(1, Ordering::Relaxed);
    assert!(store.resume(ana.token, next).await.unwrap().is_ok());
    add(fresh_token()).await;
    assert!(store.resume(second, fresh_token()).await.unwrap().is_err(), "the first one was used since");
    assert!(store.resume(next, fresh_token()).await.unwrap().is_ok());
}

/// The device is from an earlier schema: its tokens have no series until one of them is used.
#[tokio::test]
async fn a_device_of_an_earlier_schema_has_all_its_tokens_known_and_keeps_one_more_of_them() {
    for shows_next in [false, true] {
        let dir = tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).unwrap();
        let ana = person(&store, "ana").await;
        let (old_next, conn) = (fresh_token(), Connection::open(dir.path().join("lanchat.db")).unwrap());
        let given = rusqlite::params![old_next.hash, ana.device.0];
        conn.execute("UPDATE devices SET next_token = ?1, series = NULL WHERE id = ?2", given).unwrap();
        let (mut token, other) = if shows_next { (old_next, ana.token) } else { (ana.token, old_next) };
        let shown = token;
        for _ in 0..9 {
            let next = token_after(token);
            assert!(store.resume(token, next).await.unwrap().is_ok());
            token = next;
        }
        let kept: i64 = conn.query_row("SELECT count(*) FROM spent_tokens", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 1);
        // Either of the two tokens that were valid at the upgrade.
        let copy = if shows_next { other } else { shown };
        for shown in [copy, token, other, shown] {
            let refused = store.resume(shown, fresh_token()).await.unwrap().unwrap_err();
            assert!(matches!(refused, NotResumed::Copied { device, .. } if device == ana.device));
        }
    }
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let dir = tempdir().unwrap();
    drop(SqliteStore::open(dir.path()).unwrap());
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let before = fs::read(dir.path().join("lanchat.db")).unwrap();
    let (error, words) = refusal(dir.path());
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{words}");
    assert!(words.contains("99") && words.contains("newer version"), "{words}");
    assert_eq!(fs::read(dir.path().join("lanchat.db")).unwrap(), before);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let dir = tempdir().unwrap();
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    conn.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(conn);
    let before = fs::read(dir.path().join("lanchat.db")).unwrap();
    let (error, words) = refusal(dir.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{words}");
    assert_eq!(fs::read(dir.path().join("lanchat.db")).unwrap(), before);
}

#[test]
fn a_damaged_database_is_refused_in_words() {
    let dir = tempdir().unwrap();
    drop(SqliteStore::open(dir.path()).unwrap());
    let path = dir.path().join("lanchat.db");
    let whole = fs::read(&path).unwrap();
    let mut schema = whole.clone();
    schema[100..4096].fill(0xff);
    for damaged in [&b"This was a database once, and then a disk went bad."[..], &schema] {
        fs::write(&path, damaged).unwrap();
        let (error, words) = refusal(dir.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{words}");
        assert!(words.contains("lanchat.db") && words.contains("backup"), "{words}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_refused_in_words() {
    let dir = tempdir().unwrap();
    let (error, words) = refusal(&dir.path().join("nowhere"));
    assert!(matches!(error, OpenError::Io { .. }), "{words}");
    assert!(words.contains("Check that the folder exists"), "{words}");
}

#[cfg(unix)]
mod modes {
    //! Files that only their owner may read.

    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// Names the folder, for the process whose umask is open.
    const FOLDER: &str = "LANCHAT_STORE_TEST_FOLDER";

    fn modes(dir: &Path) -> Vec<(String, u32)> {
        let mut modes: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|file| file.unwrap())
            .map(|file| {
                let mode = file.metadata().unwrap().permissions().mode() & 0o777;
                (file.file_name().into_string().unwrap(), mode)
            })
            .collect();
        modes.sort();
        modes
    }

    #[tokio::test]
    #[ignore = "run by `files_are_private_whatever_the_umask`, in a process whose umask is open"]
    async fn make_files() {
        let dir = std::env::var_os(FOLDER).unwrap();
        let dir = Path::new(&dir);
        let store = SqliteStore::open(dir).unwrap();
        person(&store, "ana").await;
        let private = ["lanchat.db", "lanchat.db-shm", "lanchat.db-wal"].map(|name| (name.to_owned(), 0o600));
        assert_eq!(modes(dir), private);
        fs::write(dir.join("witness"), "").unwrap();
    }

    /// The link is not opened, and its target does not get another mode.
    #[test]
    fn a_link_in_place_of_a_file_of_the_database_is_refused() {
        for name in ["lanchat.db", "lanchat.db-wal", "lanchat.db-shm", "lanchat.db-journal"] {
            let (dir, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
            drop(SqliteStore::open(dir.path()).unwrap());
            let (link, target) = (dir.path().join(name), elsewhere.path().join("theirs"));
            // The link's target is the database itself, or nothing yet.
            if name == "lanchat.db" {
                fs::rename(&link, &target).unwrap();
                fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
            }
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(&target, &link).unwrap();
            let (error, words) = refusal(dir.path());
            assert!(matches!(error, OpenError::NotAFile { .. }), "{words}");
            assert!(words.contains(name) && words.contains("--data DIR"), "{words}");
            if name == "lanchat.db" {
                assert_eq!(modes(elsewhere.path()), [("theirs".to_owned(), 0o644)]);
            } else {
                assert!(!target.exists(), "nothing is made behind {name}");
            }
        }
    }

    /// Only root can give a file away; for others this test does nothing.
    #[test]
    fn a_database_of_another_user_is_refused() {
        let dir = tempdir().unwrap();
        drop(SqliteStore::open(dir.path()).unwrap());
        if std::os::unix::fs::chown(dir.path().join("lanchat.db"), Some(65_534), None).is_ok() {
            let (error, words) = refusal(dir.path());
            assert!(matches!(error, OpenError::NotOwned { owner: 65_534, .. }), "{words}");
        }
    }

    #[test]
    fn files_are_private_whatever_the_umask() {
        let dir = tempdir().unwrap();
        let output = Command::new("sh")
            .args(["-c", "umask 000; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "modes::make_files", "--ignored"])
            .env(FOLDER, dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        // The umask really was open.
        assert!(modes(dir.path()).contains(&("witness".into(), 0o666)));
    }

    #[test]
    fn a_file_that_others_could_read_is_closed() {
        let dir = tempdir().unwrap();
        drop(SqliteStore::open(dir.path()).unwrap());
        let path = dir.path().join("lanchat.db");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        drop(SqliteStore::open(dir.path()).unwrap());
        assert!(modes(dir.path()).contains(&("lanchat.db".into(), 0o600)));
    }
}
