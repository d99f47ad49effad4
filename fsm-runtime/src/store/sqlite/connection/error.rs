//! Translates SQLite's errors into the store's; rusqlite's types stay inside this module tree.

use super::{lock_holder, os_error, store_file::StoreFile, transaction::CommitError};
use crate::store::{
    StoreError,
    sqlite::{OpenError, closed},
};
use rusqlite::{Error, ErrorCode, ffi};
use std::{fmt::Display, io, path::Path};

/// What builds the index of states.
const STATE_INDEX: &str = "open it once with `Sqlite::options().state_index(true)`, which builds it";

pub(in crate::store::sqlite) fn opening(store: &StoreFile, error: &Error) -> OpenError {
    let file = store.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { file },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { file, cause: words(error) },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            OpenError::Busy { file, waited: store.busy_timeout, holder: lock_holder::of(store) }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            let cause = with_os_error(&file, error);
            OpenError::Unusable { file, cause }
        }
        _ => OpenError::Unusable { file, cause: words(error) },
    }
}

/// SQLite does not say why it could not open a file; the operating system does, where the cause is still there.
fn with_os_error(file: &Path, error: &Error) -> String {
    match os_error::of(file) {
        Some(cause) => format!("{}: {cause}", words(error)),
        None => format!("{}; this user must be able to write the file and its folder", words(error)),
    }
}

/// SQLite's words, and what it was doing when the disk failed.
pub(in crate::store::sqlite) fn words(error: &Error) -> String {
    let doing = error.sqlite_error().and_then(|error| match error.extended_code {
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => Some("reading"),
        ffi::SQLITE_IOERR_WRITE => Some("writing"),
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => Some("syncing"),
        ffi::SQLITE_IOERR_TRUNCATE => Some("cutting the file"),
        ffi::SQLITE_IOERR_DELETE => Some("deleting the file"),
        _ => None,
    });
    doing.map_or_else(|| error.to_string(), |doing| format!("{error} while {doing}"))
}

pub(in crate::store::sqlite) fn starting(file: &Path, error: &io::Error) -> OpenError {
    OpenError::Unusable { file: file.to_owned(), cause: format!("its writer thread cannot be started: {error}") }
}

pub(in crate::store::sqlite) fn running(file: &StoreFile, error: &Error) -> StoreError {
    let store = file.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            StoreError::Busy { store, waited: file.busy_timeout, holder: None }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full { store },
        Some(ErrorCode::ReadOnly) if file.read_only => {
            StoreError::ReadOnly { store, cause: "it was opened with `read_only(true)`".to_owned() }
        }
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { store, cause: with_os_error(file, error) },
        Some(ErrorCode::CannotOpen) => StoreError::Failed { store, cause: with_os_error(file, error) },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { store, cause: words(error) }
        }
        Some(ErrorCode::ConstraintViolation) if closed::is_moved(error) => {
            StoreError::ReadOnly { store, cause: words(error) }
        }
        // The queries of lists name their index, so that none of them walks through the table instead.
        _ if error.to_string().contains("no such index: fsm_instances_state") => {
            StoreError::NoStateIndex { store, remedy: STATE_INDEX }
        }
        _ => match error {
            Error::InvalidParameterName(cursor) => StoreError::Cursor { cursor: cursor.clone() },
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
                StoreError::Damaged { store, cause: words(error) }
            }
            _ => StoreError::Failed { store, cause: words(error) },
        },
    }
}

/// Adds the process that holds the lock to a [`StoreError::Busy`]. `running` does not, because an inline commit often finds the file
/// locked and does not wait.
pub(in crate::store::sqlite) fn with_holder(file: &StoreFile, error: StoreError) -> StoreError {
    match error {
        StoreError::Busy { store, waited, holder: None } => {
            StoreError::Busy { store, waited, holder: lock_holder::of(file) }
        }
        error => error,
    }
}

pub(in crate::store::sqlite) fn committing(file: &StoreFile, error: &CommitError) -> StoreError {
    match error {
        CommitError::RolledBack(error) => running(file, error),
        CommitError::Indeterminate(error) => indeterminate(file, &words(error)),
    }
}

pub(in crate::store::sqlite) fn indeterminate(file: &Path, cause: &dyn Display) -> StoreError {
    StoreError::Indeterminate { store: file.display().to_string(), cause: cause.to_string() }
}

pub(in crate::store::sqlite) fn closed(file: &Path) -> StoreError {
    StoreError::Closed { store: file.display().to_string() }
}
