//! The store of this build, which is chosen only here.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lanchat_hub::port::Store;
use lanchat_store::{FILE_NAME, SqliteStore};
use tracing::warn;

/// A server that ran here before, and has lost its history.
#[derive(Debug)]
pub(crate) struct NoHistory {
    /// The database that was missing, or empty.
    pub(crate) database: PathBuf,
}

impl Display for NoHistory {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this server has a key but no history: {} was missing or empty, so it begins without accounts and messages. \
             If you did not mean that, for example after a restore that was not finished: stop the server, put the \
             database of the backup there, and start it again",
            self.database.display()
        )
    }
}

/// The result of opening the store.
type Opened = (Arc<dyn Store>, Option<NoHistory>);

/// Opens the store of a locked data directory. Reports whether it starts empty although there should be history,
/// because the server `is_known` to have run here before. Blocks.
///
/// # Errors
/// Why it was refused, in words for the person who runs the server.
pub(crate) fn open(data: &Path, is_known: bool) -> Result<Opened, Box<dyn Error + Send + Sync>> {
    let database = data.join(FILE_NAME);
    // An interrupted first start looks the same, so this is not an error, but lost history is worth a warning.
    let is_lost = is_known && fs::metadata(&database).map_or(true, |found| found.len() == 0);
    let no_history = is_lost.then_some(NoHistory { database });
    if let Some(no_history) = &no_history {
        warn!("{no_history}");
    }
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data)?);
    Ok((store, no_history))
}
