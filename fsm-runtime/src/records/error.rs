//! Owns why an instance could not be read, made or moved, and what comes back then.

use super::Durable;
use super::record::RecordMeta;
use crate::machine::RowError;
use crate::{
    codec::CodecError,
    store::{Key, Row, StoreError},
};
use fsm_core::{Name, Reason};
use std::{error::Error, fmt, time::Duration};

/// Why an instance could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is none under this id.
    #[error("there is no {key}; create it first, or see `list` for those there are")]
    NotFound {
        /// Which instance.
        key: Key,
    },
    /// Its row does not fit the declaration.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why waiting for a state ended without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was up.
    #[error(
        "{key} did not reach `{wanted}` within {waited:?}; it is in `{state}`, version {version}{}",
        why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    Timeout {
        /// Which instance.
        key: Key,
        /// The state that was waited for.
        wanted: &'static str,
        /// How long.
        waited: Duration,
        /// The state in which it is.
        state: &'static str,
        /// Its version.
        version: u64,
        /// How its work stands, where it is in a `work` state, and what to do if that is not under way.
        why: Option<String>,
    },
    /// Nothing is wished of the instance (any more).
    #[error("no desired state is set for {key}; call `converge` to set one")]
    NoDesiredState {
        /// Which instance.
        key: Key,
    },
    /// The instance could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why an instance was not made or moved. Nothing was changed, unless it says that this is not known.
///
/// Each machine's module has it as `Failure`, so that `?` crosses states.
#[non_exhaustive]
pub enum TransitionError<M: Durable> {
    /// Somebody else was first: the record that stands there now is inside.
    Conflict(Conflict<M>),
    /// A new instance was to be made under an id that is taken: the record that has it is inside.
    Exists(Conflict<M>),
    /// There is no such instance (any more).
    NotFound {
        /// Which one.
        key: Key,
    },
    /// A guard refused: the record is inside, unchanged.
    Refused {
        /// Which instance.
        key: Key,
        /// The record.
        record: Box<M::AnyRecord>,
        /// Its state.
        state: M::State,
        /// The event.
        event: M::EventKind,
        /// The guard's reason.
        reason: Reason,
    },
    /// The instance's state does not declare the event: the record is inside, unchanged.
    NotAccepted {
        /// Which instance.
        key: Key,
        /// The record.
        record: Box<M::AnyRecord>,
        /// Its state.
        state: M::State,
        /// The event.
        event: M::EventKind,
        /// What the state accepts.
        accepts: &'static [M::EventKind],
    },
    /// The idempotency key was used before, for something else.
    KeyReused {
        /// Which instance.
        key: Key,
        /// The idempotency key.
        idempotency_key: String,
        /// The event for which it was used then; `None` for the instance's creation.
        first: Option<String>,
    },
    /// The graph does not have this edge: `Accepts` was implemented by hand.
    Undeclared {
        /// The state before.
        from: &'static str,
        /// The event.
        event: &'static str,
        /// The state after.
        to: &'static str,
    },
    /// No machine is born in this state by the graph: `CreateFrom` was implemented by hand.
    NotInitial {
        /// Which instance.
        key: Key,
        /// The state.
        state: M::State,
    },
    /// An operator's move past the rules was not made.
    Override {
        /// Which instance.
        key: Key,
        /// What is missing.
        why: &'static str,
    },
    /// The id cannot be used.
    InvalidId {
        /// What is wrong with it.
        why: String,
    },
    /// The store cannot hold this change, now or later.
    Unstorable {
        /// Which instance.
        key: Key,
        /// The store's words.
        reason: String,
    },
    /// A value is larger than the store takes.
    TooLarge {
        /// Which instance.
        key: Key,
        /// Which value: `data`, `payload`, `context`, `checkpoint`, …
        what: &'static str,
        /// The bytes that it has, as JSON.
        size: usize,
        /// The bytes that it may have.
        limit: usize,
    },
    /// Data or payload could not be written as JSON.
    Codec(CodecError),
    /// The row does not fit the declaration.
    Row(RowError),
    /// The store failed.
    Store(StoreError),
}

impl<M: Durable> TransitionError<M> {
    /// The record as it stands now, where the failure knows it.
    #[must_use]
    pub fn into_record(self) -> Option<M::AnyRecord> {
        match self {
            Self::Conflict(conflict) | Self::Exists(conflict) => Some(conflict.into_current()),
            Self::Refused { record, .. } | Self::NotAccepted { record, .. } => Some(*record),
            _ => None,
        }
    }
}

impl<M: Durable> fmt::Display for TransitionError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(now) => {
                write!(
                    f,
                    "{} was changed by somebody else: it is in `{}`, version {} now",
                    now.key, now.state, now.version
                )?;
                write!(f, "; match on the record inside and decide again")
            }
            Self::Exists(now) => {
                write!(f, "{} exists already: it is in `{}`, version {}", now.key, now.state, now.version)?;
                write!(f, "; go on with the record inside, or give another id")
            }
            Self::NotFound { key } => write!(f, "there is no {key}; it was removed, or never created"),
            Self::Refused { key, state, event, reason, .. } => {
                write!(f, "`{event}` was refused in state `{state}` of {key}: {reason}")
            }
            Self::NotAccepted { key, state, event, accepts, .. } => {
                write!(f, "`{event}` is not accepted in state `{state}` of {key}, which accepts ")?;
                match accepts {
                    [] => write!(f, "nothing"),
                    [first, rest @ ..] => {
                        write!(f, "`{first}`")?;
                        rest.iter().try_for_each(|event| write!(f, ", `{event}`"))
                    }
                }
            }
            Self::KeyReused { key, idempotency_key, first } => {
                write!(f, "the idempotency key `{}` of {key} was used before, for ", idempotency_key.escape_debug())?;
                match first {
                    Some(event) => write!(f, "`{event}`")?,
                    None => write!(f, "its creation")?,
                }
                write!(f, " with other data; use a new key for a new request")
            }
            Self::Undeclared { from, event, to } => {
                write!(f, "{} declares no transition `{from} --{event}-> {to}`", M::GRAPH.machine)?;
                write!(f, "; `Accepts` is implemented by the derive, not by hand")
            }
            Self::NotInitial { key, state } => {
                write!(f, "{key} cannot be born in `{state}`, which is not declared as `initial`")?;
                write!(f, "; `CreateFrom` is implemented by the derive, not by hand")
            }
            Self::Override { key, why } => write!(f, "{key} was not moved: {why}"),
            Self::InvalidId { why } => f.write_str(why),
            Self::Unstorable { key, reason } => write!(f, "the store cannot hold this change of {key}: {reason}"),
            Self::TooLarge { key, what, size, limit } => write!(
                f,
                "the {what} of {key} has {size} bytes, and the store takes up to {limit}; keep it elsewhere and store where it is, or \
                 raise the limit of the store (`max_value_bytes`)"
            ),
            Self::Codec(error) => write!(f, "the data cannot be written as JSON: {error}"),
            Self::Row(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

/// The same words: data is never printed, and `unwrap` shows what there is to know.
impl<M: Durable> fmt::Debug for TransitionError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M: Durable> Error for TransitionError<M> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Codec(error) => error.source(),
            Self::Row(error) => error.source(),
            Self::Store(error) => error.source(),
            _ => None,
        }
    }
}

impl<M: Durable> From<ReadError> for TransitionError<M> {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound { key } => Self::NotFound { key },
            ReadError::Row(error) => Self::Row(error),
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

impl<M: Durable> From<RowError> for TransitionError<M> {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl<M: Durable> From<StoreError> for TransitionError<M> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<M: Durable> From<CodecError> for TransitionError<M> {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

/// The record that stands where a compare-and-swap missed.
pub struct Conflict<M: Durable> {
    key: Key,
    state: M::State,
    version: u64,
    current: Box<M::AnyRecord>,
}

impl<M: Durable> Conflict<M> {
    pub(crate) fn new(row: &Row, machine: M, meta: RecordMeta<M>) -> Self {
        let state = machine.state();
        Self { key: row.key.clone(), state, version: row.version, current: Box::new(machine.wrap_any(meta)) }
    }

    /// The record as it is now.
    #[must_use]
    pub fn current(&self) -> &M::AnyRecord {
        &self.current
    }

    /// The record as it is now, to go on from.
    #[must_use]
    pub fn into_current(self) -> M::AnyRecord {
        *self.current
    }

    /// The state in which it is now.
    #[must_use]
    pub fn state(&self) -> M::State {
        self.state
    }

    /// Its version now.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl<M: Durable> fmt::Debug for Conflict<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conflict({} in `{}`, version {})", self.key, self.state.as_str(), self.version)
    }
}
