//! Change notification for the controller and for waiting callers, and the wait until the controller is idle.

use crate::{
    store::{ChangeListener, Key, LocalChanges},
    sync::Mutex,
};
use std::{
    collections::HashSet,
    mem,
    sync::{Arc, MutexGuard, Weak},
};
use tokio::sync::{Notify, broadcast, oneshot};

/// Notifies of changed instances: within this runtime, and the other runtimes on the same store object.
///
/// The controller has a set that loses nothing and holds each key once. Waiting callers have a broadcast, and read the
/// instance when they have missed a message.
pub(crate) struct Notifier {
    waiting: broadcast::Sender<Key>,
    /// The other runtimes on the store object.
    local: LocalChanges,
    /// `None` until a controller listens.
    pending: Mutex<Option<HashSet<Key>>>,
    /// Callers that wait until the controller is idle.
    idle_waiters: Mutex<IdleWaiters>,
    wake: Notify,
}

#[derive(Default)]
struct IdleWaiters {
    waiting: Vec<oneshot::Sender<()>>,
    /// Whether a caller was added since the controller checked.
    new: bool,
}

impl Notifier {
    /// A notifier that is linked with those of the other runtimes on a store object.
    pub(crate) fn linked(local: &LocalChanges) -> Arc<Self> {
        let notifier = Arc::new(Self {
            waiting: broadcast::Sender::new(1_024),
            local: local.clone(),
            pending: Mutex::default(),
            idle_waiters: Mutex::default(),
            wake: Notify::new(),
        });
        let listener: Weak<Self> = Arc::downgrade(&notifier);
        local.join(listener);
        notifier
    }

    /// Notifies everyone that this runtime has changed `keys`.
    pub(crate) fn committed(&self, keys: Vec<Key>) {
        self.committed_by_worker(&keys);
        self.publish(keys.into_iter());
    }

    /// Notifies everyone but the controller of this runtime, which reads the row when the worker has ended.
    pub(crate) fn committed_by_worker(&self, keys: &[Key]) {
        self.notify_waiters(keys);
        self.local.announce(self, keys);
    }

    /// Notifies only the controller of this runtime that `keys` have changed.
    pub(crate) fn publish(&self, keys: impl Iterator<Item = Key>) {
        if let Some(pending) = self.pending.lock().as_mut() {
            pending.extend(keys);
        }
        self.wake.notify_one();
    }

    fn notify_waiters(&self, keys: &[Key]) {
        for key in keys {
            // There may be no receiver.
            let _ = self.waiting.send(key.clone());
        }
    }

    /// Whether a controller listens.
    pub(crate) fn has_controller(&self) -> bool {
        self.pending.lock().is_some()
    }

    /// Whether callers wait for changes.
    pub(crate) fn has_waiting_callers(&self) -> bool {
        self.waiting.receiver_count() > 0
    }

    /// Subscribes a caller that waits for one instance.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Key> {
        self.waiting.subscribe()
    }

    /// Starts to collect changes for the controller.
    pub(crate) fn listen(&self) {
        self.pending.lock().get_or_insert_default();
    }

    /// Stops collecting changes for the controller.
    pub(crate) fn detach(&self) {
        *self.pending.lock() = None;
        self.idle_waiters().waiting.clear();
    }

    /// Completes when the controller is idle; at once if no controller listens.
    pub(crate) async fn idle(&self) {
        let idle = {
            // The lock is held, so that a controller that ends in the meantime does not miss this caller.
            let pending = self.pending.lock();
            if pending.is_none() {
                return;
            }
            let (sender, idle) = oneshot::channel();
            let mut idle_waiters = self.idle_waiters();
            idle_waiters.waiting.push(sender);
            idle_waiters.new = true;
            idle
        };
        self.wake.notify_one();
        // An error means that the controller has ended.
        let _ = idle.await;
    }

    /// Whether a caller waits until the controller is idle, and no change is pending.
    pub(crate) fn has_idle_waiters(&self) -> bool {
        let pending = self.pending.lock();
        pending.as_ref().is_some_and(HashSet::is_empty) && !self.idle_waiters().waiting.is_empty()
    }

    /// Notifies the callers that the controller is idle.
    pub(crate) fn notify_idle(&self) {
        for waiting in mem::take(&mut self.idle_waiters().waiting) {
            // The receiver may be gone.
            let _ = waiting.send(());
        }
    }

    fn idle_waiters(&self) -> MutexGuard<'_, IdleWaiters> {
        self.idle_waiters.lock()
    }

    /// Waits for changes and takes them; empty if a caller waits until the controller is idle. Cancel safe: nothing is taken before
    /// it completes.
    pub(crate) async fn next(&self) -> HashSet<Key> {
        loop {
            {
                let mut pending = self.pending.lock();
                if let Some(pending) = pending.as_mut().filter(|pending| !pending.is_empty()) {
                    return mem::take(pending);
                }
            }
            if mem::take(&mut self.idle_waiters().new) {
                return HashSet::new();
            }
            self.wake.notified().await;
        }
    }
}

/// For what others have committed: another runtime on the store object, or another process.
impl ChangeListener for Notifier {
    fn changed(&self, keys: &[Key]) {
        self.notify_waiters(keys);
        self.publish(keys.iter().cloned());
    }
}
