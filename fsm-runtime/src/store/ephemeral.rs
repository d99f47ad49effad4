//! Entries with their own leases, in queues; and results that are kept for a time.

use super::StoreFuture;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// A capability of a store: queues of entries with leases, for locks, services, functions that run once, and slots over all processes.
///
/// An entry is in the queue of its kind and name. It is live until its lease expires, its holder removes it, or its result is
/// [kept](Ephemerals::keep_result). The first live entry of a queue holds the lock. In the queue of a
/// [state](crate::Policy::concurrency_over_all) with `n` slots, the first `n` live entries have the slots. The other entries wait in order.
/// The order of a registry's entries has no meaning. (In `ZooKeeper`, entries are ephemeral sequential nodes, and this is its recipe for
/// locks.)
///
/// # Contract
/// - **Order.** The sequence of an entry comes from the store's sequence of [fences](super::Claim), so it is greater than the sequences of
///   all earlier entries and claims. A new entry is behind all entries of its queue that are live when it is added, including those of
///   concurrent transactions that committed first.
/// - **Leases.** An expired entry is never live again. It counts neither as first nor as ahead of another entry.
/// - **Durability, cancel safety, time** and **errors** are the same as for the [`Store`](super::Store).
pub trait Ephemerals: Send + Sync {
    /// Adds an entry at the end of its queue, and returns its sequence. [`position`](Ephemerals::position) then returns the entry ahead of
    /// it. Idempotent: if there is an entry with this id, returns its sequence and changes nothing.
    fn enter(&self, entry: NewEphemeral, now: SystemTime) -> StoreFuture<'_, u64>;

    /// Renews the lease of a live entry, which then expires `ttl` from now. Returns whether the entry was live.
    fn renew_entry(&self, id: String, ttl: Duration, now: SystemTime) -> StoreFuture<'_, bool>;

    /// Sets the value of a live entry. Returns whether the entry was live.
    fn set_entry_value(&self, id: String, value: String, now: SystemTime) -> StoreFuture<'_, bool>;

    /// Removes an entry. Idempotent.
    fn remove_entry(&self, id: String, now: SystemTime) -> StoreFuture<'_, ()>;

    /// Returns the position of an entry in its queue. Removes expired entries ahead of it first, so that a renewal that was requested in
    /// time but is executed late cannot make them live again.
    fn position(&self, id: String, now: SystemTime) -> StoreFuture<'_, Position>;

    /// Returns the first `limit` live entries of a queue, in order. If `limit` is the number of slots, these are the entries that have a
    /// slot. Removes expired entries ahead of the last of them first, like [`position`](Ephemerals::position).
    fn first_entries(
        &self,
        kind: &'static str,
        name: String,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>>;

    /// Returns at most `limit` live entries of `kind`, ordered by name and sequence. With `name`, returns only entries of this queue; with
    /// `after`, only entries after this name and sequence.
    fn entries(
        &self,
        kind: &'static str,
        name: Option<String>,
        after: Option<(String, u64)>,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>>;

    /// If the entry `result.entry` is live and first, keeps the result under the name of the entry, and removes the entry. Replaces an
    /// earlier result of the name. Returns whether the result was kept. If the answer to an earlier request was lost, a repetition may
    /// return `false` although the result was kept; the fence of the kept result is then that of the entry.
    fn keep_result(&self, result: NewResult, now: SystemTime) -> StoreFuture<'_, bool>;

    /// Returns the result that is kept for `name` of `kind`, if its `ttl` has not elapsed.
    fn result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, Option<KeptResult>>;

    /// Removes the result that is kept for `name` of `kind`. Returns whether there was one.
    fn remove_result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, bool>;

    /// Returns a receiver that is notified soon after an entry was added, changed or removed through this object of the store. Changes
    /// through other objects notify it if the store learns of them. The expiry of an entry does not notify. Callers that wait read the
    /// store at each notification, and once a second without one. A notification without a change of entries is therefore allowed, and
    /// costs one read for each waiting caller.
    fn entry_changes(&self) -> watch::Receiver<()>;
}

/// An entry to add to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEphemeral {
    /// The kind, such as `lock` or `slot`.
    pub kind: &'static str,
    /// The name of the queue within its kind. At most [`MAX_KEY_BYTES`](super::MAX_KEY_BYTES) bytes.
    pub name: String,
    /// The id of the entry, which is never used again.
    pub id: String,
    /// A description of the holder, for people.
    pub holder: String,
    /// The value, as JSON.
    pub value: Option<String>,
    /// The length of the lease.
    pub ttl: Duration,
}

/// An entry of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ephemeral {
    /// The sequence of the entry, which is also its fence. Greater than the sequences of all earlier entries and claims.
    pub sequence: u64,
    /// The name of the queue.
    pub name: String,
    /// The id of the entry.
    pub id: String,
    /// A description of the holder, for people.
    pub holder: String,
    /// The value, as JSON.
    pub value: Option<String>,
    /// When the entry was added.
    pub since: SystemTime,
    /// When the lease expires.
    pub until: SystemTime,
}

impl Ephemeral {
    /// Creates an entry without a value.
    #[must_use]
    pub fn new(sequence: u64, name: String, id: String, holder: String, since: SystemTime, until: SystemTime) -> Self {
        Self { sequence, name, id, holder, value: None, since, until }
    }
}

/// The position of an entry in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// The entry is live and first.
    First,
    /// The entry is live and directly behind this live entry.
    Behind(Ephemeral),
    /// The entry has expired or was removed.
    Gone,
}

/// A result to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewResult {
    /// The id of the entry under which the result was produced.
    pub entry: String,
    /// The arguments of the call, as JSON.
    pub arguments: Option<String>,
    /// The result, as JSON, or the message of an error.
    pub outcome: String,
    /// Whether the outcome is an error.
    pub failed: bool,
    /// How long the result is kept.
    pub ttl: Duration,
}

/// A result that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptResult {
    /// The sequence of the entry under which the result was produced.
    pub fence: u64,
    /// The arguments of the call, as JSON.
    pub arguments: Option<String>,
    /// The result, as JSON, or the message of an error.
    pub outcome: String,
    /// Whether the outcome is an error.
    pub failed: bool,
    /// When the result was kept.
    pub at: SystemTime,
    /// The time until which the result is kept.
    pub until: SystemTime,
}

impl KeptResult {
    /// Creates a successful result without arguments.
    #[must_use]
    pub fn new(fence: u64, outcome: String, at: SystemTime, until: SystemTime) -> Self {
        Self { fence, arguments: None, outcome, failed: false, at, until }
    }
}
