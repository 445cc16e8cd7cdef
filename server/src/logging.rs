//! The server's log: standard error, or a file where there is none, one line per event. No message body and no secret is
//! ever given to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::filter::{FilterExt, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::log_file::LogFile;
use crate::log_limit::LIMIT;

/// Which events are written, in the syntax of `tracing_subscriber::EnvFilter`: `debug`, `warn,lanchat_hub=debug`.
pub const VARIABLE: &str = "LANCHAT_LOG";

const DEFAULT: &str = "info";

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

/// Starts the log of this process on standard error. A log that was started before stays.
///
/// # Errors
/// [`BadFilter`] when `filter`, the value of [`VARIABLE`], cannot be parsed.
pub fn start(filter: Option<&str>) -> Result<(), BadFilter> {
    begin(filter, io::stderr)
}

/// Starts the log of this process in `folder`, which is made if it is missing: in `lanchatd.log`, with the lines before in
/// `lanchatd.log.1`, each of at most `limits::LOG_FILE_BYTES_MAX`.
///
/// # Errors
/// [`LogError`] when the file cannot be written, or `filter` cannot be parsed.
pub fn start_in(folder: &Path, filter: Option<&str>) -> Result<(), LogError> {
    let file = LogFile::open(folder).map_err(|source| LogError::Io { folder: folder.to_owned(), source })?;
    Ok(begin(filter, Mutex::new(file))?)
}

fn begin<W>(filter: Option<&str>, writer: W) -> Result<(), BadFilter>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter.unwrap_or(DEFAULT))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_filter(filter.and(&LIMIT));
    // An error says that there is a log already: that of the program which hosts this server.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(())
}
