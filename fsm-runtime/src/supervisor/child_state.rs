//! Owns what a supervisor knows of one child, and the phases it goes through.

use super::{
    child::{Child, RestartPolicy},
    context::Run,
    error::{ChildError, ChildFailure},
    handle::Answer,
    report::{ChildInfo, State},
    saved_position::SavedPosition,
};
use std::{sync::Arc, time::Duration};

/// One child. Its place in the order is the key it is kept under.
pub(super) struct ChildEntry {
    pub(super) spec: Child,
    /// Added after the start.
    pub(super) added: bool,
    pub(super) phase: Phase,
    /// The run that takes the child's place; there is none before this is gone.
    pub(super) live: Option<Live>,
    pub(super) runs: u64,
    pub(super) restarts: u64,
    /// Failures in a row, for the backoff.
    pub(super) in_a_row: u32,
    /// When its present run had started.
    pub(super) started: Option<Duration>,
    /// Not to be restarted before this.
    pub(super) not_before: Duration,
    pub(super) last_error: Option<ChildFailure>,
    /// Its entry in the supervisor's timers.
    pub(super) timer: Option<Duration>,
    pub(super) position: Arc<SavedPosition>,
    /// Who started it by hand and waits for that.
    pub(super) starter: Option<Starter>,
    /// Who wait for its end.
    pub(super) stoppers: Vec<Answer<()>>,
}

/// A start by hand that is to be answered.
pub(super) struct Starter {
    pub(super) answer: Answer<()>,
    /// A child that was not there before is not kept if this start fails.
    pub(super) is_new: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle(Rest),
    /// To be started again: at its time, or when the sequence comes to it.
    Waiting,
    Starting,
    Running,
    /// It is to end, or has ended, and is not gone.
    Leaving(Stage, Then),
}

/// Why a child does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Fresh,
    Finished,
    /// By hand: nothing but a hand starts it again.
    Terminated,
}

/// How far a child had to be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Told,
    /// Or ended by itself; either way nothing but time can pass until it is gone.
    Aborted,
    Leaked,
}

/// What becomes of a child when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Rest(Rest),
    Restart,
    Forget,
}

/// A run that is not gone. Dropped, it is aborted and fenced off: a supervisor that is aborted takes its children along.
pub(super) struct Live {
    pub(super) run: Arc<Run>,
    /// It failed or returned, other than by being told.
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

    /// What a stop by hand makes of it.
    pub(super) fn stopped(&self) -> Then {
        self.resting(Rest::Terminated)
    }

    /// A temporary child has no rest.
    pub(super) fn resting(&self, rest: Rest) -> Then {
        if self.spec.policy == RestartPolicy::Temporary { Then::Forget } else { Then::Rest(rest) }
    }

    pub(super) fn answer_starter(&mut self, answer: Result<(), ChildError>) {
        if let Some(starter) = self.starter.take() {
            // Whoever asked may have gone.
            let _ = starter.answer.send(answer);
        }
    }

    pub(super) fn answer_stoppers(&mut self, answer: &Result<(), ChildError>) {
        for stopper in self.stoppers.drain(..) {
            let _ = stopper.send(answer.clone());
        }
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Idle(Rest::Fresh) => State::Waiting,
            Phase::Idle(Rest::Finished) => State::Finished,
            Phase::Idle(Rest::Terminated) => State::Stopped,
            Phase::Waiting => State::Restarting,
            Phase::Starting => State::Starting,
            Phase::Running => State::Running,
            Phase::Leaving(Stage::Leaked, _) => State::Leaked,
            Phase::Leaving(..) => State::Stopping,
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
