//! What a store answers to a group of changes.

use super::{history::HistoryEntry, row::Row};

/// What became of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is durable: the rows as its changes left them, one for each.
    Committed {
        /// In the order of the changes.
        rows: Vec<Row>,
    },
    /// The row was not as the change had read it: somebody else was first. Nothing of the group was applied.
    Conflict {
        /// The place of the change in its group.
        change: usize,
        /// The row as it is; `None` where there is none.
        current: Option<Box<Row>>,
    },
    /// The version is the same, but the claim is not the caller's any more. Nothing of the group was applied.
    Fenced {
        /// The place of the change in its group.
        change: usize,
        /// The row as it is.
        current: Box<Row>,
    },
    /// The change was made before, under the same idempotency key.
    Duplicate {
        /// The place of the change in its group.
        change: usize,
        /// What was made then.
        first: Box<HistoryEntry>,
    },
    /// The idempotency key was used before, for another event, payload or birth. Nothing of the group was applied.
    KeyReused {
        /// The place of the change in its group.
        change: usize,
        /// What was made then.
        first: Box<HistoryEntry>,
    },
    /// The store cannot take this change, now or later (a constraint, say). Nothing of the group was applied.
    Refused {
        /// The place of the change in its group.
        change: usize,
        /// The store's words.
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

    /// The place of the change that was in the way; `None` where none was.
    #[must_use]
    pub fn change(&self) -> Option<usize> {
        match self {
            Self::Committed { .. } => None,
            Self::Conflict { change, .. }
            | Self::Fenced { change, .. }
            | Self::Duplicate { change, .. }
            | Self::KeyReused { change, .. }
            | Self::Refused { change, .. }
            | Self::TooLarge { change, .. } => Some(*change),
        }
    }
}
