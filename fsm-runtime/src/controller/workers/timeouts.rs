//! The checks of running workers: heartbeats, the attempt timeout, the grace period, and whether an abort has taken effect.

use super::Workers;
use crate::{
    log::log_row,
    metrics,
    store::Key,
    worker::{Attempt, signals::Stage},
};
use std::time::Duration;

impl Workers {
    /// The time of the next check.
    pub(in crate::controller) fn next_check(&mut self) -> Option<Duration> {
        self.checks.next()
    }

    /// Makes the checks that are due.
    pub(in crate::controller) fn check_due(&mut self) {
        let now = self.engine.clock.elapsed();
        while let Some((key, due)) = self.checks.pop(now) {
            self.check(&key, due, now);
        }
    }

    /// Begins to check the worker of `key`.
    pub(super) fn watch(&mut self, key: &Key) {
        let now = self.engine.clock.elapsed();
        self.check(key, now, now);
    }

    /// Schedules a check of the worker of `key` where there is none. A cancelled worker gets its grace period again.
    pub(super) fn watch_again(&mut self, key: &Key) {
        let Some(worker) = self.running.get(key).filter(|_| self.checks.get(key).is_none()) else { return };
        let Attempt { signals, limits, .. } = &*worker.attempt;
        let grace = if signals.is_cancelled() { limits.grace_period } else { Duration::ZERO };
        let at = self.engine.clock.elapsed().saturating_add(grace);
        self.check_at(key, at);
    }

    /// Cancels the worker of `key`, which is aborted after its grace period. Returns whether it was not cancelled before.
    pub(super) fn cancel(&mut self, key: &Key) -> bool {
        let Some(worker) = self.running.get(key) else { return false };
        let Attempt { signals, limits, .. } = &*worker.attempt;
        let cancelled = signals.is_cancelled();
        signals.cancel();
        let at = self.engine.clock.elapsed().saturating_add(limits.grace_period);
        // A cancelled worker has its check; that of a worker that has returned may have been made too early.
        if !cancelled || signals.stage() == Stage::Returned {
            self.check_at(key, at);
        }
        !cancelled
    }

    fn check(&mut self, key: &Key, due: Duration, now: Duration) {
        let Some(worker) = self.running.get(key) else { return };
        let Attempt { row, limits, signals, .. } = &*worker.attempt;
        match signals.stage() {
            Stage::Working if signals.is_cancelled() => self.abort(key),
            Stage::Working => match signals.judge(limits, due, now) {
                Ok(Some(next)) => self.check_at(key, next),
                Ok(None) => {}
                Err(overdue) => {
                    log_row!(warn, row, %overdue, grace = ?limits.grace_period, "cancelling the worker: it is overdue");
                    signals.fail(overdue);
                    let at = now.saturating_add(limits.grace_period);
                    self.check_at(key, at);
                }
            },
            Stage::Abandoned if signals.leaked() => {
                metrics::workers(&key.machine, "leaked", 1.0);
                log_row!(
                    error,
                    row,
                    "the worker has leaked: it blocks its thread and cannot be aborted. It keeps its slot, and its instance waits, until \
                     it ends by itself; move blocking code to `spawn_blocking`"
                );
            }
            // Its result is being stored, which is waited for until the process stops.
            Stage::Returned if self.giving_up.is_cancelled() => worker.abort.abort(),
            Stage::Returned | Stage::Abandoned | Stage::Leaked => {}
        }
    }

    /// Aborts the worker of `key`. An abort takes effect at the next `await`: a worker that does not reach one within another grace
    /// period blocks its thread.
    pub(super) fn abort(&mut self, key: &Key) {
        let Some(worker) = self.running.get(key) else { return };
        let Attempt { row, limits, signals, .. } = &*worker.attempt;
        if !signals.abandon() {
            return;
        }
        worker.abort.abort();
        let grace = limits.grace_period;
        log_row!(warn, row, ?grace, "the worker did not end within its grace period: aborted");
        let at = self.engine.clock.elapsed().saturating_add(grace);
        self.check_at(key, at);
    }

    /// Schedules a check in place of the scheduled one.
    fn check_at(&mut self, key: &Key, at: Duration) {
        self.checks.remove(key);
        self.checks.add(key.clone(), at);
    }
}
