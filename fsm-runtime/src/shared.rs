//! Owns what every handle of one runtime shares: the store, the clock, and the word that something has changed.

use crate::{
    checks::Unknown,
    clock::Clock,
    definition::Definitions,
    heard::Heard,
    measure::Committing,
    records::Migrations,
    store::{Change, Group, Key, Row, Store, StoreError, Verdict},
};
use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, broadcast, oneshot};

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) changes: Changes,
    pub(crate) migrations: Arc<Migrations>,
    pub(crate) unknown: Unknown,
    pub(crate) definitions: Definitions,
}

impl Shared {
    /// Commits `groups`, and tells everybody of what was made.
    ///
    /// Heard to its end: a caller that is dropped half-way takes its answer with it, but not the word that an instance has
    /// changed.
    pub(crate) fn commit_groups(self: &Arc<Self>, groups: Vec<Group>) -> Heard<Result<Vec<Verdict>, StoreError>> {
        let this = self.clone();
        Heard::new(async move {
            this.definitions.before(&groups, &this).await?;
            let keys = keys(&groups);
            let verdicts = this.store_groups(groups, &keys).await;
            match &verdicts {
                Ok(verdicts) => {
                    for verdict in verdicts {
                        if let Verdict::Committed { rows } = verdict {
                            this.announce(rows);
                        }
                    }
                }
                // It may have been made: a look at the rows tells.
                Err(_) => this.changes.publish(keys.into_iter().flatten()),
            }
            verdicts
        })
    }

    async fn store_groups(&self, groups: Vec<Group>, keys: &[Vec<Key>]) -> Result<Vec<Verdict>, StoreError> {
        let committing = Committing::of(&groups);
        let verdicts = self.store.commit(groups, self.clock.now()).await?;
        committing.ended(&verdicts);
        for (keys, verdict) in keys.iter().zip(&verdicts) {
            log(keys, verdict);
        }
        Ok(verdicts)
    }

    /// Commits one change, and tells everybody of it if it was made.
    pub(crate) async fn commit(self: &Arc<Self>, change: Change) -> Result<Verdict, StoreError> {
        self.commit_groups(vec![Group::from(change)]).await?.pop().ok_or_else(no_verdict)
    }

    /// The same for a worker's own result: the controller looks at the instance when the worker has ended, not before.
    pub(crate) async fn commit_own(&self, change: Change) -> Result<Verdict, StoreError> {
        let groups = vec![Group::from(change)];
        let keys = keys(&groups);
        let verdict = self.store_groups(groups, &keys).await?.pop().ok_or_else(no_verdict)?;
        if let Verdict::Committed { rows } = &verdict {
            self.changes.tell_waiting(rows.iter().map(|row| row.key.clone()));
        }
        Ok(verdict)
    }

    /// Tells everybody that `rows` have changed.
    pub(crate) fn announce(&self, rows: &[Row]) {
        self.changes.tell_waiting(rows.iter().map(|row| row.key.clone()));
        self.changes.publish(rows.iter().map(|row| row.key.clone()));
    }

    /// The same, for a change whose row is the answer.
    pub(crate) async fn commit_row(self: &Arc<Self>, change: Change) -> Result<Result<Row, Verdict>, StoreError> {
        match self.commit(change).await? {
            Verdict::Committed { mut rows } if rows.len() == 1 => Ok(Ok(rows.remove(0))),
            verdict => Ok(Err(verdict)),
        }
    }
}

/// Which instances each group is about.
fn keys(groups: &[Group]) -> Vec<Vec<Key>> {
    groups.iter().map(|group| group.changes.iter().map(|change| change.key().clone()).collect()).collect()
}

/// One event for each group that was not made. Losing a race is ordinary; what the store will never take is not.
pub(crate) fn log(keys: &[Key], verdict: &Verdict) {
    let Some(key) = verdict.change().and_then(|change| keys.get(change)) else { return };
    let Key { machine, id } = key;
    match verdict {
        Verdict::Committed { .. } | Verdict::Duplicate { .. } => {}
        Verdict::Conflict { current: None, .. } => tracing::debug!(%machine, %id, "conflict: it is not there any more"),
        Verdict::Conflict { current: Some(row), .. } => tracing::debug!(
            %machine, %id, state = %row.state, version = row.version, attempt = row.attempt,
            "conflict: somebody else was first"
        ),
        Verdict::Fenced { current: row, .. } => tracing::debug!(
            %machine, %id, state = %row.state, version = row.version, attempt = row.attempt, fence = row.fence,
            "conflict: the claim is somebody else's"
        ),
        Verdict::KeyReused { first, .. } => tracing::warn!(
            %machine, %id, state = %first.to, version = first.version,
            "refused: the idempotency key stands for another request"
        ),
        Verdict::Refused { reason, .. } => tracing::error!(%machine, %id, %reason, "refused by the store"),
    }
}

fn no_verdict() -> StoreError {
    let cause = "the store gave no verdict for a group".to_owned();
    StoreError::Failed { store: "this store".to_owned(), cause }
}

/// Who wants to know which instances have changed.
///
/// The controller's set loses nothing and holds each key once; waiting callers get a broadcast, and look for themselves
/// when they have missed some.
pub(crate) struct Changes {
    waiting: broadcast::Sender<Key>,
    /// None until a controller listens.
    pending: Mutex<Option<HashSet<Key>>>,
    /// Who waits for the controller to have nothing to do.
    asking: Mutex<Asking>,
    wake: Notify,
}

#[derive(Default)]
struct Asking {
    waiting: Vec<oneshot::Sender<()>>,
    /// The controller has not looked since.
    new: bool,
}

impl Changes {
    pub(crate) fn new() -> Self {
        Self {
            waiting: broadcast::Sender::new(1_024),
            pending: Mutex::default(),
            asking: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Tells the controller that `keys` have changed.
    pub(crate) fn publish(&self, keys: impl Iterator<Item = Key>) {
        if let Some(pending) = self.pending.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            pending.extend(keys);
        }
        self.wake.notify_one();
    }

    /// Tells callers that wait.
    pub(crate) fn tell_waiting(&self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            // Nobody may be waiting.
            let _ = self.waiting.send(key);
        }
    }

    /// Whether anybody, controller or caller, wants to know of changes.
    pub(crate) fn anybody_listens(&self) -> bool {
        self.waiting.receiver_count() > 0 || self.pending.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// For a caller that waits for one instance.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Key> {
        self.waiting.subscribe()
    }

    /// From now on changes are kept for the controller.
    pub(crate) fn listen(&self) {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }

    /// Nobody listens any more: what changes from now on is not kept.
    pub(crate) fn deafen(&self) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.asking().waiting.clear();
    }

    /// Ends when the controller has nothing to do; at once where none listens.
    pub(crate) async fn idle(&self) {
        let told = {
            // Held throughout, so that a controller that ends meanwhile does not miss it.
            let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.is_none() {
                return;
            }
            let (tell, told) = oneshot::channel();
            let mut asking = self.asking();
            asking.waiting.push(tell);
            asking.new = true;
            told
        };
        self.wake.notify_one();
        // An error is a controller that has ended.
        let _ = told.await;
    }

    /// Whether somebody waits for the controller to have nothing to do, and nothing has changed that it does not know.
    pub(crate) fn is_asked(&self) -> bool {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.as_ref().is_some_and(HashSet::is_empty) && !self.asking().waiting.is_empty()
    }

    /// Tells those who wait that there is nothing to do.
    pub(crate) fn answer(&self) {
        for waiting in mem::take(&mut self.asking().waiting) {
            // It may have gone.
            let _ = waiting.send(());
        }
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has changed since the last call, nothing where somebody has asked; waits until something has. Cancel safe: nothing is taken before it returns.
    pub(crate) async fn next(&self) -> HashSet<Key> {
        loop {
            {
                let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(pending) = pending.as_mut().filter(|pending| !pending.is_empty()) {
                    return mem::take(pending);
                }
            }
            if mem::take(&mut self.asking().new) {
                return HashSet::new();
            }
            self.wake.notified().await;
        }
    }
}
