//! The errors of a store, one type for each kind of operation.

use crate::error_kind::ErrorKind;
use std::{fmt, path::PathBuf, time::Duration};

/// Why a store could not be opened. Nothing was changed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is not an SQLite database.
    #[error("{} is not an SQLite database; give the path of a new file, or of one that this library created", file.display())]
    NotADatabase {
        /// The file.
        file: PathBuf,
    },
    /// A newer release of this library created the tables.
    #[error(
        "{} has tables of layout {found}, and this release knows layouts up to {known}; open it with the newer release",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// The layout in the file.
        found: i64,
        /// The newest layout that this release supports.
        known: i64,
    },
    /// Another process held the lock of the file for longer than the busy timeout.
    #[error("{} was locked for {waited:?} by {}", file.display(), holder_or_unknown(holder.as_deref()))]
    Busy {
        /// The file.
        file: PathBuf,
        /// How long the call waited.
        waited: Duration,
        /// The process that held it and how to end it, if known.
        holder: Option<String>,
    },
    /// The contents of the file are damaged.
    #[error("{} is damaged ({cause}); restore it from a backup", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The cause.
        cause: String,
    },
    /// The file is a database without the tables of a store.
    #[error(
        "{} has none of the tables of a store; give the path of a store's file, or open it once without `read_only(true)`, which creates them",
        file.display()
    )]
    NotAStore {
        /// The file.
        file: PathBuf,
    },
    /// The SQLite that was linked has known defects.
    #[error(
        "SQLite {found} is linked, which can damage a file in WAL mode; link 3.51.3 or newer (or 3.50.7, or 3.44.6, which have \
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
        /// The method of [`SqliteOptions`](crate::store::sqlite::SqliteOptions).
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
        "{} was not restored ({cause}); give the path of a new file, in a folder that has room and that this user can write",
        file.display()
    )]
    Failed {
        /// The file.
        file: PathBuf,
        /// The error text of SQLite or of the operating system.
        cause: String,
    },
}

/// The error of a store operation. Nothing was changed, unless the variant states otherwise.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The commit failed, and its outcome is unknown.
    #[error("{store}: it is not known whether the change was made ({cause}); read the instance before trying again")]
    Indeterminate {
        /// Which store.
        store: String,
        /// The cause.
        cause: String,
    },
    /// Another process or connection held the store's lock for longer than the busy timeout.
    #[error("{store} was locked for {waited:?} by {}", holder_or_unknown(holder.as_deref()))]
    Busy {
        /// Which store.
        store: String,
        /// How long the call waited.
        waited: Duration,
        /// The process that held it and how to end it, if known.
        holder: Option<String>,
    },
    /// The disk is full.
    #[error("{store}: the disk is full; make room, and the store continues by itself")]
    Full {
        /// Which store.
        store: String,
    },
    /// The store cannot be written.
    #[error("{store} cannot be written: {cause}")]
    ReadOnly {
        /// Which store.
        store: String,
        /// The cause, and how to remove it.
        cause: String,
    },
    /// The store's file was deleted, moved or replaced while it was open. What was written to it now would be lost with the process, so nothing is.
    #[error(
        "{store} was deleted, moved or replaced while it was open, so nothing is written any more; put the original file back, or \
         restart this process"
    )]
    Moved {
        /// Which store.
        store: String,
    },
    /// The contents of the store are damaged.
    #[error("{store} is damaged ({cause}); restore it from a backup")]
    Damaged {
        /// Which store.
        store: String,
        /// The cause.
        cause: String,
    },
    /// The `after` of a query is not a cursor of this list.
    #[error(
        "`{cursor}` is not a cursor of this list; pass `Page::next` of the page before, which must be of the same machine with the \
         same filter"
    )]
    Cursor {
        /// The text that was passed as the cursor.
        cursor: String,
    },
    /// The store has no index of states, which the call needs.
    #[error(
        "{store} has no index of states, which listing and counting by state need; open it once with \
         `Sqlite::options().state_index(true)`, which builds it"
    )]
    NoStateIndex {
        /// Which store.
        store: String,
    },
    /// The store was closed, or its writer ended.
    #[error("{store} is closed")]
    Closed {
        /// Which store.
        store: String,
    },
    /// Any other failure.
    #[error("{store}: {cause}")]
    Failed {
        /// Which store.
        store: String,
        /// The cause.
        cause: String,
    },
}

fn holder_or_unknown(holder: Option<&str>) -> &str {
    holder.unwrap_or("another process; try again, or see which process holds a transaction open")
}

/// The text of `Display`: what a `main` that returns the error prints.
macro_rules! debug_as_display {
    ($($error:ty),*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

debug_as_display!(OpenError, RestoreError, StoreError);

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

impl StoreError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Indeterminate { .. }
            | Self::Busy { .. }
            | Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::Moved { .. }
            | Self::Closed { .. }
            | Self::Failed { .. } => ErrorKind::Unavailable,
            Self::Cursor { .. } => ErrorKind::Invalid,
            Self::Damaged { .. } | Self::NoStateIndex { .. } => ErrorKind::Internal,
        }
    }

    /// Whether the same call may succeed when it is made again. Not after [`Indeterminate`](Self::Indeterminate), because the
    /// change may have been made: read the instance first, or use an idempotency key.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Indeterminate { .. } | Self::Closed { .. }) && self.kind().can_pass()
    }
}
