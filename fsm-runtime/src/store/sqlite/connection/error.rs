//! Owns the translation of SQLite's errors into ours; rusqlite's types stay inside this module tree.

use crate::store::sqlite::BUSY_TIMEOUT;
use crate::store::{OpenError, StoreError};
use rusqlite::{Error, ErrorCode, ffi};
use std::{fmt::Display, io, path::Path};

pub(in crate::store::sqlite) fn opening(file: &Path, error: &Error) -> OpenError {
    let file = file.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { file },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { file, cause: words(error) },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            OpenError::Busy { file, waited: BUSY_TIMEOUT }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            let cause = format!("{}; {}", words(error), place(&file));
            OpenError::Unusable { file, cause }
        }
        _ => OpenError::Unusable { file, cause: words(error) },
    }
}

/// What the operating system says of the file's place; SQLite does not tell why it could not open it.
fn place(file: &Path) -> String {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match folder.metadata() {
        Err(error) => format!("its folder: {error}"),
        Ok(_) if file.is_dir() => "it is a folder".to_owned(),
        Ok(_) => "this user must be able to write the file and its folder".to_owned(),
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

pub(in crate::store::sqlite) fn running(file: &Path, error: &Error) -> StoreError {
    let store = file.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            StoreError::Busy { store, waited: BUSY_TIMEOUT }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full { store },
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { store },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { store, cause: words(error) }
        }
        // The queries of lists name their index, so that none of them walks through the table instead.
        _ if error.to_string().contains("no such index: fsm_instances_state") => StoreError::NoStateIndex { store },
        _ => match error {
            Error::InvalidParameterName(cursor) => StoreError::Cursor { cursor: cursor.clone() },
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
                StoreError::Damaged { store, cause: words(error) }
            }
            _ => StoreError::Failed { store, cause: words(error) },
        },
    }
}

pub(in crate::store::sqlite) fn uncommitted(file: &Path, error: &Error) -> StoreError {
    indeterminate(file, &words(error))
}

pub(in crate::store::sqlite) fn indeterminate(file: &Path, cause: &dyn Display) -> StoreError {
    StoreError::Indeterminate { store: file.display().to_string(), cause: cause.to_string() }
}

pub(in crate::store::sqlite) fn closed(file: &Path) -> StoreError {
    StoreError::Closed { store: file.display().to_string() }
}
