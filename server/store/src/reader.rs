//! A few reader threads, each with its own connection, that share one bounded inbox.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use lanchat_hub::port::StoreError;
use lanchat_model::limits;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::writer::words;

/// A question that sends its own answer to the asker.
type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The threads that read, seen from outside.
pub(crate) struct Readers {
    inbox: Option<flume::Sender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts a thread for each connection.
    pub(crate) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (inbox, questions) = flume::bounded(limits::READER_INBOX_MAX);
        let mut readers = Self { inbox: Some(inbox), threads: Vec::with_capacity(connections.len()) };
        for conn in connections {
            let questions = questions.clone();
            let builder = thread::Builder::new().name("store-reader".into());
            readers.threads.push(builder.spawn(move || serve(&conn, &questions))?);
        }
        Ok(readers)
    }

    /// Answers with the result of `work`. Each statement sees one state of the database: never half a commit, and
    /// always every commit that was answered before. Waits while the inbox is full. Cancel safe.
    pub(crate) async fn run<F, T>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |conn| {
            let result = catch_unwind(AssertUnwindSafe(|| work(conn)))
                .map_err(|panic| format!("a question panicked: {}", words(panic.as_ref())))
                .and_then(|result| result.map_err(|error| error.to_string()));
            // If nobody waits any more, losing the answer does no harm.
            let _ = reply.send(result.map_err(StoreError::Failed));
        });
        let inbox = self.inbox.as_ref().ok_or_else(stopped)?;
        inbox.send_async(question).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Readers {
    /// Waits until all admitted questions are answered.
    fn drop(&mut self) {
        self.inbox = None;
        for thread in self.threads.drain(..) {
            // Panics are caught where they happen, so the thread has just ended.
            let _ = thread.join();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("the readers have stopped".into())
}

/// Answers questions until nobody can ask any more. Each question wakes one free thread.
fn serve(conn: &Connection, questions: &flume::Receiver<Question>) {
    for question in questions {
        question(conn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::{open_reader, open_writer};

    #[tokio::test]
    async fn readers_cannot_write_and_outlive_a_question_that_panics() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lanchat.db");
        open_writer(&path).unwrap().execute_batch("CREATE TABLE t (body TEXT) STRICT").unwrap();
        let readers = Readers::start(vec![open_reader(&path).unwrap()]).unwrap();

        let wrote = readers.run(|conn| conn.execute("INSERT INTO t VALUES ('x')", [])).await;
        assert!(matches!(wrote, Err(StoreError::Failed(_))), "{wrote:?}");
        let panicked = readers.run(|_| -> rusqlite::Result<()> { panic!("a canary") }).await;
        assert!(
            matches!(&panicked, Err(StoreError::Failed(why)) if why.contains("a canary")),
            "{panicked:?}"
        );
        let count =
            |conn: &Connection| conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
        assert_eq!(readers.run(count).await, Ok(0));
    }
}
