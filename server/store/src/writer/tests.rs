//! The writer, driven job by job.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::Poll;

use super::*;
use crate::open::{open_reader, open_writer, turn_journal_on};

/// Tables in which a row of `child` can be inserted but not committed.
const DANGLING: &str = "CREATE TABLE child (parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
                        CREATE TABLE parent (id INTEGER PRIMARY KEY)";

/// Longer than any test.
const COMPANY: Duration = Duration::from_secs(3600);

/// Starts a writer on a database with one table, `t`, of bodies that are not empty.
fn writer(dir: &tempfile::TempDir, more: &str) -> Writer {
    let path = dir.path().join("lanchat.db");
    let conn = open_writer(&path).unwrap();
    turn_journal_on(&conn, &path).unwrap();
    conn.execute_batch("CREATE TABLE t (body BLOB NOT NULL) STRICT").unwrap();
    conn.execute_batch(more).unwrap();
    Writer::start(conn, COMPANY).unwrap()
}

fn count(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
}

fn insert(bytes: u32) -> impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static {
    move |conn| conn.execute("INSERT INTO t VALUES (zeroblob(?1))", [bytes]).map(drop)
}

fn dangle(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute("INSERT INTO child VALUES (1)", []).map(drop)
}

/// Polls a call once, which admits its job.
async fn admit<T>(call: &mut Pin<Box<impl Future<Output = T>>>) {
    poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Admits a job that holds the thread. It reports that it runs, and continues when it is told to.
async fn hold(writer: &Writer) -> (Receiver<()>, SyncSender<()>) {
    hold_then(writer, |_| Ok(())).await
}

/// Like [`hold`], with work of its own once it continues.
async fn hold_then(
    writer: &Writer,
    then: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
) -> (Receiver<()>, SyncSender<()>) {
    let (runs, running) = sync_channel(1);
    let (go, going) = sync_channel::<()>(1);
    let (reply, _) = oneshot::channel::<Result<(), StoreError>>();
    let work = move |conn: &Connection| {
        runs.send(()).unwrap();
        going.recv().unwrap();
        then(conn)
    };
    writer.send(Order::Write(Box::new(Call { work: Some(work), value: None, reply }))).await.unwrap();
    (running, go)
}

#[tokio::test]
async fn what_waits_is_committed_together_and_answered_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, "");
    let outside = open_reader(&dir.path().join("lanchat.db")).unwrap();
    let (running, go) = hold(&writer).await;
    running.recv().unwrap();

    // While the thread is held, ten jobs gather; the last one checks what others can see of the first nine.
    let mut jobs = Vec::new();
    for _ in 0..9 {
        let mut job = Box::pin(writer.run(insert(1)));
        admit(&mut job).await;
        jobs.push(job);
    }
    let mut look = Box::pin(writer.run(move |conn| Ok((count(conn)?, count(&outside)?))));
    admit(&mut look).await;
    go.send(()).unwrap();
    assert_eq!(look.await, Ok((9, 0)), "nine inside the transaction, none outside of it");
    for job in jobs {
        assert_eq!(job.await, Ok(()));
    }
}

#[tokio::test]
async fn what_is_in_no_hurry_goes_with_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, "");
    let outside = open_reader(&dir.path().join("lanchat.db")).unwrap();
    let mut patient = Box::pin(writer.run_deferred(insert(1)));
    admit(&mut patient).await;
    let seen = writer.run(move |conn| Ok((count(conn)?, count(&outside)?))).await;
    assert_eq!(seen, Ok((1, 0)), "in one transaction, which nobody else can see into");
    patient.await.unwrap();

    // The end of the writer does not wait for company either.
    let mut patient = Box::pin(writer.run_deferred(insert(1)));
    admit(&mut patient).await;
    drop(patient);
    drop(writer);
    assert_eq!(count(&open_reader(&dir.path().join("lanchat.db")).unwrap()), Ok(2));
}

#[tokio::test]
async fn what_nobody_joins_is_committed_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let conn = open_writer(&dir.path().join("lanchat.db")).unwrap();
    let writer = Writer::start(conn, Duration::from_millis(1)).unwrap();
    assert_eq!(writer.run_deferred(|_| Ok(())).await, Ok(()));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_its_job_along() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, "");
    let (running, go) = hold(&writer).await;
    running.recv().unwrap();
    let mut gone = Box::pin(writer.run(insert(1)));
    admit(&mut gone).await;
    drop(gone);
    go.send(()).unwrap();
    assert_eq!(writer.run(count).await, Ok(1));
}

#[tokio::test]
async fn a_job_that_fails_is_undone_alone() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, "");
    let (running, go) = hold(&writer).await;
    running.recv().unwrap();
    let bad = writer.run(|conn| {
        conn.execute("INSERT INTO t VALUES (x'00')", [])?;
        conn.execute("INSERT INTO t VALUES (NULL)", [])
    });
    let (good, bad, more, ()) =
        tokio::join!(writer.run(insert(1)), bad, writer.run(insert(1)), async { go.send(()).unwrap() });
    assert_eq!((good, more), (Ok(()), Ok(())));
    assert!(matches!(bad, Err(StoreError::Failed(_))), "{bad:?}");
    assert_eq!(writer.run(count).await, Ok(2));
}

#[tokio::test]
async fn a_full_disk_fails_the_batch_and_the_thread_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, "PRAGMA max_page_count = 8");
    assert_eq!(writer.run(insert(1)).await, Ok(()));
    assert_eq!(writer.run(insert(100_000)).await, Err(StoreError::Full));
    assert_eq!(writer.run(insert(1)).await, Ok(()));
    assert_eq!(writer.run(count).await, Ok(2));
    assert_eq!(writer.checkpoint().await, Ok(()));
}

#[tokio::test]
async fn a_commit_that_fails_ends_the_writer_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, DANGLING);
    assert_eq!(writer.run(insert(1)).await, Ok(()));
    // The statement passes; the commit cannot.
    let dangling = writer.run(dangle).await;
    assert!(matches!(dangling, Err(StoreError::Failed(_))), "{dangling:?}");
    assert!(!writer.failed().await.is_empty());
    assert_eq!(writer.run(count).await, Err(stopped()));
    assert_eq!(writer.checkpoint().await, Err(stopped()));
}

/// A caller without an answer would keep the server from ending.
#[tokio::test]
async fn what_waits_behind_a_commit_that_fails_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, DANGLING);
    let (running, go) = hold_then(&writer, dangle).await;
    running.recv().unwrap();
    let mut behind = Box::pin(writer.run(insert(1)));
    admit(&mut behind).await;
    let mut at_the_end = Box::pin(writer.checkpoint());
    admit(&mut at_the_end).await;
    go.send(()).unwrap();
    let answers = async { (behind.await, at_the_end.await) };
    let answers = tokio::time::timeout(Duration::from_secs(60), answers).await;
    assert_eq!(answers, Ok((Err(stopped()), Err(stopped()))));
}

#[tokio::test]
async fn a_panic_undoes_the_batch_ends_the_writer_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, "");
    let panicked = writer
        .run(|conn| -> rusqlite::Result<()> {
            conn.execute("INSERT INTO t VALUES (x'00')", [])?;
            panic!("a canary");
        })
        .await;
    assert!(matches!(panicked, Err(StoreError::Failed(_))), "{panicked:?}");
    assert!(writer.failed().await.contains("a canary"));
    drop(writer);
    let reopened = open_reader(&dir.path().join("lanchat.db")).unwrap();
    assert_eq!(count(&reopened), Ok(0));
}

#[tokio::test]
async fn the_journal_is_kept_short_and_emptied_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(&dir, "");
    let journal = dir.path().join("lanchat.db-wal");
    for _ in 0..16 {
        assert_eq!(writer.run(insert(4 * 1024 * 1024)).await, Ok(()));
    }
    let longest = std::fs::metadata(&journal).unwrap().len();
    assert!(longest < 24 * 1024 * 1024, "64 MiB were written; the journal took {longest} bytes");
    assert_eq!(writer.checkpoint().await, Ok(()));
    assert_eq!(std::fs::metadata(&journal).unwrap().len(), 0);
}
