//! The errors of opening and restoring a file.

use crate::{error_kind::ErrorKind, store::error::holder_or_unknown};
use std::{fmt, path::PathBuf, time::Duration};

/// Why a store could not be opened. Nothing was changed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is something else.
    #[error("{} is not an SQLite database; give the path of a new file, or of one that this library made", file.display())]
    NotADatabase {
        /// The file.
        file: PathBuf,
    },
    /// The file was made by a newer release.
    #[error(
        "{} has tables of layout {found}, and this release knows layouts up to {known}; open it with the newer release",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// The layout in the file.
        found: i64,
        /// The newest layout that is known here.
        known: i64,
    },
    /// Another process held the file's lock for too long.
    #[error("{} was locked for {waited:?} by {}", file.display(), holder_or_unknown(holder.as_deref()))]
    Busy {
        /// The file.
        file: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// The process that held it and how to end it, if known.
        holder: Option<String>,
    },
    /// What is in the file is not what was written there.
    #[error("{} is damaged ({cause}); restore it from a backup", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The cause.
        cause: String,
    },
    /// The file is a database without the tables of a store.
    #[error(
        "{} has none of the tables of a store; give the path of a store's file, or open it once without `read_only(true)`, which makes them",
        file.display()
    )]
    NotAStore {
        /// The file.
        file: PathBuf,
    },
    /// The SQLite that was linked has known defects.
    #[error(
        "SQLite {found} is linked, which can damage a file in WAL mode; needed is 3.51.3 or newer (or 3.50.7, or 3.44.6, which have \
         the same fix): build without `LIBSQLITE3_SYS_USE_PKG_CONFIG` and `SQLITE3_LIB_DIR`, so that the bundled SQLite is linked, or \
         install a newer SQLite where they point"
    )]
    SqliteTooOld {
        /// The version that was linked.
        found: &'static str,
    },
    /// An option is out of range.
    #[error("`Sqlite::options().{option}(…)`: {why}")]
    Option {
        /// The method of [`SqliteOptions`](super::SqliteOptions).
        option: &'static str,
        /// What is wrong with the value.
        why: &'static str,
    },
    /// The file or its folder could not be used.
    #[error("{} cannot be opened: {cause}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// The error text of SQLite or of the operating system.
        cause: String,
    },
}

/// The error of a restore. Nothing was changed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The target or its log exists.
    #[error(
        "{} exists, and a restore overwrites nothing; stop the processes that use the store, and move its file with its `-wal` and \
         `-shm` to another folder",
        file.display()
    )]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The backup cannot be read.
    #[error(transparent)]
    Backup(#[from] OpenError),
    /// The file could not be written.
    #[error(
        "{} was not restored ({cause}); give the path of a new file, in a folder with room that this user can write",
        file.display()
    )]
    Failed {
        /// The file.
        file: PathBuf,
        /// The error text of SQLite or of the operating system.
        cause: String,
    },
}

/// The text of `Display`: what a `main` that returns the error prints.
impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As for [`OpenError`].
impl fmt::Debug for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl OpenError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } => ErrorKind::Unavailable,
            Self::NotADatabase { .. } | Self::NotAStore { .. } | Self::Option { .. } => ErrorKind::Invalid,
            Self::Newer { .. } | Self::Damaged { .. } | Self::SqliteTooOld { .. } | Self::Unusable { .. } => {
                ErrorKind::Internal
            }
        }
    }

    /// Whether opening may succeed when it is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind().can_pass()
    }
}

impl RestoreError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Exists { .. } => ErrorKind::AlreadyExists,
            Self::Backup(error) => error.kind(),
            Self::Failed { .. } => ErrorKind::Unavailable,
        }
    }

    /// Whether the restore may succeed when it is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind().can_pass()
    }
}
