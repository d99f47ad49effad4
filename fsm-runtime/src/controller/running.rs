//! Owns the workers under way: claimed, started, told to end, aborted, waited for, and given up.

use super::{
    run::{Run, Step},
    worker::{self, failure, persist},
};
use crate::{
    store::{Change, Claim, Key, Row, Verdict},
    work::{Signals, WorkError},
};
use std::any::Any;
use tokio::task::{AbortHandle, Id, JoinError};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// A worker under way.
pub(super) struct Running {
    pub(super) row: Row,
    pub(super) cancelled: CancellationToken,
    pub(super) abort: AbortHandle,
    /// When it was told to end.
    pub(super) stopping: bool,
}

impl Run {
    pub(super) fn claim(&mut self, row: Row) {
        let has_slot = self.slots.get_mut(&*row.key.machine).is_some_and(|slots| slots.take(&row.key));
        if !has_slot {
            // Its timer does not wait for a slot.
            if let Some(at) = row.timer_at {
                self.look_at(row.key, at);
            }
            return;
        }
        if self.draining.is_cancelled() {
            return;
        }
        if let Some(owner) = row.owner.as_ref().filter(|owner| **owner != self.me) {
            if row.attempt >= self.settings.attempts {
                let error = WorkError::from("the process ended during the attempt");
                return self.give_up(row, error);
            }
            tracing::warn!(
                machine = %row.key.machine, id = %row.key.id, state = %row.state, version = row.version,
                attempt = row.attempt, %owner, "taken over from a process that is gone"
            );
        }
        let claim = Claim {
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            fence: row.fence,
            owner: self.me.clone(),
        };
        let shared = self.shared.clone();
        self.step(row.key, async move {
            // Not announced as a change: nobody but this controller acts on it.
            let verdicts = shared.store.commit(vec![Change::Claim(claim).into()], shared.clock.now()).await;
            Step::Claimed(verdicts.map(|mut verdicts| match verdicts.pop() {
                Some(Verdict::Committed { mut rows }) => rows.pop().map(Box::new),
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
        let cancelled = CancellationToken::new();
        let signals =
            Signals { cancelled: cancelled.clone(), draining: self.draining.clone(), clock: self.shared.clock.clone() };
        let span = tracing::info_span!(
            "work", machine = %row.key.machine, id = %row.key.id, state = %row.state, version = row.version,
            attempt = row.attempt
        );
        tracing::debug!(parent: &span, fence = row.fence, "worker starts");
        let (shared, settings) = (self.shared.clone(), self.settings);
        let work = worker::work(shared, driver, row.clone(), signals, settings, self.giving_up.clone());
        let abort = self.workers.spawn(work.instrument(span));
        self.working.insert(abort.id(), row.key.clone());
        // The state may have been left between the claim and now.
        self.look_now(row.key.clone());
        self.running.insert(row.key.clone(), Running { row, cancelled, abort, stopping: false });
    }

    pub(super) fn cancel(&mut self, key: &Key) {
        let Some(running) = self.running.get_mut(key).filter(|running| !running.stopping) else {
            return;
        };
        running.stopping = true;
        running.cancelled.cancel();
        tracing::info!(
            machine = %key.machine, id = %key.id, state = %running.row.state, version = running.row.version,
            "the instance has moved on: its worker is told to end"
        );
        self.aborts.add(key.clone(), self.shared.clock.elapsed().saturating_add(self.settings.grace));
    }

    pub(super) fn abort_overdue(&mut self) {
        while let Some(key) = self.aborts.pop(self.shared.clock.elapsed()) {
            if let Some(running) = self.running.get(&key) {
                running.abort.abort();
                tracing::warn!(
                    machine = %key.machine, id = %key.id, state = %running.row.state, grace = ?self.settings.grace,
                    "the worker did not end within its grace: aborted"
                );
            }
        }
    }

    pub(super) fn worker_ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let Some(key) = self.working.remove(&id) else { return };
        let Some(running) = self.running.remove(&key) else {
            return;
        };
        self.aborts.remove(&key);
        self.free_slot(&key);
        match ended {
            Err(failed) if failed.is_panic() && !running.stopping => {
                let error = WorkError::from(panic_text(failed));
                self.give_up(running.row, error);
            }
            _ => self.look_now(key),
        }
    }

    /// Stores a failure that the worker could not store itself. The user's code may be asked, so it runs beside the loop.
    fn give_up(&mut self, row: Row, error: WorkError) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else { return };
        let (shared, settings, giving_up) = (self.shared.clone(), self.settings, self.giving_up.clone());
        self.step(row.key.clone(), async move {
            let change = failure(&*driver, &shared.migrations, &row, &error, settings);
            persist(&shared, &row, change, &giving_up).await;
            Step::Stored(Ok(()))
        });
    }

    /// The slot of `key` goes to the next in the queue, unless a worker runs in it.
    pub(super) fn free_slot(&mut self, key: &Key) {
        if self.running.contains_key(key) {
            return;
        }
        let next = self.slots.get_mut(&*key.machine).and_then(|slots| slots.release(key));
        if let Some(next) = next {
            self.look_now(next);
        }
    }
}

/// What a panic said; both `&str` and `String`, and others by that they are others.
pub(super) fn panic_text(failed: JoinError) -> String {
    match failed.try_into_panic() {
        Ok(payload) => format!("panicked: {}", payload_text(&*payload)),
        Err(failed) => failed.to_string(),
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a payload that is no text")
}
