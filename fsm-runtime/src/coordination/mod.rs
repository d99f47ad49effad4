//! Locks, leaders, services and calls that are made once, over all processes of a store.
//!
//! - [`Locks`], from [`Runtime::locks`](crate::Runtime::locks): one holder of a name at a time, and one leader.
//! - [`Once`], from [`Runtime::once`](crate::Runtime::once): a function that runs once under a key, and whose result is kept.
//! - [`Registry`], from [`Runtime::registry`](crate::Runtime::registry): where the live processes of a service are.
//!
//! Each holder has an entry in the store, with a lease of its own: it is renewed at a third of its length, and lapses if the process ends or
//! stalls. Each kind has its own names: a lock, a call and a service may have the same name. A client without registered machines
//! can use all of them.

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

/// What the handles share.
pub(crate) struct Coordination {
    engine: Arc<Engine>,
    /// The holder of all entries of this process, for people.
    holder: String,
    /// The queues of this process: only the first caller of each waits in the store.
    queues: Mutex<Queues>,
    /// Held for reading by each registered service until it is removed.
    registrations: Arc<RwLock<()>>,
}

#[derive(Default)]
struct Queues {
    of: HashMap<(&'static str, String), Weak<AsyncMutex<()>>>,
    /// With more queues than this, unused ones are dropped.
    many: usize,
}

impl Coordination {
    pub(crate) fn new(engine: Arc<Engine>, holder: String) -> Self {
        Self { engine, holder, queues: Mutex::default(), registrations: Arc::default() }
    }

    /// Waits until the registered services are removed, for `timeout` at most. The runtime shuts down.
    pub(crate) async fn deregistered(&self, timeout: Duration) {
        let removed = self.engine.clock.timeout(timeout, self.registrations.write()).await;
        if removed.is_none() {
            tracing::warn!("the registered services could not be removed in time; they lapse");
        }
    }

    /// The capability of the store.
    fn entries(&self) -> Result<&dyn Ephemerals, CoordinationError> {
        self.engine.store.ephemerals().ok_or(CoordinationError::Unsupported)
    }

    /// The queue of the callers of this process.
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
