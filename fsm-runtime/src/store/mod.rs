//! The contract of a store, [`Store`], and the values that it takes and returns.
//!
//! A store works with names, versions and JSON texts. It does not know a user's types.
//!
//! # Additions in later releases
//! - What a store is given ([`Change`] and its structs, [`Filter`], [`HistoryQuery`], [`Prune`], [`Scope`], [`Renewal`]) is exhaustive: a
//!   store has to handle every field, so an addition must not compile in a store that ignores it.
//! - What a store builds and may gain fields ([`Row`], [`HistoryEntry`], [`Page`], [`Lease`]) is `#[non_exhaustive]` with a `new`; the fields that
//!   it does not take are public and have defaults.
//! - Enums that applications match ([`Verdict`], [`Cause`], [`HistoryKind`], the errors) are `#[non_exhaustive]`.

mod change;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
mod contents;
#[cfg(feature = "store-tests")]
pub mod contract;
#[cfg(all(feature = "sqlite", feature = "postgres"))]
pub mod copy;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod cursor;
mod ephemeral;
mod error;
mod history;
mod judge;
mod key_text;
mod lease;
mod limits;
mod local_changes;
mod operation;
#[cfg(feature = "postgres")]
pub mod postgres;
mod query;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod replies;
mod request;
mod row;
mod shard;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod timer;
mod transactional;
mod verdict;

pub use change::{
    Arm, Attempts, Cause, Change, Claim, Create, Disarm, Entering, Group, Hold, Note, Origin, Override, Purge, Release,
    Rewrite, SaveCheckpoint, SetDesiredState, Transition,
};
pub use ephemeral::{Ephemeral, Ephemerals, KeptResult, NewEphemeral, NewResult, Position};
pub use error::StoreError;
pub use history::{HistoryEntry, HistoryKind, UnknownHistoryKindError};
pub use judge::{KeyUse, key_use, missed, used_key};
pub use key_text::KeyText;
pub use lease::{Lapsed, Lease, MachineVersion, Presence, PresenceError, Process, Renewal, Renewed};
pub(crate) use limits::shortened;
pub use limits::{MAX_KEY_BYTES, MAX_TEXT_BYTES, MAX_VALUE_BYTES};
pub(crate) use local_changes::ChangeListener;
pub use local_changes::LocalChanges;
pub use operation::{Operation, OperationEntry};
pub use query::{
    ChangedKeys, Count, Cursor, Definition, Due, Filter, Held, HistoryQuery, InUse, Notice, Only, Page, Prune, Scope,
    Size,
};
pub(crate) use request::Request;
pub use row::{Key, Row};
pub(crate) use shard::bucket;
pub use shard::{BUCKETS, Buckets};
pub use timer::{Timer, TimerDue, timers_from_json, timers_json};
pub use transactional::{Statements, TransactionalSql};
pub use verdict::Verdict;

use std::{
    any::Any,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};
use tokio::sync::broadcast;

/// What the methods of a [`Store`] return, so that a runtime can hold any store behind one pointer.
pub type StoreFuture<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Keeps instances as versioned rows, with their history. With the feature `sqlite`, `sqlite::Sqlite` is the store for one host.
///
/// Authors of a store check it with the tests of the module `contract` (feature `store-tests`).
///
/// # Contract
/// - **Atomicity.** A [`Group`] is applied as a whole or not at all, together with the history entries of its changes. Groups of one
///   call may share a transaction, but they do not depend on each other: a group that misses its compare-and-swap or violates a
///   constraint gets its own [`Verdict`], and the others commit.
/// - **Keys.** An instance has the name of a machine and an id. Neither is empty: a [`Create`] with an empty one is `Refused`. All
///   other text is returned exactly as it was stored.
/// - **Sizes.** A group with a value past the store's limit, an idempotency key past [`MAX_KEY_BYTES`], or another text past
///   [`MAX_TEXT_BYTES`], is `TooLarge` ([`Group::too_large`]); the other groups of the call commit.
/// - **Idempotency keys.** A key identifies one creation, or one event with its payload, within one incarnation of an instance. JSON
///   payloads are equal if they differ only in the order of object fields. The key is looked up before state and version are compared: the
///   first result stands even if the instance has moved on.
/// - **Durability.** A method that writes returns after everything that its answer is based on is durable, also for `Conflict` and
///   `Duplicate`.
/// - **Order.** Groups of one call are applied in order. Groups of a call that has returned come before those of a call that begins
///   later.
/// - **History.** After a reader has read up to sequence N, no entry with a sequence <= N appears later. The entries of one instance are in
///   the order of its changes. A store with concurrent transactions may hold entries back while an older transaction is open: the history
///   of the whole store, [`changed`](Store::changed) and [`last_sequence`](Store::last_sequence) then show them later. The history of one
///   instance always ends with its last change.
/// - **Fences.** Each [`Claim`] that commits gets a fence from one store-wide sequence. A fence never repeats, also not after an id is removed
///   and reused, or after a restart.
/// - **Leases.** While the lease of a row's owner is live, a claim of that row by another process does not commit. With an expired lease,
///   or without one, it does. An expired lease is not renewed. Renewals and releases do not queue behind other changes. Leases prevent
///   overlapping workers; fences prevent overlapping commits.
/// - **Cancel safety.** A future that writes and is dropped at any point leaves each of its groups applied as a whole or not at all, and does not
///   affect other callers. Reads have no effects.
/// - **Time.** `now` is the caller's clock. A store for one host counts by it; a store for several hosts reads its own clock
///   instead, and [`Renewed::now`] tells the caller how far it is ahead. Delays are durations, so that both count alike. A timer's
///   change is not applied before its time by the clock that the store counts by ([`Transition::not_before`]).
/// - **Reads** see everything that was acknowledged before they began, except for entries that are held back as above. No read scans a whole table: lists are paged by key, and due
///   work by time.
/// - **Errors.** A failure of one change is its verdict; a [`StoreError`] is a failure of the store. Methods that write can return
///   [`Indeterminate`](StoreError::Indeterminate): the groups may or may not have been applied. After every other error nothing was
///   changed. [`Busy`](StoreError::Busy), [`Full`](StoreError::Full), [`ReadOnly`](StoreError::ReadOnly),
///   [`Moved`](StoreError::Moved), [`Unreachable`](StoreError::Unreachable) and [`Failed`](StoreError::Failed) can be temporary: the
///   same call may be made again. [`Damaged`](StoreError::Damaged), [`Forbidden`](StoreError::Forbidden) and
///   [`Closed`](StoreError::Closed) are permanent. These are all errors of a method whose
///   documentation lists none.
pub trait Store: Any + Send + Sync {
    /// Applies each group as a whole or not at all, in order. Returns one verdict for each group, in the same order.
    ///
    /// When it returns, committed groups are as durable as the store promises. Calls of several callers may share one
    /// transaction. The call waits while the store's queue is full (back-pressure).
    fn commit(&self, groups: Vec<Group>, now: SystemTime) -> StoreFuture<'_, Vec<Verdict>>;

    /// The row under `key`; `None` if there is none.
    fn get(&self, key: Key) -> StoreFuture<'_, Option<Row>>;

    /// The rows of a machine that match `filter`, at most `filter.limit`. A list by state or age, newest first too, needs a store that
    /// [lists by state](Store::lists_by_state), unless it has an id prefix. Lists by id, and lists with `filter.only`, are always possible.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] if `filter.after` is not the end of a page of a list in the same order; [`StoreError::NoStateIndex`] for a
    /// list by state or age without an index of states.
    fn list(&self, filter: Filter) -> StoreFuture<'_, Page<Row>>;

    /// Whether rows can be listed, counted and pruned by state. If not, these calls return [`StoreError::NoStateIndex`].
    fn lists_by_state(&self) -> StoreFuture<'_, bool>;

    /// The number of rows of a machine for each state and schema version, ordered by both.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] if the store does not [list by state](Store::lists_by_state).
    fn count(&self, machine: String) -> StoreFuture<'_, Vec<Count>>;

    /// History entries by sequence, after `query.after`, at most `query.limit`.
    fn history(&self, query: HistoryQuery) -> StoreFuture<'_, Vec<HistoryEntry>>;

    /// The entry that was written under an idempotency key in the instance's current incarnation, or in its last one if the row was
    /// removed. Keys outlive the row.
    fn find_by_idempotency_key(&self, key: Key, idempotency_key: String) -> StoreFuture<'_, Option<HistoryEntry>>;

    /// The sequence of the newest history entry that was ever written, even if it has been pruned; 0 if there was none.
    fn last_sequence(&self) -> StoreFuture<'_, u64>;

    /// The sequence of the newest history entry that was pruned; 0 if there was none. All later entries are present, except those
    /// of purged instances.
    fn pruned_through(&self) -> StoreFuture<'_, u64>;

    /// The position that a subscriber saved last; `None` for an unknown name.
    fn subscriber_position(&self, subscriber: String) -> StoreFuture<'_, Option<u64>>;

    /// Saves a subscriber's position if it is after the saved one. Idempotent.
    fn save_position(&self, subscriber: String, position: u64) -> StoreFuture<'_, ()>;

    /// Removes a subscriber's saved position. Returns whether there was one.
    fn remove_position(&self, subscriber: String) -> StoreFuture<'_, bool>;

    /// Removes one batch of old data and returns how much it removed; 0 if nothing is left to remove.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] for `prune.ended` if the store does not [list by state](Store::lists_by_state).
    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64>;

    /// Instances that are due at or before `until`, earliest first, after the cursor `after`, at most `limit`.
    fn due(&self, scope: Scope, until: SystemTime, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Vec<Due>>;

    /// Instances whose owner has no live lease at `now`, ordered by key, after the key `after`, at most `limit`.
    fn orphaned(&self, scope: Scope, after: Option<Key>, limit: usize, now: SystemTime) -> StoreFuture<'_, Vec<Key>>;

    /// What `owner` has claimed, ordered by key, after the key `after`, at most `limit`.
    fn held_by(&self, owner: String, after: Option<Key>, limit: usize) -> StoreFuture<'_, Vec<Held>>;

    /// The rows of `machine` that any process has claimed, ordered by id, after the id `after`, at most `limit`.
    fn claims(&self, machine: String, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<Row>>;

    /// Each pair of state and schema version that rows of `machine` have, ordered by both. A store that does not
    /// [list by state](Store::lists_by_state) reads every row.
    fn states_in_use(&self, machine: String) -> StoreFuture<'_, Vec<InUse>>;

    /// Removes the definitions of `machine` below version `schema`, unless rows still have such a version.
    fn retire(&self, machine: String, schema: u32) -> StoreFuture<'_, ()>;

    /// Stores the graphs under the machine's name and version, so that tools without the code can show the instances. A controller's
    /// definition replaces the stored one; a client's is stored only if there is none.
    fn define(&self, definitions: Vec<Definition>, now: SystemTime) -> StoreFuture<'_, ()>;

    /// The definition that a controller has stored last for `machine`; if there is none, one that a client stored.
    fn definition(&self, machine: String) -> StoreFuture<'_, Option<Definition>>;

    /// For each machine, the definition that [`definition`](Store::definition) returns, ordered by name.
    fn definitions(&self) -> StoreFuture<'_, Vec<Definition>>;

    /// Adds an entry to the operators' log, and returns its sequence, which is greater than all before.
    fn log_operation(&self, operation: Operation, now: SystemTime) -> StoreFuture<'_, u64>;

    /// Entries of the operators' log before the sequence `before`, the newest first, at most `limit`.
    fn operations(&self, before: u64, limit: usize) -> StoreFuture<'_, Vec<OperationEntry>>;

    /// Notifies of changes that were made through other objects of the store, such as those of other processes. Notices coalesce, and
    /// the last one is never lost. When a notice arrives, [`changed`](Store::changed) and the rows show the changes that it is about. A
    /// store whose history may end before entries that are committed also notifies when they are no longer held back.
    ///
    /// A claim, a release without a note, and a checkpoint need no notice: they have no history entry. A notice without buckets is about
    /// leases: a store sends one where it can when a process has come, leaves or has ended. Otherwise this is found within half a second.
    fn notices(&self) -> broadcast::Receiver<Notice>;

    /// The instances of `buckets` that have history entries after the sequence `after`, at most `limit` entries. It reads no data.
    fn changed(&self, after: u64, buckets: Buckets, limit: usize) -> StoreFuture<'_, ChangedKeys>;

    /// The link between the runtimes that use this store object. All handles of the object return the same one.
    fn local_changes(&self) -> &LocalChanges;

    /// Grants `process` a lease for `ttl` from now on: at its start, and again after its lease has expired. It has not
    /// [joined](Lease::joined) then. May remove expired leases whose owners have no rows.
    fn take_lease(&self, process: Process, ttl: Duration, now: SystemTime) -> StoreFuture<'_, Renewed>;

    /// Extends a live lease for `renewal.ttl` from now on. An expired lease never becomes valid again: others may have claimed rows under
    /// it. Its process compares what it runs with [`held_by`](Store::held_by) after it has taken a new lease, and before it claims again.
    fn renew_lease(&self, renewal: Renewal, now: SystemTime) -> StoreFuture<'_, Result<Renewed, Lapsed>>;

    /// Ends the leases of `owners` at once: other processes can claim their rows.
    fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> StoreFuture<'_, ()>;

    /// The leases of all processes: the live ones, and expired ones whose owners still have rows.
    fn leases(&self, now: SystemTime) -> StoreFuture<'_, Vec<Lease>>;

    /// How this store detects that a process has ended before its lease expires; `None` if it cannot.
    fn presence(&self) -> Option<&dyn Presence>;

    /// The queues of entries under leases, for locks, services and work that is done once; `None` if the store has none.
    fn ephemerals(&self) -> Option<&dyn Ephemerals> {
        None
    }
}
