//! The error of a store operation, the same for every store.

use crate::error_kind::ErrorKind;
use std::{fmt, time::Duration};

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
    #[error("{store} has no index of states, which listing and counting by state need; {remedy}")]
    NoStateIndex {
        /// Which store.
        store: String,
        /// How the index is built in this store.
        remedy: &'static str,
    },
    /// The store's server could not be reached. The store connects again by itself.
    #[error(
        "{store} cannot be reached ({cause}); try again, and check that its server runs and that this host can connect to it"
    )]
    Unreachable {
        /// Which store.
        store: String,
        /// The cause.
        cause: String,
    },
    /// The store's server does not allow the operation.
    #[error("{store} does not allow this user to do that: {cause}")]
    Forbidden {
        /// Which store.
        store: String,
        /// The cause, and how to remove it.
        cause: String,
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

/// Names the process that holds a lock, or says how to find it.
pub(crate) fn holder_or_unknown(holder: Option<&str>) -> &str {
    holder.unwrap_or("another process; try again, or see which process holds a transaction open")
}

/// The text of `Display`: what a `main` that returns the error prints.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
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
            | Self::Unreachable { .. }
            | Self::Closed { .. }
            | Self::Failed { .. } => ErrorKind::Unavailable,
            Self::Cursor { .. } => ErrorKind::Invalid,
            Self::Damaged { .. } | Self::NoStateIndex { .. } | Self::Forbidden { .. } => ErrorKind::Internal,
        }
    }

    /// Whether the same call may succeed when it is made again. Not after [`Indeterminate`](Self::Indeterminate), because the
    /// change may have been made: read the instance first, or use an idempotency key.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Indeterminate { .. } | Self::Closed { .. }) && self.kind().can_pass()
    }
}
