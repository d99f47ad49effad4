//! Owns the workers under way: claimed, started, told to end, aborted, waited for, and given up.

pub(super) mod policy;
pub(super) mod run;
pub(super) mod slots;
pub(super) mod status;
mod timeouts;

use self::run::{failure, persist, release};
use self::slots::Slots;
use super::{
    decide::Stay,
    event_loop::{Run, Step},
};
use crate::worker::{Attempt, Limits};
use crate::{
    metrics, panics,
    store::{Attempts, Change, Claim, Key, Row, Verdict},
    worker::{
        WorkError,
        signals::{Signals, Stage},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::task::{AbortHandle, Id, JoinError};
use tracing::Instrument;

/// A worker under way.
pub(in crate::controller) struct Running {
    pub(in crate::controller) attempt: Arc<Attempt>,
    pub(in crate::controller) abort: AbortHandle,
    /// Whether it was told to end because this process may not go on with it: the attempt is given back.
    pub(in crate::controller) lost: bool,
    /// Whether a look has found its stay over. That look has seen what is newer than the worker's own result.
    pub(in crate::controller) passed: bool,
}

impl Run {
    pub(in crate::controller) fn claim(&mut self, row: Row) {
        if !self.take_slot(&row) {
            // Its timer and its wish do not wait for a slot.
            if let Some(at) = row.timer_at.into_iter().chain(row.desired_at).min() {
                self.look_at(row.key.clone(), at);
            }
            // Another process may have a slot for it.
            if row.owner.as_ref() == Some(&self.me.owner) {
                let free = release(&row, Duration::ZERO, Attempts::Keep, None);
                self.store_change(row.key, Change::Release(free));
            }
            return;
        }
        if self.draining.is_cancelled() {
            return;
        }
        if !self.may_claim() {
            self.free_slot(&row.key);
            self.standing.hold_back(row.key);
            return;
        }
        if self.is_unbegun(&row) {
            return self.give_claim_back(row, "no worker has begun under a claim: it is given back");
        }
        if let Some(owner) = row.owner.as_ref().filter(|owner| **owner != self.me.owner) {
            if row.attempt >= self.limits(&row).attempts {
                let error = WorkError::from(Claim::CRASH);
                return self.give_up(row, error);
            }
            tracing::warn!(
                machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
                attempt = row.attempt, %owner, "taken over from a process that is gone"
            );
            metrics::taken_over(&row.key.machine, &row.state);
        }
        let claim = Claim {
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            fence: row.fence,
            owner: self.me.owner.clone(),
        };
        self.unbegun.insert(row.key.clone(), Stay::of(&row));
        let (engine, due, key, tenure) = (self.engine.clone(), row.retry_at, row.key.clone(), self.tenure);
        self.step(row.key, async move {
            // Not announced as a change: nobody but this controller acts on it.
            let claims = vec![Change::Claim(claim).into()];
            let verdicts = engine.asked("commit", engine.store.commit(claims, engine.clock.now())).await;
            let claimed = verdicts.map(|mut verdicts| match verdicts.pop() {
                Some(Verdict::Committed { mut rows }) => {
                    // One key for all who hold it as long as the worker runs.
                    let row = Row { key, ..rows.pop()? };
                    metrics::claimed(&row.key.machine, &row.state, due, engine.clock.now());
                    Some(Box::new(row))
                }
                _ => None,
            });
            Step::Claimed(tenure, claimed)
        });
    }

    /// Whether `row` is claimed by this process, and no worker has begun: the answer was lost, or the loop fell before it was acted on.
    fn is_unbegun(&self, row: &Row) -> bool {
        let before = self.unbegun.get(&row.key);
        row.owner.as_ref() == Some(&self.me.owner) && before.is_some_and(|it| it.was_claimed_since(Stay::of(row)))
    }

    /// Gives back a claim that came to nothing, and its attempt; `why` is told.
    pub(in crate::controller) fn give_claim_back(&mut self, row: Row, why: &str) {
        tracing::warn!(
            machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
            attempt = row.attempt, "{why}"
        );
        self.free_slot(&row.key);
        let free = release(&row, Duration::ZERO, Attempts::GiveBack, None);
        self.store_change(row.key, Change::Release(free));
    }

    pub(in crate::controller) fn start_worker(&mut self, row: Row) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else {
            return;
        };
        if self.draining.is_cancelled() {
            self.unused.push(row);
            return;
        }
        let signals = Signals::new(self.engine.clock.clone(), self.draining.clone());
        let span = tracing::info_span!(
            "work", machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
            attempt = row.attempt
        );
        tracing::debug!(parent: &span, fence = row.fence, "worker starts");
        let (key, limits) = (row.key.clone(), self.limits(&row));
        let attempt = Arc::new(Attempt { row, limits, signals });
        let work = run::work(self.engine.clone(), driver, attempt.clone(), self.giving_up.clone());
        let abort = self.workers.spawn(work.instrument(span));
        self.unbegun.remove(&key);
        // At once, so that no panic of what follows leaves a worker that nobody knows.
        self.working.insert(abort.id(), key.clone());
        self.running.insert(key.clone(), Running { attempt: attempt.clone(), abort, lost: false, passed: false });
        self.board.runs(&attempt);
        // Whoever has moved it since the claim has told of it, or will.
        self.go_on(&attempt.row, Some(Stay::of(&attempt.row)));
        self.watch(&key);
    }

    pub(in crate::controller) fn cancel(&mut self, key: &Key) {
        let first = self.tell_to_end(key);
        let Some(running) = self.running.get_mut(key) else { return };
        running.passed = true;
        if first {
            let Row { state, version, attempt, .. } = &running.attempt.row;
            tracing::info!(
                machine = %key.machine, id = %key.id.escape_debug(), %state, version, attempt,
                "the instance has moved on: its worker is told to end"
            );
        }
    }

    pub(in crate::controller) fn worker_ended(&mut self, ended: Result<(Id, Option<Box<Row>>), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(key) = self.working.remove(&id) else { return };
        let Some(Running { attempt, lost, passed, .. }) = self.running.remove(&key) else {
            return;
        };
        let Attempt { row, signals, .. } = &*attempt;
        self.checks.remove(&key);
        self.free_slot(&key);
        let stage = signals.stage();
        if stage == Stage::Leaked {
            metrics::workers(&key.machine, "leaked", -1.0);
            tracing::warn!(
                machine = %key.machine, id = %key.id.escape_debug(), state = %row.state, version = row.version, attempt = row.attempt,
                "the worker that had leaked has ended"
            );
        }
        // What it returned in time was stored, and counted, as it was or as a failure.
        let returned = stage == Stage::Returned;
        let outcome = match (signals.overdue(), ended) {
            (Some(overdue), _) if !returned => {
                self.give_up(row.clone(), WorkError::from(overdue.to_string()));
                overdue.name()
            }
            (None, Err(failed)) if failed.is_panic() && !signals.is_cancelled() => {
                self.give_up(row.clone(), WorkError::from(panic_text(failed)));
                "panic"
            }
            (None, _) if lost && !returned => {
                self.give_attempt_back(&attempt);
                "lost"
            }
            // A look that has seen something newer, or is about to, has left it for now.
            (_, Ok((_, Some(left)))) if !passed && !self.busy.is(&key) => {
                self.go_on(&left, None);
                "returned"
            }
            _ => {
                self.look_now(key);
                "aborted"
            }
        };
        if !returned {
            metrics::worked(&row.key.machine, &row.state, outcome, signals.at_work());
        }
    }

    /// What was aborted because the lease was running out counts as no attempt.
    fn give_attempt_back(&mut self, attempt: &Arc<Attempt>) {
        let (engine, giving_up, attempt) = (self.engine.clone(), self.giving_up.clone(), attempt.clone());
        self.step(attempt.row.key.clone(), async move {
            let row = &attempt.row;
            let change = Change::Release(release(row, Duration::ZERO, Attempts::GiveBack, None));
            persist(&engine, row, change, &giving_up).await;
            Step::Stored(Ok(()))
        });
    }

    /// Stores a failure that the worker could not store itself. The user's code may be asked, so it runs beside the loop.
    fn give_up(&mut self, row: Row, error: WorkError) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else { return };
        let (engine, limits, giving_up) = (self.engine.clone(), self.limits(&row), self.giving_up.clone());
        self.step(row.key.clone(), async move {
            let change = failure(&*driver, &engine.migrations, &row, &error, limits);
            persist(&engine, &row, change, &giving_up).await;
            Step::Stored(Ok(()))
        });
    }

    /// What an attempt at the state that `row` stands in goes by.
    pub(in crate::controller) fn limits(&self, row: &Row) -> Limits {
        let graph = self.drivers.get(&*row.key.machine).map(|driver| driver.graph());
        graph.map_or(self.settings.limits, |graph| self.settings.policies.limits(self.settings.limits, graph, row))
    }

    /// Whether there is a slot for work on `row`; if not, it has a place in the queue.
    fn take_slot(&mut self, row: &Row) -> bool {
        let Some(driver) = self.drivers.get(&*row.key.machine) else { return false };
        let Some(state) = driver.graph().state_was(&row.state) else { return false };
        let has_one = self.slots.get_mut(&*row.key.machine).is_some_and(|slots| slots.take(&row.key, state.name));
        if !has_one {
            self.board.waits(row, self.engine.clock.elapsed());
        }
        self.admit(&row.key.machine);
        has_one
    }

    /// The slot of `key`, or its place in the queue, goes to the next in it, unless a worker runs in it.
    pub(in crate::controller) fn free_slot(&mut self, key: &Key) {
        if self.running.contains_key(key) {
            return;
        }
        if let Some(slots) = self.slots.get_mut(&*key.machine) {
            slots.leave(key);
        }
        self.board.gone(key);
        self.admit(&key.machine);
    }

    /// Has those looked at that get a slot now.
    pub(in crate::controller) fn admit(&mut self, machine: &str) {
        while let Some(next) = self.slots.get_mut(machine).and_then(Slots::admit) {
            self.look_now(next);
        }
    }
}

/// What a panic said.
pub(in crate::controller) fn panic_text(failed: JoinError) -> String {
    match failed.try_into_panic() {
        Ok(payload) => format!("panicked: {}", panics::text(&*payload)),
        Err(failed) => failed.to_string(),
    }
}
