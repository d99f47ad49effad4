//! Owns who is still alive below a supervisor, however its own task ended.
//!
//! `tokio_util`'s `TaskTracker` counts alike, but cannot say who it is that still runs.

use super::handle::Supervisor;
use crate::sync::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard, OnceLock},
};
use tokio::sync::Notify;

/// The tasks that one run of a supervisor has spawned and that are not gone yet.
#[derive(Default)]
pub(super) struct Family {
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
    below: Option<Arc<Family>>,
}

/// One task's place; it leaves when this is dropped.
pub(super) struct Membership {
    family: Arc<Family>,
    number: u64,
}

impl Family {
    pub(super) fn join(self: &Arc<Self>, id: Arc<str>, below: Option<Arc<Family>>) -> Membership {
        let mut members = self.members();
        let number = members.next;
        members.next += 1;
        members.alive.insert(number, Member { id, below });
        Membership { family: self.clone(), number }
    }

    /// Ends when nobody is left. Cancel safe.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.members().alive.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// The paths of all that are alive, below `path`.
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
        let mut members = self.family.members();
        members.alive.remove(&self.number);
        if members.alive.is_empty() {
            self.family.emptied.notify_waiters();
        }
    }
}
