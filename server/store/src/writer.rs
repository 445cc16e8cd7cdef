//! The one thread that writes. It takes everything that waits, commits it as one transaction, and only then answers.
//!
//! No delay makes batches larger: while one commit waits for the disk, the next batch gathers by itself. Only deferred
//! work waits a moment for a commit to share. A full disk fails only the batch. Any other failed commit or checkpoint,
//! and any panic, ends the writing for good: after a failed fsync, a disk may report the next one as successful
//! although the data is gone. [`Writer::failed`] then tells the process, which must stop and recover from what is on
//! disk.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lanchat_hub::failpoint;
use lanchat_hub::port::StoreError;
use lanchat_model::limits;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::fault::{Severity, severity};
use crate::journal::Journal;

/// What the thread is asked to do.
enum Order {
    Write(Box<dyn Job>),
    /// Like `Write`, in the commit of what comes next, or in its own if nothing comes for a while.
    WriteDeferred(Box<dyn Job>),
    Checkpoint(oneshot::Sender<Result<(), StoreError>>),
}

/// Work on the database whose answer waits for the commit.
trait Job: Send {
    /// Does the work, inside a savepoint. Called once.
    fn run(&mut self, conn: &Connection) -> rusqlite::Result<()>;
    /// Answers with what the work returned, or with the error that undid it.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A closure as a [`Job`].
struct Call<F, T> {
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Call<F, T>
where
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(conn)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        // If nobody waits any more, the work is done all the same.
        let _ = reply.send(outcome.and_then(|()| value.ok_or_else(stopped)));
    }
}

/// A job, and its outcome in its savepoint.
struct Slot {
    job: Box<dyn Job>,
    outcome: Result<(), StoreError>,
}

/// Why a whole batch was undone.
enum Undone {
    /// The next batch may succeed.
    ForNow(StoreError),
    /// The thread must end.
    ForGood(String),
}

impl Undone {
    fn by(error: &rusqlite::Error) -> Self {
        match severity(error) {
            Severity::Full => Self::ForNow(StoreError::Full),
            Severity::Statement => Self::ForNow(StoreError::Failed(error.to_string())),
            Severity::Fatal => Self::ForGood(error.to_string()),
        }
    }
}

/// The thread that writes, seen from outside.
pub(crate) struct Writer {
    inbox: Option<flume::Sender<Order>>,
    failure: watch::Receiver<Option<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. It owns `conn` until the writer is dropped. Deferred work waits for `defer_max` at most.
    pub(crate) fn start(conn: Connection, defer_max: Duration) -> std::io::Result<Self> {
        let (inbox, orders) = flume::bounded(limits::WRITER_INBOX_MAX);
        let (report, failure) = watch::channel(None);
        let thread = thread::Builder::new().name("store-writer".into()).spawn(move || {
            let served = catch_unwind(AssertUnwindSafe(|| serve(conn, &orders, defer_max)));
            if let Err(cause) = served.unwrap_or_else(|panic| Err(format!("it panicked: {}", words(&*panic))))
            {
                tracing::error!(%cause, "the store can no longer write; the server must be started again");
                report.send_replace(Some(cause));
                // Dropping an order answers it: those that wait, and those that arrive until the writer is dropped.
                orders.iter().for_each(drop);
            }
        })?;
        Ok(Self { inbox: Some(inbox), failure, thread: Some(thread) })
    }

    /// Runs `work` in a transaction and answers when it is on disk. Waits while the inbox is full.
    ///
    /// Cancel safe: if the call is dropped before the work is admitted, nothing is done; if it is dropped later, all of
    /// it is done.
    pub(crate) async fn run<F, T>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.ask(work, Order::Write).await
    }

    /// Like [`Writer::run`], but shares the commit of the next write, if one comes soon.
    pub(crate) async fn run_deferred<F, T>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.ask(work, Order::WriteDeferred).await
    }

    async fn ask<F, T>(&self, work: F, order: fn(Box<dyn Job>) -> Order) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(order(Box::new(Call { work: Some(work), value: None, reply }))).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Moves all of the journal into the database.
    pub(crate) async fn checkpoint(&self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Order::Checkpoint(reply)).await?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Completes with the cause when the thread can no longer write. Cancel safe.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(cause) => cause.clone().unwrap_or_default(),
            // The thread ends without a report only by a panic, or when the writer is dropped, and then nobody can wait
            // here.
            Err(_) => "the writer ended unexpectedly".into(),
        }
    }

    async fn send(&self, order: Order) -> Result<(), StoreError> {
        match &self.inbox {
            Some(inbox) => inbox.send_async(order).await.map_err(|_| stopped()),
            None => Err(stopped()),
        }
    }
}

impl Drop for Writer {
    /// Waits until all admitted work is done, so that the next one to open the database finds it closed.
    fn drop(&mut self) {
        self.inbox = None;
        if let Some(thread) = self.thread.take() {
            // A panic outside of a job was reported by the hook; there is nothing left to undo.
            let _ = thread.join();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("the writer has stopped".into())
}

/// Runs the thread. An error is a failure for good.
fn serve(conn: Connection, orders: &flume::Receiver<Order>, defer_max: Duration) -> Result<(), String> {
    let mut journal = Journal::of(conn).map_err(|error| error.to_string())?;
    for first in orders {
        let (mut batch, checkpoints) = gather(first, orders, defer_max);
        let undone = commit(journal.conn(), &mut batch).err();
        let failure = match undone {
            Some(Undone::ForGood(cause)) => {
                answer(batch, &Err(StoreError::Failed(cause.clone())));
                return Err(cause);
            }
            Some(Undone::ForNow(error)) => Err(error),
            None => Ok(()),
        };
        failpoint::crash("store::after_commit");
        answer(batch, &failure);
        // The checkpoint comes after the answers: only those who ask for it wait for it.
        journal.keep_short()?;
        for reply in checkpoints {
            let _ = reply.send(journal.empty()?);
        }
    }
    Ok(())
}

/// Gathers the first order and all that wait behind it, up to `limits::WRITER_BATCH_MAX`; the rest stays in the inbox.
/// If all its orders are deferred, it waits for another.
fn gather(
    first: Order,
    orders: &flume::Receiver<Order>,
    defer_max: Duration,
) -> (Vec<Slot>, Vec<oneshot::Sender<Result<(), StoreError>>>) {
    let (mut batch, mut checkpoints) = (Vec::new(), Vec::new());
    let (mut is_awaited, deferred_until) = (false, Instant::now() + defer_max);
    let mut next = Some(first);
    while let Some(order) = next {
        is_awaited |= !matches!(order, Order::WriteDeferred(_));
        match order {
            Order::Write(job) | Order::WriteDeferred(job) => batch.push(Slot { job, outcome: Ok(()) }),
            Order::Checkpoint(reply) => checkpoints.push(reply),
        }
        next = match batch.len() + checkpoints.len() < limits::WRITER_BATCH_MAX {
            false => None,
            true if is_awaited => orders.try_recv().ok(),
            true => orders.recv_deadline(deferred_until).ok(),
        };
    }
    (batch, checkpoints)
}

fn answer(batch: Vec<Slot>, failure: &Result<(), StoreError>) {
    for Slot { job, outcome } in batch {
        job.finish(failure.clone().and(outcome));
    }
}

/// Runs and commits a batch. On an error, none of it is kept.
fn commit(conn: &Connection, batch: &mut [Slot]) -> Result<(), Undone> {
    if batch.is_empty() {
        return Ok(());
    }
    let done = run_all(conn, batch).and_then(|()| {
        failpoint::crash("store::before_commit");
        step(conn, "COMMIT").map_err(|error| match severity(&error) {
            Severity::Full => Undone::ForNow(StoreError::Full),
            _ => Undone::ForGood(error.to_string()),
        })
    });
    if done.is_err() && !conn.is_autocommit() {
        step(conn, "ROLLBACK").map_err(|error| Undone::ForGood(error.to_string()))?;
    }
    done
}

fn run_all(conn: &Connection, batch: &mut [Slot]) -> Result<(), Undone> {
    step(conn, "BEGIN IMMEDIATE").map_err(|error| Undone::by(&error))?;
    for slot in batch {
        slot.outcome = run_one(conn, slot.job.as_mut())?;
    }
    Ok(())
}

/// Runs a step of a transaction. It is prepared once: each commit needs four steps.
fn step(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

/// Runs a job in a savepoint: a job that fails is undone alone, and the others continue.
fn run_one(conn: &Connection, job: &mut dyn Job) -> Result<Result<(), StoreError>, Undone> {
    let step = |sql| step(conn, sql).map_err(|error| Undone::by(&error));
    step("SAVEPOINT job")?;
    let error = match catch_unwind(AssertUnwindSafe(|| job.run(conn))) {
        Ok(Ok(())) => return step("RELEASE job").map(Ok),
        Ok(Err(error)) => error,
        Err(panic) => return Err(Undone::ForGood(format!("a job panicked: {}", words(panic.as_ref())))),
    };
    // Some errors end the transaction, and undo what the earlier jobs did.
    if severity(&error) != Severity::Statement || conn.is_autocommit() {
        return Err(Undone::by(&error));
    }
    step("ROLLBACK TO job")?;
    step("RELEASE job")?;
    Ok(Err(StoreError::Failed(error.to_string())))
}

/// Returns the message of a panic.
pub(crate) fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

#[cfg(test)]
mod tests;
