//! The log, for finding defects: off unless asked for, and never on the terminal of the conversation.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;

use lanchat_client::owner_only;
use tracing_subscriber::EnvFilter;

use crate::exit::{Failure, Reason};

/// The variable that asks for a log: a filter such as `info` or `lanchat_client=debug`.
const VARIABLE: &str = "LANCHAT_LOG";

/// Starts to append to `lanchat.log` in the state folder, if [`VARIABLE`] says so.
///
/// # Errors
/// [`Reason::Usage`] when the filter is invalid or the file cannot be written.
pub(crate) fn start(home: &Path) -> Result<(), Failure> {
    let Ok(filter) = std::env::var(VARIABLE) else { return Ok(()) };
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::new(Reason::Usage, format!("{VARIABLE} is not understood: {error}. Try {VARIABLE}=debug"))
    })?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    let path = home.join("lanchat.log");
    let file = owner_only(&mut options).open(&path).map_err(|error| {
        let words =
            format!("cannot write the log {}: {error}. Without {VARIABLE} there is none.", path.display());
        Failure::new(Reason::Usage, words)
    })?;
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}
