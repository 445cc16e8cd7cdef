//! Why a database did not open: in words for the operator of the server, each with what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why [`SqliteStore::open`](crate::SqliteStore::open) refused. No variant contains anything that users wrote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be made, or its mode could not be set.
    #[error(
        "cannot use {}: {source}. Check that the folder exists and belongs to the user who runs \
         the server.",
        path.display()
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A symbolic link, a folder or a device is where a file of the database should be.
    #[error(
        "{} is not a regular file. Put the file itself in its place; to keep the data on another \
         disk, name a directory there with --data DIR.",
        path.display()
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file of the database and its folder have different owners.
    #[error(
        "{} belongs to another user (uid {owner}) than the folder that it is in. If nobody else had \
         access to it, give it to the user who runs the server.",
        path.display()
    )]
    NotOwned {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// No space to open or to migrate.
    #[error(
        "the disk that holds {} is full. Make room, then start the server again; nothing was lost.",
        path.display()
    )]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged, or is not a database at all.
    #[error(
        "the database {} is damaged ({detail}). Do not delete it: copy it somewhere safe, put your \
         last backup in its place, and start the server again.",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// The error of the engine.
        detail: String,
    },
    /// The file is a database, but not one of ours.
    #[error(
        "{} is a database of another program. Move it away, or choose another data directory.",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer program.
    #[error(
        "the database {} was made by a newer version (schema {found}; this program knows up to \
         {known}). Start that version again, or put the copy that was kept before the upgrade \
         ({}.before-v…) in its place.",
        path.display(),
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// Another program holds the database.
    #[error(
        "{} is in use by another program. Stop that program, then start the server again.",
        path.display()
    )]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// The file system does not support a write-ahead log, like many network file systems.
    #[error(
        "the file system under {} cannot keep a safe journal. Put the data directory on a local disk.",
        path.display()
    )]
    NoJournal {
        /// The database.
        path: PathBuf,
    },
    /// The linked engine has a known bug that loses data.
    #[error(
        "SQLite {found} is too old; {least} or newer is needed. Build the server with its bundled SQLite."
    )]
    EngineTooOld {
        /// The linked version.
        found: String,
        /// The oldest version without the bug.
        least: &'static str,
    },
    /// A migration step failed; the database is as it was before that step.
    #[error(
        "the upgrade of {} stopped at {step} ({detail}). The database is unchanged by this step; \
         start the earlier version again and report this.",
        path.display()
    )]
    Migration {
        /// The database.
        path: PathBuf,
        /// The migration.
        step: &'static str,
        /// The error of the engine.
        detail: String,
    },
    /// Something else.
    #[error(
        "cannot open the database {}: {detail}. Check the disk and the rights of the data directory.",
        path.display()
    )]
    Failed {
        /// The database.
        path: PathBuf,
        /// The error of the engine.
        detail: String,
    },
}

impl OpenError {
    /// Wraps an error of the system about a file or folder.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
