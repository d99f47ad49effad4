//! An entry of this process in a queue of the store: how it is added, waits and is removed.

use super::{Coordination, CoordinationError, entry_lease::EntryLease};
use crate::{
    engine::detached::Detached,
    store::{Ephemeral, NewEphemeral, Position, StoreError},
};
use std::{sync::Arc, time::Duration};
use tokio::task::AbortHandle;
use uuid::Uuid;

/// How often the position of a waiting entry is read if there is no notification.
const POLL: Duration = Duration::from_secs(1);
/// The shortest time between two reads of the position.
const PAUSE: Duration = Duration::from_millis(10);

/// An entry of this process. Dropping it removes the entry from the store.
pub(super) struct Entry {
    coordination: Arc<Coordination>,
    id: String,
    pub(super) sequence: u64,
    pub(super) lease: Arc<EntryLease>,
    renewing: Option<AbortHandle>,
}

/// An entry to add.
pub(super) struct NewEntry {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) ttl: Duration,
}

/// The result of a wait.
pub(super) enum Waited {
    First,
    /// The lease expired before the entry was first.
    Gone,
    ShuttingDown,
}

impl Entry {
    /// Adds an entry at the end of its queue, and renews its lease from then on. If the future is dropped, the entry is still added, and
    /// then removed: a removal that overtook the addition would leave the entry in the store until it expires.
    pub(super) fn enter(coordination: &Arc<Coordination>, new: NewEntry) -> Detached<Result<Self, CoordinationError>> {
        let coordination = coordination.clone();
        Detached::new(async move { Self::entered(&coordination, new).await })
    }

    async fn entered(coordination: &Arc<Coordination>, new: NewEntry) -> Result<Self, CoordinationError> {
        let NewEntry { kind, name, value, ttl } = new;
        let engine = &coordination.engine;
        if engine.closing.is_cancelled() {
            return Err(CoordinationError::ShuttingDown);
        }
        let id = Uuid::now_v7().to_string();
        let requested = engine.clock.elapsed();
        let lease = Arc::new(EntryLease::new(&engine.clock, requested, ttl));
        // Created before the request, so that the entry is removed if the answer is lost.
        let mut entry = Self {
            coordination: coordination.clone(),
            id: id.clone(),
            sequence: 0,
            lease: lease.clone(),
            renewing: None,
        };
        let holder = coordination.holder.clone();
        let new = NewEphemeral { kind, name, id: id.clone(), holder, value, ttl };
        entry.sequence = engine.asked("enter", coordination.entries()?.enter(new, engine.now())).await?;
        entry.renewing = Some(tokio::spawn(lease.renew(engine.clone(), id, ttl, requested)).abort_handle());
        Ok(entry)
    }

    /// Reads the position of the entry in its queue.
    pub(super) async fn position(&self) -> Result<Position, CoordinationError> {
        let engine = &self.coordination.engine;
        let position = self.coordination.entries()?.position(self.id.clone(), engine.now());
        Ok(engine.asked("position", position).await?)
    }

    /// Waits until the entry is first. `ahead` gets each entry that is directly ahead of it, and can end the wait with an error.
    pub(super) async fn wait<E: From<CoordinationError>>(
        &self,
        mut ahead: impl FnMut(&Ephemeral) -> Result<(), E>,
    ) -> Result<Waited, E> {
        let engine = &self.coordination.engine;
        let mut changes = self.coordination.entries()?.entry_changes();
        loop {
            changes.mark_unchanged();
            let until = match self.position().await? {
                Position::First => return Ok(Waited::First),
                Position::Gone => return Ok(Waited::Gone),
                Position::Behind(entry) => {
                    ahead(&entry)?;
                    entry.until
                }
            };
            let lapses = until.duration_since(engine.now()).unwrap_or_default();
            let looked = engine.clock.elapsed();
            let again = async {
                tokio::select! {
                    _ = changes.changed() => {}
                    () = engine.clock.sleep(lapses.clamp(PAUSE, POLL)) => {}
                }
                // Changes of other queues notify, too, and can be frequent.
                engine.clock.sleep(PAUSE.saturating_sub(engine.clock.elapsed().saturating_sub(looked))).await;
            };
            tokio::select! {
                biased;
                () = engine.closing.cancelled() => return Ok(Waited::ShuttingDown),
                () = self.lease.lost() => return Ok(Waited::Gone),
                () = again => {}
            }
        }
    }

    /// Sets the value of the entry. Returns whether the entry was live.
    pub(super) async fn set_value(&self, value: String) -> Result<bool, CoordinationError> {
        let engine = &self.coordination.engine;
        let set = self.coordination.entries()?.set_entry_value(self.id.clone(), value, engine.now());
        Ok(engine.asked("set_entry_value", set).await?)
    }

    /// Removes the entry, and waits until it is removed.
    pub(super) async fn remove(mut self) -> Result<(), CoordinationError> {
        let Some(remove) = self.end() else { return Ok(()) };
        Ok(remove.await?)
    }

    /// Removes the entry, and waits until it is removed. If that fails, the entry expires. For callers that already have their result.
    pub(super) async fn leave(self) {
        if let Err(error) = self.remove().await {
            tracing::debug!(%error, "an entry could not be removed; it expires");
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Does not remove the entry again: keeping its result has removed it.
    pub(super) fn forget(mut self) {
        self.stop_renewing();
        self.id.clear();
    }

    fn stop_renewing(&mut self) {
        if let Some(renewing) = self.renewing.take() {
            renewing.abort();
        }
    }

    /// The removal of the entry; `None` after the first call.
    fn end(&mut self) -> Option<impl Future<Output = Result<(), StoreError>> + Send + 'static + use<>> {
        self.stop_renewing();
        let id = std::mem::take(&mut self.id);
        let engine = self.coordination.engine.clone();
        (!id.is_empty()).then_some(async move {
            let Some(entries) = engine.store.ephemerals() else { return Ok(()) };
            engine.asked("remove_entry", entries.remove_entry(id, engine.now())).await
        })
    }
}

impl Drop for Entry {
    /// Removes the entry in a task. Without a tokio runtime, the entry expires.
    fn drop(&mut self) {
        if let Some(remove) = self.end()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if let Err(error) = remove.await {
                    tracing::debug!(%error, "an entry could not be removed; it expires");
                }
            });
        }
    }
}
