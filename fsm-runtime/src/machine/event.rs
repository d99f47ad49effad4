//! Why an event could not be read from its name and its JSON.

use crate::{codec::CodecError, error_kind::ErrorKind};
use fsm_core::UnknownNameError;

/// Why an event could not be read from its name and its payload, as a client sends them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The machine has no event of this name. Has the names of all events.
    #[error(transparent)]
    UnknownName(#[from] UnknownNameError),
    /// The payload does not fit the event.
    #[error("the payload of `{event}` cannot be read: {cause}")]
    Payload {
        /// The event.
        event: &'static str,
        /// The error of serde.
        cause: CodecError,
    },
}

impl EventError {
    /// What the error means for the caller: [`ErrorKind::Invalid`].
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    /// Whether the request may succeed when it is made again: `false`.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind().can_pass()
    }
}
