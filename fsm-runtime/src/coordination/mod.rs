//! Locks, leaders, services and functions that run once, over all processes of a store.
//!
//! - [`Locks`], from [`Runtime::locks`](crate::Runtime::locks): one holder at a time for each name, and leaders.
//! - [`Once`], from [`Runtime::once`](crate::Runtime::once): a function that runs once for a key, and whose result is stored.
//! - [`Registry`], from [`Runtime::registry`](crate::Runtime::registry): the live processes of a service.
//!
//! Each holder has an entry in the store. An entry has its own lease, which is renewed every third of its length, and expires if the
//! process ends or stalls. Locks, keys of [`Once`] and services have separate names, so a lock and a service may have the same name. A
//! client, which is a runtime without registered machines, can use all of them.

mod entry;
mod entry_lease;
mod error;
mod locks;
mod once;
mod picker;
mod registry;

pub use self::{
    error::CoordinationError,
    locks::{Leader, LockError, LockGuard, LockHolder, Locks},
    once::{Once, OnceAttempt, OnceError},
    picker::Picker,
    registry::{Registration, Registry, Service, ServiceChange, ServiceInstance, ServiceWatch},
};

use crate::{engine::Engine, store::Ephemerals, sync::Mutex};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::{Mutex as AsyncMutex, RwLock};

/// The state that the handles share.
pub(crate) struct Coordination {
    engine: Arc<Engine>,
    /// A description of this process, the holder of its entries, for people.
    holder: String,
    /// The queues of the callers in this process. Only the first caller of each queue has an entry in the store.
    queues: Mutex<Queues>,
    /// Each registered service holds a read lock until it is removed.
    registrations: Arc<RwLock<()>>,
}

#[derive(Default)]
struct Queues {
    of: HashMap<(&'static str, String), Weak<AsyncMutex<()>>>,
    /// The number of queues at which unused ones are dropped.
    many: usize,
}

impl Coordination {
    pub(crate) fn new(engine: Arc<Engine>, holder: String) -> Self {
        Self { engine, holder, queues: Mutex::default(), registrations: Arc::default() }
    }

    /// Waits until the registered services are removed, at most for `timeout`. Called at the shutdown of the runtime.
    pub(crate) async fn deregistered(&self, timeout: Duration) {
        let removed = self.engine.clock.timeout(timeout, self.registrations.write()).await;
        if removed.is_none() {
            tracing::warn!("the registered services could not be removed in time; they expire");
        }
    }

    /// The entries of the store.
    fn entries(&self) -> Result<&dyn Ephemerals, CoordinationError> {
        self.engine.store.ephemerals().ok_or(CoordinationError::Unsupported)
    }

    /// The queue of the callers in this process for a name.
    fn queue(&self, kind: &'static str, name: &str) -> Arc<AsyncMutex<()>> {
        let mut queues = self.queues.lock();
        if queues.of.len() >= queues.many {
            queues.of.retain(|_, queue| queue.strong_count() > 0);
            queues.many = (2 * queues.of.len()).max(64);
        }
        let queue = queues.of.entry((kind, name.to_owned())).or_default();
        queue.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *queue = Arc::downgrade(&new);
            new
        })
    }
}
