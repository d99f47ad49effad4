//! The errors of streams of changes.

use crate::{error_kind::ErrorKind, store::StoreError};

/// Why a [`Subscription`](super::Subscription) or a [`ChangeStream`](super::ChangeStream) returned no entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// Entries that were not returned yet have been pruned.
    #[error(
        "{} is at entry {after}, and the history up to entry {pruned} was pruned; read the present state of the instances, then \
         call `skip_gap`",
        name.as_ref().map_or_else(|| "the stream of changes".to_owned(), |name| format!("subscriber `{name}`"))
    )]
    Gap {
        /// The subscriber; `None` for a stream without a name.
        name: Option<String>,
        /// The last entry that was returned.
        after: u64,
        /// The last entry that was pruned.
        pruned: u64,
    },
    /// The acknowledged entry does not exist yet.
    #[error(
        "subscriber `{name}` acknowledged entry {sequence}, but the newest entry is {newest}; acknowledge the `sequence` of an entry \
         that `next` returned"
    )]
    Ahead {
        /// The subscriber.
        name: String,
        /// The acknowledged sequence.
        sequence: u64,
        /// The sequence of the newest entry.
        newest: u64,
    },
    /// The name of the subscriber is not valid.
    #[error("the name of a subscriber {why}")]
    InvalidName {
        /// Why it is not valid.
        why: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SubscribeError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Gap { .. } => ErrorKind::NotFound,
            Self::Ahead { .. } | Self::InvalidName { .. } => ErrorKind::Invalid,
            Self::Store(error) => error.kind(),
        }
    }

    /// Whether the call may succeed when it is made again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}
