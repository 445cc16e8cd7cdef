//! The store of this build: the one place where it is chosen.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use lanchat_hub::port::Store;
use lanchat_store::{FILE_NAME, SqliteStore};
use tracing::warn;

use crate::banner::NoHistory;

/// What opening the store gives.
type Opened = (Arc<dyn Store>, Option<NoHistory>);

/// Opens the store of a data directory that is locked, and says if it begins anew where there should be history: the server
/// `is_known` to have been here before. Blocks.
///
/// # Errors
/// Why it was refused, in words for whoever runs the server.
pub(crate) fn open(data: &Path, is_known: bool) -> Result<Opened, Box<dyn Error + Send + Sync>> {
    let database = data.join(FILE_NAME);
    // A first start that was cut off looks the same, so it is no error; lost history is worth a word.
    let is_lost = is_known && fs::metadata(&database).map_or(true, |found| found.len() == 0);
    let no_history = is_lost.then_some(NoHistory { database });
    if let Some(no_history) = &no_history {
        warn!("{no_history}");
    }
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data)?);
    Ok((store, no_history))
}
