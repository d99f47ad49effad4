//! The desired state of an instance, in the form in which it is stored with the row.

use crate::{
    codec::{CodecError, from_json},
    store::{Key, Row},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The desired state of an instance, and how far the instance has come: JSON in the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DesiredStateRecord {
    /// The stored name of the desired state.
    pub(crate) target: String,
    /// The last version whose history has been reconciled.
    pub(crate) seen: u64,
    /// The number of setbacks in a row: an event was refused, or the instance fell back.
    pub(crate) setbacks: u32,
    pub(crate) interruption: Option<Interruption>,
}

/// Why the next event is not fired at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Interruption {
    /// A caller's or an operator's event led away from the target.
    Suspended { event: String, from: String, to: String },
    /// The event could not be fired, usually because a guard refused it.
    Refused { event: String, reason: String },
    /// Work or a timer led away from the target.
    FellBack { event: String, from: String, to: String },
}

/// A stored desired state that is not in a form this code knows. It is left as it is.
#[derive(Debug, thiserror::Error)]
#[error("the stored desired state of {key} cannot be read: {cause}")]
pub(crate) struct UnreadableDesiredState {
    pub(crate) key: Key,
    pub(crate) cause: CodecError,
}

impl DesiredStateRecord {
    /// A new desired state for a row at `version`.
    pub(crate) fn new(target: &str, version: u64) -> Self {
        Self { target: target.to_owned(), seen: version, setbacks: 0, interruption: None }
    }

    /// The desired state of `row`; `None` where it has none.
    ///
    /// # Errors
    /// [`UnreadableDesiredState`] where what is stored is in another form, such as that of a newer release.
    pub(crate) fn of(row: &Row) -> Result<Option<Self>, UnreadableDesiredState> {
        let record = row.desired.as_deref().map(from_json).transpose();
        record.map_err(|cause| UnreadableDesiredState { key: row.key.clone(), cause })
    }

    pub(crate) fn text(&self) -> String {
        // Strings and numbers: serializing them cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn is_suspended(&self) -> bool {
        matches!(self.interruption, Some(Interruption::Suspended { .. }))
    }
}

impl fmt::Display for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended { event, from, to } => {
                write!(
                    f,
                    "`{event}`, fired by a caller or an operator, led from `{from}` to `{to}`, away from the desired state"
                )
            }
            Self::Refused { event, reason } => write!(f, "`{event}` could not be fired: {reason}"),
            Self::FellBack { event, from, to } => write!(f, "`{event}` led from `{from}` back to `{to}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_desired_state_is_an_error_not_none() {
        let row = |desired: Option<&str>| Row { desired: desired.map(Into::into), ..Row::example("M", "S", 1) };
        assert_eq!(DesiredStateRecord::of(&row(None)).unwrap(), None);
        let record = DesiredStateRecord::new("On", 3);
        assert_eq!(DesiredStateRecord::of(&row(Some(&record.text()))).unwrap(), Some(record));
        for text in ["", "null", r#"{"goal":"On"}"#] {
            let error = DesiredStateRecord::of(&row(Some(text))).unwrap_err().to_string();
            assert!(error.starts_with("the stored desired state of M `a` cannot be read: "), "{error}");
        }
    }
}
