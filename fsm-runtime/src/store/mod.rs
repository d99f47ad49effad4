//! Owns the contract between the run time and what keeps its rows: [`Store`], and the types that cross it.
//!
//! A store sees names, versions and bytes, never a user's types.

mod change;
#[cfg(feature = "store-tests")]
pub mod contract;
mod error;
mod history;
mod lease;
mod limits;
mod query;
mod row;
pub mod sqlite;
mod verdict;

pub use change::{
    Arm, Attempts, Cause, Change, Checkpoint, Claim, Create, Disarm, Entering, Group, Note, Origin, Override, Purge,
    Release, Rewrite, SetDesiredState, Transition,
};
pub use error::{OpenError, RestoreError, StoreError};
pub use history::{HistoryEntry, HistoryKind};
pub use lease::{Lease, PresenceError, Renewal};
pub(crate) use limits::shortened;
pub use limits::{MAX_TEXT_BYTES, MAX_VALUE_BYTES};
pub use query::{Count, Cursor, Definition, Due, Filter, HistoryQuery, InUse, Page, Prune, Scope, Size};
pub use row::{Key, Row};
pub use verdict::Verdict;

use std::{any::Any, future::Future, pin::Pin, time::SystemTime};
use tokio::sync::broadcast;

/// What the methods of a [`Store`] return, so that a runtime can hold any store behind one pointer.
pub type StoreFuture<'a, T, E = StoreError> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// Keeps rows and their history. [`Sqlite`](sqlite::Sqlite) is the one for a single machine.
///
/// Authors of a store check it with the tests of the module `contract` (feature `store-tests`).
///
/// # Contract
/// - **Atomicity.** A [`Group`] is applied whole or not at all, with the history entries of its changes. Groups that are
///   given together may share a transaction, but never each other's fate: a group that misses its compare-and-swap or
///   breaks a constraint gets its own [`Verdict`], and the others commit.
/// - **Keys.** An instance has a machine's name and an id, neither of them empty: a [`Create`] without one is `Refused`. Any other text
///   is given back exactly.
/// - **Sizes.** A group with a value past the store's limit, or a text past [`MAX_TEXT_BYTES`], is `TooLarge`
///   ([`Group::too_large`]); the other groups of the call commit.
/// - **Idempotency keys.** A key stands for one birth, or for one event with its payload, in one life of an instance; the same JSON is the
///   same, however its objects are ordered. It is looked up before state and version: the first answer stands though the instance has moved on.
/// - **Durability.** A method that writes returns only after everything that its answer speaks of is durable, a `Conflict` and a
///   `Duplicate` too.
/// - **Order.** Groups of one call are applied in order; those of a call that returned come before those of a call that began
///   then. History sequences grow in commit order over the whole store.
/// - **Fences.** Each [`Claim`] that commits gets a fence from one store-wide sequence; none repeats, over removal and
///   reuse of ids and over restarts too.
/// - **Leases.** While the lease of a row's owner lives, nobody else's claim of that row commits, whatever the caller
///   believes; without a lease, or with a lapsed one, everybody's does. What is renewed and given back does not queue
///   behind other changes. Leases keep workers from overlapping; it is the fence that keeps commits apart.
/// - **Cancel safety.** A future that writes and is dropped at any point leaves each of its groups applied whole or not at all, and
///   other callers untouched. Reads have no effects.
/// - **Time.** `now` is the caller's clock. Due times are counted from it; a store that serves several machines may put
///   its own clock in its place, because delays come as durations.
/// - **Reads** see everything that was acknowledged before they began. No read walks through a whole table: lists are
///   paged by key, due work by its time.
/// - **Errors.** What belongs to one change is its verdict; a [`StoreError`] is the store's own. After
///   [`Indeterminate`](StoreError::Indeterminate), which only methods that write answer, nobody knows whether the groups were
///   applied; after every other error nothing was changed. [`Busy`](StoreError::Busy), [`Full`](StoreError::Full),
///   [`ReadOnly`](StoreError::ReadOnly), [`Moved`](StoreError::Moved) and [`Failed`](StoreError::Failed) can pass: the same call may be made again.
///   [`Damaged`](StoreError::Damaged) and [`Closed`](StoreError::Closed) do not. Where a method's own docs name none, these are all.
pub trait Store: Any + Send + Sync {
    /// Applies each group whole or not at all, in order; one verdict for each group, in the same order.
    ///
    /// The durability point of the whole store: when it returns, the groups that were committed survive what the store promises to
    /// survive. Calls of several callers may share one transaction. It waits while more changes are queued than the store keeps
    /// (back-pressure).
    fn commit(&self, groups: Vec<Group>, now: SystemTime) -> StoreFuture<'_, Vec<Verdict>>;

    /// The row under `key`, if there is one.
    fn get(&self, key: Key) -> StoreFuture<'_, Option<Row>>;

    /// The rows of a machine that `filter` wants; `filter.limit` of them at most. Parked ones and all of them can be listed always,
    /// those of states or of an age only where the store [`lists_by_state`](Store::lists_by_state).
    ///
    /// # Errors
    /// [`StoreError::Cursor`] for a `filter.after` that ended no page; [`StoreError::NoStateIndex`] for a list by state or age where there
    /// is no index of states.
    fn list(&self, filter: Filter) -> StoreFuture<'_, Page<Row>>;

    /// Whether rows can be listed, counted and pruned by state; otherwise these are [`StoreError::NoStateIndex`].
    fn lists_by_state(&self) -> StoreFuture<'_, bool>;

    /// How many rows of a machine stand in each state under each schema version, by state and version.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] where the store does not [list by state](Store::lists_by_state).
    fn count(&self, machine: String) -> StoreFuture<'_, Vec<Count>>;

    /// History entries by sequence, from the one beyond `query.after`; `query.limit` of them at most.
    fn history(&self, query: HistoryQuery) -> StoreFuture<'_, Vec<HistoryEntry>>;

    /// What was made under an idempotency key in its instance's present life, or in its last one where the row was removed. Keys
    /// outlive the row.
    fn first(&self, key: Key, idempotency_key: String) -> StoreFuture<'_, Option<HistoryEntry>>;

    /// The sequence of the newest history entry that was ever written, also when it is forgotten by now; 0 where none was.
    fn newest(&self) -> StoreFuture<'_, u64>;

    /// The newest history entry that was pruned, 0 if none was: what comes after it is all there, but for purged instances.
    fn pruned(&self) -> StoreFuture<'_, u64>;

    /// The position that a subscriber stored last; `None` for a name that is new.
    fn position(&self, subscriber: String) -> StoreFuture<'_, Option<u64>>;

    /// Stores a subscriber's position, if it is beyond the one that is there.
    /// Asked again, it changes nothing.
    fn advance(&self, subscriber: String, position: u64) -> StoreFuture<'_, ()>;

    /// Forgets one batch of what is old, and says how much that was: nothing when all is forgotten.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] for `prune.ended` where the store does not [list by state](Store::lists_by_state).
    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64>;

    /// What wakes up at or before `until`: earliest first, from the one after `after`; `limit` of them at most.
    fn due(&self, scope: Scope, until: SystemTime, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Vec<Due>>;

    /// Rows which an owner other than `me` holds, ordered by key, from the one after `after`; `limit` of them at most. Owners
    /// with a live lease are among them.
    fn held_by_others(&self, scope: Scope, me: String, after: Option<Key>, limit: usize) -> StoreFuture<'_, Vec<Key>>;

    /// Every state, with each schema version under which rows of `machine` stand in it, by state and version. A store that does not
    /// [list by state](Store::lists_by_state) looks at each row.
    fn in_use(&self, machine: String) -> StoreFuture<'_, Vec<InUse>>;

    /// Forgets the definitions of `machine` below version `schema`, if no row stands under them any more.
    fn retire(&self, machine: String, schema: u32) -> StoreFuture<'_, ()>;

    /// Stores the graphs, so that tools which never saw the code can show the instances, each under its machine's name and version.
    /// A controller's takes the place of what is there; a client's is stored only where there is none.
    fn define(&self, definitions: Vec<Definition>, now: SystemTime) -> StoreFuture<'_, ()>;

    /// The definition by which a controller has worked on `machine` last; where none has, one that a client stored.
    fn definition(&self, machine: String) -> StoreFuture<'_, Option<Definition>>;

    /// Tells when somebody outside this store object (another process, say) has committed: once for one commit or for many, the
    /// last one always. What is told is a sequence; all history entries up to it were made through this object, or told of before.
    fn foreign_changes(&self) -> broadcast::Receiver<u64>;

    /// Holds each process alive for its `ttl` from now on, and tells until when. What nobody needs any more (a lapsed lease
    /// without rows) may be forgotten on the way.
    fn renew(&self, renewals: Vec<Renewal>, now: SystemTime) -> StoreFuture<'_, Vec<Lease>>;

    /// Ends the leases of `owners` at once: what they hold can be claimed by others.
    fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> StoreFuture<'_, ()>;

    /// The processes that work on the rows, and those that are gone and still hold some.
    fn leases(&self, now: SystemTime) -> StoreFuture<'_, Vec<Lease>>;

    /// Shows others that process `owner` is alive, until the returned guard is dropped or the process is gone. Called before
    /// its first lease.
    ///
    /// # Errors
    /// [`PresenceError`].
    fn attend(&self, owner: &str) -> Result<Box<dyn Send + Sync>, PresenceError>;

    /// Whether process `owner` is gone for certain, so that what it holds can be taken over before its lease lapses. `false`
    /// is always a right answer. Asking changes nothing: the proof stands until the lease is ended.
    fn is_gone(&self, owner: &str) -> bool;
}
