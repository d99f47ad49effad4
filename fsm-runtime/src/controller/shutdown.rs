//! The report of a shutdown: the workers that were stopped before they had finished.

use crate::{
    log::log_key,
    store::Key,
    worker::{Attempt, signals::Stage},
};
use std::sync::Arc;

/// The report of a shutdown, returned by [`Runtime::shutdown`](crate::Runtime::shutdown) and
/// [`Runtime::ended`](crate::Runtime::ended).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// The workers that did not finish in time, ordered by key. Empty when all workers finished by themselves.
    pub stopped: Vec<StoppedWorker>,
    /// Why the controller had stopped before the shutdown, because of a fault of the runtime itself. Usually `None`.
    ///
    /// The handles can still read and write then, and other processes continue the work.
    pub failed: Option<String>,
}

/// A worker that a shutdown stopped.
///
/// Its instance keeps its state; the next process continues the work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoppedWorker {
    /// The instance.
    pub key: Key,
    /// The state whose work it was.
    pub state: String,
    /// How the worker was stopped.
    pub how: HowStopped,
}

/// How a [`StoppedWorker`] was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HowStopped {
    /// It was cancelled, and returned within its grace period. Its attempt does not count.
    Cancelled,
    /// It did not return within its grace period, and was aborted. Its attempt does not count.
    Aborted,
    /// It was aborted and still runs, because it blocks its thread. The instance stays claimed until the lease expires. Move
    /// blocking code to `spawn_blocking`.
    Leaked,
}

impl StoppedWorker {
    /// How the worker of `attempt` was stopped, while it `is_running` or not.
    pub(super) fn of(attempt: &Arc<Attempt>, is_running: bool) -> Self {
        let Attempt { row, signals, .. } = &**attempt;
        let how = match signals.stage() {
            _ if is_running => HowStopped::Leaked,
            Stage::Abandoned | Stage::Leaked => HowStopped::Aborted,
            Stage::Working | Stage::Returned => HowStopped::Cancelled,
        };
        Self { key: row.key.clone(), state: row.state.clone(), how }
    }

    pub(super) fn log(&self) {
        let Self { key, state, how } = self;
        log_key!(warn, key, %state, ?how, "the shutdown stopped a worker");
    }
}
