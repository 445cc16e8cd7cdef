//! What an error of the engine means for us: carry on, tell the author, or stop.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use crate::error::OpenError;

/// The reaction to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// No space is left: nothing of the transaction is kept, but reading continues.
    Full,
    /// The statement failed, the database did not.
    Statement,
    /// The disk or the file can no longer be trusted: stop, and recover at the next start.
    Fatal,
}

/// Returns how bad `error` is.
pub(crate) fn severity(error: &Error) -> Severity {
    let Error::SqliteFailure(failure, _) = error else {
        return Severity::Statement;
    };
    match failure.code {
        ErrorCode::DiskFull => Severity::Full,
        // The journal's shared index could not grow: a full disk, under another name.
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Severity::Full,
        ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::ReadOnly
        | ErrorCode::CannotOpen
        | ErrorCode::InternalMalfunction => Severity::Fatal,
        _ => Severity::Statement,
    }
}

/// Words the error that kept the database at `path` from opening.
pub(crate) fn refusal(path: &Path, error: &Error) -> OpenError {
    let path = path.to_owned();
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => OpenError::Full { path },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OpenError::Damaged { path, detail },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy { path },
        _ => OpenError::Failed { path, detail },
    }
}
