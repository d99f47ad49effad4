//! The lifecycle of a child: started, failed, cancelled, aborted, leaked, ended.

use super::{
    builder::Strategy,
    child::{RestartPolicy, SHUTDOWN, Stop},
    child_state::{Live, Phase, Rest, Stage, Then},
    context::Run,
    error::{ChildError, ChildFailure, SupervisorError, SupervisorStartError},
    liveness::{Liveness, Verdict},
    report::ForcedStop,
    restarts::Decision,
    run::{Ended, spawn},
    task::{Goal, SupervisorTask, paths},
};
use crate::metrics;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// An abort takes effect at the next `await`. A task that has not ended after this time blocks its thread.
const LEAKED_AFTER: Duration = Duration::from_secs(1);

impl SupervisorTask {
    /// Starts the next run of a child whose previous run has ended.
    pub(super) fn start(&mut self, key: u64) {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.runs += 1;
        if entry.runs > 1 && entry.starter.is_none() {
            entry.restarts += 1;
        }
        entry.position.open(entry.runs);
        let run = Arc::new(Run {
            key,
            id: entry.spec.id.clone(),
            number: entry.runs,
            clock: self.clock.clone(),
            cancelled: CancellationToken::new(),
            aborted: CancellationToken::new(),
            liveness: Liveness::new(now),
            heartbeat: entry.spec.watch.heartbeat,
            position: entry.position.clone(),
            events: self.tell.clone(),
            descendants: entry.spec.is_supervisor.then(Arc::default),
        });
        entry.live = Some(Live { run: run.clone(), by_itself: false });
        entry.started = None;
        entry.phase = Phase::Starting;
        let reports = entry.spec.reports_start;
        let place = self.descendants.join(run.id.clone(), run.descendants.clone());
        tracing::debug!(id = %run.id, run = run.number, "child started");
        spawn(entry.spec.make.clone(), run, place);
        if !reports {
            self.started(key);
        }
        self.look_again(key, now, now);
    }

    pub(super) fn started(&mut self, key: u64) {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.phase = Phase::Running;
        entry.started = Some(now);
        entry.answer_starter(Ok(()));
    }

    /// Checks the liveness of a child at `now`, for a check that was due at `due`.
    fn look_again(&mut self, key: u64, due: Duration, now: Duration) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(live) = &mut entry.live else { return };
        match live.run.liveness.judge(entry.spec.watch, due, now) {
            Verdict::Alive(again) => self.set_timer(key, again),
            Verdict::Failed(failure) => {
                live.by_itself = true;
                let then = self.failed(key, failure);
                self.stop(key, then);
            }
        }
    }

    /// The future of a run has ended.
    pub(super) fn ended(&mut self, key: u64, ended: Ended) {
        let ending = self.ending.is_some();
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let id = &entry.spec.id;
        if ending {
            self.forced.extend(ended.forced.into_iter().map(|forced| (format!("{id}/{}", forced.id), forced.how)));
        }
        let then = match (entry.phase, ended.failure) {
            (Phase::Leaving(_, then), failure) => {
                // Many libraries return an error when cancelled; only a panic is logged.
                if let Some(failure @ ChildFailure::Panicked { .. }) = failure {
                    tracing::warn!(%id, run = entry.runs, %failure, "child panicked while stopping");
                    entry.last_error = Some(failure);
                }
                then
            }
            (_, failure) => {
                if let Some(live) = &mut entry.live {
                    live.by_itself = true;
                }
                match failure {
                    Some(failure) => self.failed(key, failure),
                    None if entry.spec.policy == RestartPolicy::Permanent => self.failed(key, ChildFailure::Returned),
                    None => {
                        entry.answer_starter(Ok(()));
                        entry.resting(Rest::Finished)
                    }
                }
            }
        };
        // Tasks below it are aborted too.
        self.leave(key, Stage::Aborted, then);
    }

    /// The task of a run and all tasks below it have ended.
    pub(super) fn gone(&mut self, key: u64) {
        let now = self.now();
        self.set_timer(key, None);
        if let Some(sequence) = &mut self.sequence {
            sequence.stop_waiting_for(key);
        }
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.live = None;
        entry.answer_stoppers(&Ok(()));
        let Phase::Leaving(_, then) = entry.phase else { return };
        match then {
            Then::Forget => self.forget(key),
            Then::Rest(rest) => entry.phase = Phase::Idle(rest),
            Then::Restart => {
                entry.phase = Phase::Waiting;
                let at = entry.not_before.max(now);
                // In a group, the sequence restarts it.
                if self.strategy == Strategy::OneForOne {
                    self.set_timer(key, Some(at));
                }
            }
        }
    }

    pub(super) fn forget(&mut self, key: u64) {
        self.set_timer(key, None);
        if let Some(mut entry) = self.entries.remove(&key) {
            self.ids.remove(&entry.spec.id);
            let id = entry.spec.id.to_string();
            entry.answer_starter(Err(ChildError::Stopping(id)));
        }
    }

    /// Counts a failure and decides what happens after the child has ended.
    fn failed(&mut self, key: u64, failure: ChildFailure) -> Then {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(&key) else { return Then::Forget };
        let id = entry.spec.id.to_string();
        let starting = entry.phase == Phase::Starting;
        entry.last_error = Some(failure.clone());
        if self.ending.is_some() {
            return entry.resting(Rest::Finished);
        }
        if let Some(starter) = entry.starter.take() {
            tracing::warn!(id, %failure, "child failed to start");
            let _ = starter.answer.send(Err(ChildError::Failed { id, failure }));
            return if starter.is_new { Then::Forget } else { entry.stopped() };
        }
        if starting && self.starting {
            let then = entry.resting(Rest::Finished);
            self.end(Goal::StartFailed(SupervisorStartError::Child { id, failure }), None);
            return then;
        }
        if entry.spec.policy == RestartPolicy::Temporary {
            tracing::warn!(id, run = entry.runs, %failure, "temporary child failed");
            return Then::Forget;
        }
        let ran = entry.started.map_or(Duration::ZERO, |started| now.saturating_sub(started));
        match self.ledger.decide(now, &mut entry.in_a_row, ran, fastrand::f64()) {
            Decision::RestartAfter(delay) => {
                tracing::warn!(id, run = entry.runs, %failure, restart_in = ?delay, "child failed");
                metrics::restarted(failure.name());
                entry.not_before = now.saturating_add(delay);
                let until = entry.not_before;
                if self.strategy != Strategy::OneForOne {
                    self.regroup(key, until);
                }
                Then::Restart
            }
            Decision::GiveUp(failures) => {
                tracing::error!(id, run = entry.runs, %failure, failures, "child failed too often; supervisor gives up");
                let then = entry.resting(Rest::Finished);
                self.end(Goal::GaveUp(SupervisorError::GaveUp { id, failure, failures }), None);
                then
            }
        }
    }

    /// Stops a running child by its stop policy.
    pub(super) fn stop(&mut self, key: u64, then: Then) {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let Some(live) = &entry.live else { return };
        live.run.cancelled.cancel();
        let within = match entry.spec.stop {
            Stop::Within(timeout) => Some(timeout),
            Stop::Abort => Some(Duration::ZERO),
            // After a missed heartbeat it may never return.
            Stop::WithoutTimeout => live.by_itself.then_some(SHUTDOWN),
        };
        self.leave(key, Stage::Told, then);
        self.set_timer(key, within.map(|within| now.saturating_add(within)));
        if within.is_some_and(|within| within.is_zero()) {
            self.abort(key);
        }
    }

    /// Aborts a child whose timeout is over.
    pub(super) fn abort(&mut self, key: u64) {
        let ending = self.ending.is_some();
        let Some(entry) = self.entries.get(&key) else { return };
        let then = match entry.phase {
            Phase::Leaving(Stage::Told, then) => then,
            _ => entry.resting(Rest::Finished),
        };
        let Some(live) = &entry.live else { return };
        live.run.position.close(live.by_itself);
        live.run.cancelled.cancel();
        live.run.aborted.cancel();
        // An abort that was configured is not reported.
        if !matches!(entry.spec.stop, Stop::Abort) {
            tracing::warn!(id = %entry.spec.id, run = entry.runs, "child did not stop in time and is aborted");
            if ending {
                self.forced.extend(paths(entry).into_iter().map(|path| (path, ForcedStop::Aborted)));
            }
        }
        self.leave(key, Stage::Aborted, then);
    }

    /// Moves a child to the next stage of stopping.
    fn leave(&mut self, key: u64, stage: Stage, then: Then) {
        let leaked_at = self.now().saturating_add(LEAKED_AFTER);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let was = std::mem::replace(&mut entry.phase, Phase::Leaving(stage, then));
        match (was, stage) {
            // Its timer is already set.
            (Phase::Leaving(Stage::Aborted, _), Stage::Aborted) => {}
            (_, Stage::Aborted) => self.set_timer(key, Some(leaked_at)),
            _ => self.set_timer(key, None),
        }
    }

    pub(super) fn on_timer(&mut self, key: u64, due: Duration) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        match entry.phase {
            Phase::Waiting if self.ending.is_none() => self.start(key),
            Phase::Starting | Phase::Running => {
                let now = self.now();
                self.look_again(key, due, now);
            }
            Phase::Leaving(Stage::Told, _) => self.abort(key),
            Phase::Leaving(Stage::Aborted, then) => {
                tracing::error!(
                    id = %entry.spec.id, run = entry.runs, still_alive = ?paths(entry),
                    "child was aborted but blocks its thread; it is not replaced until it ends"
                );
                entry.phase = Phase::Leaving(Stage::Leaked, then);
                let id = entry.spec.id.to_string();
                entry.answer_stoppers(&Err(ChildError::Leaked(id)));
                if let Some(sequence) = &mut self.sequence {
                    sequence.stop_waiting_for(key);
                }
            }
            Phase::Idle(_) | Phase::Waiting | Phase::Leaving(Stage::Leaked, _) => {}
        }
    }
}
