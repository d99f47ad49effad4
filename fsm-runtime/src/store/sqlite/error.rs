//! Owns the translation of SQLite's errors into ours; rusqlite's types stay inside this module tree.

use super::BUSY_TIMEOUT;
use crate::store::{OpenError, StoreError};
use rusqlite::{Error, ErrorCode};
use std::{fmt::Display, io, path::Path};

pub(super) fn opening(file: &Path, error: &Error) -> OpenError {
    let file = file.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { file },
        _ => OpenError::Unusable { file, cause: error.to_string() },
    }
}

pub(super) fn starting(file: &Path, error: &io::Error) -> OpenError {
    OpenError::Unusable { file: file.to_owned(), cause: format!("its writer thread cannot be started: {error}") }
}

pub(super) fn running(file: &Path, error: &Error) -> StoreError {
    let store = file.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { store, waited: BUSY_TIMEOUT },
        Some(ErrorCode::DiskFull) => StoreError::Full { store },
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { store },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { store, cause: error.to_string() }
        }
        // The queries of lists name their index, so that none of them walks through the table instead.
        _ if error.to_string().contains("no such index: fsm_instances_state") => StoreError::NoStateIndex { store },
        _ => match error {
            Error::InvalidParameterName(cursor) => StoreError::Cursor { cursor: cursor.clone() },
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) => {
                StoreError::Damaged { store, cause: error.to_string() }
            }
            _ => StoreError::Failed { store, cause: error.to_string() },
        },
    }
}

pub(super) fn indeterminate(file: &Path, cause: &dyn Display) -> StoreError {
    StoreError::Indeterminate { store: file.display().to_string(), cause: cause.to_string() }
}

pub(super) fn closed(file: &Path) -> StoreError {
    StoreError::Closed { store: file.display().to_string() }
}
