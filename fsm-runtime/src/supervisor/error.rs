//! Errors of supervisors and children.

use std::{error::Error, fmt, sync::Arc, time::Duration};
use thiserror::Error;

/// The error type of a child's future.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How one run of a child failed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ChildFailure {
    /// It is permanent and returned.
    #[error("a permanent child returned")]
    Returned,
    /// It returned an error.
    #[error("{text}")]
    Failed {
        /// The error's text with its causes.
        text: String,
        /// The error itself. Use `downcast_ref` to inspect it.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// It panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// The panic message.
        message: String,
    },
    /// It did not beat within its heartbeat timeout.
    #[error("missed heartbeat: no beat for {silent:.1?}")]
    MissedHeartbeat {
        /// The time since its last beat, or since it was spawned.
        silent: Duration,
    },
    /// It was beating, but its progress value did not change within its stall timeout.
    #[error("stalled: no progress for {still:.1?}, although it was beating")]
    Stalled {
        /// The time since its progress changed, or since it was spawned.
        still: Duration,
    },
}

impl ChildFailure {
    /// A label for metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Failed { .. } => "failed",
            Self::Panicked { .. } => "panicked",
            Self::MissedHeartbeat { .. } => "missed_heartbeat",
            Self::Stalled { .. } => "stalled",
        }
    }
}

/// The configuration of a supervisor or a child is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SupervisorConfigError {
    /// The restart window is zero or unbounded.
    #[error("invalid restart window {window:?}: it must be longer than zero and bounded")]
    Window {
        /// The value that was given.
        window: Duration,
    },
    /// The backoff delays are zero or shrink, or `reset_after` is zero.
    #[error(
        "invalid backoff from {first:?} to {longest:?}, reset after {reset_after:?}: `first` and `reset_after` must be longer \
         than zero, and `longest` must be at least `first`"
    )]
    Backoff {
        /// The value that was given.
        first: Duration,
        /// The value that was given.
        longest: Duration,
        /// The value that was given.
        reset_after: Duration,
    },
    /// Two children have the same id.
    #[error("two children have the id `{id}`")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A heartbeat or stall timeout is zero.
    #[error("invalid timeout of child `{id}`: heartbeat and stall timeouts must be longer than zero")]
    NoTime {
        /// The child.
        id: String,
    },
}

/// Why a supervisor did not start.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SupervisorStartError {
    /// The configuration is invalid. Nothing was started.
    #[error(transparent)]
    Invalid(#[from] SupervisorConfigError),
    /// A child failed to start. The children before it were stopped in reverse order.
    #[error("child `{id}` failed to start: {failure}")]
    Child {
        /// The child.
        id: String,
        /// What it failed with.
        failure: ChildFailure,
    },
    /// The supervisor or the tokio runtime was shut down before all children had started.
    #[error("stopped before all children had started")]
    Stopped,
}

/// A supervisor did not end by [`shutdown`](super::Supervisor::shutdown).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// A child failed more often than [`Restarts`](super::Restarts) allows. All children were stopped.
    #[error("gave up after {failures} failures; child `{id}` failed last: {failure}")]
    GaveUp {
        /// The child that failed last.
        id: String,
        /// What it failed with.
        failure: ChildFailure,
        /// The number of failures in the window, or of consecutive failures.
        failures: u32,
    },
    /// The supervisor's own task has ended: the tokio runtime was shut down, or a value captured by a child's closure
    /// panicked on drop.
    #[error("the supervisor's task has ended")]
    Gone,
}

/// A command about one child was refused.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ChildError {
    /// There is no child with this id.
    #[error("there is no child `{0}`")]
    NotFound(String),
    /// A child with this id is running.
    #[error("child `{0}` is already started")]
    AlreadyStarted(String),
    /// A child with this id exists and is stopped; use `restart` or `remove`.
    #[error("child `{0}` already exists and is stopped; use `restart` or `remove`")]
    AlreadyPresent(String),
    /// It is running; use `terminate` first.
    #[error("child `{0}` is running")]
    Running(String),
    /// It failed and is about to be restarted; use `terminate` to prevent that.
    #[error("child `{0}` is restarting")]
    Restarting(String),
    /// It is stopping, or was stopped while it started.
    #[error("child `{0}` is stopping")]
    Stopping(String),
    /// It was aborted but is still running, because it blocks its thread.
    #[error("child `{0}` blocks its thread and cannot be stopped")]
    Leaked(String),
    /// It is not a supervisor.
    #[error("child `{0}` is not a supervisor")]
    NotASupervisor(String),
    /// It failed to start.
    #[error("child `{id}` failed to start: {failure}")]
    Failed {
        /// The child.
        id: String,
        /// What it failed with.
        failure: ChildFailure,
    },
    /// Its configuration is invalid.
    #[error(transparent)]
    Invalid(#[from] SupervisorConfigError),
    /// The supervisor has ended or is ending.
    #[error("the supervisor has ended")]
    Ended,
}

/// A child could not save its position or hand on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PositionError {
    /// This run was aborted or has ended, and another run may have replaced it.
    #[error("this run was aborted or replaced")]
    Fenced,
    /// The child was cancelled while it waited for capacity. The value was not sent.
    #[error("cancelled while waiting for capacity")]
    Stopping,
    /// The receiver is gone.
    #[error("the receiver is gone")]
    Closed,
}

/// The saved position has another type than the requested one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the saved position is a `{saved}`, not a `{asked}`")]
pub struct PositionTypeError {
    pub(super) saved: &'static str,
    pub(super) asked: &'static str,
}

/// Displays an error with its causes on one line.
pub(super) struct Chain<'a>(pub(super) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        while let Some(source) = error.source() {
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}
