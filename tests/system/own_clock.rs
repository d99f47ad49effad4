//! A store that counts by a clock of its own: its contract, and a runtime whose clock differs from it.

use crate::job::{Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Members, Policy, Runtime,
    clock::{Clock, ManualClock},
    coordination::{OnceAttempt, Service},
    prelude::*,
    store::{
        Buckets, ChangedKeys, Count, Cursor, Definition, Due, Filter, Group, Held, HistoryEntry, HistoryQuery, InUse,
        Key, Lapsed, Lease, LocalChanges, Notice, Operation, OperationEntry, Page, Presence, Process, Prune, Renewal,
        Renewed, Row, Scope, Store, StoreFuture, Verdict,
    },
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use tokio::sync::broadcast;

/// An SQLite store that ignores the callers' clocks, as a store for several hosts does, and whose notices a test sends.
struct OwnClock {
    inner: Sqlite,
    clock: Clock,
    notices: broadcast::Sender<Notice>,
}

impl OwnClock {
    fn new(inner: Sqlite, clock: Clock) -> Self {
        Self { inner, clock, notices: broadcast::Sender::new(16) }
    }
}

impl Store for OwnClock {
    fn get(&self, key: Key) -> StoreFuture<'_, Option<Row>> {
        self.inner.get(key)
    }

    fn commit(&self, groups: Vec<Group>, _: SystemTime) -> StoreFuture<'_, Vec<Verdict>> {
        self.inner.commit(groups, self.clock.now())
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

    fn find_by_idempotency_key(&self, key: Key, idempotency_key: String) -> StoreFuture<'_, Option<HistoryEntry>> {
        self.inner.find_by_idempotency_key(key, idempotency_key)
    }

    fn last_sequence(&self) -> StoreFuture<'_, u64> {
        self.inner.last_sequence()
    }

    fn pruned_through(&self) -> StoreFuture<'_, u64> {
        self.inner.pruned_through()
    }

    fn subscriber_position(&self, subscriber: String) -> StoreFuture<'_, Option<u64>> {
        self.inner.subscriber_position(subscriber)
    }

    fn save_position(&self, subscriber: String, position: u64) -> StoreFuture<'_, ()> {
        self.inner.save_position(subscriber, position)
    }

    fn remove_position(&self, subscriber: String) -> StoreFuture<'_, bool> {
        self.inner.remove_position(subscriber)
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        self.inner.prune(prune)
    }

    fn due(&self, scope: Scope, until: SystemTime, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Vec<Due>> {
        self.inner.due(scope, until, after, limit)
    }

    fn orphaned(&self, scope: Scope, after: Option<Key>, limit: usize, _: SystemTime) -> StoreFuture<'_, Vec<Key>> {
        self.inner.orphaned(scope, after, limit, self.clock.now())
    }

    fn held_by(&self, owner: String, after: Option<Key>, limit: usize) -> StoreFuture<'_, Vec<Held>> {
        self.inner.held_by(owner, after, limit)
    }

    fn claims(&self, machine: String, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<Row>> {
        self.inner.claims(machine, after, limit)
    }

    fn states_in_use(&self, machine: String) -> StoreFuture<'_, Vec<InUse>> {
        self.inner.states_in_use(machine)
    }

    fn retire(&self, machine: String, schema: u32) -> StoreFuture<'_, ()> {
        self.inner.retire(machine, schema)
    }

    fn define(&self, definitions: Vec<Definition>, _: SystemTime) -> StoreFuture<'_, ()> {
        self.inner.define(definitions, self.clock.now())
    }

    fn definition(&self, machine: String) -> StoreFuture<'_, Option<Definition>> {
        self.inner.definition(machine)
    }

    fn definitions(&self) -> StoreFuture<'_, Vec<Definition>> {
        self.inner.definitions()
    }

    fn log_operation(&self, operation: Operation, _: SystemTime) -> StoreFuture<'_, u64> {
        self.inner.log_operation(operation, self.clock.now())
    }

    fn operations(&self, before: u64, limit: usize) -> StoreFuture<'_, Vec<OperationEntry>> {
        self.inner.operations(before, limit)
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn changed(&self, after: u64, buckets: Buckets, limit: usize) -> StoreFuture<'_, ChangedKeys> {
        self.inner.changed(after, buckets, limit)
    }

    fn local_changes(&self) -> &LocalChanges {
        self.inner.local_changes()
    }

    fn take_lease(&self, process: Process, ttl: Duration, _: SystemTime) -> StoreFuture<'_, Renewed> {
        self.inner.take_lease(process, ttl, self.clock.now())
    }

    fn renew_lease(&self, renewal: Renewal, _: SystemTime) -> StoreFuture<'_, Result<Renewed, Lapsed>> {
        self.inner.renew_lease(renewal, self.clock.now())
    }

    fn end_leases(&self, owners: Vec<String>, _: SystemTime) -> StoreFuture<'_, ()> {
        self.inner.end_leases(owners, self.clock.now())
    }

    fn leases(&self, _: SystemTime) -> StoreFuture<'_, Vec<Lease>> {
        self.inner.leases(self.clock.now())
    }

    fn presence(&self) -> Option<&dyn Presence> {
        // Its processes are on several hosts.
        None
    }
}

async fn open() -> (OwnClock, ()) {
    (OwnClock::new(Sqlite::in_memory().unwrap(), Clock::system()), ())
}

fsm_runtime::own_clock_contract!(open);

/// Shuts by itself.
#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Gate {
    #[on(expire => Shut)]
    #[after("5s", expire)]
    Open,
    #[state(end)]
    Shut,
}

const SECOND: Duration = Duration::from_secs(1);

/// The clocks of a store and of a runtime on it, which is ahead of it by `ahead`, and behind it by `behind`.
async fn world(ahead: Duration, behind: Duration) -> (ManualClock, ManualClock, Runtime) {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let (server, node) = (ManualClock::new(start), ManualClock::new(start + ahead - behind));
    let store = OwnClock::new(Sqlite::in_memory().unwrap(), server.clock());
    let runtime = Runtime::builder(store).clock(node.clock()).machine::<Gate, _>(()).start().await.unwrap();
    (server, node, runtime)
}

#[tokio::test]
async fn l7_timers_fire_by_the_stores_clock() {
    for (ahead, behind) in [(10, 0), (0, 10), (3_600, 0)] {
        let (ahead, behind) = (Duration::from_secs(ahead), Duration::from_secs(behind));
        let (server, node, runtime) = world(ahead, behind).await;
        let gates = runtime.machines::<Gate>();
        gates.create("a", gate::Open).await.unwrap();
        for second in 1..=5 {
            let next = runtime.run_until_idle().await.unwrap();
            assert!(next.is_some(), "after {second} s: it is open, {ahead:?} ahead, {behind:?} behind");
            server.advance(SECOND);
            node.advance(SECOND);
        }
        gates.wait_for("a", gate::State::Shut, 20 * SECOND).await.unwrap();
    }
}

#[tokio::test]
async fn l7_a_timer_waits_for_a_store_that_is_behind() {
    let (server, node, runtime) = world(Duration::ZERO, Duration::ZERO).await;
    let gates = runtime.machines::<Gate>();
    gates.create("a", gate::Open).await.unwrap();
    // The lease is renewed in between, and the timer is tried.
    server.advance(4 * SECOND);
    node.advance(10 * SECOND);
    runtime.run_until_idle().await.unwrap();
    assert_eq!(gates.get("a").await.unwrap().state(), gate::State::Open);
    server.advance(SECOND);
    node.advance(SECOND);
    gates.wait_for("a", gate::State::Shut, 20 * SECOND).await.unwrap();
}

/// Entries under leases are a capability of a store, which this one does not have.
#[tokio::test]
async fn a_store_without_entries_refuses_what_needs_them() {
    let (_server, _node, runtime) = world(Duration::ZERO, Duration::ZERO).await;
    let errors = [
        runtime.locks().acquire("a", SECOND).await.unwrap_err().to_string(),
        runtime.locks().try_acquire("a", SECOND).await.unwrap_err().to_string(),
        runtime.once::<String>("a").run(async |_: OnceAttempt| Ok(1)).await.unwrap_err().to_string(),
        runtime.registry().register(Service::new("a", "x")).await.unwrap_err().to_string(),
        runtime.registry().discover("a").await.unwrap_err().to_string(),
    ];
    for error in errors {
        assert_eq!(
            error,
            "this store does not support locks, `once` and the registry, because it does not implement `Store::ephemerals`; \
             implement it, or use the SQLite or the PostgreSQL store"
        );
    }
    let builder = Runtime::builder(open().await.0).machine::<Job, Puppets>(puppets().0);
    let builder = builder.policy::<job::Running>(Policy::new().concurrency_over_all(1));
    assert_eq!(
        builder.start().await.unwrap_err().to_string(),
        "the policy of `Job` in state `Running`: `concurrency_over_all`: this store does not implement `Store::ephemerals`; implement \
         it, or use the SQLite or the PostgreSQL store"
    );
}

/// Notices name buckets, and come in another order than the changes.
#[tokio::test]
async fn x6_notices_of_buckets_lose_no_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.db");
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let other = Runtime::builder(Sqlite::open(&path).await.unwrap()).clock(clock.clock()).start().await.unwrap();
    let others = other.machines::<Job>();
    let bucket = |id: &str| [Key::new("Job", id).bucket()].into_iter().collect::<Buckets>();
    let ids = ["a", "b", "c"];
    let mut mine = bucket("a");
    mine.extend(&bucket("b"));
    assert!((mine & bucket("c")).is_empty());
    let store = OwnClock::new(Sqlite::open(&path).await.unwrap(), clock.clock());
    let notices = store.notices.clone();
    let (workers, mut calls) = puppets();
    // No scan runs, since the clock stands still.
    let builder = Runtime::builder(store)
        .clock(clock.clock())
        .machine::<Job, Puppets>(workers)
        .members(Members::buckets(tokio::sync::watch::channel(mine).1));
    let runtime = builder.start().await.unwrap();
    runtime.run_until_idle().await.unwrap();
    for id in ids {
        others.create(id, queued()).await.unwrap().start().await.unwrap();
    }
    for id in ["c", "b"] {
        notices.send(Notice::new(bucket(id), 0)).unwrap();
    }
    for _ in 0..2 {
        let call = calls.next().await;
        assert!(["a", "b"].contains(&&*call.id), "{}", call.id);
        call.tell(Do::Finish(0));
    }
}
