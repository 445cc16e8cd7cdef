//! The server's log: one line per event, on standard error, or in a file where that is missing. Message bodies and
//! secrets are never logged.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tracing_subscriber::filter::{FilterExt, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::log_file::LogFile;
use crate::log_limit::LIMIT;
use crate::log_queue::LogQueue;

/// The variable that selects the events to write, in the syntax of `tracing_subscriber::EnvFilter`: `debug`,
/// `warn,lanchat_hub=debug`.
pub const VARIABLE: &str = "LANCHAT_LOG";

const DEFAULT: &str = "info";

/// The log of this process. There is one, since there is one standard error.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Why the log was not started.
#[derive(Debug, thiserror::Error)]
#[error("{VARIABLE} is not understood ({0}): try {VARIABLE}=debug")]
pub struct BadFilter(#[from] ParseError);

/// Why the log was not started in a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter cannot be parsed.
    #[error(transparent)]
    Filter(#[from] BadFilter),
    /// The file cannot be written.
    #[error("cannot write the log in {}: {source}", folder.display())]
    Io {
        /// The folder of the file.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Starts the log of this process on standard error. A log that was started before stays. Logging never waits for the
/// reader.
///
/// # Errors
/// [`BadFilter`] when `filter`, the value of [`VARIABLE`], cannot be parsed.
pub fn start(filter: Option<&str>) -> Result<(), BadFilter> {
    begin(filter, standard_error())
}

/// Starts the log of this process in `folder`, which is created if it is missing: in `lanchatd.log`, with older lines
/// in `lanchatd.log.1`, each of at most `limits::LOG_FILE_BYTES_MAX`.
///
/// # Errors
/// [`LogError`] when the file cannot be written, or `filter` cannot be parsed.
pub fn start_in(folder: &Path, filter: Option<&str>) -> Result<(), LogError> {
    let file = LogFile::open(folder).map_err(|source| LogError::Io { folder: folder.to_owned(), source })?;
    Ok(begin(filter, Box::new(file))?)
}

/// Writes the last words of a process, after its log if there is one. Waits for the reader, but not for ever.
pub fn conclude(words: &str) {
    if QUEUE.get().is_none()
        && let Ok(queue) = LogQueue::start(standard_error())
    {
        // An error means that there is one by now.
        let _ = QUEUE.set(queue);
    }
    if let Some(queue) = QUEUE.get() {
        if !words.is_empty() {
            // Writing to the queue cannot fail.
            let _ = queue.clone().write_all(format!("{words}\n").as_bytes());
        }
        queue.finish();
    }
}

/// Returns standard error without its usual lock: the log thread may block in a write, and must not hold up other
/// writers.
fn standard_error() -> Box<dyn Write + Send> {
    #[cfg(unix)]
    if let Ok(own) = std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned() {
        return Box::new(std::fs::File::from(own));
    }
    // A Windows console needs the conversion that the standard library does.
    Box::new(io::stderr())
}

fn begin(filter: Option<&str>, reader: Box<dyn Write + Send>) -> Result<(), BadFilter> {
    let filter = EnvFilter::builder().parse(filter.unwrap_or(DEFAULT))?;
    // If the system cannot start a thread, the server does without a log.
    let Ok(queue) = LogQueue::start(reader) else { return Ok(()) };
    let queue = QUEUE.get_or_init(|| queue);
    let writer = move || queue.clone();
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_filter(filter.and(&LIMIT));
    // An error means that there is a log already: that of the program that hosts this server.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(())
}
