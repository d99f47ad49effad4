//! The tasks that are still alive below a supervisor, even after its own task has ended.
//!
//! `tokio_util`'s `TaskTracker` counts tasks too, but cannot name those that still run.

use super::handle::Supervisor;
use crate::sync::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard, OnceLock},
};
use tokio::sync::Notify;

/// The tasks that one run of a supervisor has spawned and that have not ended yet.
#[derive(Default)]
pub(super) struct Descendants {
    members: Mutex<Members>,
    emptied: Notify,
    /// The handle of a supervisor that is itself a child.
    pub(super) handle: OnceLock<Supervisor>,
}

#[derive(Default)]
struct Members {
    next: u64,
    alive: BTreeMap<u64, Member>,
}

struct Member {
    id: Arc<str>,
    below: Option<Arc<Descendants>>,
}

/// Membership of one task; ends on drop.
pub(super) struct Membership {
    descendants: Arc<Descendants>,
    number: u64,
}

impl Descendants {
    pub(super) fn join(self: &Arc<Self>, id: Arc<str>, below: Option<Arc<Descendants>>) -> Membership {
        let mut members = self.members();
        let number = members.next;
        members.next += 1;
        members.alive.insert(number, Member { id, below });
        Membership { descendants: self.clone(), number }
    }

    /// Completes when no task is left. Cancel safe.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.members().alive.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Adds the paths of all living tasks, below `path`.
    pub(super) fn paths(&self, path: &str, paths: &mut Vec<String>) {
        for member in self.members().alive.values() {
            let path = format!("{path}/{}", member.id);
            if let Some(below) = &member.below {
                below.paths(&path, paths);
            }
            paths.push(path);
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut members = self.descendants.members();
        members.alive.remove(&self.number);
        if members.alive.is_empty() {
            self.descendants.emptied.notify_waiters();
        }
    }
}
