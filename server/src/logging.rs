//! The server's log: standard error, one line per event. No message body and no secret is ever given to it.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Which events are written, in the syntax of `tracing_subscriber::EnvFilter`: `debug`, `warn,lanchat_hub=debug`.
pub const VARIABLE: &str = "LANCHAT_LOG";

const DEFAULT: &str = "info";

/// Why the log was not started.
#[derive(Debug, thiserror::Error)]
#[error("{VARIABLE} is not understood ({0}): try {VARIABLE}=debug")]
pub struct BadFilter(#[from] ParseError);

/// Starts the log of this process. A log that was started before stays.
///
/// # Errors
/// [`BadFilter`] when `filter`, the value of [`VARIABLE`], cannot be parsed.
pub fn start(filter: Option<&str>) -> Result<(), BadFilter> {
    let filter = EnvFilter::builder().parse(filter.unwrap_or(DEFAULT))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error says that there is a log already: that of the program which hosts this server.
    let _ = log.try_init();
    Ok(())
}
