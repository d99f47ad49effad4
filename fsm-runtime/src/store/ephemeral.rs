//! Entries that live under a lease of their own, in the order of their arrival; and results that are kept for a time.

use super::StoreFuture;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// A capability of a store: queues of entries that live under leases, for locks, services, work that is done once, and slots over all
/// processes.
///
/// An entry is in the queue of its kind and name. It is live until its lease lapses, until its holder removes it, or until its result
/// is [kept](Ephemerals::keep_result). The first live entry of a queue is the holder of a lock, and the first `n` have the `n` slots of a
/// [state](crate::Policy::concurrency_over_all); the others wait in order. The order of a registry's entries has no meaning. (In `ZooKeeper`, these are ephemeral sequential nodes, and this is its recipe for locks.)
///
/// # Contract
/// - **Order.** The sequence of an entry comes from the store's sequence of [fences](super::Claim), so it is greater than those of all
///   entries and claims before. An entry that enters a queue is behind all live entries in it, also behind those of transactions that ran
///   at the same time.
/// - **Leases.** A lapsed entry is never live again. It counts neither as first nor as ahead of another.
/// - **Durability, cancel safety, time** and **errors** are those of the [`Store`](super::Store).
pub trait Ephemerals: Send + Sync {
    /// Adds an entry at the end of its queue, and returns its sequence. [`position`](Ephemerals::position) then shows what is ahead of it.
    /// Idempotent: while there is an entry with this id, its sequence is returned and nothing is changed.
    fn enter(&self, entry: NewEphemeral, now: SystemTime) -> StoreFuture<'_, u64>;

    /// Extends the lease of a live entry for `ttl` from now on. Returns whether it was live.
    fn renew_entry(&self, id: String, ttl: Duration, now: SystemTime) -> StoreFuture<'_, bool>;

    /// Sets the value of a live entry. Returns whether it was live.
    fn set_entry_value(&self, id: String, value: String, now: SystemTime) -> StoreFuture<'_, bool>;

    /// Removes an entry. Idempotent.
    fn remove_entry(&self, id: String, now: SystemTime) -> StoreFuture<'_, ()>;

    /// The position of an entry in its queue. Lapsed entries ahead of it are removed first, so that a renewal that was requested in time and
    /// is executed late does not bring them back.
    fn position(&self, id: String, now: SystemTime) -> StoreFuture<'_, Position>;

    /// The first `limit` live entries of a queue, in order: with `limit` as a number of slots, those that have one. Lapsed entries ahead of
    /// the last of them are removed first, as by [`position`](Ephemerals::position).
    fn first_entries(
        &self,
        kind: &'static str,
        name: String,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>>;

    /// The live entries of `kind`, or those of `name`, ordered by name and sequence, after the entry `after`, at most `limit`.
    fn entries(
        &self,
        kind: &'static str,
        name: Option<String>,
        after: Option<(String, u64)>,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>>;

    /// Keeps a result under the name of the entry `result.entry`, if that is live and first, and removes the entry. Returns whether it
    /// was. Replaces an earlier result of the name. After a lost answer it may return `false` though the result is kept, with the fence of
    /// the entry.
    fn keep_result(&self, result: NewResult, now: SystemTime) -> StoreFuture<'_, bool>;

    /// The result that is kept for `name` of `kind`, if its time is not over.
    fn result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, Option<KeptResult>>;

    /// Removes the result that is kept for `name` of `kind`. Returns whether there was one.
    fn remove_result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, bool>;

    /// A receiver that is notified soon after an entry was added, changed or removed through this object of the store. Changes through
    /// other objects notify it if the store learns of them. Those that wait look again at each notification, and once a second without
    /// one: so a notification without a change of entries is possible, and costs a read by each of them. A lapse does not notify.
    fn entry_changes(&self) -> watch::Receiver<()>;
}

/// An entry to add to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEphemeral {
    /// What it is for, such as `lock` or `slot`.
    pub kind: &'static str,
    /// The queue among those of its kind: [`MAX_KEY_BYTES`](super::MAX_KEY_BYTES) at most.
    pub name: String,
    /// Its identity, which is never used again.
    pub id: String,
    /// Its holder, for people.
    pub holder: String,
    /// What it holds, as JSON.
    pub value: Option<String>,
    /// The length of its lease.
    pub ttl: Duration,
}

/// An entry of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ephemeral {
    /// Its place in the order, and its fence: greater than those of all entries and claims before it.
    pub sequence: u64,
    /// The name of its queue.
    pub name: String,
    /// Its identity.
    pub id: String,
    /// Its holder, for people.
    pub holder: String,
    /// What it holds, as JSON.
    pub value: Option<String>,
    /// When it was added.
    pub since: SystemTime,
    /// When its lease lapses.
    pub until: SystemTime,
}

impl Ephemeral {
    /// An entry without a value.
    #[must_use]
    pub fn new(sequence: u64, name: String, id: String, holder: String, since: SystemTime, until: SystemTime) -> Self {
        Self { sequence, name, id, holder, value: None, since, until }
    }
}

/// Where an entry is in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// It is live and first.
    First,
    /// It is live and directly behind this live entry.
    Behind(Ephemeral),
    /// It has lapsed or was removed.
    Gone,
}

/// A result to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewResult {
    /// The entry under which it was made.
    pub entry: String,
    /// The arguments of the call, as JSON.
    pub arguments: Option<String>,
    /// The result, as JSON, or the message of an error.
    pub outcome: String,
    /// Whether it is an error.
    pub failed: bool,
    /// How long it is kept.
    pub ttl: Duration,
}

/// A result that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptResult {
    /// The sequence of the entry under which it was made.
    pub fence: u64,
    /// The arguments of the call, as JSON.
    pub arguments: Option<String>,
    /// The result, as JSON, or the message of an error.
    pub outcome: String,
    /// Whether it is an error.
    pub failed: bool,
    /// When it was made.
    pub at: SystemTime,
    /// Until when it is kept.
    pub until: SystemTime,
}

impl KeptResult {
    /// A successful result without arguments.
    #[must_use]
    pub fn new(fence: u64, outcome: String, at: SystemTime, until: SystemTime) -> Self {
        Self { fence, arguments: None, outcome, failed: false, at, until }
    }
}
