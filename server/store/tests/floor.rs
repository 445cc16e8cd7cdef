//! Tests of what a log may lose, what is known of it afterwards, and what is left of deleted content.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use lanchat_conformance::scene::{
    Person, append, draft, fresh, fresh_name, fresh_token, group, join, left, message, person, seqs,
};
use lanchat_hub::port::{Accounts, Appended, Draft, Generation, Log, NewDevice, Rooms, Store};
use lanchat_hub::{Body, Refusal};
use lanchat_model::{RoomId, Seq, Timestamp};
use lanchat_store::SqliteStore;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tempfile::{TempDir, tempdir};

fn at(seq: u64) -> Seq {
    Seq::try_from(seq).unwrap()
}

/// Opens the database as another program would. It leaves the journal alone.
fn raw(dir: &Path) -> Connection {
    let conn = Connection::open(dir.join("lanchat.db")).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    conn
}

/// Makes somebody in a room of their own, whose log has one entry.
async fn author() -> (TempDir, SqliteStore, Person, RoomId) {
    let dir = tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let ana = person(&store, "ana").await;
    let room = group(&store, &fresh_name("room")).await.id;
    join(&store, &ana, room).await;
    (dir, store, ana, room)
}

async fn log(store: &SqliteStore, room: RoomId) -> Vec<u64> {
    seqs(&store.read_after(room, Seq::ZERO, 100).await.unwrap())
}

#[tokio::test]
async fn a_log_loses_its_beginning_and_nothing_else() {
    let (dir, store, ana, room) = author().await;
    for text in 2..=10 {
        append(&store, draft(&ana, room, message(&text.to_string()))).await;
    }
    let conn = raw(dir.path());
    let prune =
        |which: &str| conn.execute(&format!("DELETE FROM entries WHERE room = ?1 AND {which}"), [room.0]);
    assert_eq!(prune("seq < 5").unwrap(), 4);
    assert_eq!(store.first(room).await.unwrap(), at(5));
    let rooms = store.memberships(ana.id, ana.device).await.unwrap();
    let found = &rooms.iter().find(|found| found.room.id == room).unwrap().room;
    assert_eq!((found.first, found.head), (at(5), at(10)));
    assert_eq!(log(&store, room).await, [5, 6, 7, 8, 9, 10]);
    assert_eq!(seqs(&store.read_before(room, at(7), 100).await.unwrap()), [5, 6]);
    // A gap in the middle, at the end, or everything: a hole, or a seq that would be assigned twice.
    for which in ["seq = 7", "seq = 10", "seq > 0"] {
        let refused = prune(which).unwrap_err().to_string();
        assert!(refused.contains("keeps its last entry"), "{which}: {refused}");
        assert_eq!(log(&store, room).await, [5, 6, 7, 8, 9, 10], "{which}");
        assert_eq!(store.first(room).await.unwrap(), at(5), "{which}");
    }
    assert_eq!(prune("seq < 10").unwrap(), 5);
    assert_eq!(fresh(append(&store, draft(&ana, room, message("next"))).await).seq, at(11));
    assert_eq!((store.first(room).await.unwrap(), log(&store, room).await), (at(10), vec![10, 11]));
    assert_eq!(store.first(RoomId(i64::MAX)).await.unwrap(), at(1), "of no room nothing was let go");
}

#[tokio::test]
async fn a_resend_is_answered_as_the_first_time_whatever_became_of_its_entry() {
    let (dir, store, ana, room) = author().await;
    let posts: Vec<Draft> =
        ["pruned", "deleted", "edited", "as it was"].map(|text| draft(&ana, room, message(text))).into();
    let first: Vec<_> = store.append(posts.clone()).await.unwrap().into_iter().map(fresh).collect();
    let conn = raw(dir.path());
    let change = |sql: &str| conn.execute(sql, [room.0]).unwrap();
    assert_eq!(change("UPDATE entries SET body = 'mended', edit = 9 WHERE room = ?1 AND seq = 4"), 1);
    assert_eq!(change("UPDATE entries SET kind = 'gone', body = NULL WHERE room = ?1 AND seq = 3"), 1);
    assert_eq!(change("DELETE FROM entries WHERE room = ?1 AND seq < 3"), 2);
    // The second time, the author has left.
    for _ in 0..2 {
        for (post, first) in posts.iter().zip(&first) {
            let Appended::Again(again) = append(&store, post.clone()).await else { panic!("{post:?}") };
            assert_eq!((again.seq, again.client_id), (first.seq, first.client_id));
        }
        append(&store, draft(&ana, room, left(&ana))).await;
    }
    let other = |post: &Draft, body: Body| Draft { body, ..post.clone() };
    let reused = [
        other(&posts[3], message("another text")),
        other(&posts[3], left(&ana)),
        other(&posts[2], left(&ana)),
        Draft { room: RoomId(1), ..posts[0].clone() },
        Draft { room: RoomId(1), ..posts[1].clone() },
    ];
    for post in reused {
        let answer = append(&store, post).await;
        assert!(matches!(answer, Appended::Refused(Refusal::IdReused)), "{answer:?}");
    }
    let room = store.memberships(ana.id, ana.device).await.unwrap();
    assert_eq!(room.len(), 1, "the lobby alone");
    let copies: i64 =
        conn.query_row("SELECT count(*) FROM posts WHERE sender = ?1", [ana.id.0], |row| row.get(0)).unwrap();
    assert_eq!(copies, 1 + 1 + 4 + 1, "the lobby, the room, what was posted, and the word of the end");
}

#[tokio::test]
async fn a_long_text_goes_with_its_entry_and_is_known_when_it_comes_again() {
    let (dir, store, ana, room) = author().await;
    let long = "x".repeat(5000);
    let posts: [Draft; 3] = std::array::from_fn(|_| draft(&ana, room, message(&long)));
    store.append(posts.to_vec()).await.unwrap();
    let conn = raw(dir.path());
    let kept = || conn.query_row("SELECT count(*) FROM long_texts", [], |row| row.get::<_, i64>(0)).unwrap();
    for post in &posts {
        assert!(matches!(append(&store, post.clone()).await, Appended::Again(_)));
        let other = Draft { body: message("another text"), ..post.clone() };
        assert!(matches!(append(&store, other).await, Appended::Refused(Refusal::IdReused)));
    }
    assert_eq!(kept(), 3, "a resend keeps nothing");
    conn.execute("DELETE FROM entries WHERE room = ?1 AND seq < 3", [room.0]).unwrap();
    assert_eq!(kept(), 2);
    let gone = "UPDATE entries SET kind = 'gone', long = NULL WHERE room = ?1 AND seq = 3";
    conn.execute(gone, [room.0]).unwrap();
    assert_eq!(kept(), 1);
}

/// Counts how often a text occurs in the files of the database.
fn traces(dir: &Path, text: &str) -> usize {
    let names = ["lanchat.db", "lanchat.db-wal"].map(|name| dir.join(name));
    let files = names.into_iter().filter_map(|path| fs::read(path).ok());
    files.map(|bytes| bytes.windows(text.len()).filter(|found| *found == text.as_bytes()).count()).sum()
}

#[tokio::test]
async fn what_is_deleted_is_overwritten() {
    const CANARY: &str = "a label that nobody else has, long enough to be found again";
    let (dir, store, ana, _) = author().await;
    let device = NewDevice { label: Some(CANARY.into()), token: fresh_token() };
    let device = store.add_device(ana.id, Generation(0), device).await.unwrap().unwrap().device;
    store.close().await.unwrap();
    assert!(traces(dir.path(), CANARY) > 0, "a control: it is found");
    store.remove_device(device).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(traces(dir.path(), CANARY), 0);
}

/// A start that dies before the new file has replaced the old one leaves the old one, still due for a vacuum.
#[tokio::test]
async fn a_rewriting_that_was_cut_short_is_done_at_the_next_start() {
    let (dir, store, ana, room) = author().await;
    fresh(append(&store, draft(&ana, room, message("in the journal"))).await);
    drop(store);
    raw(dir.path()).execute("UPDATE meta SET vacuum_due = 1", []).unwrap();
    let copy = dir.path().join("lanchat.db.vacuum");
    for name in [copy.clone(), dir.path().join("lanchat.db.vacuum-journal")] {
        fs::write(name, "half of an earlier attempt").unwrap();
    }
    assert!(fs::metadata(dir.path().join("lanchat.db-wal")).unwrap().len() > 0, "a control: it is needed");
    let store = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(log(&store, room).await, [1, 2]);
    assert!(!copy.exists());
    let due: i64 = raw(dir.path()).query_row("SELECT vacuum_due FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!(due, 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        let mode = fs::metadata(dir.path().join("lanchat.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fresh(append(&store, draft(&ana, room, message("goes on"))).await);
}

/// Only the server's running time counts, neither the wall clock nor the time of a file.
#[tokio::test]
async fn copies_of_upgrades_go_after_their_time() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let dir = tempdir().unwrap();
    let names = ["before-v3", "before-v4.partial", "of-mine"].map(|end| format!("lanchat.db.{end}"));
    for name in &names {
        let file = File::create(dir.path().join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    let left = || names.each_ref().map(|name| dir.path().join(name).exists());
    for (runs, wall) in [(0, i64::MAX), (29, 0), (2, i64::MAX)] {
        let store =
            SqliteStore::open_with_clocks(dir.path(), move || Timestamp(wall), move || DAY * runs).unwrap();
        assert_eq!(left(), [true; 3], "before it ran for {runs} days more");
        store.close().await.unwrap();
    }
    drop(SqliteStore::open_with_clocks(dir.path(), || Timestamp(0), || Duration::ZERO).unwrap());
    assert_eq!(left(), [false, false, true]);
}
