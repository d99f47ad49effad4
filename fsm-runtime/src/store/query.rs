//! Queries of a store, and their results.

use super::{row::Key, shard::Buckets};
use std::time::SystemTime;
use uuid::Uuid;

/// Selects the rows of a list.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The machine.
    pub machine: String,
    /// Only rows whose id begins with this text. It does not change the order; a list in another order than by id may read all of
    /// these rows for each page.
    pub id_prefix: Option<String>,
    /// Only rows in one of these states, ordered by when they entered it. A list of all rows is ordered by id.
    pub states: Option<Vec<String>>,
    /// Only rows that entered their state before this time, ordered by when they entered it.
    pub entered_before: Option<SystemTime>,
    /// Only these rows, ordered by when they entered their state.
    pub only: Option<Only>,
    /// Ordered by when they entered their state, the latest first, and then by id, the last first: the exact reverse of a list by age.
    pub newest_first: bool,
    /// The `next` of the previous page. That of a list in another order is an error.
    pub after: Option<String>,
    /// The maximum number.
    pub limit: usize,
}

impl Filter {
    /// All rows of `machine`, ordered by id, 100 on a page. Set the fields that differ: `Filter { only: Some(Only::Parked), ..Filter::new("Order") }`.
    #[must_use]
    pub fn new(machine: impl Into<String>) -> Self {
        Self {
            machine: machine.into(),
            id_prefix: None,
            states: None,
            entered_before: None,
            only: None,
            newest_first: false,
            after: None,
            limit: 100,
        }
    }
}

/// Rows that are listed without an index of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Only {
    /// Parked rows.
    Parked,
    /// Rows whose work has failed, and is tried again at a later time.
    BackingOff,
    /// Rows that an operator holds.
    Held,
}

/// One page of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<T, C = String> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins: pass it to `after` of the query. `None` on the last page.
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
    /// Only entries of this instance.
    pub key: Option<Key>,
    /// Only entries with the cause `operator`. With a key, the entries of the instance are read and the others are left out.
    pub by_operators: bool,
    /// Only entries after this sequence; with `newest_first`, only entries before it.
    pub after: u64,
    /// From the newest to the oldest. `after` is then the sequence to begin before; `u64::MAX` begins with the newest.
    pub newest_first: bool,
    /// The maximum number.
    pub limit: usize,
}

impl HistoryQuery {
    /// All entries, the oldest first.
    #[must_use]
    pub fn new() -> Self {
        Self { key: None, by_operators: false, after: 0, newest_first: false, limit: 100 }
    }

    /// Only entries with the cause `operator`: overrides, releases, and what is armed by a new declaration.
    #[must_use]
    pub fn by_operators(mut self) -> Self {
        self.by_operators = true;
        self
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

    /// Begins after the entry with this sequence: [`Page::next`] of the page before, or the last entry that was read.
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

/// A state and schema version that rows have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InUse {
    /// The state's stored name.
    pub state: String,
    /// The schema version.
    pub schema: u32,
    /// One of the rows.
    pub example: Key,
}

impl InUse {
    /// `example` is one of the rows in `state` with version `schema`.
    #[must_use]
    pub fn new(state: String, schema: u32, example: Key) -> Self {
        Self { state, schema, example }
    }
}

/// The number of rows with a state and schema version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// The state's stored name.
    pub state: String,
    /// The schema version.
    pub schema: u32,
    /// The number of rows.
    pub rows: u64,
}

impl Count {
    /// `rows` rows are in `state` with version `schema`.
    #[must_use]
    pub fn new(state: String, schema: u32, rows: u64) -> Self {
        Self { state, schema, rows }
    }
}

/// An instance that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// The instance.
    pub key: Key,
    /// When it is due.
    pub at: SystemTime,
}

impl Due {
    /// Instance `key` is due at `at`.
    #[must_use]
    pub fn new(key: Key, at: SystemTime) -> Self {
        Self { key, at }
    }
}

/// The rows that a process works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Rows of these machines.
    pub machines: Vec<String>,
    /// Rows in these buckets.
    pub buckets: Buckets,
}

/// All buckets.
impl From<Vec<String>> for Scope {
    fn from(machines: Vec<String>) -> Self {
        Self { machines, buckets: Buckets::ALL }
    }
}

/// A row that a process has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The instance.
    pub key: Key,
    /// The incarnation of the id.
    pub incarnation: Uuid,
    /// The version at which its state was entered.
    pub entered: u64,
    /// The fence of the claim.
    pub fence: u64,
}

impl Held {
    /// Instance `key` is claimed under `fence`.
    #[must_use]
    pub fn new(key: Key, incarnation: Uuid, entered: u64, fence: u64) -> Self {
        Self { key, incarnation, entered, fence }
    }
}

/// Which instances have changed since a position in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedKeys {
    /// The sequence of each entry, in ascending order, and its instance.
    pub keys: Vec<(u64, Key)>,
    /// All entries of the buckets up to this sequence are in `keys`: where the next page begins.
    pub through: u64,
}

impl ChangedKeys {
    /// The entries of a page, which is complete up to `through`.
    #[must_use]
    pub fn new(keys: Vec<(u64, Key)>, through: u64) -> Self {
        Self { keys, through }
    }
}

/// A notification that rows were changed through another object of the store, such as that of another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Where rows were changed; all buckets if the store does not know, and none if only leases have changed.
    pub buckets: Buckets,
    /// All history entries up to this sequence were written through this object, or were covered by an earlier notice; 0 if the store
    /// does not know.
    pub known_through: u64,
}

impl Notice {
    /// Rows of `buckets` were changed after `known_through`.
    #[must_use]
    pub fn new(buckets: Buckets, known_through: u64) -> Self {
        Self { buckets, known_through }
    }
}

/// The last item of a page of due work, after which the next page begins.
pub type Cursor = Due;

/// Selects old data to remove, in one small batch.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// History entries older than this, except those that a stored idempotency key refers to.
    pub history_before: Option<SystemTime>,
    /// Idempotency keys older than this.
    pub keys_before: Option<SystemTime>,
    /// Entries of the operators' log older than this.
    pub operations_before: Option<SystemTime>,
    /// Rows in these end states (machine, state) that entered them before `ended_before`. Their history is kept.
    pub ended: Vec<(String, String)>,
    /// The time before which `ended` rows must have entered their state.
    pub ended_before: Option<SystemTime>,
    /// An id without a row: its idempotency keys and, once these are removed, its history. Nothing is removed if it has a row.
    pub gone: Option<Key>,
    /// The maximum number of each kind.
    pub limit: usize,
}

/// The size of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Size {
    /// Bytes of the database, without its write-ahead log.
    pub bytes: u64,
    /// Bytes inside the database that are free after deletions.
    pub free_bytes: u64,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
}

/// The stored definition of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The machine's name.
    pub machine: String,
    /// The schema version.
    pub version: u32,
    /// The fingerprint of the graph.
    pub fingerprint: u64,
    /// The graph, as JSON.
    pub graph: String,
    /// Whether a controller stored it, and not only a client.
    pub controller: bool,
}
