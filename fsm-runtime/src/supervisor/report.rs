//! Owns what a supervisor tells of itself: its children, their counts, and what a shutdown had to cut.

use super::{child::RestartPolicy, error::ChildFailure};
use std::time::Duration;

/// One child, as it stood when it was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its id.
    pub id: String,
    /// Its restart policy.
    pub policy: RestartPolicy,
    /// Whether it is a supervisor.
    pub is_supervisor: bool,
    /// What it is doing.
    pub state: State,
    /// How many runs were begun, the present one included.
    pub runs: u64,
    /// How many of them the supervisor began by itself, after a failure of the child or of a sibling.
    pub restarts: u64,
    /// How its last run that failed did, or its last start.
    pub last_error: Option<ChildFailure>,
    /// The time since its last sign of life (a beat, or the spawning of its run); `None` if it does not run.
    pub last_beat: Option<Duration>,
}

/// What a child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It waits for its first start.
    Waiting,
    /// Spawned; it has not reported its start yet.
    Starting,
    /// It has started.
    Running,
    /// Told to stop, or aborted, and not gone yet.
    Stopping,
    /// It failed, or belongs to a group of which one failed, and waits for its next start.
    Restarting,
    /// It returned, and its policy lets it rest.
    Finished,
    /// It was terminated by hand, or failed to start by hand.
    Stopped,
    /// It was aborted and still runs, because it blocks its thread. Nothing takes its place before it is gone.
    Leaked,
}

/// How many children there are, and of which kind and state.
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
    /// Those that wait for their next start.
    pub restarting: usize,
    /// Those that were aborted and still run.
    pub leaked: usize,
}

/// What a shutdown had to cut. Empty, every child came to its own end in its time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupervisorShutdown {
    /// By id; children of child supervisors by their path, `pool/worker-1`.
    pub cut: Vec<StoppedChild>,
}

/// One child that did not end in its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoppedChild {
    /// Its id, or its path below the supervisor.
    pub id: String,
    /// How far it had to go.
    pub how: ForcedStop,
}

/// How a child was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForcedStop {
    /// It had to be aborted.
    Aborted,
    /// It blocks its thread, so that it cannot even be aborted: it still runs. Such work belongs in `spawn_blocking`.
    Leaked,
}
