//! Several processes on one store: leases, takeover, and lost leases. Each runtime stands for a process: it has its own handle of
//! the file, its own lease and its own workers.

use crate::job::{Calls, Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Builder, ClaimsQuery, HistoryQuery, Machines, Members, Runtime,
    clock::ManualClock,
    store::{BUCKETS, Buckets, Change, Claim, Key, Process, Row, Store, sqlite::Sqlite},
};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime, its workers and its own clock.
struct World {
    runtime: Runtime,
    jobs: Machines<Job>,
    calls: Calls,
    clock: ManualClock,
    /// The id under which it holds its lease.
    id: String,
}

impl World {
    async fn start(path: &Path) -> Self {
        Self::with(path, |builder| builder).await
    }

    async fn with(path: &Path, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (workers, calls) = puppets();
        let builder = Runtime::builder(Sqlite::open(path).await.unwrap()).machine::<Job, Puppets>(workers);
        let store = Sqlite::open(path).await.unwrap();
        let ids = async || {
            let leases = store.leases(SystemTime::UNIX_EPOCH).await.unwrap();
            leases.into_iter().map(|lease| lease.owner).collect::<HashSet<_>>()
        };
        let before = ids().await;
        let runtime = configure(builder.clock(clock.clock())).start().await.unwrap();
        let id = ids().await.difference(&before).next().unwrap().clone();
        Self { jobs: runtime.machines(), runtime, calls, clock, id }
    }

    /// Waits until everything due is done; no worker may be running.
    async fn idle(&self) {
        self.runtime.run_until_idle().await.unwrap();
    }
}

fn file() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    (dir, path)
}

async fn claim(path: &Path, id: &str, owner: &str) -> Row {
    let store = Sqlite::open(path).await.unwrap();
    let row = store.get(Key::new("Job", id)).await.unwrap().unwrap();
    let Row { key, incarnation, version, fence, .. } = row;
    let claim = Claim { key: key.clone(), incarnation, version, fence, owner: owner.to_owned() };
    store.commit(vec![Change::Claim(claim).into()], SystemTime::UNIX_EPOCH).await.unwrap();
    store.get(key).await.unwrap().unwrap()
}

/// Waits until `right` holds.
async fn until<F: Future<Output = bool>>(what: &str, mut right: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !right().await {
        assert!(Instant::now() < deadline, "never true: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn l1_one_of_two_processes_runs_the_worker() {
    let (_dir, path) = file();
    let mut first = World::start(&path).await;
    first.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let mut call = first.calls.next().await;
    let second = World::start(&path).await;
    second.idle().await;
    assert!(second.calls.is_empty(), "the first works on it");

    // From the other process: the owner cancels, waits, and works on the new visit itself.
    second.jobs.fire("a", job::event::Cancel).await.unwrap();
    call.cancelled().await;
    drop(call);
    let call = first.calls.next().await;
    assert_eq!((call.state, call.attempt), (job::State::Cancelling, 1));
    assert!(second.calls.is_empty());
    call.tell(Do::Finish(0));
    second.jobs.wait_for("a", job::State::Cancelled, PATIENCE).await.unwrap();
    assert_eq!(second.jobs.row("a").await.unwrap().owner, None);
}

/// While a worker of it still ends.
#[tokio::test]
async fn l1_a_process_that_stops_shows_that_it_leaves() {
    let (_dir, path) = file();
    let mut first = World::with(&path, |builder| builder.grace_period(Duration::from_hours(9))).await;
    first.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let mut call = first.calls.next().await;
    let store = Sqlite::open(&path).await.unwrap();
    let leaves = async || store.leases(SystemTime::UNIX_EPOCH).await.unwrap().iter().any(|lease| lease.leaving);
    assert!(!leaves().await);
    let stopping = tokio::spawn(async move { first.runtime.shutdown(Duration::from_hours(9)).await });
    call.draining().await;
    until("the lease shows it at once", leaves).await;
    call.tell(Do::Finish(1));
    stopping.await.unwrap();
}

#[tokio::test]
async fn l1_released_work_of_a_stopped_process_is_taken_up_at_once() {
    let (_dir, path) = file();
    let mut first = World::start(&path).await;
    first.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let call = first.calls.next().await;
    // No scan runs, and no lease lapses.
    let mut second =
        World::with(&path, |builder| builder.poll_interval(Duration::from_hours(9)).lease_ttl(Duration::from_hours(9)))
            .await;
    assert_eq!(second.runtime.nodes().await.unwrap().len(), 2);
    first.runtime.shutdown(Duration::ZERO).await;
    drop(call);
    let (clock, calls) = (&second.clock, &second.calls);
    until("it is noticed", async || {
        clock.advance(Duration::from_millis(50));
        !calls.is_empty()
    })
    .await;
    let call = second.calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("a", 1), "the attempt was returned");
    let left = second.runtime.nodes().await.unwrap();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn l1_a_dead_process_is_noticed_before_its_lease_lapses() {
    let (_dir, path) = file();
    let mut world = World::start(&path).await;
    world.jobs.create("a", queued()).await.unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let presence = store.presence().unwrap().announce("7-dead").unwrap();
    let (dead, now) = (Process::new("7-dead", "process 7"), world.clock.clock().now());
    store.take_lease(dead, Duration::from_hours(1), now).await.unwrap();
    claim(&path, "a", "7-dead").await;
    world.jobs.fire("a", job::event::Start).await.unwrap();
    world.idle().await;
    assert!(world.calls.is_empty(), "process 7 may be alive");
    drop(presence);
    let (clock, jobs) = (&world.clock, &world.jobs);
    until("it is noticed", async || {
        clock.advance(Duration::from_millis(100));
        jobs.row("a").await.unwrap().attempt == 1
    })
    .await;
    assert!(clock.clock().elapsed() < Duration::from_mins(30), "taken over before the lease lapsed");
    let call = world.calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("a", 1));
}

#[tokio::test]
async fn c15_orphaned_work_is_taken_up_within_a_scan() {
    let (_dir, path) = file();
    let store = Sqlite::open(&path).await.unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let client = Runtime::builder(store.clone()).clock(ManualClock::new(now).clock()).start().await.unwrap();
    client.machines::<Job>().create("a", queued()).await.unwrap().start().await.unwrap();
    // Without a presence file its end is unknown. Its claims are not due: they have an owner.
    store.take_lease(Process::new("7-gone", "process 7"), Duration::from_secs(15), now).await.unwrap();
    assert_eq!(claim(&path, "a", "7-gone").await.retry_at, None);
    let mut world = World::start(&path).await;
    for _ in 0..14 {
        world.clock.advance(Duration::from_secs(1));
    }
    world.idle().await;
    assert!(world.calls.is_empty(), "the lease lives");
    world.clock.advance(Duration::from_secs(1));
    let processes = world.runtime.nodes().await.unwrap();
    let gone = processes.iter().find(|lease| lease.owner == "7-gone").unwrap();
    assert_eq!((gone.live, gone.until), (false, now + Duration::from_secs(15)));
    world.clock.advance(Duration::from_secs(5));
    let call = world.calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("a", 2), "the attempt of the dead process counts");
    call.tell(Do::Finish(1));
    world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let (clock, runtime) = (&world.clock, &world.runtime);
    until("the lease is forgotten when nothing is held under it", async || {
        clock.advance(Duration::from_secs(5));
        runtime.nodes().await.unwrap().len() == 1
    })
    .await;
}

#[tokio::test]
async fn c15_only_owners_with_a_live_lease_are_shown_as_running() {
    let (_dir, path) = file();
    // A client, which claims nothing.
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let store = Sqlite::open(&path).await.unwrap();
    let client = Runtime::builder(store.clone()).clock(clock.clock()).start().await.unwrap().machines::<Job>();
    for id in ["a", "b", "c", "resting"] {
        client.create(id, queued()).await.unwrap();
    }
    // Three processes, one of which is known only by its claim.
    for (owner, holder, seconds) in [("first", "process 7", 15), ("other", "process 8", 9)] {
        let (ttl, now) = (Duration::from_secs(seconds), clock.clock().now());
        store.take_lease(Process::new(owner, holder), ttl, now).await.unwrap();
    }
    for (id, owner) in [("a", "first"), ("b", "other"), ("c", "unknown")] {
        claim(&path, id, owner).await;
    }
    let seen = async |after: Option<&str>| {
        let query = after.into_iter().fold(ClaimsQuery::all(), ClaimsQuery::after);
        let page = client.claims(&query).await.unwrap();
        assert_eq!(page.next, None);
        let line = |held: fsm_runtime::ClaimedInstance| format!("{}: {held}, {}", held.row.key.id, held.is_orphaned());
        page.items.into_iter().map(line).collect::<Vec<_>>()
    };
    let forgotten = "c: orphaned by an unknown process, true";
    assert_eq!(seen(None).await, ["a: with process 7, false", "b: with process 8, false", forgotten]);
    let until = client.claims(&ClaimsQuery::all()).await.unwrap().items[1].by.clone().unwrap().until;
    clock.advance(Duration::from_secs(9));
    assert_eq!(seen(None).await, ["a: with process 7, false", "b: orphaned by process 8, true", forgotten]);
    assert_eq!(until, clock.clock().now(), "since the end of its lease");
    let next = client.claims(&ClaimsQuery::all().limit(2)).await.unwrap().next.unwrap();
    assert_eq!(seen(Some(&next)).await, [forgotten], "the page after it");
}

#[tokio::test]
async fn m6_a_node_is_shown_with_its_machines_and_build() {
    let (_dir, path) = file();
    let world = World::with(&path, |builder| builder.node("node-1").build_version("1.2.3").max_concurrency(7)).await;
    let lease = world.runtime.nodes().await.unwrap().remove(0);
    assert_eq!((lease.name.as_str(), lease.build.as_deref(), lease.slots), ("node-1", Some("1.2.3"), 7));
    assert_eq!((lease.pid, lease.joined, lease.leaving), (std::process::id(), None, false));
    let machines: Vec<_> = lease.machines.iter().map(|it| (it.machine.as_str(), it.version)).collect();
    assert_eq!(machines, [("Job", 1)]);
    let (clock, runtime) = (&world.clock, &world.runtime);
    clock.advance(Duration::from_secs(5));
    let joined = Some(clock.clock().now());
    until("it has joined", async || runtime.nodes().await.unwrap()[0].joined == joined).await;
}

#[tokio::test]
async fn l2_a_commit_after_a_stall_past_the_lease_is_fenced() {
    let (_dir, path) = file();
    let mut stalled = World::start(&path).await;
    stalled.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let call = stalled.calls.next().await;
    // Its clock stands still, as in a stopped process; the other's advances.
    let mut other = World::start(&path).await;
    other.clock.advance(Duration::from_secs(16));
    let taken = other.calls.next().await;
    assert_eq!((taken.id.as_str(), taken.attempt), ("a", 2));
    assert!(taken.fence > call.fence);
    call.tell(Do::Finish(1));
    stalled.runtime.shutdown(PATIENCE).await;
    assert_eq!(other.jobs.row("a").await.unwrap().version, 2, "the late result changed nothing");
    taken.tell(Do::Finish(2));
    let finished = other.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    assert_eq!(finished.version(), 3);
    let row = other.jobs.row("a").await.unwrap();
    assert!(row.data.contains('2'), "the second result is stored");
}

#[tokio::test]
async fn l3_workers_end_before_a_lease_that_cannot_be_renewed() {
    let (_dir, path) = file();
    let mut world = World::start(&path).await;
    for id in ["obedient", "stubborn"] {
        world.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
    }
    let (one, two) = (world.calls.next().await, world.calls.next().await);
    let (mut obedient, stubborn) = if one.id == "obedient" { (one, two) } else { (two, one) };
    let cancelled = stubborn.tell_and_watch(Do::Hang);

    // No process can write.
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.clock.advance(Duration::from_secs(9));
    assert_eq!(world.calls.running_now(), 2, "a late renewal does not end the workers yet");
    world.clock.advance(Duration::from_secs(1));
    obedient.cancelled().await;
    cancelled.await;
    drop(obedient);
    let calls = &world.calls;
    until("the one that obeys has ended", async || calls.running_now() == 1).await;
    world.clock.advance(Duration::from_millis(2_500));
    until("the other one is aborted", async || calls.running_now() == 0).await;

    // The store works again: the attempts were returned.
    blocker.execute_batch("ROLLBACK").unwrap();
    let (clock, calls) = (&world.clock, &world.calls);
    until("the work goes on", async || {
        clock.advance(Duration::from_millis(100));
        calls.running_now() == 2
    })
    .await;
    for _ in 0..2 {
        assert_eq!(world.calls.next().await.attempt, 1);
    }
}

#[tokio::test]
async fn l3_after_a_pause_work_goes_on_unless_taken_over() {
    let (_dir, path) = file();
    // Part of the lease in real time is long enough for any disk.
    let mut world = World::with(&path, |builder| builder.lease_ttl(Duration::from_mins(10))).await;
    world.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let mut call = world.calls.next().await;
    world.clock.advance(Duration::from_mins(50));
    world.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    world.calls.next().await.tell(Do::Finish(0));
    world.jobs.wait_for("b", job::State::Finished, PATIENCE).await.unwrap();
    let cancelled = tokio::time::timeout(Duration::ZERO, call.cancelled()).await;
    assert!(cancelled.is_err(), "the lease is renewed, and no other process had the claim");
    call.tell(Do::Finish(1));
    world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn l6_what_was_taken_over_in_a_lapse_is_cancelled() {
    let (_dir, path) = file();
    // Part of the lease in real time is long enough for any disk.
    let mut first = World::with(&path, |builder| builder.lease_ttl(Duration::from_mins(10))).await;
    for id in ["a", "b"] {
        first.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
    }
    let (one, two) = (first.calls.next().await, first.calls.next().await);
    let (mut lost, mut kept) = if one.id == "a" { (one, two) } else { (two, one) };
    // As if the store's clock had jumped: the holder does not know that its lease has ended, and another process claims one row.
    let store = Sqlite::open(&path).await.unwrap();
    store.end_leases(vec![first.id.clone()], SystemTime::UNIX_EPOCH).await.unwrap();
    let taken = claim(&path, "a", "7-other").await;
    assert_eq!((taken.owner.as_deref(), taken.attempt), (Some("7-other"), 2));
    first.clock.advance(Duration::from_secs(200));
    lost.cancelled().await;
    drop(lost);
    let (runtime, id) = (&first.runtime, &first.id);
    until("it has a new lease", async || {
        runtime.nodes().await.unwrap().iter().any(|lease| lease.owner == *id && lease.live)
    })
    .await;
    let cancelled = tokio::time::timeout(Duration::ZERO, kept.cancelled()).await;
    assert!(cancelled.is_err(), "no other process had the claim");
    kept.tell(Do::Finish(1));
    first.jobs.wait_for("b", job::State::Finished, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn l5_a_clock_jump_lets_one_commit_of_a_state_succeed() {
    let (_dir, path) = file();
    let mut here = World::start(&path).await;
    here.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let first = here.calls.next().await;
    // The other's wall clock is set ahead: its next scan finds the lease lapsed.
    let mut ahead = World::start(&path).await;
    ahead.clock.set_wall_clock(ahead.clock.clock().now() + Duration::from_mins(20));
    ahead.clock.advance(Duration::from_secs(5));
    let second = ahead.calls.next().await;
    assert_eq!(second.id, "a");
    // Both finish; the holder of the claim commits.
    first.tell(Do::Finish(1));
    second.tell(Do::Finish(2));
    ahead.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    here.runtime.shutdown(PATIENCE).await;
    ahead.runtime.shutdown(PATIENCE).await;
    let entries = ahead.jobs.history("a", &HistoryQuery::new().limit(100)).await.unwrap().items;
    assert_eq!(entries.iter().filter(|entry| entry.event.as_deref() == Some("finish")).count(), 1);
    // And back: rows with later times do not keep the process from working.
    let mut now = World::start(&path).await;
    now.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    let call = now.calls.next().await;
    call.tell(Do::Finish(3));
    now.jobs.wait_for("b", job::State::Finished, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn l5_setting_the_wall_clock_keeps_workers_running() {
    let (_dir, path) = file();
    let mut here = World::start(&path).await;
    here.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let mut call = here.calls.next().await;
    let now = here.clock.clock().now();
    // Forwards by more than the lease, and back: monotonic time is unchanged.
    for (id, jump) in [("ahead", now + Duration::from_mins(30)), ("behind", now - Duration::from_mins(30))] {
        here.clock.set_wall_clock(jump);
        here.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
        here.calls.next().await.tell(Do::Finish(2));
        here.jobs.wait_for(id, job::State::Finished, PATIENCE).await.unwrap();
    }
    assert!(tokio::time::timeout(Duration::ZERO, call.cancelled()).await.is_err(), "its lease has not lapsed");
    call.tell(Do::Finish(1));
    here.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    assert_eq!(here.jobs.row("a").await.unwrap().version, 3);
}

#[tokio::test]
async fn l5_a_clock_set_back_may_repeat_work_but_commits_once() {
    let (_dir, path) = file();
    let mut behind = World::start(&path).await;
    behind.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let first = behind.calls.next().await;
    // Its next renewal ends at a time that is already past for the others.
    let store = Sqlite::open(&path).await.unwrap();
    behind.clock.set_wall_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    behind.clock.advance(Duration::from_secs(5));
    let right = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    until("it is renewed", async || store.leases(right).await.unwrap().iter().all(|lease| !lease.live)).await;
    let mut other = World::start(&path).await;
    let second = other.calls.next().await;
    assert_eq!((second.id.as_str(), second.attempt), ("a", 2));
    first.tell(Do::Finish(1));
    behind.runtime.shutdown(PATIENCE).await;
    assert_eq!(other.jobs.row("a").await.unwrap().version, 2, "the first one's result is refused");
    second.tell(Do::Finish(2));
    other.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    assert_eq!(other.jobs.row("a").await.unwrap().version, 3);
}

#[tokio::test]
async fn l3_the_owner_is_cleared_when_its_worker_has_ended() {
    let (_dir, path) = file();
    let mut owner = World::start(&path).await;
    owner.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let cancelled = owner.calls.next().await.tell_and_watch(Do::Hang);
    let other = World::start(&path).await;
    other.jobs.fire("a", job::event::Fail { reason: "a manual start does not count".into() }).await.unwrap();
    cancelled.await;
    // Into work again, while the worker of the previous visit has not ended.
    other.jobs.fire("a", job::event::Retry).await.unwrap();
    owner.clock.advance(Duration::from_millis(4_999));
    other.idle().await;
    let row = other.jobs.row("a").await.unwrap();
    assert_eq!((row.owner.as_deref(), row.version), (Some(&*owner.id), 4), "an event keeps the owner");
    assert!(other.calls.is_empty() && owner.calls.is_empty());
    other.jobs.fire("a", job::event::Fail { reason: "again".into() }).await.unwrap();
    assert_eq!(owner.calls.running_now(), 1, "it is in its grace period");
    owner.clock.advance(Duration::from_millis(1));
    let jobs = &other.jobs;
    until("the owner is cleared", async || jobs.row("a").await.unwrap().owner.is_none()).await;
    assert_eq!(owner.calls.running_now(), 0);
    assert!(other.calls.is_empty() && owner.calls.is_empty());
}

#[tokio::test]
async fn work_without_a_slot_is_free_for_other_processes() {
    let (_dir, path) = file();
    let mut full = World::with(&path, |builder| builder.max_concurrency(1)).await;
    full.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let mut call = full.calls.next().await;
    full.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    full.jobs.fire("a", job::event::Cancel).await.unwrap();
    call.cancelled().await;
    drop(call);
    assert_eq!(full.calls.next().await.id, "b", "it has waited longer");
    let jobs = &full.jobs;
    until("the owner gives it up", async || jobs.row("a").await.unwrap().owner.is_none()).await;
    let mut other = World::start(&path).await;
    let call = other.calls.next().await;
    assert_eq!((call.id.as_str(), call.state, call.attempt), ("a", job::State::Cancelling, 1));
}

fn fixed(buckets: Buckets) -> Members {
    Members::buckets(tokio::sync::watch::channel(buckets).1)
}

async fn own_buckets(runtime: &Runtime, owner: &str) -> Option<Buckets> {
    let nodes = runtime.nodes().await.unwrap();
    nodes.into_iter().find(|node| node.owner == owner)?.machines[0].buckets
}

fn halves() -> [Buckets; 2] {
    [(0..BUCKETS / 2).collect(), (BUCKETS / 2..BUCKETS).collect()]
}

#[tokio::test]
async fn l8_buckets_divide_the_work() {
    let (_dir, path) = file();
    let [first, second] = halves();
    let mut low = World::with(&path, |builder| builder.members(fixed(first))).await;
    let mut high = World::with(&path, |builder| builder.members(fixed(second))).await;
    for n in 0..40 {
        low.jobs.create(&n.to_string(), queued()).await.unwrap().start().await.unwrap();
    }
    let mut counts = [0; 2];
    for _ in 0..40 {
        let (half, call) =
            tokio::select! { call = low.calls.next() => (0, call), call = high.calls.next() => (1, call) };
        assert!(halves()[half].contains_key(&Key::new("Job", call.id.as_str())), "{}", call.id);
        counts[half] += 1;
        call.tell(Do::Finish(0));
    }
    assert!(counts[0] > 5 && counts[1] > 5, "buckets are a hash: {counts:?}");
    for n in 0..40 {
        low.jobs.wait_for(&n.to_string(), job::State::Finished, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn l8_buckets_move_between_running_processes() {
    let (_dir, path) = file();
    let (of_first, first_buckets) = tokio::sync::watch::channel(Buckets::ALL);
    let (of_second, second_buckets) = tokio::sync::watch::channel(Buckets::NONE);
    let mut first = World::with(&path, |builder| builder.members(Members::buckets(first_buckets))).await;
    let mut second = World::with(&path, |builder| builder.members(Members::buckets(second_buckets))).await;
    first.jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let mut call = first.calls.next().await;
    of_first.send_replace(Buckets::NONE);
    of_second.send_replace(Buckets::ALL);
    for (world, buckets) in [(&first, Buckets::NONE), (&second, Buckets::ALL)] {
        until("the buckets have moved", async || own_buckets(&world.runtime, &world.id).await == Some(buckets)).await;
    }
    // New work goes to the other process, without a scan of either.
    first.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    second.calls.next().await.tell(Do::Finish(1));
    first.jobs.wait_for("b", job::State::Finished, PATIENCE).await.unwrap();
    // What runs stays where it runs, and what comes after it does not.
    assert_eq!(first.jobs.row("a").await.unwrap().owner.as_ref(), Some(&first.id));
    second.jobs.fire("a", job::event::Cancel).await.unwrap();
    call.cancelled().await;
    drop(call);
    let jobs = &second.jobs;
    until("the claim is handed over", async || jobs.row("a").await.unwrap().owner.is_none()).await;
    second.clock.advance(Duration::from_secs(5));
    let call = second.calls.next().await;
    assert_eq!((call.id.as_str(), call.state), ("a", job::State::Cancelling));
    call.tell(Do::Finish(0));
    first.jobs.wait_for("a", job::State::Cancelled, PATIENCE).await.unwrap();
    assert!(first.calls.is_empty());
}

#[tokio::test]
async fn h3_the_lease_is_renewed_only_while_the_executor_answers() {
    let (_dir, path) = file();
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut victim = executor.spawn({
        let path = path.clone();
        async move { World::start(&path).await }
    });
    let mut victim = (&mut victim).await.unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let id = victim.id.clone();
    let until_when = async || {
        let leases = store.leases(SystemTime::UNIX_EPOCH).await.unwrap();
        leases.into_iter().find(|lease| lease.owner == id).map(|lease| lease.until)
    };
    let began = until_when().await.unwrap();
    let mut blocked = Vec::new();
    for id in ["a", "b"] {
        victim.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
        let (unblock, blocks) = std::sync::mpsc::sync_channel(0);
        victim.calls.next().await.tell(Do::BlockAndFinish(blocks, 1));
        // Taken when the worker blocks its thread.
        unblock.send(()).unwrap();
        blocked.push(unblock);
        if id == "a" {
            victim.clock.advance(Duration::from_secs(5));
            until("one thread answers for the executor", async || {
                until_when().await == Some(began + Duration::from_secs(5))
            })
            .await;
        }
    }
    // The executor is asked again, for longer than an answer may take.
    for _ in 0..4 {
        victim.clock.advance(Duration::from_secs(5));
        until_when().await.unwrap();
    }
    // Another process finds the lease lapsed by its own clock.
    let mut other = World::start(&path).await;
    other.clock.advance(Duration::from_secs(21));
    for _ in 0..2 {
        let call = other.calls.next().await;
        assert_eq!(call.attempt, 2);
        call.tell(Do::Finish(2));
    }
    // It may be pruned by now, since it has no claims left.
    assert!(
        until_when().await.is_none_or(|until| until == began + Duration::from_secs(5)),
        "no renewal without an answer"
    );
    for id in ["a", "b"] {
        other.jobs.wait_for(id, job::State::Finished, PATIENCE).await.unwrap();
    }
    // Late results are refused.
    drop(blocked);
    let stopping = victim.runtime.clone();
    executor.spawn(async move { stopping.shutdown(PATIENCE).await }).await.unwrap();
    for id in ["a", "b"] {
        let row = other.jobs.row(id).await.unwrap();
        assert!(row.version == 3 && row.data.contains('2'), "{id}: {}", row.data);
    }
    executor.shutdown_background();
}
