//! History entries.

use super::row::Key;
use std::{fmt, str::FromStr, time::SystemTime};
use uuid::Uuid;

/// What kind of change a history entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HistoryKind {
    /// A declared transition, or a birth.
    Transition,
    /// An operator moved the instance past the rules.
    Override,
    /// Something worth knowing that did not change the version: parked, released, a timer dropped.
    Note,
}

impl HistoryKind {
    /// The name under which it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transition => "transition",
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
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Transition, Self::Override, Self::Note]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| format!("`{name}` is no kind of history entry (transition, override, note)"))
    }
}

/// One change of one instance, as it was written in the change's own transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place in the commit order of the whole store.
    pub sequence: u64,
    /// Which instance.
    pub key: Key,
    /// Which life of that id.
    pub incarnation: Uuid,
    /// What kind of change.
    pub kind: HistoryKind,
    /// The version that the change led to (or left alone, for a note).
    pub version: u64,
    /// The schema version under which the data was written.
    pub schema: u32,
    /// The instance's fence at that time.
    pub fence: u64,
    /// The state before; `None` at birth.
    pub from: Option<String>,
    /// The event; `None` at birth. For a note or an override, what it is about.
    pub event: Option<String>,
    /// The state after.
    pub to: String,
    /// The event's payload, as JSON; for a note or an override, its text.
    pub payload: Option<String>,
    /// The data of the state after, as JSON; `None` for a note.
    pub data: Option<String>,
    /// The machine's shared data after it, as JSON; `None` for a note, and where the machine has none.
    pub context: Option<String>,
    /// Who fired it: `caller`, `worker`, `timer`, `operator`, or `converge` for a wish.
    pub cause: String,
    /// The idempotency key, where the caller gave one.
    pub idempotency_key: Option<String>,
    /// The person or system behind it, where the caller said so.
    pub actor: Option<String>,
    /// The trace in which it happened, where the caller said so.
    pub trace: Option<String>,
    /// When.
    pub at: SystemTime,
}

/// Everything but the user's data, which is never printed.
impl fmt::Debug for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} v{} {}", self.sequence, self.key, self.version, self.kind)?;
        write!(f, " {:?} --{:?}-> {} ({})", self.from, self.event, self.to, self.cause)
    }
}
