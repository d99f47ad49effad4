//! History entries.

use super::row::Key;
use std::{fmt, str::FromStr, time::SystemTime};
use uuid::Uuid;

/// The kind of a history entry.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HistoryKind {
    /// A declared transition, or a creation.
    Transition,
    /// A declared internal transition: the data may have changed, and the state was neither left nor entered.
    Internal,
    /// An operator moved the instance without a transition.
    Override,
    /// Anything else that was recorded: parked, released, a timer removed. The version stays the same.
    Note,
}

impl HistoryKind {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transition => "transition",
            Self::Internal => "internal",
            Self::Override => "override",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for HistoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HistoryKind {
    type Err = UnknownHistoryKindError;

    fn from_str(name: &str) -> Result<Self, UnknownHistoryKindError> {
        let kinds = [Self::Transition, Self::Internal, Self::Override, Self::Note];
        let known = kinds.into_iter().find(|kind| kind.as_str() == name);
        known.ok_or_else(|| UnknownHistoryKindError { name: name.to_owned() })
    }
}

/// A text is not the name of a [`HistoryKind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of history entry `{name}`: expected `transition`, `internal`, `override` or `note`")]
#[non_exhaustive]
pub struct UnknownHistoryKindError {
    /// The text.
    pub name: String,
}

/// One change of one instance, written in the transaction of the change.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The sequence number: the position in the history of the whole store.
    pub sequence: u64,
    /// The instance.
    pub key: Key,
    /// The incarnation of the id.
    pub incarnation: Uuid,
    /// The kind of the change.
    pub kind: HistoryKind,
    /// The version after the change.
    pub version: u64,
    /// The schema version of the data.
    pub schema: u32,
    /// The fence of the instance at that time.
    pub fence: u64,
    /// The state before; `None` for a creation.
    pub from: Option<String>,
    /// The event; `None` for a creation. The subject of a note or an override.
    pub event: Option<String>,
    /// The state after.
    pub to: String,
    /// The payload of the event, as JSON. The text of a note or an override.
    pub payload: Option<String>,
    /// The data of the state after, as JSON; `None` for a note.
    pub data: Option<String>,
    /// The machine's shared data after the change, as JSON; `None` for a note, and if the machine has none.
    pub context: Option<String>,
    /// The cause: `caller`, `worker`, `timer`, `operator`, `converge` or `wait`. See [`Cause`](super::Cause).
    pub cause: String,
    /// The idempotency key, if the caller gave one.
    pub idempotency_key: Option<String>,
    /// The person or system behind the change, if the caller named one.
    pub actor: Option<String>,
    /// The id of the trace, if the caller gave one.
    pub trace: Option<String>,
    /// The time of the change.
    pub at: SystemTime,
}

impl HistoryEntry {
    /// An entry of version 1 without event, data and origin. A store sets the other fields as needed.
    #[must_use]
    pub fn new(
        sequence: u64,
        key: Key,
        incarnation: Uuid,
        kind: HistoryKind,
        to: String,
        cause: String,
        at: SystemTime,
    ) -> Self {
        Self {
            sequence,
            key,
            incarnation,
            kind,
            version: 1,
            schema: 1,
            fence: 0,
            from: None,
            event: None,
            to,
            payload: None,
            data: None,
            context: None,
            cause,
            idempotency_key: None,
            actor: None,
            trace: None,
            at,
        }
    }
}

/// Everything but the user's data, which is never printed.
impl fmt::Debug for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} v{} {}", self.sequence, self.key, self.version, self.kind)?;
        write!(f, " {:?} --{:?}-> {} ({})", self.from, self.event, self.to, self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_kinds_are_parsed_back() {
        for kind in [HistoryKind::Transition, HistoryKind::Override, HistoryKind::Note] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "Note".parse::<HistoryKind>().unwrap_err();
        assert_eq!(error.name, "Note");
        let text = "unknown kind of history entry `Note`: expected `transition`, `internal`, `override` or `note`";
        assert_eq!(error.to_string(), text);
    }
}
