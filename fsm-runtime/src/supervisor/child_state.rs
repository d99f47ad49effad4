//! The state of one child in its supervisor.

use super::{
    child::{Child, RestartPolicy},
    context::Run,
    error::{ChildError, ChildFailure},
    handle::Answer,
    report::{ChildInfo, ChildState},
    saved_position::SavedPosition,
};
use std::{sync::Arc, time::Duration};

/// One child, stored under its place in the start order.
pub(super) struct ChildEntry {
    pub(super) spec: Child,
    /// Added after the start.
    pub(super) added: bool,
    pub(super) phase: Phase,
    /// The current run. The next one starts only after it has ended.
    pub(super) live: Option<Live>,
    pub(super) runs: u64,
    pub(super) restarts: u64,
    /// Consecutive failures, for the backoff.
    pub(super) in_a_row: u32,
    /// When the current run started.
    pub(super) started: Option<Duration>,
    /// The earliest time of the next restart.
    pub(super) not_before: Duration,
    pub(super) last_error: Option<ChildFailure>,
    /// Its entry in the supervisor's timers.
    pub(super) timer: Option<Duration>,
    pub(super) position: Arc<SavedPosition>,
    /// The caller that waits for a manual start.
    pub(super) starter: Option<Starter>,
    /// Callers that wait for its end.
    pub(super) stoppers: Vec<Answer<()>>,
}

/// A manual start whose caller waits for the result.
pub(super) struct Starter {
    pub(super) answer: Answer<()>,
    /// Whether the child is new, and removed if this start fails.
    pub(super) is_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle(Rest),
    /// Waiting for its restart: at its time, or in its turn in the sequence.
    Waiting,
    Starting,
    Running,
    /// Stopping, or ended with tasks below it still running.
    Leaving(Stage, Then),
}

/// Why a child is not running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Fresh,
    Finished,
    /// Stopped manually; only a manual start runs it again.
    Terminated,
}

/// The stage of stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Told,
    /// Aborted, or ended by itself.
    Aborted,
    Leaked,
}

/// What happens after the child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Rest(Rest),
    Restart,
    Forget,
}

/// A run that has not ended. Aborted and fenced on drop, so that aborting a supervisor aborts its children.
pub(super) struct Live {
    pub(super) run: Arc<Run>,
    /// Whether it failed or returned without being stopped.
    pub(super) by_itself: bool,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.run.position.close(self.by_itself);
        self.run.cancelled.cancel();
        self.run.aborted.cancel();
    }
}

impl ChildEntry {
    pub(super) fn new(spec: Child, added: bool, starter: Option<Starter>) -> Self {
        Self {
            spec,
            added,
            phase: Phase::Idle(Rest::Fresh),
            live: None,
            runs: 0,
            restarts: 0,
            in_a_row: 0,
            started: None,
            not_before: Duration::ZERO,
            last_error: None,
            timer: None,
            position: Arc::default(),
            starter,
            stoppers: Vec::new(),
        }
    }

    /// What follows a manual stop.
    pub(super) fn stopped(&self) -> Then {
        self.resting(Rest::Terminated)
    }

    /// Temporary children are removed instead.
    pub(super) fn resting(&self, rest: Rest) -> Then {
        if self.spec.policy == RestartPolicy::Temporary { Then::Forget } else { Then::Rest(rest) }
    }

    pub(super) fn answer_starter(&mut self, answer: Result<(), ChildError>) {
        if let Some(starter) = self.starter.take() {
            // The receiver may be gone.
            let _ = starter.answer.send(answer);
        }
    }

    pub(super) fn answer_stoppers(&mut self, answer: &Result<(), ChildError>) {
        for stopper in self.stoppers.drain(..) {
            let _ = stopper.send(answer.clone());
        }
    }

    pub(super) fn state(&self) -> ChildState {
        match self.phase {
            Phase::Idle(Rest::Fresh) => ChildState::Waiting,
            Phase::Idle(Rest::Finished) => ChildState::Finished,
            Phase::Idle(Rest::Terminated) => ChildState::Stopped,
            Phase::Waiting => ChildState::Restarting,
            Phase::Starting => ChildState::Starting,
            Phase::Running => ChildState::Running,
            Phase::Leaving(Stage::Leaked, _) => ChildState::Leaked,
            Phase::Leaving(..) => ChildState::Stopping,
        }
    }

    pub(super) fn info(&self, now: Duration) -> ChildInfo {
        ChildInfo {
            id: self.spec.id.to_string(),
            policy: self.spec.policy,
            is_supervisor: self.spec.is_supervisor,
            state: self.state(),
            runs: self.runs,
            restarts: self.restarts,
            last_error: self.last_error.clone(),
            last_beat: self.live.as_ref().map(|live| now.saturating_sub(live.run.liveness.last_beat())),
        }
    }
}
