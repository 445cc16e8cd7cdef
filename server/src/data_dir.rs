//! The data directory: one folder with everything that a server stores, private to its user, for one server at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use lanchat_certs::Identity;
#[cfg(unix)]
use lanchat_certs::private_file::keeps_rights;
use lanchat_certs::private_file::{NO_RIGHTS, PrivateFileError, check_owner, open_lock};
use lanchat_model::ServerId;

const LOCK_FILE: &str = "lock";
const CONFIG_FILE: &str = "lanchat.toml";
const IDENTITY_FOLDER: &str = "identity";

/// Why a data directory was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// There is no home directory to put it in.
    #[error("there is no home directory for the data. Name a directory with --data DIR or LANCHAT_DATA")]
    NoHome,
    /// The system refused.
    #[error(
        "cannot use the data directory {}: {source}. Check that it belongs to whoever runs the server, or name another one \
         with --data DIR", path.display()
    )]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something else has this name.
    #[error("{} is not a directory: name another data directory with --data DIR", .0.display())]
    NotADirectory(PathBuf),
    /// Group or others have a right to it.
    #[error(
        "others may use the data directory {path} (mode {mode:03o}), which holds messages and the key of the server: \
         run `chmod 700 {path}`",
        path = path.display()
    )]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others have a right to it, and its disk does not store access rights, so the right cannot be removed.
    #[error(
        "others may use the data directory {}, which holds messages and the key of the server, and its disk keeps no \
         access rights (FAT, exFAT): {NO_RIGHTS}. A directory is chosen with --data DIR or LANCHAT_DATA",
        .0.display()
    )]
    NoRights(PathBuf),
    /// Another user owns it, or owns a folder in it.
    #[error(transparent)]
    NotOwned(PrivateFileError),
    /// Another server is at work in it.
    #[error(
        "another server uses the data directory {}: stop it first, or give this one a directory of its own with \
         --data DIR", .0.display()
    )]
    InUse(PathBuf),
}

/// A data directory that is checked and locked. The lock ends when this is dropped, and when the process dies.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held, never read.
    _lock: File,
}

impl DataDir {
    /// Returns the default place of the data, by the conventions of the platform: on Linux `~/.local/share/lanchat`, on
    /// Windows `%LOCALAPPDATA%\lanchat\server`.
    ///
    /// # Errors
    /// [`DataDirError::NoHome`].
    #[cfg(windows)]
    pub fn default_path() -> Result<PathBuf, DataDirError> {
        use etcetera::BaseStrategy;

        // The local part of the profile: a database must not roam between machines.
        let strategy = etcetera::choose_base_strategy().map_err(|_| DataDirError::NoHome)?;
        Ok(strategy.cache_dir().join("lanchat").join("server"))
    }

    /// Returns the default place of the data, by the conventions of the platform: on Linux `~/.local/share/lanchat`, on
    /// Windows `%LOCALAPPDATA%\lanchat\server`.
    ///
    /// # Errors
    /// [`DataDirError::NoHome`].
    #[cfg(not(windows))]
    pub fn default_path() -> Result<PathBuf, DataDirError> {
        use etcetera::AppStrategy;

        let names = etcetera::AppStrategyArgs {
            top_level_domain: "org".into(),
            author: "lanchat".into(),
            app_name: "lanchat".into(),
        };
        let strategy = etcetera::app_strategy::choose_native_strategy(names);
        Ok(strategy.map_err(|_| DataDirError::NoHome)?.data_dir())
    }

    /// Returns the place of the data of a Windows service, which has no profile: `%ProgramData%\lanchat`.
    #[cfg(windows)]
    pub(crate) fn service_path(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
        let shared = variable("ProgramData").filter(|path| !path.is_empty());
        PathBuf::from(shared.unwrap_or_else(|| r"C:\ProgramData".to_owned())).join("lanchat")
    }

    /// Opens the directory, creating it with mode 0700 if it is missing, and locks it. Blocks.
    ///
    /// # Errors
    /// [`DataDirError`] when it is not a directory, others may use it, another server has locked it, or the system
    /// refuses.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let refused = |source| DataDirError::Io { path: path.to_owned(), source };
        create(path).map_err(refused)?;
        let found = fs::metadata(path).map_err(refused)?;
        if !found.is_dir() {
            return Err(DataDirError::NotADirectory(path.to_owned()));
        }
        check_owner(path, &found).map_err(DataDirError::NotOwned)?;
        check_mode(path, &found)?;
        check_identity(&path.join(IDENTITY_FOLDER))?;
        let lock = open_lock(&path.join(LOCK_FILE)).map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(refused(source)),
        }
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder of the key and the id.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path.join(IDENTITY_FOLDER)
    }

    /// Returns the id of the server whose data is at `path`. `None`: no server was started there yet, or the id cannot
    /// be read. Blocks.
    pub fn server_id(path: &Path) -> Option<ServerId> {
        Identity::id_in(&path.join(IDENTITY_FOLDER))
    }

    /// Returns the settings file of the data directory at `path`, whether it exists or not.
    pub(crate) fn config_file(path: &Path) -> PathBuf {
        path.join(CONFIG_FILE)
    }
}

fn create(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.recursive(true).create(path) {
        // It may be a file, which the caller checks.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Checks that the key is safe in its folder: it must not belong to somebody else, or be a link to such a folder. It
/// may be missing.
fn check_identity(folder: &Path) -> Result<(), DataDirError> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => {
            check_owner(folder, &found).map_err(DataDirError::NotOwned)?;
            check_mode(folder, &found)
        }
        Ok(_) => Err(DataDirError::NotADirectory(folder.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(DataDirError::Io { path: folder.to_owned(), source }),
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, found: &fs::Metadata) -> Result<(), DataDirError> {
    use std::os::unix::fs::PermissionsExt;

    let mode = found.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ if keeps_rights(path) => Err(DataDirError::Exposed { path: path.to_owned(), mode }),
        _ => Err(DataDirError::NoRights(path.to_owned())),
    }
}

/// Checks nothing: here the access list of the user's profile decides.
#[cfg(not(unix))]
fn check_mode(_path: &Path, _found: &fs::Metadata) -> Result<(), DataDirError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let first = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse(_))));
        drop(first);
        assert!(DataDir::open(&path).is_ok());
    }

    #[test]
    fn a_file_is_no_data_directory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::NotADirectory(_))));
        assert!(matches!(DataDir::open(&path.join("below")), Err(DataDirError::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_others_may_use_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        drop(DataDir::open(&path).unwrap());
        for mode in [0o701, 0o740, 0o755, 0o770] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = DataDir::open(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 700"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_lock_or_identity_is_refused_and_a_linked_directory_is_not() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
        drop(DataDir::open(&path).unwrap());
        fs::create_dir(&elsewhere).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&elsewhere, path.join("identity")).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::NotADirectory(_))));
        fs::remove_file(path.join("identity")).unwrap();
        fs::remove_file(path.join("lock")).unwrap();
        symlink(elsewhere.join("lock"), path.join("lock")).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Io { .. })));
        assert!(!elsewhere.join("lock").exists());
        // A link by the server's owner, to a directory on another disk, is accepted.
        let linked = folder.path().join("linked");
        symlink(&elsewhere, &linked).unwrap();
        assert!(DataDir::open(&linked).is_ok());
    }
}
