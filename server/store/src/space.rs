//! The disk's free space: messages are refused before the disk is so full that nobody could log in.

use std::path::{Path, PathBuf};

use lanchat_hub::port::StoreError;
use lanchat_model::limits;

/// The disk that the database is on.
pub(crate) struct Space {
    folder: PathBuf,
}

impl Space {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Checks that there is more space than the margin that keeps a server going: `limits::DISK_MARGIN_BYTES_MAX`, or a
    /// share of a small disk. A disk that does not report its free space counts as having enough.
    ///
    /// # Errors
    /// `Full` if only the margin is left.
    pub(crate) fn beyond_margin(&self) -> Result<(), StoreError> {
        let Ok(disk) = fs4::statvfs(&self.folder) else { return Ok(()) };
        let margin = (disk.total_space() / limits::DISK_MARGIN_SHARE).min(limits::DISK_MARGIN_BYTES_MAX);
        if disk.available_space() < margin { Err(StoreError::Full) } else { Ok(()) }
    }
}
