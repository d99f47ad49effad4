//! Owns the end of a controller: let workers finish, then cancel, then abort, give the claims back, and report.

use super::{event_loop::Run, workers::run::release};
use crate::worker::Attempt;
use crate::{
    store::{Attempts, Change, Key, Row},
    worker::signals::Stage,
};
use std::{sync::Arc, time::Duration};

/// What a shutdown had to cut. Empty, everything came to its own end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// The workers that did not end by themselves before the deadline, by id.
    pub cut: Vec<StoppedWorker>,
    /// Why the work had ended already, by a fault of the runtime itself and not of a worker; `None` as a rule. The handles can still read
    /// and write then, and other processes take the work up.
    pub failed: Option<String>,
}

/// One worker that was cut. Its instance keeps its state; the next process takes the work up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoppedWorker {
    /// The instance.
    pub key: Key,
    /// The state that the work was for.
    pub state: String,
    /// How far it had to go.
    pub how: HowStopped,
}

/// How a worker was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HowStopped {
    /// It ended within its grace period, once it was told to.
    Cancelled,
    /// It had to be aborted.
    Aborted,
    /// It blocks its thread, so that it cannot even be aborted: it still runs. Such work belongs in `spawn_blocking`.
    Leaked,
}

impl Run {
    /// Ends everything: `deadline` for workers to finish, then their grace, then no more.
    pub(super) async fn stop(&mut self, deadline: Duration) -> Shutdown {
        let clock = self.engine.clock.clone();
        self.drain();
        let finished = clock.timeout(deadline, self.until_idle()).await.is_some();
        let told: Vec<Arc<Attempt>> = self.running.values().map(|running| running.attempt.clone()).collect();
        if !finished {
            self.give_up_storing();
            let graces = self.running.values().map(|running| running.attempt.limits.grace);
            let grace = graces.max().unwrap_or(self.settings.limits.grace);
            for attempt in &told {
                self.tell_to_end(&attempt.row.key);
            }
            // Within one grace they end, within another the abort takes effect; what hangs in the store is not waited for.
            let _ = clock.timeout(grace.saturating_mul(2), self.until_idle()).await;
        }
        let mut report = Shutdown::default();
        for attempt in told {
            let Attempt { row, signals, .. } = &*attempt;
            let how = if self.running.contains_key(&row.key) {
                HowStopped::Leaked
            } else if matches!(signals.stage(), Stage::Abandoned | Stage::Leaked) {
                HowStopped::Aborted
            } else {
                HowStopped::Cancelled
            };
            report.cut.push(StoppedWorker { key: row.key.clone(), state: row.state.clone(), how });
            // Who still runs keeps its claim: its effects may go on, and nobody should overlap with them.
            if how != HowStopped::Leaked {
                self.unused.push(row.clone());
            }
        }
        report.cut.sort_by(|a, b| a.key.cmp(&b.key));
        self.give_back().await;
        for cut in &report.cut {
            let StoppedWorker { key, state, how } = cut;
            tracing::warn!(machine = %key.machine, id = %key.id.escape_debug(), %state, ?how, "work was cut by the shutdown");
        }
        report
    }

    async fn until_idle(&mut self) {
        while !self.is_idle() {
            self.next_end().await;
        }
    }

    /// The attempts of claims that came to nothing are given back. Best effort: a store that is away keeps them, and
    /// the next controller takes them over.
    async fn give_back(&mut self) {
        let rows: Vec<Row> = std::mem::take(&mut self.unused);
        if rows.is_empty() {
            return;
        }
        let groups =
            rows.iter().map(|row| Change::Release(release(row, Duration::ZERO, Attempts::GiveBack, None)).into());
        let clock = &self.engine.clock;
        let given_back = self.engine.asked("commit", self.engine.store.commit(groups.collect(), clock.now()));
        // When the lease is over, others take them anyway.
        let error = match clock.timeout(self.me.ttl, given_back).await {
            Some(Ok(_)) => return,
            Some(Err(error)) => error.to_string(),
            None => "no answer".to_owned(),
        };
        tracing::warn!(%error, claims = rows.len(), "claims could not be given back");
    }
}
