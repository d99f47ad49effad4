//! Reports of a supervisor: its children, their counts, and the children that a shutdown had to stop by force.

use super::{child::RestartPolicy, error::ChildFailure};
use std::time::Duration;

/// A snapshot of one child.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its id.
    pub id: String,
    /// Its restart policy.
    pub policy: RestartPolicy,
    /// Whether it is a supervisor.
    pub is_supervisor: bool,
    /// Its state.
    pub state: ChildState,
    /// The number of runs so far, including the current one.
    pub runs: u64,
    /// How many of the runs were restarts by the supervisor, after a failure of the child or of a sibling.
    pub restarts: u64,
    /// The last failure of a run or a start, if any.
    pub last_error: Option<ChildFailure>,
    /// The time since its last heartbeat, or since the spawn if it has not beaten yet; `None` if it is not running.
    pub last_beat: Option<Duration>,
}

/// The state of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildState {
    /// Not started yet.
    Waiting,
    /// Spawned, but has not reported its start yet.
    Starting,
    /// Started.
    Running,
    /// Cancelled or aborted, but has not ended yet.
    Stopping,
    /// Waiting for its next start, after it or a sibling failed.
    Restarting,
    /// Returned, and its policy does not restart it.
    Finished,
    /// Stopped by `terminate`, or a manual start failed.
    Stopped,
    /// Aborted, but still running because it blocks its thread. It is not replaced before it ends.
    Leaked,
}

/// The number of children by kind and state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All children.
    pub specs: usize,
    /// Those with a task: starting, running, stopping or leaked.
    pub active: usize,
    /// Those that are supervisors, running or not.
    pub supervisors: usize,
    /// All others, running or not.
    pub workers: usize,
    /// Those that are waiting for their next start.
    pub restarting: usize,
    /// Those that were aborted and are still running.
    pub leaked: usize,
}

/// The result of a shutdown. Empty if every child stopped by itself within its timeout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupervisorShutdown {
    /// The children that were stopped by force, by id. A child of a child supervisor has a path, such as `pool/worker-1`.
    pub stopped: Vec<StoppedChild>,
}

/// A child that did not stop within its timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoppedChild {
    /// Its id, or its path below the supervisor.
    pub id: String,
    /// How it was stopped.
    pub how: ForcedStop,
}

/// How a child was stopped by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForcedStop {
    /// It was aborted.
    Aborted,
    /// It was aborted but is still running, because it blocks its thread. Move blocking work to `spawn_blocking`.
    Leaked,
}
