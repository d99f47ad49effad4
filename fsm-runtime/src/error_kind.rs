//! What an error means for the caller of a service.

use std::fmt;

/// What an error means for the caller, whatever type it has. The `kind` method of each error type returns it.
///
/// A service maps a kind to a status, and need not match on the variants of each error. See `docs/http.md` for the HTTP and
/// gRPC status of each kind.
///
/// ```
/// use fsm_runtime::ErrorKind;
///
/// fn http_status(kind: ErrorKind) -> u16 {
///     match kind {
///         ErrorKind::NotFound => 404,
///         ErrorKind::Forbidden => 403,
///         ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::NotAccepted => 409,
///         ErrorKind::Refused | ErrorKind::KeyReused => 422,
///         ErrorKind::Invalid => 400,
///         ErrorKind::Unavailable => 503,
///         ErrorKind::Timeout => 504,
///         _ => 500,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such instance, or its data is not kept any more.
    NotFound,
    /// An instance with this id exists already.
    AlreadyExists,
    /// Another caller changed the instance first. Read it and decide again.
    Conflict,
    /// The instance's state does not declare the event, or does not lead to the state that was waited for.
    NotAccepted,
    /// A guard refused the event.
    Refused,
    /// Callers cannot do this: the event is `by = worker`.
    Forbidden,
    /// The idempotency key was used before, for another request.
    KeyReused,
    /// The request is not valid; repeating it does not help.
    Invalid,
    /// The store is unavailable at the moment.
    Unavailable,
    /// A wait ended without its result.
    Timeout,
    /// A fault of the program or of its data, which the caller cannot correct.
    Internal,
}

impl ErrorKind {
    /// The kind in lower-case words separated by `_`, for a log field or a response body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::NotAccepted => "not_accepted",
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
            Self::KeyReused => "key_reused",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }

    /// Whether an error of this kind can pass by itself. The `is_retryable` method of an error knows more.
    pub(crate) const fn can_pass(self) -> bool {
        matches!(self, Self::Conflict | Self::Unavailable | Self::Timeout)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
