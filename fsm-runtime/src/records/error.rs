//! The errors of reading, creating and moving instances.

use super::Durable;
use super::record::RecordMeta;
use crate::machine::RowError;
use crate::{
    codec::CodecError,
    error_kind::ErrorKind,
    store::{Key, Row, StoreError},
};
use fsm_core::{Name, Reason};
use std::{error::Error, fmt, time::Duration};

/// Why an instance could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no instance with this id.
    #[error("there is no {key}; create it first, or call `list` to see the existing instances")]
    NotFound {
        /// Which instance.
        key: Key,
    },
    /// Its row does not fit the declared machine.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReadError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Row(error) => error.kind(),
            Self::Store(error) => error.kind(),
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

/// Why a wait ended without its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The timeout elapsed.
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
        /// The status of its work, if it is in a `work` state.
        why: Option<String>,
    },
    /// No path of transitions leads from the instance's state to the state that was waited for.
    #[error(
        "{key} cannot reach `{wanted}`: it is in `{state}`, version {version}, and no transitions lead from there to `{wanted}`; \
         use `wait_until_passed` to count a state that it has left"
    )]
    Unreachable {
        /// Which instance.
        key: Key,
        /// The state that was waited for.
        wanted: &'static str,
        /// The state in which it is.
        state: &'static str,
        /// Its version.
        version: u64,
    },
    /// The instance was removed before it reached the state that was waited for.
    #[error(
        "{key} was removed in `{state}`, version {version}, and did not reach `{wanted}`; its history has the reason"
    )]
    Removed {
        /// Which instance.
        key: Key,
        /// The state that was waited for.
        wanted: &'static str,
        /// The state in which it was.
        state: &'static str,
        /// Its last version.
        version: u64,
    },
    /// The instance has no desired state.
    #[error("no desired state is set for {key}; call `converge` to set one")]
    NoDesiredState {
        /// Which instance.
        key: Key,
    },
    /// The instance could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl WaitError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Unreachable { .. } => ErrorKind::NotAccepted,
            Self::Removed { .. } | Self::NoDesiredState { .. } => ErrorKind::NotFound,
            Self::Read(error) => error.kind(),
        }
    }

    /// Whether the request can succeed when it is repeated from the start: read, decide and fire again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read(error) => error.is_retryable(),
            _ => self.kind().can_pass(),
        }
    }
}

/// Why a creation or a transition failed. Nothing was changed, except possibly after [`StoreError::Indeterminate`].
///
/// One type for all states of a machine, so that `?` works across states.
#[non_exhaustive]
pub enum TransitionError<M: Durable> {
    /// Another caller changed the instance first. Contains the current record.
    Conflict(Conflict<M>),
    /// An event that was fired by id did not get its turn in time, or other callers changed the instance first in every attempt.
    Contended {
        /// Which instance.
        key: Key,
        /// The event.
        event: M::EventKind,
    },
    /// An instance with this id exists. Contains its record.
    Exists(Conflict<M>),
    /// There is no such instance.
    NotFound {
        /// Which instance.
        key: Key,
    },
    /// A guard refused the event. Contains the unchanged record.
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
    /// The state of the instance does not declare the event. Contains the unchanged record.
    NotAccepted {
        /// Which instance.
        key: Key,
        /// The record.
        record: Box<M::AnyRecord>,
        /// Its state.
        state: M::State,
        /// The event.
        event: M::EventKind,
        /// What the state accepts from callers.
        accepts: &'static [M::EventKind],
    },
    /// The event is `by = worker`, so callers cannot fire it.
    ByWorker {
        /// Which instance.
        key: Key,
        /// The event.
        event: M::EventKind,
        /// The state of the instance. `None` if the event is `by = worker` in every state that declares it: the instance was not read.
        state: Option<M::State>,
    },
    /// The idempotency key was used before, for another request.
    KeyReused {
        /// Which instance.
        key: Key,
        /// The idempotency key.
        idempotency_key: String,
        /// The event of that request; `None` if it was the creation.
        first: Option<String>,
    },
    /// An operator's override is incomplete.
    Override {
        /// Which instance.
        key: Key,
        /// What is missing.
        why: &'static str,
    },
    /// The id is not valid.
    InvalidId {
        /// What is wrong with it.
        why: String,
    },
    /// The store can never accept this change.
    Unstorable {
        /// Which instance.
        key: Key,
        /// The reason that the store gives.
        reason: String,
    },
    /// A value is larger than the store accepts.
    TooLarge {
        /// Which instance.
        key: Key,
        /// Which value: `data`, `payload`, `context`, `checkpoint`, …
        what: &'static str,
        /// Its size as JSON, in bytes.
        size: usize,
        /// The largest size that the store accepts, in bytes.
        limit: usize,
    },
    /// Data or payload could not be serialized as JSON, or could not be read back from it. Nothing was stored.
    Codec(CodecError),
    /// The row does not fit the declared machine.
    Row(RowError),
    /// The store failed.
    Store(StoreError),
}

impl<M: Durable> TransitionError<M> {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict(_) | Self::Contended { .. } => ErrorKind::Conflict,
            Self::Exists(_) => ErrorKind::AlreadyExists,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Refused { .. } => ErrorKind::Refused,
            Self::NotAccepted { .. } => ErrorKind::NotAccepted,
            Self::ByWorker { .. } => ErrorKind::Forbidden,
            Self::KeyReused { .. } => ErrorKind::KeyReused,
            Self::Override { .. }
            | Self::InvalidId { .. }
            | Self::Unstorable { .. }
            | Self::TooLarge { .. }
            | Self::Codec(_) => ErrorKind::Invalid,
            Self::Row(error) => error.kind(),
            Self::Store(error) => error.kind(),
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

    /// The current record, if the error contains it.
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
                    "{} was changed by another caller: it is in `{}`, version {} now",
                    now.key, now.state, now.version
                )?;
                write!(f, "; match on `Conflict::current` and decide again")
            }
            Self::Contended { key, event } => {
                write!(f, "`{event}` was not fired on {key}: too many callers change it at the same time; ")?;
                write!(f, "retry later, and reduce the number of concurrent callers")
            }
            Self::Exists(now) => {
                write!(f, "{} exists already: it is in `{}`, version {}", now.key, now.state, now.version)?;
                write!(f, "; use the record in the error, or another id")
            }
            Self::NotFound { key } => write!(f, "there is no {key}; it was removed or never created"),
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
            Self::ByWorker { key, event, state } => {
                write!(f, "callers cannot fire `{event}` on {key}")?;
                if let Some(state) = state {
                    write!(f, " in state `{state}`")?;
                }
                write!(
                    f,
                    ": it is `by = worker`; its worker or the runtime fires it, and an operator moves the instance with `move_to`"
                )
            }
            Self::KeyReused { key, idempotency_key, first } => {
                write!(f, "the idempotency key `{}` of {key} was used before, for ", idempotency_key.escape_debug())?;
                match first {
                    Some(event) => write!(f, "`{event}`")?,
                    None => write!(f, "its creation")?,
                }
                write!(f, " with other data; use a new key for a new request")
            }
            Self::Override { key, why } => write!(f, "{key} was not moved: {why}"),
            Self::InvalidId { why } => f.write_str(why),
            Self::Unstorable { key, reason } => write!(f, "the store cannot hold this change of {key}: {reason}"),
            Self::TooLarge { key, what, size, limit } => write!(
                f,
                "the {what} of {key} has {size} bytes, and the store takes up to {limit}; keep it elsewhere and store where it is, or \
                 raise the limit of the store (`max_value_bytes`)"
            ),
            Self::Codec(error) => write!(f, "the data cannot be stored as JSON: {error}"),
            Self::Row(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

/// As `Display`: user data is never printed, and `unwrap` shows the whole message.
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

/// The record that a compare-and-swap found instead of the expected version.
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

    /// The record as it is now, by value.
    #[must_use]
    pub fn into_current(self) -> M::AnyRecord {
        *self.current
    }

    /// Its state now.
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
