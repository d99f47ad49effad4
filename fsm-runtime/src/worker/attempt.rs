//! One execution of a worker.

use super::{limits::Limits, signals::Signals};
use crate::store::Row;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// One execution of a worker. Shared by the controller's loop, the worker registry, the worker and its task.
pub(crate) struct Attempt {
    /// The row as it was claimed.
    pub(crate) row: Row,
    pub(crate) limits: Limits,
    pub(crate) signals: Signals,
    pub(crate) newest: NewestVersion,
}

impl Attempt {
    /// An attempt under the claim of `row`.
    pub(crate) fn new(row: Row, limits: Limits, signals: Signals) -> Self {
        let newest = NewestVersion { version: AtomicU64::new(row.version), changed: Notify::new() };
        Self { row, limits, signals, newest }
    }

    /// Records that `row` was read, or was stored.
    pub(crate) fn saw(&self, row: &Row) {
        if self.row.is_held_in(row) && self.newest.version.fetch_max(row.version, Ordering::AcqRel) < row.version {
            self.newest.changed.notify_waiters();
        }
    }

    /// Completes when a version after `version` was read.
    pub(crate) async fn changed(self: Arc<Self>, version: u64) {
        loop {
            // Made before the version is read, so that it is woken by any change after that.
            let changed = self.newest.changed.notified();
            if self.newest.get() > version {
                return;
            }
            changed.await;
        }
    }
}

/// The newest version of the row that was read under the claim. Internal transitions raise it.
pub(crate) struct NewestVersion {
    version: AtomicU64,
    changed: Notify,
}

impl NewestVersion {
    pub(crate) fn get(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}
