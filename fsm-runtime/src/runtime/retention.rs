//! Owns forgetting: history, idempotency keys and ended instances, in small batches, so that nobody waits for long.

use crate::{
    engine::Engine,
    store::{Prune, StoreError},
};
use fsm_core::{Graph, StateKind};
use std::{sync::Arc, time::Duration};

/// How much is forgotten in one transaction.
const BATCH: usize = 256;
/// How often is looked for what has become old.
const EVERY: Duration = Duration::from_mins(1);

/// How long what is over is remembered. Nothing is forgotten, if not set.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Retention {
    pub(crate) history: Option<Duration>,
    pub(crate) keys: Option<Duration>,
    pub(crate) ended: Option<Duration>,
}

impl Retention {
    /// History entries are forgotten after this time, the oldest first. An entry that a remembered idempotency key answers with
    /// stays, and so does everything after it; so keys must be forgotten as well, and no later.
    pub fn history(mut self, keep: Duration) -> Self {
        self.history = Some(keep);
        self
    }

    /// Idempotency keys are forgotten after this time: the same request is a new one then.
    pub fn keys(mut self, keep: Duration) -> Self {
        self.keys = Some(keep);
        self
    }

    /// Rows in `end` states are removed this long after they entered them; their history stays. They are found by the index of
    /// states: where that is switched off, [`start`](crate::Builder::start) refuses.
    pub fn ended(mut self, keep: Duration) -> Self {
        self.ended = Some(keep);
        self
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        match (self.history, self.keys) {
            (Some(_), None) => Some("history is only forgotten when keys are, because they answer with its entries"),
            (Some(history), Some(keys)) if keys > history => {
                Some("keys cannot be remembered for longer than the history")
            }
            _ => None,
        }
    }

    fn is_off(&self) -> bool {
        self.history.is_none() && self.keys.is_none() && self.ended.is_none()
    }
}

/// Forgets what has become old, until it is aborted. A store that is away is asked again the next time.
pub(crate) async fn keep_forgetting(engine: Arc<Engine>, retention: Retention, graphs: Vec<&'static Graph>) {
    if retention.is_off() {
        return;
    }
    loop {
        match forget(&engine, retention, &graphs).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "old history, keys and ended instances were forgotten"),
            Err(error) => tracing::warn!(%error, "what is old could not be forgotten; trying again in {EVERY:?}"),
        }
        engine.clock.sleep(EVERY).await;
    }
}

async fn forget(engine: &Engine, retention: Retention, graphs: &[&'static Graph]) -> Result<u64, StoreError> {
    let now = engine.clock.now();
    let before = |keep: Option<Duration>| keep.and_then(|keep| now.checked_sub(keep));
    let ended = graphs.iter().flat_map(|graph| {
        let ends = graph.states.iter().filter(|state| state.kind == StateKind::End);
        let names = ends.flat_map(|state| graph.stored_names(state.name));
        names.map(|name| (graph.machine.to_owned(), name.to_owned()))
    });
    let told = Prune {
        history_before: before(retention.history),
        keys_before: before(retention.keys),
        limit: BATCH,
        ..Prune::default()
    };
    // Apart, because these cannot be found where the index of states is switched off, and the others can.
    let rows =
        Prune { ended: ended.collect(), ended_before: before(retention.ended), limit: BATCH, ..Prune::default() };
    let mut forgotten = 0;
    for prune in [told, rows] {
        loop {
            match engine.asked("prune", engine.store.prune(prune.clone())).await? {
                0 => break,
                batch => forgotten += batch,
            }
            // Others' turn.
            tokio::task::yield_now().await;
        }
    }
    Ok(forgotten)
}
