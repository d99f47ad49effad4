//! A store that counts its calls, and the commits in a file.

use fsm_runtime::{
    prelude::*,
    store::{
        Buckets, ChangedKeys, Count, Cursor, Definition, Due, Ephemeral, Ephemerals, Filter, Group, Held, HistoryEntry,
        HistoryQuery, InUse, KeptResult, Key, Lapsed, Lease, LocalChanges, NewEphemeral, NewResult, Notice, Operation,
        OperationEntry, Page, Position, Presence, Process, Prune, Renewal, Renewed, Row, Scope, Store, StoreFuture,
        Verdict,
    },
};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::{broadcast, watch};

/// An SQLite store whose calls are counted.
pub(crate) struct Counting {
    inner: Sqlite,
    calls: Arc<AtomicU64>,
}

impl Counting {
    /// The store, and its number of calls so far.
    pub(crate) fn new(inner: Sqlite) -> (Self, Arc<AtomicU64>) {
        let calls = Arc::new(AtomicU64::new(0));
        (Self { inner, calls: calls.clone() }, calls)
    }
}

macro_rules! counted {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $output> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.inner.$name($($argument),*)
        })*
    };
}

impl Store for Counting {
    counted! {
        commit(groups: Vec<Group>, now: SystemTime) -> Vec<Verdict>;
        get(key: Key) -> Option<Row>;
        list(filter: Filter) -> Page<Row>;
        lists_by_state() -> bool;
        count(machine: String) -> Vec<Count>;
        history(query: HistoryQuery) -> Vec<HistoryEntry>;
        find_by_idempotency_key(key: Key, idempotency_key: String) -> Option<HistoryEntry>;
        last_sequence() -> u64;
        pruned_through() -> u64;
        subscriber_position(subscriber: String) -> Option<u64>;
        save_position(subscriber: String, position: u64) -> ();
        remove_position(subscriber: String) -> bool;
        prune(prune: Prune) -> u64;
        due(scope: Scope, until: SystemTime, after: Option<Cursor>, limit: usize) -> Vec<Due>;
        orphaned(scope: Scope, after: Option<Key>, limit: usize, now: SystemTime) -> Vec<Key>;
        held_by(owner: String, after: Option<Key>, limit: usize) -> Vec<Held>;
        claims(machine: String, after: Option<String>, limit: usize) -> Vec<Row>;
        states_in_use(machine: String) -> Vec<InUse>;
        retire(machine: String, schema: u32) -> ();
        define(definitions: Vec<Definition>, now: SystemTime) -> ();
        definition(machine: String) -> Option<Definition>;
        definitions() -> Vec<Definition>;
        log_operation(operation: Operation, now: SystemTime) -> u64;
        operations(before: u64, limit: usize) -> Vec<OperationEntry>;
        changed(after: u64, buckets: Buckets, limit: usize) -> ChangedKeys;
        take_lease(process: Process, ttl: Duration, now: SystemTime) -> Renewed;
        renew_lease(renewal: Renewal, now: SystemTime) -> Result<Renewed, Lapsed>;
        end_leases(owners: Vec<String>, now: SystemTime) -> ();
        leases(now: SystemTime) -> Vec<Lease>;
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices()
    }

    fn local_changes(&self) -> &LocalChanges {
        self.inner.local_changes()
    }

    fn presence(&self) -> Option<&dyn Presence> {
        self.inner.presence()
    }

    fn ephemerals(&self) -> Option<&dyn Ephemerals> {
        Some(self)
    }
}

impl Ephemerals for Counting {
    counted! {
        enter(entry: NewEphemeral, now: SystemTime) -> u64;
        renew_entry(id: String, ttl: Duration, now: SystemTime) -> bool;
        set_entry_value(id: String, value: String, now: SystemTime) -> bool;
        remove_entry(id: String, now: SystemTime) -> ();
        position(id: String, now: SystemTime) -> Position;
        first_entries(kind: &'static str, name: String, limit: usize, now: SystemTime) -> Vec<Ephemeral>;
        entries(kind: &'static str, name: Option<String>, after: Option<(String, u64)>, limit: usize, now: SystemTime) -> Vec<Ephemeral>;
        keep_result(result: NewResult, now: SystemTime) -> bool;
        result(kind: &'static str, name: String, now: SystemTime) -> Option<KeptResult>;
        remove_result(kind: &'static str, name: String, now: SystemTime) -> bool;
    }

    fn entry_changes(&self) -> watch::Receiver<()> {
        self.inner.entry_changes()
    }
}

/// The commits in the write-ahead log of a file, since it was last started again: its frames that end a transaction.
pub(crate) fn commits(file: &Path) -> usize {
    let log = fs::read(file.with_extension("db-wal")).expect("the write-ahead log");
    let (header, frames) = log.split_at(32);
    let page = u32::from_be_bytes(header[8..12].try_into().expect("four bytes"));
    let frames = frames.chunks_exact(24 + usize::try_from(page).expect("the size of a page"));
    // The frames of an earlier log have other salts.
    frames.filter(|frame| frame[8..16] == header[16..24] && frame[4..8] != [0; 4]).count()
}
