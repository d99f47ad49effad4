//! The result of a group of changes.

use super::{history::HistoryEntry, row::Row};
use std::time::SystemTime;

/// The result of a [`Group`](super::Group).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The group is durable. The rows after its changes, one for each.
    Committed {
        /// In the order of the changes.
        rows: Vec<Row>,
    },
    /// The row was not as the change had read it, because another change was first. Nothing was applied.
    Conflict {
        /// The position of the change in its group.
        change: usize,
        /// The current row; `None` if there is none.
        current: Option<Box<Row>>,
    },
    /// The version is unchanged, but the claim is no longer the caller's. Nothing was applied.
    Fenced {
        /// The position of the change in its group.
        change: usize,
        /// The current row.
        current: Box<Row>,
    },
    /// The change was made earlier, under the same idempotency key. Nothing was applied.
    Duplicate {
        /// The position of the change in its group.
        change: usize,
        /// The entry of the earlier change.
        first: Box<HistoryEntry>,
    },
    /// The idempotency key was used earlier for another event, payload or creation. Nothing was applied.
    KeyReused {
        /// The position of the change in its group.
        change: usize,
        /// The entry of the earlier change.
        first: Box<HistoryEntry>,
    },
    /// The time of the timer has not come yet, by the store's clock. Nothing was applied.
    TooEarly {
        /// The position of the change in its group.
        change: usize,
        /// The store's time.
        now: SystemTime,
    },
    /// The store can never apply this change, because of a constraint, for example. Nothing was applied.
    Refused {
        /// The position of the change in its group.
        change: usize,
        /// The reason, as the store gives it.
        reason: String,
    },
    /// A value of the change is larger than the store takes. Nothing of the group was applied.
    TooLarge {
        /// The place of the change in its group.
        change: usize,
        /// Which value: `data`, `payload`, `context`, `checkpoint`, `note`, …
        what: &'static str,
        /// The bytes that it has.
        size: usize,
        /// The bytes that it may have.
        limit: usize,
    },
}

impl Verdict {
    /// The name in logs and metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Committed { .. } => "committed",
            Self::Conflict { .. } => "conflict",
            Self::Fenced { .. } => "fenced",
            Self::Duplicate { .. } => "duplicate",
            Self::KeyReused { .. } => "key_reused",
            Self::TooEarly { .. } => "too_early",
            Self::Refused { .. } => "refused",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// Why the store can never take the change; `None` where that is not the verdict.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Refused { reason, .. } => Some(reason.clone()),
            Self::TooLarge { what, size, limit, .. } => {
                Some(format!("the {what} has {size} bytes, and the store takes up to {limit}"))
            }
            _ => None,
        }
    }

    /// The same verdict, on the change at `place`.
    pub(crate) fn at(mut self, place: usize) -> Self {
        match &mut self {
            Self::Committed { .. } => {}
            Self::Conflict { change, .. }
            | Self::Fenced { change, .. }
            | Self::Duplicate { change, .. }
            | Self::KeyReused { change, .. }
            | Self::TooEarly { change, .. }
            | Self::Refused { change, .. }
            | Self::TooLarge { change, .. } => *change = place,
        }
        self
    }

    /// The position of the change that was not applied; `None` if the group was committed.
    #[must_use]
    pub fn change(&self) -> Option<usize> {
        match self {
            Self::Committed { .. } => None,
            Self::Conflict { change, .. }
            | Self::Fenced { change, .. }
            | Self::Duplicate { change, .. }
            | Self::KeyReused { change, .. }
            | Self::TooEarly { change, .. }
            | Self::Refused { change, .. }
            | Self::TooLarge { change, .. } => Some(*change),
        }
    }
}
