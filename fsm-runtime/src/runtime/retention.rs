//! Pruning: old history, idempotency keys and ended instances, in small batches.

use crate::{
    clock::{FOREVER, TOO_LONG},
    controller::WatchedScope,
    engine::Engine,
    store::{Prune, StoreError},
};
use fsm_core::{Graph, StateKind};
use std::{sync::Arc, time::Duration};

/// How many entries or rows are pruned in one transaction.
const BATCH: usize = 256;
/// How often old entries and rows are looked for.
const EVERY: Duration = Duration::from_mins(1);

/// How long history, idempotency keys and ended instances are kept. Without a limit, they are kept forever.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Retention {
    pub(crate) history: Option<Duration>,
    pub(crate) keys: Option<Duration>,
    pub(crate) ended: Option<Duration>,
    pub(crate) operations: Option<Duration>,
}

impl Retention {
    /// Prunes history entries after this time, the oldest first. An entry that an idempotency key refers to is kept, and so are all
    /// entries after it. So [`keys`](Self::keys) must be set too, to the same time or less.
    pub fn history(mut self, keep: Duration) -> Self {
        self.history = Some(keep);
        self
    }

    /// Prunes idempotency keys after this time. The same request is a new one then.
    pub fn keys(mut self, keep: Duration) -> Self {
        self.keys = Some(keep);
        self
    }

    /// Removes instances this long after they entered an `end` state. Their history is kept. It needs the index of states: without
    /// it, [`start`](crate::Builder::start) returns an error.
    pub fn ended(mut self, keep: Duration) -> Self {
        self.ended = Some(keep);
        self
    }

    /// Prunes entries of the operators' log after this time.
    pub fn operations(mut self, keep: Duration) -> Self {
        self.operations = Some(keep);
        self
    }

    /// Why the settings are not valid, if they are not.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        if [self.history, self.keys, self.ended, self.operations].into_iter().flatten().any(|keep| keep > FOREVER) {
            return Some(TOO_LONG);
        }
        match (self.history, self.keys) {
            (Some(_), None) => Some("`history` needs `keys`, because idempotency keys refer to history entries"),
            (Some(history), Some(keys)) if keys > history => Some("`keys` cannot be longer than `history`"),
            _ => None,
        }
    }

    fn is_off(&self) -> bool {
        self.history.is_none() && self.keys.is_none() && self.ended.is_none() && self.operations.is_none()
    }
}

/// Prunes until it is aborted. After an error of the store, it tries again at the next interval.
///
/// The node of rank 0 prunes at once. A node of rank *n* prunes what has been due for 2 *n* intervals, in case the nodes before it
/// fail to prune, or have a longer retention.
pub(crate) async fn prune_loop(
    engine: Arc<Engine>,
    retention: Retention,
    graphs: Vec<&'static Graph>,
    scope: Option<WatchedScope>,
) {
    if retention.is_off() {
        return;
    }
    loop {
        let rank = scope.as_ref().map_or(0, |scope| scope.assignment().upkeep());
        match prune(&engine, retention, &graphs, EVERY.saturating_mul(rank.saturating_mul(2))).await {
            Ok(0) => {}
            Ok(pruned) => tracing::info!(pruned, "old history, keys and ended instances were pruned"),
            Err(error) => tracing::warn!(%error, "pruning failed; trying again in {EVERY:?}"),
        }
        engine.clock.sleep(EVERY).await;
    }
}

/// Prunes what should have been gone for `patience`.
async fn prune(
    engine: &Engine,
    retention: Retention,
    graphs: &[&'static Graph],
    patience: Duration,
) -> Result<u64, StoreError> {
    let now = engine.now();
    let before = |keep: Option<Duration>| keep.and_then(|keep| now.checked_sub(keep.saturating_add(patience)));
    let ended = graphs.iter().flat_map(|graph| {
        let ends = graph.states.iter().filter(|state| state.kind == StateKind::End);
        let names = ends.flat_map(|state| graph.stored_names(state.name));
        names.map(|name| (graph.machine.to_owned(), name.to_owned()))
    });
    let entries = Prune {
        history_before: before(retention.history),
        keys_before: before(retention.keys),
        operations_before: before(retention.operations),
        limit: BATCH,
        ..Prune::default()
    };
    // Separate, because these need the index of states and the others do not.
    let rows =
        Prune { ended: ended.collect(), ended_before: before(retention.ended), limit: BATCH, ..Prune::default() };
    let mut pruned = 0;
    for prune in [entries, rows] {
        loop {
            match engine.asked("prune", engine.store.prune(prune.clone())).await? {
                0 => break,
                batch => pruned += batch,
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(pruned)
}
