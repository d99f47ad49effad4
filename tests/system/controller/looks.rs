//! Looks at an instance: one at a time, and one more for whatever happens meanwhile. Seen from below, by a store that holds a
//! read back when it is told to.

use super::{HOUR, PATIENCE};
use crate::job::{Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Runtime,
    clock::ManualClock,
    store::{
        Count, Cursor, Definition, Due, Filter, Group, HistoryEntry, HistoryQuery, InUse, Key, Lease, Page,
        PresenceError, Prune, Renewal, Row, Scope, Store, StoreFuture, Verdict, sqlite::Sqlite,
    },
};
use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};
use tokio::sync::{Semaphore, broadcast, mpsc};

/// A store that counts the reads of single rows, and keeps each one that it has read until it has a permit.
struct Held {
    inner: Sqlite,
    reads: Arc<Reads>,
}

struct Reads {
    /// What the reads under way have read.
    under_way: Mutex<Vec<Key>>,
    /// Tells of each that has read, and needs a permit to go on.
    have_read: mpsc::UnboundedSender<Key>,
    permits: Semaphore,
    /// All that were ever begun.
    begun: Mutex<Vec<Key>>,
    /// Two reads of one row at the same time.
    overlaps: Mutex<Vec<Key>>,
}

impl Store for Held {
    fn get(&self, key: Key) -> StoreFuture<'_, Option<Row>> {
        Box::pin(async move {
            let under_way = || self.reads.under_way.lock().unwrap();
            if under_way().contains(&key) {
                self.reads.overlaps.lock().unwrap().push(key.clone());
            }
            under_way().push(key.clone());
            self.reads.begun.lock().unwrap().push(key.clone());
            let row = self.inner.get(key.clone()).await;
            let _ = self.reads.have_read.send(key.clone());
            self.reads.permits.acquire().await.unwrap().forget();
            let mut under_way = under_way();
            let place = under_way.iter().position(|read| *read == key).unwrap();
            under_way.swap_remove(place);
            row
        })
    }

    fn commit(&self, groups: Vec<Group>, now: SystemTime) -> StoreFuture<'_, Vec<Verdict>> {
        self.inner.commit(groups, now)
    }

    fn list(&self, filter: Filter) -> StoreFuture<'_, Page<Row>> {
        self.inner.list(filter)
    }

    fn lists_by_state(&self) -> StoreFuture<'_, bool> {
        self.inner.lists_by_state()
    }

    fn count(&self, machine: String) -> StoreFuture<'_, Vec<Count>> {
        self.inner.count(machine)
    }

    fn history(&self, query: HistoryQuery) -> StoreFuture<'_, Vec<HistoryEntry>> {
        self.inner.history(query)
    }

    fn first(&self, key: Key, idempotency_key: String) -> StoreFuture<'_, Option<HistoryEntry>> {
        self.inner.first(key, idempotency_key)
    }

    fn newest(&self) -> StoreFuture<'_, u64> {
        self.inner.newest()
    }

    fn pruned(&self) -> StoreFuture<'_, u64> {
        self.inner.pruned()
    }

    fn position(&self, subscriber: String) -> StoreFuture<'_, Option<u64>> {
        self.inner.position(subscriber)
    }

    fn advance(&self, subscriber: String, position: u64) -> StoreFuture<'_, ()> {
        self.inner.advance(subscriber, position)
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.inner.prune(prune)
    }

    fn due(&self, scope: Scope, until: SystemTime, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Vec<Due>> {
        self.inner.due(scope, until, after, limit)
    }

    fn held_by_others(&self, scope: Scope, me: String, after: Option<Key>, limit: usize) -> StoreFuture<'_, Vec<Key>> {
        self.inner.held_by_others(scope, me, after, limit)
    }

    fn in_use(&self, machine: String) -> StoreFuture<'_, Vec<InUse>> {
        self.inner.in_use(machine)
    }

    fn retire(&self, machine: String, schema: u32) -> StoreFuture<'_, ()> {
        self.inner.retire(machine, schema)
    }

    fn define(&self, definitions: Vec<Definition>, now: SystemTime) -> StoreFuture<'_, ()> {
        self.inner.define(definitions, now)
    }

    fn definition(&self, machine: String) -> StoreFuture<'_, Option<Definition>> {
        self.inner.definition(machine)
    }

    fn foreign_changes(&self) -> broadcast::Receiver<u64> {
        self.inner.foreign_changes()
    }

    fn renew(&self, renewals: Vec<Renewal>, now: SystemTime) -> StoreFuture<'_, Vec<Lease>> {
        self.inner.renew(renewals, now)
    }

    fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> StoreFuture<'_, ()> {
        self.inner.end_leases(owners, now)
    }

    fn leases(&self, now: SystemTime) -> StoreFuture<'_, Vec<Lease>> {
        self.inner.leases(now)
    }

    fn attend(&self, owner: &str) -> Result<Box<dyn Send + Sync>, PresenceError> {
        self.inner.attend(owner)
    }

    fn is_gone(&self, owner: &str) -> bool {
        self.inner.is_gone(owner)
    }
}

#[tokio::test]
async fn c1_what_happens_during_a_look_leads_to_one_more_look() {
    const MANY: usize = 50;
    let (have_read, mut looks) = mpsc::unbounded_channel();
    let permits = Semaphore::new(0);
    let (under_way, begun, overlaps) = (Mutex::default(), Mutex::default(), Mutex::default());
    let reads = Arc::new(Reads { under_way, have_read, permits, begun, overlaps });
    let (workers, mut calls) = puppets();
    let store = Held { inner: Sqlite::in_memory().unwrap(), reads: reads.clone() };
    // No scan makes good what a look has missed.
    let builder = Runtime::builder(store).machine::<Job, Puppets>(workers).scan_every(HOUR * 10);
    let builder = builder.clock(ManualClock::new(SystemTime::UNIX_EPOCH).clock());
    let runtime = builder.start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    let look = async |looks: &mut mpsc::UnboundedReceiver<Key>| {
        tokio::time::timeout(PATIENCE, looks.recv()).await.expect("nobody looks").unwrap()
    };

    // The look has read that there is nothing to do, and is held there.
    let record = jobs.create("a", queued()).await.unwrap();
    assert_eq!(&*look(&mut looks).await.id, "a");
    let mut running = record.start().await.unwrap();
    for _ in 0..MANY {
        running = running.restart().await.unwrap();
    }
    // Whoever was told of after that is looked at; "a" is not, while its look is under way.
    let _ = jobs.create("b", queued()).await.unwrap();
    assert_eq!(&*look(&mut looks).await.id, "b");
    assert!(looks.is_empty());

    // One more look finds what has become of it, and one follows the start of its worker.
    reads.permits.add_permits(1_000);
    let call = calls.next().await;
    assert_eq!((call.id.as_str(), call.version, call.attempt), ("a", running.version(), 1));
    let mut cancelled = call.tell_and_watch(Do::Hang);
    let _ = jobs.create("c", queued()).await.unwrap();
    while &*look(&mut looks).await.id != "c" {}
    let of_a = reads.begun.lock().unwrap().iter().filter(|key| &*key.id == "a").count();
    assert_eq!(of_a, 3, "one look for {MANY} events");
    assert!(reads.overlaps.lock().unwrap().is_empty(), "two looks at once");

    // Beside the worker it is looked at too, and left alone as long as it stays.
    let stayed = tokio::time::timeout(std::time::Duration::ZERO, &mut cancelled).await;
    assert!(stayed.is_err());
    let _ = jobs.fire("a", job::event::Cancel).await.unwrap();
    tokio::time::timeout(PATIENCE, cancelled).await.expect("it is told to end");
}
