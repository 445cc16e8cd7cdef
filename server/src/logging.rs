//! The server's log: standard error, or a file where there is none, one line per event. No message body and no secret is
//! ever given to it.

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

/// Which events are written, in the syntax of `tracing_subscriber::EnvFilter`: `debug`, `warn,lanchat_hub=debug`.
pub const VARIABLE: &str = "LANCHAT_LOG";

const DEFAULT: &str = "info";

/// The log of this process. One, since there is one standard error.
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
        /// What the system said.
        source: io::Error,
    },
}

/// Starts the log of this process on standard error. A log that was started before stays. Whoever logs never waits for the
/// reader of it.
///
/// # Errors
/// [`BadFilter`] when `filter`, the value of [`VARIABLE`], cannot be parsed.
pub fn start(filter: Option<&str>) -> Result<(), BadFilter> {
    begin(filter, standard_error())
}

/// Starts the log of this process in `folder`, which is made if it is missing: in `lanchatd.log`, with the lines before in
/// `lanchatd.log.1`, each of at most `limits::LOG_FILE_BYTES_MAX`.
///
/// # Errors
/// [`LogError`] when the file cannot be written, or `filter` cannot be parsed.
pub fn start_in(folder: &Path, filter: Option<&str>) -> Result<(), LogError> {
    let file = LogFile::open(folder).map_err(|source| LogError::Io { folder: folder.to_owned(), source })?;
    Ok(begin(filter, Box::new(file))?)
}

/// Says the last words of a process: behind its log, if there is one. Waits for their reader, but not for ever.
pub fn conclude(words: &str) {
    if QUEUE.get().is_none()
        && let Ok(queue) = LogQueue::start(standard_error())
    {
        // An error says that there is one by now.
        let _ = QUEUE.set(queue);
    }
    if let Some(queue) = QUEUE.get() {
        if !words.is_empty() {
            // A queue takes everything.
            let _ = queue.clone().write_all(format!("{words}\n").as_bytes());
        }
        queue.finish();
    }
}

/// Standard error without the lock that everybody else who writes there takes: the thread of the log may wait in it.
fn standard_error() -> Box<dyn Write + Send> {
    #[cfg(unix)]
    if let Ok(own) = std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned() {
        return Box::new(std::fs::File::from(own));
    }
    // A console of Windows needs what the library does for it.
    Box::new(io::stderr())
}

fn begin(filter: Option<&str>, reader: Box<dyn Write + Send>) -> Result<(), BadFilter> {
    let filter = EnvFilter::builder().parse(filter.unwrap_or(DEFAULT))?;
    // A system that gives us no thread gives us no log: the server can do without.
    let Ok(queue) = LogQueue::start(reader) else { return Ok(()) };
    let queue = QUEUE.get_or_init(|| queue);
    let writer = move || queue.clone();
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_filter(filter.and(&LIMIT));
    // An error says that there is a log already: that of the program which hosts this server.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(())
}
