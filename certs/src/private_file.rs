//! Private files: they are read only if nobody else may use them, and written whole or not at all, with mode 0600
//! whatever the umask.
//!
//! On Windows the folder's access list decides who may read; the checks of owner and mode are for Unix.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use lanchat_model::limits;
use tempfile::NamedTempFile;

/// Why a private file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Group or others have a right to the file.
    #[error(
        "others may use {path} (mode {mode:03o}): if nobody had access to it, run `chmod 600 {path}`",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others have a right to the file, and the disk does not store access rights, so the right cannot be removed.
    #[error(
        "others may use {path}, and its disk keeps no access rights (FAT, exFAT): {NO_RIGHTS}", path = path.display()
    )]
    NoRights {
        /// The file.
        path: PathBuf,
    },
    /// Another user owns it, and could change it at any time.
    #[error(
        "{path} belongs to another user (uid {owner}): run this program as that user, or run `chown -R {own} {path}` if \
         nobody else had access to it",
        path = path.display()
    )]
    NotOwned {
        /// The file or folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user who runs this program.
        own: u32,
    },
    /// There is a symbolic link, a folder or a device in place of the file.
    #[error("{} is not a regular file: move it away, or put the file itself in its place", .0.display())]
    NotAFile(PathBuf),
    /// Over `limits::PRIVATE_FILE_BYTES_MAX`.
    #[error("{} is larger than any file that this program writes: restore it from a backup", .0.display())]
    TooLarge(PathBuf),
    /// The new content is over `limits::PRIVATE_FILE_BYTES_MAX`: it could not be read again.
    #[error("{} would become too large to be read again, so it was left as it is", .0.display())]
    NoRoom(PathBuf),
}

/// What to do about a disk that does not store access rights.
pub const NO_RIGHTS: &str = "`chmod` changes nothing there. Choose a folder on another disk, or mount this one for yourself \
                             alone, with the options uid=YOU,umask=077";

/// Returns whether access rights can be removed from files in `folder`, which FAT and similar file systems do not
/// support. Tries it with a temporary file; returns `true` if that cannot be tried. Blocks.
pub fn keeps_rights(folder: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let Ok(file) = tempfile::tempfile_in(folder) else { return true };
        own_only(&file).is_ok() && file.metadata().is_ok_and(|found| found.mode() & 0o077 == 0)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        true
    }
}

impl PrivateFileError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// Opens a file to lock, with mode 0600 whatever the umask, and creates it if it is missing. Writes start at its
/// beginning.
///
/// The lock that the caller takes ends when the file is dropped or the process dies. The file itself stays: removing it
/// would race with the next process that locks it.
///
/// # Errors
/// When the system refuses; the caller adds the path.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    // Windows cannot lock or truncate a file that was opened to append to.
    options.create(true).read(true).write(true).truncate(false);
    // Following a link here would create an empty file, or take a lock, wherever the link's maker likes.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NOFOLLOW.bits().cast_signed(),
    );
    owner_only(&mut options).open(path)
}

/// Sets the mode of files that these options make: 0600, whatever the umask. On Windows the access list of the folder
/// decides.
pub fn owner_only(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Checks that a file or a folder belongs to the user who runs this program: its owner may change it, whatever its
/// mode. Always succeeds on Windows, where the folder's access list decides.
///
/// # Errors
/// [`PrivateFileError::NotOwned`].
pub fn check_owner(path: &Path, found: &fs::Metadata) -> Result<(), PrivateFileError> {
    #[cfg(unix)]
    {
        let (owner, own) = (std::os::unix::fs::MetadataExt::uid(found), rustix::process::geteuid().as_raw());
        if owner != own {
            return Err(PrivateFileError::NotOwned { path: path.to_owned(), owner, own });
        }
    }
    #[cfg(not(unix))]
    let _ = (path, found);
    Ok(())
}

/// Reads a private file whole. Returns `None` if it does not exist. Blocks.
///
/// # Errors
/// [`PrivateFileError`] when the file is not a regular one, others may use it, or it is too large or unreadable.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, PrivateFileError> {
    let named = match fs::symlink_metadata(path) {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(PrivateFileError::io("read", path)(error)),
    };
    if !named.file_type().is_file() {
        return Err(PrivateFileError::NotAFile(path.to_owned()));
    }
    let file = File::open(path).map_err(PrivateFileError::io("read", path))?;
    let opened = file.metadata().map_err(PrivateFileError::io("read", path))?;
    check(path, &named, &opened)?;
    let mut bytes = Vec::new();
    let most = limits::PRIVATE_FILE_BYTES_MAX as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(PrivateFileError::io("read", path))?;
    if bytes.len() as u64 > most {
        return Err(PrivateFileError::TooLarge(path.to_owned()));
    }
    Ok(Some(bytes))
}

/// Writes a private file, and replaces an existing one: a crash leaves either the old file or the new one. Blocks until
/// it is on disk.
///
/// # Errors
/// [`PrivateFileError`] when the system refuses, or there are more bytes than [`read`] accepts; the file is then
/// unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    if bytes.len() > limits::PRIVATE_FILE_BYTES_MAX {
        return Err(PrivateFileError::NoRoom(path.to_owned()));
    }
    let folder = folder_of(path);
    let mut file = NamedTempFile::new_in(folder).map_err(PrivateFileError::io("write into", folder))?;
    own_only(file.as_file())
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.as_file().sync_all())
        .map_err(PrivateFileError::io("write", path))?;
    replace(file, path).map_err(PrivateFileError::io("write", path))?;
    sync_folder(folder)
}

#[cfg(not(windows))]
fn replace(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Windows refuses while another program reads the old file, so this retries for a moment.
#[cfg(windows)]
fn replace(mut file: NamedTempFile, path: &Path) -> io::Result<()> {
    const ATTEMPTS: usize = 20;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

    for _ in 1..ATTEMPTS {
        match file.persist(path) {
            Err(error) if error.error.kind() == io::ErrorKind::PermissionDenied => file = error.file,
            outcome => return outcome.map(drop).map_err(|error| error.error),
        }
        #[expect(clippy::disallowed_methods, reason = "nothing tells when the other program is done")]
        std::thread::sleep(PAUSE);
    }
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Makes sure that a rename into `folder` survives a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), PrivateFileError> {
    // Windows has no such call for folders; its file system journals renames.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(PrivateFileError::io("flush", folder))?;
    }
    Ok(())
}

/// Returns the folder that contains `path`.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn check(path: &Path, named: &fs::Metadata, opened: &fs::Metadata) -> Result<(), PrivateFileError> {
    use std::os::unix::fs::MetadataExt;

    // The name may have been turned into a link between the check and the opening.
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return Err(PrivateFileError::NotAFile(path.to_owned()));
    }
    check_owner(path, opened)?;
    let mode = opened.mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.to_owned();
    Err(match keeps_rights(folder_of(&path)) {
        true => PrivateFileError::Exposed { path, mode },
        false => PrivateFileError::NoRights { path },
    })
}

#[cfg(not(unix))]
fn check(path: &Path, _named: &fs::Metadata, opened: &fs::Metadata) -> Result<(), PrivateFileError> {
    if opened.is_file() { Ok(()) } else { Err(PrivateFileError::NotAFile(path.to_owned())) }
}

#[cfg(unix)]
fn own_only(file: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    match file.set_permissions(fs::Permissions::from_mode(0o600)) {
        // A disk that does not store rights refuses, even if it was mounted for its user alone.
        Err(_) if file.metadata()?.mode() & 0o077 == 0 => Ok(()),
        outcome => outcome,
    }
}

#[cfg(not(unix))]
fn own_only(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(read(&path).unwrap().is_none());
        write(&path, b"one, and longer").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let most = vec![b'x'; limits::PRIVATE_FILE_BYTES_MAX];
        write(&path, &most).unwrap();
        let larger = [most.as_slice(), b"x"].concat();
        assert!(matches!(write(&path, &larger), Err(PrivateFileError::NoRoom(_))));
        assert_eq!(read(&path).unwrap().unwrap().len(), most.len(), "what was there stays");
        fs::write(&path, &larger).unwrap();
        assert!(matches!(read(&path), Err(PrivateFileError::TooLarge(_))));
    }

    #[cfg(unix)]
    #[test]
    fn links_folders_and_exposed_files_are_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, b"x").unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(read(&link), Err(PrivateFileError::NotAFile(_))));
        assert!(matches!(read(folder.path()), Err(PrivateFileError::NotAFile(_))));
        assert!(open_lock(&link).is_err() && open_lock(&path).is_ok());
        let nowhere = folder.path().join("nowhere");
        symlink(folder.path().join("made"), &nowhere).unwrap();
        assert!(open_lock(&nowhere).is_err() && !folder.path().join("made").exists());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert!(keeps_rights(folder.path()) && fs::read_dir(folder.path()).unwrap().count() == 3);
    }

    /// Only root can give a file away; for other users this tests nothing.
    #[cfg(unix)]
    #[test]
    fn a_file_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, b"x").unwrap();
        assert!(read(&path).is_ok());
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, PrivateFileError::NotOwned { owner: 65_534, own: 0, .. }), "{error}");
            assert!(error.to_string().contains("chown"), "{error}");
        }
    }
}
