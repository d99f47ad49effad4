//! The error that locks, `once` and services share.

use crate::{
    clock::{FOREVER, TOO_LONG},
    error_kind::ErrorKind,
    store::{MAX_KEY_BYTES, StoreError},
};
use std::time::Duration;

/// A shorter lease would expire during an ordinary delay of the store.
const SHORTEST: Duration = Duration::from_millis(100);

/// Why a request was not made, or failed in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoordinationError {
    /// An argument is not valid. The name of a lock, the name of a service and the key of [`Once`](super::Once) have at most
    /// [`MAX_KEY_BYTES`](crate::store::MAX_KEY_BYTES) bytes.
    #[error("`{argument}`: {why}")]
    Invalid {
        /// The argument.
        argument: &'static str,
        /// Why it is not valid.
        why: &'static str,
    },
    /// The runtime is shutting down.
    #[error("the runtime shuts down")]
    ShuttingDown,
    /// The store does not implement [`Ephemerals`](crate::store::Ephemerals).
    #[error(
        "this store does not support locks, `once` and the registry, because it does not implement `Store::ephemerals`; implement it, \
         or use the SQLite or the PostgreSQL store"
    )]
    Unsupported,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CoordinationError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::ShuttingDown => ErrorKind::Unavailable,
            Self::Unsupported => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    /// Whether the same request can succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Invalid { .. } | Self::ShuttingDown | Self::Unsupported => false,
        }
    }
}

/// Checks a name or a key. Stores have indexes of both, so their length is limited.
pub(super) fn check_name(argument: &'static str, name: &str) -> Result<(), CoordinationError> {
    check_text(argument, name)?;
    let why = "is longer than 1,024 bytes";
    if name.len() > MAX_KEY_BYTES { Err(CoordinationError::Invalid { argument, why }) } else { Ok(()) }
}

/// Checks a text of any length.
pub(super) fn check_text(argument: &'static str, text: &str) -> Result<(), CoordinationError> {
    let why = match text {
        "" => "must not be empty",
        text if text.contains('\0') => "must not contain NUL",
        _ => return Ok(()),
    };
    Err(CoordinationError::Invalid { argument, why })
}

/// Checks the length of a lease.
pub(super) fn check_ttl(argument: &'static str, ttl: Duration) -> Result<(), CoordinationError> {
    let why = match ttl {
        ttl if ttl < SHORTEST => "must be at least 100 ms, so that the lease can be renewed",
        ttl if ttl > FOREVER => TOO_LONG,
        _ => return Ok(()),
    };
    Err(CoordinationError::Invalid { argument, why })
}
