//! The running workers: their tasks, and what is known of each.

use crate::{
    store::{Key, Row},
    worker::{Attempt, signals::Stage},
};
use std::{collections::HashMap, sync::Arc};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// A running worker.
pub(super) struct RunningWorker {
    pub(super) attempt: Arc<Attempt>,
    pub(super) abort: AbortHandle,
    /// Whether the worker was cancelled because the lease of this process or of its slot was lost: its attempt is given back.
    pub(super) lease_lost: bool,
    /// Whether a look has found its visit over. That look has seen a newer row than the worker's result.
    pub(super) outdated: bool,
}

/// A worker that has ended.
pub(in crate::controller) struct EndedWorker {
    pub(super) key: Key,
    pub(super) worker: RunningWorker,
    /// The row as the worker's result left it, where it was stored.
    pub(super) result: Result<Option<Box<Row>>, JoinError>,
}

/// At most one worker for each instance.
#[derive(Default)]
pub(super) struct RunningWorkers {
    tasks: JoinSet<Option<Box<Row>>>,
    /// The instance of each task.
    keys: HashMap<Id, Key>,
    workers: HashMap<Key, RunningWorker>,
}

impl RunningWorkers {
    /// Runs `work` in a task.
    pub(super) fn spawn(
        &mut self,
        attempt: Arc<Attempt>,
        work: impl Future<Output = Option<Box<Row>>> + Send + 'static,
    ) {
        let key = attempt.row.key.clone();
        let abort = self.tasks.spawn(work);
        self.keys.insert(abort.id(), key.clone());
        self.workers.insert(key, RunningWorker { attempt, abort, lease_lost: false, outdated: false });
    }

    /// The next worker that has ended; `None` where no task runs. Cancel safe.
    pub(super) async fn next_ended(&mut self) -> Option<EndedWorker> {
        loop {
            let ended = self.tasks.join_next_with_id().await?;
            let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
            let Some(key) = self.keys.remove(&id) else { continue };
            let Some(worker) = self.workers.remove(&key) else { continue };
            return Some(EndedWorker { key, worker, result: ended.map(|(_, row)| row) });
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&RunningWorker> {
        self.workers.get(key)
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.workers.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.workers.keys().cloned().collect()
    }

    pub(super) fn attempts(&self) -> Vec<Arc<Attempt>> {
        self.workers.values().map(|worker| worker.attempt.clone()).collect()
    }

    /// Marks the worker of `key` as outdated.
    pub(super) fn set_outdated(&mut self, key: &Key) {
        if let Some(worker) = self.workers.get_mut(key) {
            worker.outdated = true;
        }
    }

    /// Marks the worker of `key` as having lost the lease of its slot.
    pub(super) fn set_slot_lost(&mut self, key: &Key) {
        if let Some(worker) = self.workers.get_mut(key) {
            worker.lease_lost = true;
        }
    }

    /// Marks all workers as having lost the lease.
    pub(super) fn set_lease_lost(&mut self) {
        self.workers.values_mut().for_each(|worker| worker.lease_lost = true);
    }

    /// Whether nothing runs except leaked workers.
    pub(super) fn are_all_leaked(&self) -> bool {
        let leaked = |worker: &RunningWorker| worker.attempt.signals.stage() == Stage::Leaked;
        self.tasks.len() == self.workers.len() && self.workers.values().all(leaked)
    }
}
