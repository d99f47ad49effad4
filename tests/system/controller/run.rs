//! Looks at an instance: one at a time, and one more for changes during a look; observed by a store that holds back its answers
//! about one instance.

use super::{HOUR, PATIENCE};
use crate::job::{Call, Calls, Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Machines, Policy, Runtime,
    clock::ManualClock,
    store::{
        Buckets, Change, ChangedKeys, Count, Cursor, Definition, Due, Ephemerals, Filter, Group, Held as HeldRow,
        HistoryEntry, HistoryQuery, InUse, Key, Lapsed, Lease, LocalChanges, Notice, Operation, OperationEntry, Page,
        Presence, Process, Prune, Renewal, Renewed, Row, Scope, Store, StoreError, StoreFuture, Verdict,
        sqlite::Sqlite,
    },
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::sync::{Semaphore, broadcast, mpsc};

/// Reads and claims of this instance wait for a permit before they return.
const HELD: &str = "a";

/// A store that records reads of single rows and claims, and holds back the answers about one instance.
struct Held {
    inner: Sqlite,
    seen: Arc<Seen>,
}

struct Seen {
    /// The reads under way.
    reading: Mutex<Vec<Key>>,
    /// The number of reads begun.
    begun: Mutex<Vec<Key>>,
    /// Rows that were read twice at the same time.
    overlaps: Mutex<Vec<Key>>,
    /// For each ended lease, whether its process already counted as gone.
    ended: Mutex<Vec<bool>>,
    /// How claims are answered.
    claims: Mutex<Claims>,
    /// Receives each read and claim that is done but not yet answered.
    done: mpsc::UnboundedSender<Key>,
    permits: Semaphore,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Claims {
    #[default]
    Normal,
    /// The next one is made, and its answer is lost.
    Lost,
    /// Each is refused, as by a trigger.
    Refused,
    /// The next one is not made, and shows the row of another process that has made one.
    TakenOver,
}

impl Seen {
    async fn done(&self, key: &Key) {
        let _ = self.done.send(key.clone());
        if &*key.id == HELD {
            self.permits.acquire().await.unwrap().forget();
        }
    }
}

impl Store for Held {
    fn get(&self, key: Key) -> StoreFuture<'_, Option<Row>> {
        Box::pin(async move {
            let reading = || self.seen.reading.lock().unwrap();
            if reading().contains(&key) {
                self.seen.overlaps.lock().unwrap().push(key.clone());
            }
            reading().push(key.clone());
            self.seen.begun.lock().unwrap().push(key.clone());
            let row = self.inner.get(key.clone()).await;
            self.seen.done(&key).await;
            let mut reading = reading();
            let place = reading.iter().position(|read| *read == key).unwrap();
            reading.swap_remove(place);
            row
        })
    }

    fn commit(&self, groups: Vec<Group>, now: SystemTime) -> StoreFuture<'_, Vec<Verdict>> {
        Box::pin(async move {
            let changes = groups.iter().flat_map(|group| &group.changes);
            let claimed = changes.filter(|change| matches!(change, Change::Claim(_))).map(|claim| claim.key().clone());
            let claimed: Vec<Key> = claimed.collect();
            let claims = if claimed.is_empty() { Claims::Normal } else { *self.seen.claims.lock().unwrap() };
            if claims != Claims::Refused && !claimed.is_empty() {
                *self.seen.claims.lock().unwrap() = Claims::Normal;
            }
            let verdicts = match claims {
                Claims::Normal | Claims::Lost => self.inner.commit(groups, now).await,
                Claims::Refused => Ok(vec![Verdict::Refused { change: 0, reason: "by a trigger".into() }]),
                Claims::TakenOver => {
                    let mut row = self.inner.get(claimed[0].clone()).await.unwrap().unwrap();
                    (row.owner, row.fence) = (Some("other".into()), 99);
                    Ok(vec![Verdict::Committed { rows: vec![row] }])
                }
            };
            for key in &claimed {
                self.seen.done(key).await;
            }
            if claims == Claims::Lost {
                return Err(StoreError::Indeterminate { store: "it".into(), cause: "the answer was lost".into() });
            }
            verdicts
        })
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
        Box::pin(async move {
            let found = self.inner.find_by_idempotency_key(key.clone(), idempotency_key).await;
            self.seen.done(&key).await;
            found
        })
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

    fn orphaned(&self, scope: Scope, after: Option<Key>, limit: usize, now: SystemTime) -> StoreFuture<'_, Vec<Key>> {
        self.inner.orphaned(scope, after, limit, now)
    }

    fn held_by(&self, owner: String, after: Option<Key>, limit: usize) -> StoreFuture<'_, Vec<HeldRow>> {
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

    fn define(&self, definitions: Vec<Definition>, now: SystemTime) -> StoreFuture<'_, ()> {
        self.inner.define(definitions, now)
    }

    fn definition(&self, machine: String) -> StoreFuture<'_, Option<Definition>> {
        self.inner.definition(machine)
    }

    fn definitions(&self) -> StoreFuture<'_, Vec<Definition>> {
        self.inner.definitions()
    }

    fn log_operation(&self, operation: Operation, now: SystemTime) -> StoreFuture<'_, u64> {
        self.inner.log_operation(operation, now)
    }

    fn operations(&self, before: u64, limit: usize) -> StoreFuture<'_, Vec<OperationEntry>> {
        self.inner.operations(before, limit)
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices()
    }

    fn changed(&self, after: u64, buckets: Buckets, limit: usize) -> StoreFuture<'_, ChangedKeys> {
        self.inner.changed(after, buckets, limit)
    }

    fn local_changes(&self) -> &LocalChanges {
        self.inner.local_changes()
    }

    fn take_lease(&self, process: Process, ttl: Duration, now: SystemTime) -> StoreFuture<'_, Renewed> {
        self.inner.take_lease(process, ttl, now)
    }

    fn renew_lease(&self, renewal: Renewal, now: SystemTime) -> StoreFuture<'_, Result<Renewed, Lapsed>> {
        self.inner.renew_lease(renewal, now)
    }

    fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> StoreFuture<'_, ()> {
        let presence = self.inner.presence().unwrap();
        let gone = owners.into_iter().map(|owner| (presence.is_gone(&owner), owner));
        let (gone, owners): (Vec<bool>, Vec<String>) = gone.unzip();
        self.seen.ended.lock().unwrap().extend(gone);
        self.inner.end_leases(owners, now)
    }

    fn leases(&self, now: SystemTime) -> StoreFuture<'_, Vec<Lease>> {
        self.inner.leases(now)
    }

    fn presence(&self) -> Option<&dyn Presence> {
        self.inner.presence()
    }

    fn ephemerals(&self) -> Option<&dyn Ephemerals> {
        self.inner.ephemerals()
    }
}

struct World {
    runtime: Runtime,
    jobs: Machines<Job>,
    calls: Calls,
    clock: ManualClock,
    seen: Arc<Seen>,
    done: mpsc::UnboundedReceiver<Key>,
}

/// A store that holds back answers, and what it reports.
fn held(inner: Sqlite) -> (Held, Arc<Seen>, mpsc::UnboundedReceiver<Key>) {
    let (tell, done) = mpsc::unbounded_channel();
    let (reading, begun, overlaps) = (Mutex::default(), Mutex::default(), Mutex::default());
    let (ended, claims, permits) = (Mutex::default(), Mutex::default(), Semaphore::new(0));
    let seen = Arc::new(Seen { reading, begun, overlaps, ended, claims, done: tell, permits });
    (Held { inner, seen: seen.clone() }, seen, done)
}

impl World {
    async fn new() -> Self {
        Self::with_policy(Sqlite::in_memory().unwrap(), Policy::new()).await
    }

    /// `policy` is that of the state `Running`.
    async fn with_policy(inner: Sqlite, policy: Policy) -> Self {
        let (workers, calls) = puppets();
        let (store, seen, done) = held(inner);
        // No scan makes up for a missed look.
        let builder = Runtime::builder(store).machine::<Job, Puppets>(workers).poll_interval(HOUR * 10);
        let builder = builder.policy::<job::Running>(policy);
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
        let runtime = builder.clock(clock.clock()).start().await.unwrap();
        Self { jobs: runtime.machines(), runtime, calls, clock, seen, done }
    }

    /// Waits until a read or a claim of this instance is done.
    async fn done(&mut self, id: &str) {
        let done = async { while &*self.done.recv().await.unwrap().id != id {} };
        tokio::time::timeout(PATIENCE, done).await.expect("a look begins");
    }

    fn looks(&self, id: &str) -> usize {
        self.seen.begun.lock().unwrap().iter().filter(|key| &*key.id == id).count()
    }

    /// The next call, while time passes.
    async fn call_in_time(&mut self) -> Call {
        let clock = self.clock.clone();
        let passing = async {
            loop {
                clock.advance(Duration::from_millis(100));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            call = self.calls.next() => call,
            () = passing => unreachable!(),
        }
    }

    /// A running instance, and the held one, whose last look has read that it is due.
    async fn one_at_work_and_one_due(&mut self) -> Call {
        self.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
        let call = self.calls.next().await;
        let record = self.jobs.create(HELD, queued()).await.unwrap();
        self.done(HELD).await;
        record.start().await.unwrap();
        self.seen.permits.add_permits(1);
        self.done(HELD).await;
        call
    }

    /// Begins a shutdown, and then releases the held answers.
    async fn stop(&mut self, mut call: Call) -> Row {
        let runtime = self.runtime.clone();
        let stopping = tokio::spawn(async move { runtime.shutdown(HOUR).await });
        call.draining().await;
        self.seen.permits.add_permits(1_000);
        call.tell(Do::Finish(1));
        let report = tokio::time::timeout(PATIENCE, stopping).await.expect("the shutdown ends").unwrap();
        assert_eq!(report.stopped, []);
        assert!(self.calls.is_over().await, "no other worker started");
        self.jobs.row(HELD).await.unwrap()
    }
}

#[tokio::test]
async fn c1_a_change_during_a_look_causes_one_more_look() {
    const MANY: usize = 50;
    let mut world = World::new().await;
    // The look has read that nothing is due, and is held.
    let record = world.jobs.create(HELD, queued()).await.unwrap();
    world.done(HELD).await;
    let mut running = record.start().await.unwrap();
    for _ in 0..MANY {
        running = running.restart().await.unwrap();
    }
    // Other instances are looked at; this one is not while its look is pending.
    let _ = world.jobs.create("b", queued()).await.unwrap();
    world.done("b").await;
    assert_eq!(world.looks(HELD), 1);

    // One more look reads the present row; starting its worker needs none.
    world.seen.permits.add_permits(1_000);
    let call = world.calls.next().await;
    assert_eq!((call.id.as_str(), call.version, call.attempt), (HELD, running.version(), 1));
    let mut cancelled = call.tell_and_watch(Do::Hang);
    let _ = world.jobs.create("c", queued()).await.unwrap();
    world.done("c").await;
    assert_eq!(world.looks(HELD), 2, "one look for {MANY} events");
    assert!(world.seen.overlaps.lock().unwrap().is_empty(), "two looks at once");

    // A running worker is looked at and kept while its visit lasts.
    assert!(tokio::time::timeout(Duration::ZERO, &mut cancelled).await.is_err());
    let _ = world.jobs.fire(HELD, job::event::Cancel).await.unwrap();
    tokio::time::timeout(PATIENCE, cancelled).await.expect("it is cancelled");
}

#[tokio::test]
async fn c12_a_look_during_the_stop_claims_nothing() {
    let mut world = World::new().await;
    let call = world.one_at_work_and_one_due().await;
    let row = world.stop(call).await;
    assert_eq!((row.fence, row.attempt, row.owner, row.retry_at.is_some()), (0, 0, None, true));
}

#[tokio::test]
async fn c12_a_claim_during_the_stop_is_released() {
    let mut world = World::new().await;
    let call = world.one_at_work_and_one_due().await;
    world.seen.permits.add_permits(1);
    world.done(HELD).await;
    let row = world.stop(call).await;
    assert!(row.fence > 0, "it was claimed");
    assert_eq!((row.attempt, row.owner, row.retry_at.is_some()), (0, None, true));
}

/// A step in flight at the shutdown has a slot, and its worker does not start. Other processes can have the slot while workers drain.
#[tokio::test]
async fn c24_a_shutdown_frees_the_slots_of_work_that_has_not_begun() {
    // The look that follows the grant of the slot is in flight, or the claim.
    for steps in [1, 2] {
        let store = Sqlite::in_memory().unwrap();
        let mut world = World::with_policy(store.clone(), Policy::new().concurrency_over_all(2)).await;
        let mut call = world.one_at_work_and_one_due().await;
        for _ in 0..steps {
            world.seen.permits.add_permits(1);
            world.done(HELD).await;
        }
        let entries = async || {
            let entries = store.ephemerals().unwrap();
            entries.entries("slot", None, None, 9, world.clock.clock().now()).await.unwrap().len()
        };
        assert_eq!(entries().await, 2, "{steps}");
        let runtime = world.runtime.clone();
        let stopping = tokio::spawn(async move { runtime.shutdown(HOUR).await });
        call.draining().await;
        world.seen.permits.add_permits(1_000);
        let freed = async {
            while entries().await > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, freed).await.expect("the slot is freed while the worker drains");
        call.tell(Do::Finish(1));
        tokio::time::timeout(PATIENCE, stopping).await.expect("the shutdown ends").unwrap();
        assert_eq!(entries().await, 0, "{steps}");
    }
}

#[tokio::test]
async fn l3_a_claim_answered_after_the_lease_starts_no_worker() {
    let mut world = World::new().await;
    let record = world.jobs.create(HELD, queued()).await.unwrap();
    world.done(HELD).await;
    record.start().await.unwrap();
    world.seen.permits.add_permits(1);
    // A look that finds it due, and the claim.
    world.done(HELD).await;
    world.seen.permits.add_permits(1);
    world.done(HELD).await;
    // When the answer comes, another process could have taken over the row.
    world.clock.advance(Duration::from_secs(15));
    world.seen.permits.add_permits(1_000);
    let call = world.calls.next().await;
    assert!(call.fence > 1, "it was claimed again");
    assert_eq!((call.id.as_str(), call.attempt), (HELD, 1), "and the lost claim is not an attempt");
}

#[tokio::test]
async fn status_shows_unanswered_calls_and_their_duration() {
    let mut world = World::new().await;
    let _ = world.jobs.create(HELD, queued()).await.unwrap();
    world.done(HELD).await;
    let held = |world: &World| {
        let calls = world.runtime.status().calls;
        calls.into_iter().find(|open| open.call == "get").map(|open| open.age)
    };
    // The calls of a scan at the same time are answered.
    let alone = async {
        while world.runtime.status().calls.len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, alone).await.expect("all but one are answered");
    world.clock.advance(Duration::from_secs(9));
    assert_eq!(held(&world), Some(Duration::from_secs(9)));
    assert!(!world.runtime.status().to_string().contains("not answered"), "a short call is not reported");
    world.clock.advance(Duration::from_secs(3));
    let shown = world.runtime.status().to_string();
    assert!(shown.contains("\nthe store has not answered `get` for 12.0s; open calls: "), "{shown}");
    // Other instances go on.
    world.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    world.calls.next().await.tell(Do::Finish(1));
    world.seen.permits.add_permits(1_000);
    assert_eq!(world.runtime.run_until_idle().await.unwrap(), None);
    assert_eq!(held(&world), None);
}

/// Otherwise another process could report it as killed.
#[tokio::test]
async fn a_graceful_stop_ends_the_lease_before_the_presence() {
    let world = World::new().await;
    world.runtime.shutdown(HOUR).await;
    assert_eq!(*world.seen.ended.lock().unwrap(), [false]);
}

#[tokio::test]
async fn c8_a_claim_with_a_lost_answer_is_not_an_attempt() {
    let mut world = World::new().await;
    *world.seen.claims.lock().unwrap() = Claims::Lost;
    world.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    let call = world.call_in_time().await;
    assert_eq!((call.id.as_str(), call.attempt), ("b", 1));
    assert!(call.fence > 1, "it was claimed again");
}

/// By a constraint or a trigger of the database's owner: a claim at once would be refused again, without end.
#[tokio::test]
async fn c8_a_refused_claim_is_made_again_after_a_pause() {
    let mut world = World::new().await;
    *world.seen.claims.lock().unwrap() = Claims::Refused;
    world.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    // A look, and the claim.
    while world.looks("b") == 0 {
        world.done("b").await;
    }
    world.done("b").await;
    let looks = world.looks("b");
    for n in 0..20 {
        // Each has several looks of its own.
        world.jobs.create(&format!("c{n}"), queued()).await.unwrap();
    }
    assert!(world.looks("b") <= looks + 1, "{} looks after {looks}", world.looks("b"));
    *world.seen.claims.lock().unwrap() = Claims::Normal;
    let call = world.call_in_time().await;
    assert_eq!((call.id.as_str(), call.attempt), ("b", 1));
}

#[tokio::test]
async fn c8_a_claim_that_shows_another_owner_starts_no_worker() {
    let mut world = World::new().await;
    *world.seen.claims.lock().unwrap() = Claims::TakenOver;
    world.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    let call = world.call_in_time().await;
    assert_eq!((call.id.as_str(), call.attempt, call.fence < 99), ("b", 1, true), "under a claim of its own");
}

#[tokio::test]
async fn x3_a_repeated_request_can_lose_a_race_by_id() {
    for grouped in [false, true] {
        let inner = Sqlite::in_memory().unwrap();
        let first = Runtime::builder(inner.clone()).start().await.unwrap();
        first.machines::<Job>().create("a", queued()).await.unwrap();
        let (store, seen, mut done) = held(inner);
        let second = Runtime::builder(store).start().await.unwrap();
        let jobs = second.machines::<Job>();
        let call = jobs.fire_with_key("a", job::event::Start, "k");
        let repeated = tokio::spawn(async move {
            if !grouped {
                return call.await.map_err(|error| error.to_string());
            }
            let mut group = second.group();
            let started = group.add(call);
            let mut output = group.commit().await.map_err(|error| error.to_string())?;
            assert!(output.is_repeated());
            output.take(started).ok_or_else(|| "no result".to_owned())
        });
        // It has found no use of the key. The same request of another process is faster.
        assert_eq!(&*done.recv().await.unwrap().id, "a");
        let result = first.machines::<Job>().fire_with_key("a", job::event::Start, "k").await.unwrap();
        seen.permits.add_permits(100);
        let repeated = repeated.await.unwrap().unwrap();
        assert_eq!((repeated.version(), repeated.state()), (result.version(), job::State::Running), "{grouped}");
    }
}
