//! The slots of a state over all processes of a store: several runtimes on one file, as those of several processes.

use super::*;
use fsm_runtime::{
    Policy, Rate, WaitsFor,
    store::{Ephemeral, Store as _},
};

const TTL: Duration = Duration::from_secs(15);

/// Runtimes on one file, whose workers are commanded together.
struct Nodes {
    clock: ManualClock,
    dir: TempDir,
    puppets: Puppets,
    calls: Calls,
}

impl Nodes {
    fn new() -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (puppets, calls) = puppets();
        Self { clock, dir: TempDir::new().unwrap(), puppets, calls }
    }

    async fn store(&self) -> Sqlite {
        Sqlite::open(self.dir.path().join("jobs.db")).await.unwrap()
    }

    /// A runtime with `limit` slots over all.
    async fn start(&self, limit: usize) -> Runtime {
        self.start_with(|builder| builder.policy::<job::Running>(Policy::new().concurrency_over_all(limit))).await
    }

    async fn start_with(&self, configure: impl FnOnce(Builder) -> Builder) -> Runtime {
        self.start_at(&self.clock, configure).await
    }

    async fn start_at(&self, clock: &ManualClock, configure: impl FnOnce(Builder) -> Builder) -> Runtime {
        let builder = Runtime::builder(self.store().await).machine::<Job, _>(self.puppets.clone());
        let builder = builder.clock(clock.clock()).lease_ttl(TTL).poll_interval(SECOND);
        configure(builder).start().await.unwrap()
    }

    /// A runtime for which no time passes: its process is stopped.
    async fn start_stopped(&self, limit: usize) -> Runtime {
        let clock = ManualClock::new(self.clock.clock().now());
        self.start_at(&clock, |builder| builder.policy::<job::Running>(Policy::new().concurrency_over_all(limit))).await
    }

    /// The entries of slots in the store.
    async fn entries(&self) -> Vec<Ephemeral> {
        let store = self.store().await;
        let entries = store.ephemerals().unwrap();
        entries.entries("slot", None, None, 1_000, self.clock.clock().now()).await.unwrap()
    }

    /// Waits until there are so many entries.
    async fn has_entries(&self, count: usize) {
        until("the entries", async || self.entries().await.len() == count).await;
    }

    /// The next execution that begins, for which the clock advances.
    async fn next(&mut self) -> Call {
        let Self { clock, calls, .. } = self;
        let advance = async {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                clock.advance(Duration::from_millis(20));
            }
        };
        tokio::select! {
            biased;
            call = calls.next() => call,
            () = advance => unreachable!("it advances without end"),
        }
    }

    /// Lets time pass in steps in which each lease is renewed.
    async fn pass(&self, duration: Duration) {
        for _ in 0..duration.as_millis() / 500 {
            self.clock.advance(Duration::from_millis(500));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn sql(&self, text: &str) {
        rusqlite::Connection::open(self.dir.path().join("jobs.db")).unwrap().execute_batch(text).unwrap();
    }
}

async fn add(runtime: &Runtime, id: &str) {
    add_for(runtime, id, "n").await;
}

async fn add_for(runtime: &Runtime, id: &str, name: &str) {
    let queued = job::Queued { name: name.into() };
    runtime.machines::<Job>().create(id, queued).await.unwrap().start().await.unwrap();
}

fn waits_for(runtime: &Runtime, id: &str) -> Option<WaitsFor> {
    let workers = runtime.status().workers;
    workers.into_iter().find(|worker| &*worker.key.id == id).and_then(|worker| worker.waits_for)
}

async fn until(what: &str, mut right: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !right().await {
        assert!(std::time::Instant::now() < deadline, "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn c24_no_more_workers_run_over_all_nodes_than_slots() {
    const JOBS: usize = 90;
    let mut nodes = Nodes::new();
    let runtimes = [nodes.start(3).await, nodes.start(3).await, nodes.start(3).await];
    for n in 0..JOBS {
        add(&runtimes[n % 3], &format!("{n:03}")).await;
    }
    let (mut running, mut done, mut most_entries) = (Vec::<Call>::new(), 0, 0);
    let deadline = std::time::Instant::now() + 4 * PATIENCE;
    while done < JOBS {
        assert!(std::time::Instant::now() < deadline, "{done} of {JOBS} are done");
        while !nodes.calls.is_empty() {
            running.push(nodes.calls.next().await);
        }
        assert!(nodes.calls.running_now() <= 3);
        match fastrand::u8(..3) {
            0 if !running.is_empty() => {
                running.swap_remove(fastrand::usize(..running.len())).tell(Do::Finish(0));
                done += 1;
            }
            1 => nodes.clock.advance(Duration::from_millis(fastrand::u64(..200))),
            _ => tokio::time::sleep(Duration::from_millis(fastrand::u64(..5))).await,
        }
        if done % 30 == 0 {
            most_entries = most_entries.max(nodes.entries().await.len());
        }
    }
    assert_eq!(nodes.calls.most_at_once(), 3);
    assert!(most_entries <= 9, "{most_entries} entries: each process needs 3 at most");
    let jobs = runtimes[0].machines::<Job>();
    for n in 0..JOBS {
        jobs.wait_for(&format!("{n:03}"), job::State::Finished, PATIENCE).await.unwrap();
        assert_eq!(jobs.row(&format!("{n:03}")).await.unwrap().attempt, 0);
    }
    nodes.has_entries(0).await;
    for runtime in &runtimes {
        runtime.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test]
async fn c24_work_waits_for_a_slot_without_slot_or_attempt() {
    let mut nodes = Nodes::new();
    let first = nodes.start(1).await;
    add(&first, "a").await;
    let call = nodes.next().await;
    let policy = Policy::new().concurrency_over_all(1);
    let second = nodes.start_with(|builder| builder.policy::<job::Running>(policy).max_concurrency(1)).await;
    add(&second, "b").await;
    let waits = Some(WaitsFor::SharedSlot { limit: 1 });
    for runtime in [&first, &second] {
        until("it waits", async || waits_for(runtime, "b") == waits).await;
    }
    let jobs = second.machines::<Job>();
    let row = jobs.row("b").await.unwrap();
    assert_eq!((row.attempt, row.owner, row.retry_at.is_some()), (0, None, true));
    let error = jobs.wait_for("b", job::State::Finished, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.ends_with("its work waits for the only slot of all processes"), "{error}");
    assert!(second.status().to_string().contains("waits for the only slot of all processes"));
    // The slot of the process is free for other states.
    jobs.create("other", queued()).await.unwrap().cancel().await.unwrap();
    let other = nodes.next().await;
    assert_eq!(other.id, "other");
    other.tell(Do::Finish(0));
    call.tell(Do::Finish(0));
    let call = nodes.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("b", 1));
    call.tell(Do::Finish(0));
    jobs.wait_for("b", job::State::Finished, PATIENCE).await.unwrap();
    nodes.has_entries(0).await;
}

#[tokio::test]
async fn c24_slots_count_each_key_by_itself() {
    let mut nodes = Nodes::new();
    let limits = |builder: Builder| {
        let policy = Policy::new().concurrency_over_all(1);
        builder.policy::<job::Running>(policy).limit_by(|running: &job::Running| running.name.clone())
    };
    let (first, second) = (nodes.start_with(limits).await, nodes.start_with(limits).await);
    add_for(&first, "a", "ada").await;
    let ada = nodes.next().await;
    add_for(&first, "b", "ada").await;
    for runtime in [&first, &second] {
        until("it waits", async || waits_for(runtime, "b").is_some()).await;
    }
    add_for(&second, "c", "bob").await;
    let bob = nodes.next().await;
    assert_eq!((ada.id.as_str(), bob.id.as_str()), ("a", "c"));
    let names: Vec<String> = nodes.entries().await.into_iter().map(|entry| entry.name).collect();
    assert_eq!(
        (names.first().map(String::as_str), names.last().map(String::as_str)),
        (Some("Job/Running/ada"), Some("Job/Running/bob"))
    );
    ada.tell(Do::Finish(0));
    assert_eq!(nodes.next().await.id, "b");
}

#[tokio::test]
async fn c24_many_waiting_instances_need_few_entries() {
    let mut nodes = Nodes::new();
    let runtime = nodes.start(2).await;
    for n in 0..200 {
        add(&runtime, &format!("{n:03}")).await;
    }
    let calls = [nodes.next().await, nodes.next().await];
    let other = nodes.start(2).await;
    until("all wait", async || other.status().workers.len() >= 198).await;
    nodes.has_entries(4).await;
    drop(calls);
}

#[tokio::test]
async fn c24_the_slot_of_a_stopped_process_is_free_within_its_lease() {
    let mut nodes = Nodes::new();
    let stopped = nodes.start_stopped(1).await;
    add(&stopped, "a").await;
    let hangs = nodes.next().await;
    let second = nodes.start(1).await;
    add(&second, "b").await;
    until("it waits", async || waits_for(&second, "b") == Some(WaitsFor::SharedSlot { limit: 1 })).await;
    let until_lapses = nodes.entries().await[0].until.duration_since(nodes.clock.clock().now()).unwrap();
    nodes.pass(until_lapses.saturating_sub(SECOND)).await;
    assert!(nodes.calls.is_empty(), "its lease lasts");
    let began = nodes.clock.clock().elapsed();
    nodes.next().await.tell(Do::Finish(0));
    let took = nodes.clock.clock().elapsed().saturating_sub(began);
    assert!(took <= 2 * SECOND, "{took:?}");
    drop(hangs);
}

#[tokio::test]
async fn c24_an_attempt_whose_slot_is_lost_does_not_count() {
    let mut nodes = Nodes::new();
    let runtime = nodes.start(1).await;
    add(&runtime, "a").await;
    let mut call = nodes.next().await;
    nodes.sql("DELETE FROM fsm_entries");
    nodes.pass(TTL / 3 + SECOND).await;
    call.cancelled().await;
    drop(call);
    let again = nodes.next().await;
    assert_eq!((again.id.as_str(), again.attempt), ("a", 1));
}

#[tokio::test]
async fn c24_work_is_stopped_before_the_lease_of_its_slot_ends() {
    let mut nodes = Nodes::new();
    let runtime = nodes.start(1).await;
    add(&runtime, "a").await;
    let cancelled = nodes.next().await.tell_and_watch(Do::Hang);
    nodes.sql("ALTER TABLE fsm_entries RENAME TO broken");
    let began = nodes.clock.clock().elapsed();
    let (ended, clock) = (async || nodes.calls.running_now() == 0, nodes.clock.clone());
    let pass = async {
        loop {
            clock.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = until("it has ended", ended) => {}
        () = pass => unreachable!("it passes without end"),
    }
    cancelled.await;
    let took = nodes.clock.clock().elapsed().saturating_sub(began);
    assert!(took < TTL, "{took:?}");
    nodes.sql("ALTER TABLE broken RENAME TO fsm_entries");
    let again = nodes.next().await;
    assert_eq!((again.id.as_str(), again.attempt), ("a", 1));
}

#[tokio::test]
async fn c24_a_shutdown_frees_the_slots_at_once() {
    let mut nodes = Nodes::new();
    let first = nodes.start(1).await;
    add(&first, "a").await;
    let _call = nodes.next().await;
    for id in ["b", "c"] {
        add(&first, id).await;
    }
    let second = nodes.start(1).await;
    until("it waits", async || waits_for(&second, "b").is_some()).await;
    nodes.has_entries(2).await;
    // The clock stands still.
    let shutdown = async |runtime: &Runtime| {
        tokio::time::timeout(PATIENCE, runtime.shutdown(Duration::ZERO)).await.expect("without the clock")
    };
    shutdown(&first).await;
    assert_eq!(nodes.calls.next().await.attempt, 1);
    assert_eq!(nodes.entries().await.len(), 1);
    shutdown(&second).await;
    assert!(nodes.entries().await.is_empty());
}

/// A process with much work leaves slots to one that comes later.
#[tokio::test]
async fn c24_a_process_with_much_work_leaves_slots_to_others() {
    let mut nodes = Nodes::new();
    let limits = |builder: Builder| {
        let policy = Policy::new().concurrency_over_all(1);
        builder.policy::<job::Running>(policy).policy::<job::Cancelling>(Policy::new())
    };
    let first = nodes.start_with(limits).await;
    for n in 0..30 {
        add(&first, &format!("{n:03}")).await;
    }
    let call = nodes.next().await;
    let second = nodes.start_with(limits).await;
    until("it waits", async || waits_for(&second, "029").is_some()).await;
    nodes.has_entries(2).await;
    let theirs = nodes.entries().await.pop().unwrap().id;
    call.tell(Do::Finish(0));
    for _ in 0..28 {
        let call = nodes.next().await;
        nodes.pass(SECOND / 2).await;
        if nodes.entries().await[0].id == theirs {
            return;
        }
        call.tell(Do::Finish(0));
    }
    panic!("it did not get a slot");
}

#[tokio::test]
async fn c24_a_rate_holds_no_slot() {
    let mut nodes = Nodes::new();
    let policy = Policy::new().concurrency_over_all(1).rate(Rate::new(1, 10 * SECOND));
    let runtime = nodes.start_with(|builder| builder.policy::<job::Running>(policy)).await;
    add(&runtime, "a").await;
    let call = nodes.next().await;
    add(&runtime, "b").await;
    call.tell(Do::Finish(0));
    until("it waits", async || matches!(waits_for(&runtime, "b"), Some(WaitsFor::Rate { .. }))).await;
    nodes.has_entries(0).await;
    assert_eq!(nodes.next().await.id, "b");
    nodes.has_entries(1).await;
}

#[tokio::test]
async fn c24_an_idle_runtime_has_started_what_has_a_slot() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let (puppets, mut calls) = puppets();
    let policy = Policy::new().concurrency_over_all(1);
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).machine::<Job, _>(puppets).clock(clock.clock());
    let runtime = builder.policy::<job::Running>(policy).start().await.unwrap();
    add(&runtime, "a").await;
    let idle = runtime.clone();
    let idle = tokio::spawn(async move { idle.run_until_idle().await });
    calls.next().await.tell(Do::Finish(0));
    idle.await.unwrap().unwrap();
    assert_eq!(runtime.machines::<Job>().get("a").await.unwrap().state(), job::State::Finished);
}

#[tokio::test]
async fn c24_without_slots_the_start_is_refused() {
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).machine::<Job, _>(puppets().0);
    let error = builder.policy::<job::Running>(Policy::new().concurrency_over_all(0)).start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the policy of `Job` in state `Running`: `concurrency_over_all`: must be at least 1; to stop work, call `Machines::hold`"
    );
}
