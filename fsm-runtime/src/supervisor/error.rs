//! Owns what can go wrong: how a run failed, why a supervisor did not start or gave up, why a command was refused.

use std::{error::Error, fmt, sync::Arc, time::Duration};
use thiserror::Error;

/// What a child's future may fail with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How one run of a child failed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ChildFailure {
    /// It returned, and a permanent child must not.
    #[error("returned, though it is permanent")]
    Returned,
    /// It returned an error.
    #[error("{text}")]
    Failed {
        /// What the error said, with its causes.
        text: String,
        /// The error itself, to look into by `downcast_ref`.
        error: Arc<dyn Error + Send + Sync>,
    },
    /// It panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// The payload, if it was text or a number; or that it was something else.
        message: String,
    },
    /// It was silent for longer than its heartbeat allows.
    #[error("missed heartbeat: no beat for {silent:.1?}")]
    MissedHeartbeat {
        /// The time since its last beat, or since it was spawned.
        silent: Duration,
    },
    /// It went on beating, but its progress stood still for too long.
    #[error("stalled: no progress for {still:.1?}, beats went on")]
    Stalled {
        /// The time since its progress changed, or since it was spawned.
        still: Duration,
    },
}

impl ChildFailure {
    /// For labels, where the text would be one of too many.
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

/// A supervisor or a child that cannot be, as it was declared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SupervisorConfigError {
    /// A window that holds either no failure or all of them.
    #[error("the window of restarts is {window:?}: it must be longer than zero and have an end")]
    Window {
        /// As it was given.
        window: Duration,
    },
    /// Delays that are none, or that shrink, or a row that every run ends.
    #[error(
        "a backoff from {first:?} to {longest:?}, reset after {reset_after:?}: `first` and `reset_after` must be longer than \
         zero, and `longest` not shorter than `first`"
    )]
    Backoff {
        /// As it was given.
        first: Duration,
        /// As it was given.
        longest: Duration,
        /// As it was given.
        reset_after: Duration,
    },
    /// Two children with one id.
    #[error("two children have the id `{id}`")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// A heartbeat or a limit of stall that every child misses.
    #[error("child `{id}`: a heartbeat or stall limit must be longer than zero")]
    NoTime {
        /// The child.
        id: String,
    },
}

/// Why a supervisor did not start.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SupervisorStartError {
    /// Refused before anything was started.
    #[error(transparent)]
    Invalid(#[from] SupervisorConfigError),
    /// A child failed to start; those before it were stopped, in reverse order.
    #[error("child `{id}` failed to start: {failure}")]
    Child {
        /// The child.
        id: String,
        /// What it failed with.
        failure: ChildFailure,
    },
    /// It was told to stop, or the runtime was, before all children had started.
    #[error("stopped before all children had started")]
    Stopped,
}

/// Why a supervisor ended other than by [`shutdown`](super::Supervisor::shutdown).
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// A child failed more often than [`Restarts`](super::Restarts) allows; all children were stopped.
    #[error("gave up after {failures} failures, the last of child `{id}`: {failure}")]
    GaveUp {
        /// The child that failed last.
        id: String,
        /// What it failed with.
        failure: ChildFailure,
        /// How many failures were too many: those in the window, or those in a row.
        failures: u32,
    },
    /// The supervisor's own task is gone: the runtime was shut down, or a value that a child's closure had captured
    /// panicked when it was dropped.
    #[error("the supervisor's task is gone")]
    Gone,
}

/// Why a command about one child was refused: OTP's answers.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ChildError {
    /// There is no child with this id.
    #[error("there is no child `{0}`")]
    NotFound(String),
    /// A child with this id runs.
    #[error("child `{0}` is already started")]
    AlreadyStarted(String),
    /// A child with this id is known, and stopped: `restart` or `remove` it.
    #[error("child `{0}` is already present, and stopped")]
    AlreadyPresent(String),
    /// It runs; terminate it first.
    #[error("child `{0}` is running")]
    Running(String),
    /// It failed and is about to be restarted; `terminate` ends that.
    #[error("child `{0}` is restarting")]
    Restarting(String),
    /// It has been told to stop, or was while it started.
    #[error("child `{0}` is stopping")]
    Stopping(String),
    /// It was aborted and still runs, because it blocks its thread.
    #[error("child `{0}` blocks its thread and cannot be stopped")]
    Leaked(String),
    /// It is no supervisor, so that it has no children.
    #[error("child `{0}` is no supervisor")]
    NotASupervisor(String),
    /// It failed to start.
    #[error("child `{id}` failed to start: {failure}")]
    Failed {
        /// The child.
        id: String,
        /// What it failed with.
        failure: ChildFailure,
    },
    /// It cannot be as it is declared.
    #[error(transparent)]
    Invalid(#[from] SupervisorConfigError),
    /// The supervisor has ended, or is about to.
    #[error("the supervisor has ended")]
    Ended,
}

/// Why a child could not save its position or hand on a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PositionError {
    /// This run counts no more: it was aborted, or has ended, and another one may be at work.
    #[error("this run has been given up")]
    Fenced,
    /// The child was told to stop while its consumer had no room. The value was not handed on.
    #[error("told to stop while waiting for room")]
    Stopping,
    /// The receiver is gone.
    #[error("nobody receives")]
    Closed,
}

/// The position was saved as another type than the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the position was saved as `{saved}`, not as `{asked}`")]
pub struct PositionTypeError {
    pub(super) saved: &'static str,
    pub(super) asked: &'static str,
}

/// An error with its causes in one line.
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
