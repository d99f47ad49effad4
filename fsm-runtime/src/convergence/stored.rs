//! Owns the form in which a wish is stored with its row.

use crate::store::Row;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is wished of an instance, and how far it has come: JSON in the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// The state's stored name.
    pub(crate) target: String,
    /// The version up to which it is settled what the wish makes of what happened.
    pub(crate) seen: u64,
    /// How often in a row it came to nothing: an event was refused, or the instance fell back.
    pub(crate) setbacks: u32,
    pub(crate) halt: Option<Halt>,
}

/// Why the system does not fire the next event at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Halt {
    /// An event from outside led off the way.
    Suspended { event: String, from: String, to: String },
    /// The event could not be fired: a guard refused, most likely.
    Refused { event: String, reason: String },
    /// Work or a timer led away from the target.
    FellBack { event: String, from: String, to: String },
}

impl Stored {
    /// A new wish for a row at `version`.
    pub(crate) fn new(target: &str, version: u64) -> Self {
        Self { target: target.to_owned(), seen: version, setbacks: 0, halt: None }
    }

    /// The wish of `row`; `None` where it has none, or one in the words of another release.
    pub(crate) fn of(row: &Row) -> Option<Self> {
        serde_json::from_str(row.desired.as_deref()?).ok()
    }

    pub(crate) fn text(&self) -> String {
        // Strings and numbers: there is nothing in it that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn is_suspended(&self) -> bool {
        matches!(self.halt, Some(Halt::Suspended { .. }))
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended { event, from, to } => {
                write!(f, "`{event}` from outside led from `{from}` to `{to}`, off the way")
            }
            Self::Refused { event, reason } => write!(f, "`{event}` could not be fired: {reason}"),
            Self::FellBack { event, from, to } => write!(f, "`{event}` led from `{from}` back to `{to}`"),
        }
    }
}
