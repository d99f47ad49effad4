//! What a store is asked for, and what it answers with.

use super::row::Key;
use std::{ops::RangeInclusive, time::SystemTime};

/// Which rows to list.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The machine.
    pub machine: String,
    /// Only those in one of these states, the one that entered it first coming first; all of them come by id.
    pub states: Option<Vec<String>>,
    /// Only those that entered their state before this, the one that entered its state first coming first.
    pub entered_before: Option<SystemTime>,
    /// Only parked ones, the one that entered its state first coming first.
    pub parked: bool,
    /// Where the last page said that the next begins.
    pub after: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// One page of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T, C = String> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins: give it to the query's `after`. `None` on the last page.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// A page of `items`, followed by the one that begins at `next`.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<C>) -> Self {
        Self { items, next }
    }
}

/// Which history entries to read: the oldest first, 100 on a page by default.
///
/// ```
/// use fsm_runtime::HistoryQuery;
///
/// let last_ten = HistoryQuery::new().newest_first().limit(10);
/// # let _ = last_ten;
/// ```
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Only those of this instance.
    pub key: Option<Key>,
    /// Only those beyond this sequence: greater ones, or smaller ones with `newest_first`.
    pub after: u64,
    /// From the newest to the oldest; `after` is then the sequence to come before, `u64::MAX` for the newest.
    pub newest_first: bool,
    /// How many at most.
    pub limit: usize,
}

impl HistoryQuery {
    /// All entries, the oldest first.
    #[must_use]
    pub fn new() -> Self {
        Self { key: None, after: 0, newest_first: false, limit: 100 }
    }

    /// The newest entries first.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        if self.after == 0 {
            self.after = u64::MAX;
        }
        self
    }

    /// Begins behind the entry with this sequence: [`Page::next`] of the page before, or the last entry that was read.
    #[must_use]
    pub fn after(mut self, sequence: u64) -> Self {
        self.after = sequence;
        self
    }

    /// The most entries on a page: at least 1.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

impl Default for HistoryQuery {
    fn default() -> Self {
        Self::new()
    }
}

/// That rows stand in a state under a schema version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The state's stored name.
    pub state: String,
    /// The schema version.
    pub schema: u32,
    /// One of the rows.
    pub example: Key,
}

/// How many rows stand in a state under a schema version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The state's stored name.
    pub state: String,
    /// The schema version.
    pub schema: u32,
    /// How many.
    pub rows: u64,
}

/// An instance that has something due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which one.
    pub key: Key,
    /// When.
    pub at: SystemTime,
}

/// Which rows a process works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Those of these machines.
    pub machines: Vec<String>,
    /// Those in these shards.
    pub shards: RangeInclusive<u16>,
}

/// In all shards.
impl From<Vec<String>> for Scope {
    fn from(machines: Vec<String>) -> Self {
        Self { machines, shards: 0..=u16::MAX }
    }
}

/// The last of a page of due work, from which the next page goes on.
pub type Cursor = Due;

/// What is to be forgotten, in one small batch.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// History entries made before this, but for those that a remembered idempotency key answers with.
    pub history_before: Option<SystemTime>,
    /// Idempotency keys used before this.
    pub keys_before: Option<SystemTime>,
    /// Rows in these end states (machine, state) that entered them before that; their history stays.
    pub ended: Vec<(String, String)>,
    /// When `ended` rows must have ended.
    pub ended_before: Option<SystemTime>,
    /// An id of which there is no row: its idempotency keys and, once these are gone, its history. Of one that has a row nothing.
    pub gone: Option<Key>,
    /// How many of each kind at most.
    pub limit: usize,
}

/// What a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the database, without its log.
    pub bytes: u64,
    /// Bytes that deleted rows left free inside.
    pub free_bytes: u64,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
}

/// A machine as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The machine's name.
    pub machine: String,
    /// Its schema version.
    pub version: u32,
    /// The fingerprint of its graph.
    pub fingerprint: u64,
    /// Its graph, as JSON.
    pub graph: String,
    /// Whether a controller works by it, or a client has only written rows under it.
    pub controller: bool,
}
