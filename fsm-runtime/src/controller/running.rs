//! Owns the workers under way: claimed, started, told to end, aborted, waited for, and given up.

use super::{
    Limits,
    run::{Run, Step},
    slots::Slots,
    worker::{self, failure, persist, release},
};
use crate::{
    measure, panics,
    signals::{Signals, Stage},
    store::{Attempts, Change, Claim, Key, Row, Verdict},
    work::WorkError,
};
use std::time::Duration;
use tokio::task::{AbortHandle, Id, JoinError};
use tracing::Instrument;

/// A worker under way.
pub(super) struct Running {
    pub(super) row: Row,
    pub(super) limits: Limits,
    pub(super) signals: Signals,
    pub(super) abort: AbortHandle,
    /// Whether it was told to end because this process may not go on with it: the attempt is given back.
    pub(super) lost: bool,
}

impl Run {
    pub(super) fn claim(&mut self, row: Row) {
        if !self.take_slot(&row) {
            // Its timer and its wish do not wait for a slot.
            if let Some(at) = row.timer_at.into_iter().chain(row.wish_at).min() {
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
        if let Some(owner) = row.owner.as_ref().filter(|owner| **owner != self.me.owner) {
            if row.attempt >= self.limits(&row).attempts {
                let error = WorkError::from(Claim::CRASH);
                return self.give_up(row, error);
            }
            tracing::warn!(
                machine = %row.key.machine, id = %row.key.id, state = %row.state, version = row.version,
                attempt = row.attempt, %owner, "taken over from a process that is gone"
            );
            measure::taken_over(&row);
        }
        let claim = Claim {
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            fence: row.fence,
            owner: self.me.owner.clone(),
        };
        let (shared, due) = (self.shared.clone(), row.retry_at);
        self.step(row.key, async move {
            // Not announced as a change: nobody but this controller acts on it.
            let verdicts = shared.store.commit(vec![Change::Claim(claim).into()], shared.clock.now()).await;
            Step::Claimed(verdicts.map(|mut verdicts| match verdicts.pop() {
                Some(Verdict::Committed { mut rows }) => {
                    let row = rows.pop()?;
                    measure::claimed(&row, due, shared.clock.now());
                    Some(Box::new(row))
                }
                _ => None,
            }))
        });
    }

    pub(super) fn start_worker(&mut self, row: Row) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else {
            return;
        };
        if self.draining.is_cancelled() {
            self.unused.push(row);
            return;
        }
        let signals = Signals::new(self.shared.clock.clone(), self.draining.clone());
        let span = tracing::info_span!(
            "work", machine = %row.key.machine, id = %row.key.id, state = %row.state, version = row.version,
            attempt = row.attempt
        );
        tracing::debug!(parent: &span, fence = row.fence, "worker starts");
        let (shared, limits) = (self.shared.clone(), self.limits(&row));
        let work = worker::work(shared, driver, row.clone(), signals.clone(), limits, self.giving_up.clone());
        let abort = self.workers.spawn(work.instrument(span));
        let key = row.key.clone();
        // At once, so that no panic of what follows leaves a worker that nobody knows.
        self.working.insert(abort.id(), key.clone());
        let running = Running { row: row.clone(), limits, signals: signals.clone(), abort, lost: false };
        self.running.insert(key.clone(), running);
        self.board.runs(&row, &signals);
        // The state may have been left between the claim and now.
        self.look_now(key.clone());
        self.watch(&key);
    }

    pub(super) fn cancel(&mut self, key: &Key) {
        if self.tell_to_end(key)
            && let Some(running) = self.running.get(key)
        {
            tracing::info!(
                machine = %key.machine, id = %key.id, state = %running.row.state, version = running.row.version,
                attempt = running.row.attempt, "the instance has moved on: its worker is told to end"
            );
        }
    }

    pub(super) fn worker_ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(key) = self.working.remove(&id) else { return };
        let Some(Running { row, signals, lost, .. }) = self.running.remove(&key) else {
            return;
        };
        self.checks.remove(&key);
        self.free_slot(&key);
        let stage = signals.stage();
        if stage == Stage::Leaked {
            measure::workers(&key.machine, "leaked", -1.0);
            tracing::warn!(
                machine = %key.machine, id = %key.id, state = %row.state, version = row.version, attempt = row.attempt,
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
                self.give_attempt_back(&row);
                "lost"
            }
            _ => {
                self.look_now(key);
                "aborted"
            }
        };
        if !returned {
            measure::worked(&row, outcome, signals.at_work());
        }
    }

    /// What was aborted because the lease was running out counts as no attempt.
    fn give_attempt_back(&mut self, row: &Row) {
        let (shared, giving_up, row) = (self.shared.clone(), self.giving_up.clone(), row.clone());
        self.step(row.key.clone(), async move {
            let change = Change::Release(release(&row, Duration::ZERO, Attempts::GiveBack, None));
            persist(&shared, &row, change, &giving_up).await;
            Step::Stored(Ok(()))
        });
    }

    /// Stores a failure that the worker could not store itself. The user's code may be asked, so it runs beside the loop.
    fn give_up(&mut self, row: Row, error: WorkError) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else { return };
        let (shared, limits, giving_up) = (self.shared.clone(), self.limits(&row), self.giving_up.clone());
        self.step(row.key.clone(), async move {
            let change = failure(&*driver, &shared.migrations, &row, &error, limits);
            persist(&shared, &row, change, &giving_up).await;
            Step::Stored(Ok(()))
        });
    }

    /// What an attempt at the state that `row` stands in goes by.
    pub(super) fn limits(&self, row: &Row) -> Limits {
        let graph = self.drivers.get(&*row.key.machine).map(|driver| driver.graph());
        graph.map_or(self.settings.limits, |graph| self.settings.policies.limits(self.settings.limits, graph, row))
    }

    /// Whether there is a slot for work on `row`; if not, it has a place in the queue.
    fn take_slot(&mut self, row: &Row) -> bool {
        let Some(driver) = self.drivers.get(&*row.key.machine) else { return false };
        let Some(state) = driver.graph().state_was(&row.state) else { return false };
        let has_one = self.slots.get_mut(&*row.key.machine).is_some_and(|slots| slots.take(&row.key, state.name));
        if !has_one {
            self.board.waits(row, self.shared.clock.elapsed());
        }
        self.admit(&row.key.machine);
        has_one
    }

    /// The slot of `key`, or its place in the queue, goes to the next in it, unless a worker runs in it.
    pub(super) fn free_slot(&mut self, key: &Key) {
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
    pub(super) fn admit(&mut self, machine: &str) {
        while let Some(next) = self.slots.get_mut(machine).and_then(Slots::admit) {
            self.look_now(next);
        }
    }
}

/// What a panic said.
pub(super) fn panic_text(failed: JoinError) -> String {
    match failed.try_into_panic() {
        Ok(payload) => format!("panicked: {}", panics::text(&*payload)),
        Err(failed) => failed.to_string(),
    }
}
