//! Databases as earlier releases made them, brought to the current schema.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails fails the test")]

use std::path::Path;
use std::time::Duration;

use lanchat_hub::port::{Accounts, Appended, Draft, Log, NotResumed, RoomKind, Rooms, Store, TokenRecord};
use lanchat_hub::{Body, Entry, Subject};
use lanchat_model::{
    AccountId, AccountName, ClientId, DeviceId, MessageText, RoomId, RoomName, Seq, Timestamp, limits,
};
use lanchat_store::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

/// A time while the fixture was written.
const THEN: Timestamp = Timestamp(1_763_694_100_000);

/// The same content in every earlier schema, oldest first.
const FROZEN: [&str; 8] = [
    include_str!("fixtures/v1.sql"),
    include_str!("fixtures/v2.sql"),
    include_str!("fixtures/v3.sql"),
    include_str!("fixtures/v4.sql"),
    include_str!("fixtures/v5.sql"),
    include_str!("fixtures/v6.sql"),
    include_str!("fixtures/v7.sql"),
    include_str!("fixtures/v8.sql"),
];

/// Makes a folder with a database of an earlier schema.
fn thaw(frozen: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    conn.execute_batch(frozen).unwrap();
    dir
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open_with_clocks(dir, || THEN, || Duration::ZERO).unwrap()
}

/// Returns the token with this number in the fixture: 64 decimal digits, read as 32 bytes of hex.
fn token(number: u8) -> TokenRecord {
    let mut hash = [0; 32];
    hash[31] = number / 10 * 16 + number % 10;
    TokenRecord { hash, series: [number; 32] }
}

/// Returns everything that a schema is made of, as SQL.
fn schema(dir: &Path) -> Vec<(String, String, Option<String>)> {
    let conn = Connection::open(dir.join("lanchat.db")).unwrap();
    let mut statement =
        conn.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn frozen_databases_become_one_of_today() {
    let fresh = tempfile::tempdir().unwrap();
    drop(open(fresh.path()));
    for frozen in FROZEN {
        let frozen = thaw(frozen);
        drop(open(frozen.path()));
        assert_eq!(schema(frozen.path()), schema(fresh.path()));
    }
}

#[test]
fn every_schema_is_frozen() {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    assert_eq!(
        std::fs::read_dir(migrations).unwrap().count(),
        FROZEN.len(),
        "dump the new one beside v1.sql"
    );
}

#[tokio::test]
async fn what_was_kept_is_there() {
    for frozen in FROZEN {
        let dir = thaw(frozen);
        is_all_there(&open(dir.path())).await;
    }
}

async fn is_all_there(store: &SqliteStore) {
    assert_eq!(store.epoch().await.unwrap(), "00112233445566778899aabbccddeeff");

    let ana = store.account("ana".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((ana.id, ana.admin, ana.display_name.as_str()), (AccountId(1), true, "Ána"));
    let online = store.online_at_last().await.unwrap();
    let reason = |place: usize| online[place].away.clone().unwrap().reason.map(|r| r.as_str().to_owned());
    assert_eq!((online.len(), reason(0), reason(1)), (2, Some("at lunch".into()), None));

    let rooms = store.memberships(AccountId(2), DeviceId(2)).await.unwrap();
    let facts: Vec<_> =
        rooms.iter().map(|m| (m.room.id.0, m.room.head.get(), m.room.members, m.mark.get())).collect();
    assert_eq!(facts, [(1, 5, 3, 5), (3, 1, 2, 1)]);
    assert!(matches!(&rooms[1].room.kind, RoomKind::Private([(AccountId(1), _), (AccountId(2), _)])));
    let garden: RoomName = "garden".parse().unwrap();
    assert_eq!(store.group(garden).await.unwrap().unwrap().members, 0);

    let log = store.read_after(RoomId(1), Seq::ZERO, 10).await.unwrap();
    let text = MessageText::parse("waves 🦀").unwrap();
    assert_eq!(log[3].body, Body::Message { text, action: true });
    assert_eq!(log[3].client_id.to_string(), "0193500000007000800000000000000d");
    assert_eq!((log.len(), log[3].author_name.as_str(), log[3].at), (5, "bo", Timestamp(1_763_690_480_000)));
    let chat = store.read_after(RoomId(3), Seq::ZERO, 10).await.unwrap();
    let text = MessageText::parse("just us two").unwrap();
    assert_eq!(chat[0].body, Body::Message { text, action: false });
}

#[tokio::test]
async fn a_text_beside_its_log_stays_there() {
    let dir = thaw(FROZEN[6]);
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    conn.execute_batch(
        "INSERT INTO long_texts (id, text) VALUES (9, 'kept beside');
         UPDATE entries SET body = NULL, long = 9 WHERE room = 1 AND seq = 3",
    )
    .unwrap();
    drop(conn);
    let log = open(dir.path()).read_after(RoomId(1), Seq::ZERO, 10).await.unwrap();
    let text = MessageText::parse("kept beside").unwrap();
    assert_eq!(log[2].body, Body::Message { text, action: false });
}

/// The names look alike, and were given before names were compared.
#[tokio::test]
async fn accounts_that_look_alike_stay() {
    let dir = thaw(FROZEN[4]);
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    conn.execute("UPDATE accounts SET name = 'bill' WHERE id = 1", []).unwrap();
    conn.execute("UPDATE accounts SET name = 'bi1l' WHERE id = 2", []).unwrap();
    drop(conn);
    let store = open(dir.path());
    for name in ["bill", "bi1l"] {
        let name: AccountName = name.parse().unwrap();
        assert_eq!(store.account(name.clone()).await.unwrap().unwrap().name, name);
        assert_eq!(store.mistaken_for(name.clone()).await.unwrap(), Some(name));
    }
    assert!(store.mistaken_for("bill.".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn devices_still_resume() {
    for frozen in FROZEN {
        let dir = thaw(frozen);
        resumes(&open(dir.path())).await;
    }
}

async fn resumes(store: &SqliteStore) {
    for (current, next) in [(1, 91), (5, 92), (23, 93)] {
        assert!(store.resume(token(current), token(next)).await.unwrap().is_ok(), "token {current}");
    }
    assert!(store.resume(token(20), token(94)).await.unwrap().is_err());
    assert!(store.resume(token(93), token(95)).await.unwrap().is_err(), "its spent token was shown");
}

/// A clock that was in 1970 or in 2036 for a while has left such rows behind.
#[tokio::test]
async fn an_upgrade_logs_nobody_out_whatever_the_clock_said() {
    let dir = thaw(FROZEN[1]);
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    conn.execute("UPDATE devices SET last_used_ms = 0 WHERE id = 1", []).unwrap();
    conn.execute("UPDATE devices SET last_used_ms = 2082758400000 WHERE id = 2", []).unwrap();
    drop(conn);
    let resting = limits::DEVICE_IDLE_MAX / 2;
    let store = SqliteStore::open_with_clocks(dir.path(), || THEN, move || resting).unwrap();
    resumes(&store).await;
}

#[tokio::test]
async fn a_copied_device_stays_copied() {
    let dir = thaw(FROZEN[2]);
    let store = open(dir.path());
    for number in [50, 51, 52] {
        let refused = store.resume(token(number), token(95)).await.unwrap().unwrap_err();
        assert!(matches!(refused, NotResumed::Copied { device: DeviceId(5), .. }), "{number}: {refused:?}");
    }
}

/// Makes the database of schema 2 with ten thousand more entries.
fn large() -> TempDir {
    let dir = thaw(FROZEN[1]);
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    conn.execute_batch(include_str!("fixtures/v2_large.sql")).unwrap();
    dir
}

/// Returns the entry with this number, as the fixture made it.
fn entry(number: u64) -> Entry {
    let [room, seq] = [10 + number % 5, 1 + number / 5];
    let account = 1 + number % 3;
    let name: AccountName = ["ana", "bo", "carl"][usize::try_from(account).unwrap() - 1].parse().unwrap();
    let author = AccountId(account.cast_signed());
    let text = MessageText::parse(&format!("line {seq} of r{room}")).unwrap();
    let body = match seq {
        1 => Body::Joined(Subject { account: author, name: name.clone() }),
        _ => Body::Message { text, action: number % 10 == 9 },
    };
    Entry {
        room: RoomId(room.cast_signed()),
        seq: Seq::try_from(seq).unwrap(),
        client_id: ClientId::from_bytes((u128::from(number) * 7919 % 10_007 + 65_536).to_be_bytes()),
        author,
        author_name: name,
        at: Timestamp(1_763_690_600_000 + number.cast_signed()),
        body,
    }
}

#[tokio::test]
async fn ten_thousand_entries_of_schema_2_are_all_there_and_known_when_they_come_again() {
    let dir = large();
    let store = open(dir.path());
    assert_eq!(store.epoch().await.unwrap(), "00112233445566778899aabbccddeeff");
    let rooms = store.memberships(AccountId(1), DeviceId(1)).await.unwrap();
    let facts = rooms.iter().filter(|found| found.room.id.0 >= 10).map(|found| {
        let room = &found.room;
        (room.id.0, room.first.get(), room.head.get(), room.members, found.mark.get())
    });
    let expected = (10..15).map(|room| (room, 1, 2000, 3, if room == 10 { 77 } else { 0 }));
    assert!(facts.eq(expected), "{rooms:?}");
    let mut logs = Vec::new();
    for room in (10..15).map(RoomId) {
        let mut log = Vec::new();
        while log.len() < 2000 {
            let page = store.read_after(room, Seq::try_from(log.len() as u64).unwrap(), 200).await.unwrap();
            assert!(!page.is_empty());
            log.extend(page);
        }
        logs.push(log.into_iter());
    }
    for number in 0..10_000 {
        let (found, then) = (logs[number as usize % 5].next().unwrap(), entry(number));
        assert_eq!(format!("{found:?}"), format!("{then:?}"));
    }
    let again = (0..10_000).step_by(101).map(entry).map(|entry| Draft {
        room: entry.room,
        author: entry.author,
        author_name: entry.author_name,
        client_id: entry.client_id,
        body: entry.body,
    });
    for (answer, number) in store.append(again.collect()).await.unwrap().iter().zip((0..10_000).step_by(101))
    {
        let Appended::Again(found) = answer else { panic!("entry {number} is not known: {answer:?}") };
        assert_eq!((found.seq, found.at), (entry(number).seq, entry(number).at));
    }
}

#[test]
fn what_was_said_is_counted_and_ids_are_kept_beside() {
    let dir = large();
    drop(open(dir.path()));
    let conn = Connection::open(dir.path().join("lanchat.db")).unwrap();
    let ask = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(ask("SELECT count(*) FROM posts NATURAL JOIN entries"), 10_008);
    assert_eq!(ask("SELECT max(said) FROM entries WHERE room = 12"), 1_999);
    let wrong = "SELECT count(*) FROM entries AS e WHERE room = 12 AND said <> (SELECT count(*) FROM entries
                 WHERE room = e.room AND seq <= e.seq AND kind IN ('message', 'action'))";
    assert_eq!(ask(wrong), 0);
}

/// Counts how often a text occurs in the files of the database.
fn traces(dir: &Path, text: &str) -> usize {
    let names = ["lanchat.db", "lanchat.db-wal"].map(|name| dir.join(name));
    let files = names.into_iter().filter_map(|path| std::fs::read(path).ok());
    files.map(|bytes| bytes.windows(text.len()).filter(|found| *found == text.as_bytes()).count()).sum()
}

#[test]
fn what_was_deleted_before_an_upgrade_is_not_in_the_files_behind_it() {
    let dir = large();
    assert!(traces(dir.path(), "canary ") > 10, "a control: they are found");
    drop(open(dir.path()));
    assert_eq!(traces(dir.path(), "canary "), 0);
    assert_eq!(traces(dir.path(), "line 1234 of r13"), 1, "and nothing stands there twice");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("vacuum")), "{left:?}");
}
