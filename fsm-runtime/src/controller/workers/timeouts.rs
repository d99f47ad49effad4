//! Owns the time that running workers have: between beats, for the attempt, to end once they are told, and to be gone once
//! they are aborted.

use crate::{controller::event_loop::Run, worker::Attempt};
use crate::{metrics, store::Key, worker::signals::Stage};
use std::time::Duration;

impl Run {
    /// Begins to watch the worker of `key`.
    pub(in crate::controller) fn watch(&mut self, key: &Key) {
        let now = self.engine.clock.elapsed();
        self.check(key, now, now);
    }

    /// The same for one whose next check may be lost. Told to end, it has its grace again.
    pub(in crate::controller) fn watch_again(&mut self, key: &Key) {
        let Some(running) = self.running.get(key).filter(|_| self.checks.planned(key).is_none()) else { return };
        let grace = if running.attempt.signals.is_cancelled() { running.attempt.limits.grace } else { Duration::ZERO };
        let at = self.engine.clock.elapsed().saturating_add(grace);
        self.check_at(key, at);
    }

    /// Tells the worker of `key` to end; after its grace it is aborted. Whether it had not been told before.
    pub(in crate::controller) fn tell_to_end(&mut self, key: &Key) -> bool {
        let Some(running) = self.running.get(key) else { return false };
        let Attempt { signals, limits, .. } = &*running.attempt;
        let told = signals.is_cancelled();
        signals.cancel();
        let at = self.engine.clock.elapsed().saturating_add(limits.grace);
        // One that was told has its check; that of one which has returned may have been made in vain.
        if !told || signals.stage() == Stage::Returned {
            self.check_at(key, at);
        }
        !told
    }

    /// Does what is due with running workers.
    pub(in crate::controller) fn check_workers(&mut self) {
        let now = self.engine.clock.elapsed();
        while let Some((key, due)) = self.checks.pop(now) {
            self.check(&key, due, now);
        }
    }

    fn check(&mut self, key: &Key, due: Duration, now: Duration) {
        let Some(running) = self.running.get(key) else { return };
        let Attempt { row, limits, signals } = &*running.attempt;
        match signals.stage() {
            Stage::Working if signals.is_cancelled() => self.abort(key),
            Stage::Working => match signals.judge(limits, due, now) {
                Ok(Some(next)) => self.check_at(key, next),
                Ok(None) => {}
                Err(overdue) => {
                    tracing::warn!(
                        machine = %key.machine, id = %key.id.escape_debug(), state = %row.state, version = row.version,
                        attempt = row.attempt, %overdue, grace = ?limits.grace, "the worker is told to end"
                    );
                    signals.fail(overdue);
                    self.check_at(key, now.saturating_add(limits.grace));
                }
            },
            Stage::Abandoned if signals.leaked() => {
                metrics::workers(&key.machine, "leaked", 1.0);
                tracing::error!(
                    machine = %key.machine, id = %key.id.escape_debug(), state = %row.state, version = row.version, attempt = row.attempt,
                    "the worker has leaked: it blocks its thread, so that it cannot be aborted. It keeps its slot, and its \
                     instance waits, until it ends by itself; blocking work belongs in `spawn_blocking`"
                );
            }
            // It is in the store's hands, and only when the process stops is there an end to waiting for that.
            Stage::Returned if self.giving_up.is_cancelled() => running.abort.abort(),
            Stage::Returned | Stage::Abandoned | Stage::Leaked => {}
        }
    }

    /// Aborts the worker of `key`. An abort takes effect at its next `await`: one that does not come to it within its grace blocks
    /// its thread.
    pub(in crate::controller) fn abort(&mut self, key: &Key) {
        let Some(running) = self.running.get(key) else { return };
        let Attempt { row, limits, signals } = &*running.attempt;
        if !signals.abandon() {
            return;
        }
        running.abort.abort();
        let grace = limits.grace;
        tracing::warn!(
            machine = %key.machine, id = %key.id.escape_debug(), state = %row.state, version = row.version, attempt = row.attempt, ?grace, "the worker did not end within its grace: aborted"
        );
        self.check_at(key, self.engine.clock.elapsed().saturating_add(grace));
    }

    /// In place of the check that was planned.
    fn check_at(&mut self, key: &Key, at: Duration) {
        self.checks.remove(key);
        self.checks.add(key.clone(), at);
    }
}
