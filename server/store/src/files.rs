//! The files of the database: private to their owner, with names that are durable.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// Returns the path of a file beside the database: its path with `suffix` at the end.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes an empty file that only its owner may read and write, whatever the umask.
pub(crate) fn create_private(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|source| OpenError::io(path, source))
}

/// Refuses anything except a file with the same owner as its folder. Through a link, somebody else could choose where
/// the messages or a change of mode go. The file may be missing.
pub(crate) fn check_file(path: &Path) -> Result<(), OpenError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(OpenError::io(path, source)),
    };
    if !found.is_file() {
        return Err(OpenError::NotAFile { path: path.to_owned() });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let folder =
            path.parent().map(fs::metadata).transpose().map_err(|source| OpenError::io(path, source))?;
        if folder.is_some_and(|folder| folder.uid() != found.uid()) {
            return Err(OpenError::NotOwned { path: path.to_owned(), owner: found.uid() });
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 == 0)
}

/// Removes all rights except the owner's. SQLite gives the files beside the database the same rights.
pub(crate) fn set_private(path: &Path) -> Result<(), OpenError> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        match fs::set_permissions(path, mode) {
            // A disk that does not store modes refuses, even if it was mounted for its user alone.
            Err(_) if is_private(path) => {}
            outcome => outcome.map_err(|source| OpenError::io(path, source))?,
        }
    }
    fs::metadata(path).map(drop).map_err(|source| OpenError::io(path, source))
}

/// Makes the names of the files in the folder of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), OpenError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    // Windows cannot open a folder as a file; its file systems journal names themselves.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| OpenError::io(folder, source))?;
    }
    Ok(())
}
