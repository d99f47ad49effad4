//! Owns the word that something has changed: who wants to know of it, and who waits until nothing is left to do.

use crate::{store::Key, sync::Mutex};
use std::{collections::HashSet, mem, sync::MutexGuard};
use tokio::sync::{Notify, broadcast, oneshot};

/// Who wants to know which instances have changed.
///
/// The controller's set loses nothing and holds each key once; waiting callers get a broadcast, and look for themselves
/// when they have missed some.
pub(crate) struct Notifier {
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

impl Notifier {
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
        if let Some(pending) = self.pending.lock().as_mut() {
            pending.extend(keys);
        }
        self.wake.notify_one();
    }

    /// Tells callers that wait.
    pub(crate) fn notify_waiters(&self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            // Nobody may be waiting.
            let _ = self.waiting.send(key);
        }
    }

    /// Whether anybody, controller or caller, wants to know of changes.
    pub(crate) fn has_listeners(&self) -> bool {
        self.waiting.receiver_count() > 0 || self.pending.lock().is_some()
    }

    /// For a caller that waits for one instance.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Key> {
        self.waiting.subscribe()
    }

    /// From now on changes are kept for the controller.
    pub(crate) fn listen(&self) {
        self.pending.lock().get_or_insert_default();
    }

    /// Nobody listens any more: what changes from now on is not kept.
    pub(crate) fn detach(&self) {
        *self.pending.lock() = None;
        self.asking().waiting.clear();
    }

    /// Ends when the controller has nothing to do; at once where none listens.
    pub(crate) async fn idle(&self) {
        let told = {
            // ClaimedInstance throughout, so that a controller that ends meanwhile does not miss it.
            let pending = self.pending.lock();
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
        let pending = self.pending.lock();
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
        self.asking.lock()
    }

    /// What has changed since the last call, nothing where somebody has asked; waits until something has. Cancel safe: nothing is taken before it returns.
    pub(crate) async fn next(&self) -> HashSet<Key> {
        loop {
            {
                let mut pending = self.pending.lock();
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
