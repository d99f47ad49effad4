//! The error of a group of changes.

use crate::{
    error_kind::ErrorKind,
    store::{Key, StoreError},
};
use std::error::Error;

/// Why a [`TransitionGroup`](crate::TransitionGroup) was not committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// One of the changes could not be made. `cause` is the [`TransitionError`](crate::TransitionError) of its machine; use `downcast_ref` to get it.
    #[error("change {change} of the group failed, so no change was made: {cause}")]
    Change {
        /// Its place in the group, from 0.
        change: usize,
        /// The kind of the cause.
        kind: ErrorKind,
        /// The cause.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// Some of the changes were made before under their idempotency keys, and others were not: a key was used for another request, or
    /// an instance was purged or created again since.
    #[error(
        "change {made} of the group ({made_key}) was already committed under its idempotency key, but change {missing} \
         ({missing_key}) was not, so nothing was changed; use a new key for a new request"
    )]
    KeyReused {
        /// The place in the group of a change that was made before, from 0.
        made: usize,
        /// Its instance.
        made_key: Key,
        /// The place in the group of a change that was not.
        missing: usize,
        /// Its instance.
        missing_key: Key,
    },
    /// Two changes are of one instance.
    #[error(
        "changes {first} and {second} of the group are both of {key}, so nothing was changed; a group changes each instance at most \
         once: commit the second change after the group, or declare one event for both"
    )]
    SameInstance {
        /// The instance.
        key: Key,
        /// The place in the group of its first change, from 0.
        first: usize,
        /// The place in the group of its second change.
        second: usize,
    },
    /// The caller's own statements failed.
    #[error("the statements of the group failed, so nothing was changed: {0}")]
    Statements(Box<dyn Error + Send + Sync>),
    /// The store that was given for the caller's own statements is not the one that the runtime was built with.
    #[error(
        "the statements are for a store that this runtime does not use; pass a clone of the store that it was built with"
    )]
    OtherStore,
    /// The transaction that was given to `commit_within` has another isolation level than READ COMMITTED.
    #[error(
        "the transaction has the isolation level `{found}`, and its statements would not see the changes of others, so nothing was \
         changed; expected `read committed`: begin it with `BEGIN ISOLATION LEVEL READ COMMITTED`"
    )]
    Isolation {
        /// The level, as the server names it.
        found: String,
    },
    /// The group has no changes.
    #[error("the group is empty; `add` a change to it before it is committed")]
    Empty,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GroupError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Change { kind, .. } => *kind,
            Self::KeyReused { .. } => ErrorKind::KeyReused,
            Self::SameInstance { .. } | Self::Empty | Self::OtherStore | Self::Isolation { .. } => ErrorKind::Invalid,
            Self::Store(error) => error.kind(),
            Self::Statements(_) => ErrorKind::Internal,
        }
    }

    /// Whether the request can succeed when it is repeated from the start: read, decide and fire again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            _ => self.kind().can_pass(),
        }
    }
}
