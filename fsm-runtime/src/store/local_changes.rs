//! The link between the runtimes that use one store object.

use super::Key;
use crate::sync::Mutex;
use std::{
    fmt, ptr,
    sync::{Arc, Weak},
};

/// Connects the runtimes that use one store object, so that each is notified of what the others commit.
///
/// A store keeps one, and returns it from [`Store::local_changes`](super::Store::local_changes). The runtimes do the rest. What a program
/// commits with [`Store::commit`](super::Store::commit) itself, without a runtime, is not announced; the next scan finds it.
#[derive(Clone, Default)]
pub struct LocalChanges(Arc<Mutex<Vec<Weak<dyn ChangeListener>>>>);

/// Is notified of the commits of other runtimes.
pub(crate) trait ChangeListener: Send + Sync {
    /// `keys` may have changed. Does not block.
    fn changed(&self, keys: &[Key]);
}

impl LocalChanges {
    /// A link without runtimes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `listener` until it is dropped.
    pub(crate) fn join(&self, listener: Weak<dyn ChangeListener>) {
        let mut listeners = self.0.lock();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    /// Notifies all listeners except `from` that `keys` have changed.
    pub(crate) fn announce(&self, from: &dyn ChangeListener, keys: &[Key]) {
        let listeners = self.0.lock();
        let others = listeners.iter().filter(|listener| !ptr::addr_eq(listener.as_ptr(), from));
        for other in others.filter_map(Weak::upgrade) {
            other.changed(keys);
        }
    }
}

impl fmt::Debug for LocalChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalChanges({} runtimes)", self.0.lock().iter().filter(|one| one.strong_count() > 0).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Listener(Mutex<Vec<Key>>);

    impl ChangeListener for Listener {
        fn changed(&self, keys: &[Key]) {
            self.0.lock().extend(keys.iter().cloned());
        }
    }

    #[test]
    fn a_change_reaches_all_runtimes_but_its_own() {
        let changes = LocalChanges::new();
        let listeners: [Arc<Listener>; 3] = Default::default();
        for listener in &listeners {
            let listener: Weak<Listener> = Arc::downgrade(listener);
            changes.clone().join(listener);
        }
        changes.announce(&*listeners[1], &[Key::new("Job", "a")]);
        let [first, second, third] = listeners;
        let seen = |listener: &Listener| listener.0.lock().len();
        assert_eq!([seen(&first), seen(&second), seen(&third)], [1, 0, 1]);
        drop(first);
        assert_eq!(format!("{changes:?}"), "LocalChanges(2 runtimes)");
    }
}
