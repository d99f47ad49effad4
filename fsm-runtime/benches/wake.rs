//! How long it takes from an acknowledged change until the worker runs: in the same process, and by another handle of the
//! file, which is what another process has.
//!
//! `cargo bench -p fsm-runtime --bench wake`: medians and 99th percentiles, beside the same with a bare tokio task and a channel.
//! Then the full cycle of work (claim, run, commit) beside plain transitions, and the memory of an idle worker beside a bare
//! task's. With `--features metrics`, it says how many changes shared a transaction.

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    alloc::System,
    path::Path,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet};

/// Counts what Rust code has allocated; SQLite's own memory is not in it.
#[global_allocator]
static MEMORY: cap::Cap<System> = cap::Cap::new(System, usize::MAX);

/// A bell.
#[derive(StateMachine)]
#[fsm(initial = Silent, durable, derive(Serialize, Deserialize))]
enum Bell {
    /// Nobody is at the door.
    #[on(press => Ringing)]
    Silent,
    /// The worker rings.
    #[state(work)]
    #[on(heard => Silent)]
    Ringing,
}

struct Ringer(mpsc::UnboundedSender<Instant>);

impl bell::Workers for Ringer {
    async fn ringing(&self, task: bell::Task<bell::Ringing>) -> Outcome<bell::Ringing> {
        // The benchmark listens as long as it runs.
        let _ = self.0.send(Instant::now());
        task.heard()
    }
}

const RINGS: usize = 500;

fn main() {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    executor.block_on(async {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("bells.db");
        let (sender, mut rung) = mpsc::unbounded_channel();
        let store = Sqlite::open(&path).await.expect("a store");
        let runtime = Runtime::builder(store).machine::<Bell, _>(Ringer(sender)).start().await.expect("a controller");
        let other = Runtime::builder(Sqlite::open(&path).await.expect("a store")).start().await.expect("a client");
        println!("change to worker, {RINGS} times         median        p99");
        let bells = runtime.machines::<Bell>();
        bells.create("door", bell::Silent).await.expect("a bell");
        show("same process", measure(&bells, &mut rung).await);
        show("another handle of the file", measure(&other.machines(), &mut rung).await);
        show("bare tokio task", bare().await);
        runtime.shutdown(Duration::ZERO).await;
        transactions::count();
        cycles().await;
        memory().await;
    });
}

/// An errand.
#[derive(StateMachine)]
#[fsm(initial = Waiting | Todo, durable, derive(Serialize, Deserialize))]
enum Errand {
    /// Nobody asked for it yet.
    #[on(ask => Asked)]
    Waiting,
    /// Somebody did.
    #[on(ask => Asked)]
    Asked,
    /// A worker is at it.
    #[state(work)]
    #[on(done => Asked)]
    Todo,
}

/// Does nothing, at once or for ever.
struct Nobody {
    idle: bool,
}

impl errand::Workers for Nobody {
    async fn todo(&self, task: errand::Task<errand::Todo>) -> Outcome<errand::Todo> {
        if self.idle {
            task.cancelled().await;
            return Err("cancelled".into());
        }
        task.done()
    }
}

const CYCLES: usize = 20_000;
const AT_ONCE: usize = 256;
const PAIRS: usize = 7;

/// Creates so many, by 256 callers.
async fn fill<S>(errands: &Machines<Errand>, count: usize, state: fn() -> S)
where
    S: fsm_runtime::DurableState<Machine = Errand>,
    Errand: fsm_runtime::CreateFrom<S>,
{
    let mut creating = JoinSet::new();
    for n in 0..count {
        if creating.len() >= AT_ONCE {
            creating.join_next().await;
        }
        let errands = errands.clone();
        creating.spawn(async move { errands.create(&format!("{n:08}"), state()).await.map(drop).expect("a row") });
    }
    creating.join_all().await;
}

/// Of no-op workers, 256 at a time, beside transitions by 256 callers on as many rows; in pairs, since the disk is another one each second.
async fn cycles() {
    let (mut plain, mut worked) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let dir = tempfile::tempdir().expect("a folder");
        plain.push(transitions_of(&dir.path().join("plain.db")).await);
        worked.push(cycles_of(&dir.path().join("work.db")).await);
    }
    let ratios = worked.iter().zip(&plain).map(|(cycles, plain)| cycles / plain).collect();
    println!(
        "{CYCLES} cycles of no-op work, {AT_ONCE} at a time: {:.0}/s; transitions: {:.0}/s; medians of {PAIRS} pairs; ratio {:.2} (budget 0.40)",
        median(worked),
        median(plain),
        median(ratios)
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Transitions a second.
async fn transitions_of(path: &Path) -> f64 {
    let client = Runtime::builder(Sqlite::open(path).await.expect("a store")).start().await.expect("a client");
    let errands = client.machines::<Errand>();
    fill(&errands, CYCLES, || errand::Waiting).await;
    let before = transactions::so_far();
    let began = Instant::now();
    let mut asking = JoinSet::new();
    for n in 0..CYCLES {
        if asking.len() >= AT_ONCE {
            asking.join_next().await;
        }
        let errands = errands.clone();
        asking
            .spawn(async move { errands.fire(&format!("{n:08}"), errand::event::Ask).await.map(drop).expect("asked") });
    }
    asking.join_all().await;
    let plain = rate(CYCLES, began);
    transactions::show("transitions", CYCLES, before);
    plain
}

/// Cycles of work a second.
async fn cycles_of(path: &Path) -> f64 {
    let store = Sqlite::open(path).await.expect("a store");
    let client = Runtime::builder(store.clone()).start().await.expect("a client");
    fill(&client.machines(), CYCLES, || errand::Todo).await;
    let before = transactions::so_far();
    let began = Instant::now();
    let builder = Runtime::builder(store).max_concurrency(AT_ONCE);
    let runtime = builder.machine::<Errand, _>(Nobody { idle: false }).start().await.expect("a controller");
    let errands = runtime.machines::<Errand>();
    let mut left = CYCLES;
    while left > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let counts = errands.count().await.expect("counts");
        let asked = counts.iter().find(|count| count.name == "Asked").map_or(0, |count| count.instances);
        left = CYCLES - usize::try_from(asked).expect("a count");
    }
    let cycles = rate(CYCLES, began);
    transactions::show("cycles", CYCLES, before);
    runtime.shutdown(Duration::ZERO).await;
    cycles
}

fn rate(count: usize, began: Instant) -> f64 {
    f64::from(u32::try_from(count).expect("a count")) / began.elapsed().as_secs_f64()
}

const IDLE: usize = 10_000;

/// What each of many idle workers has allocated, beside a task that waits for the same.
async fn memory() {
    let token = tokio_util::sync::CancellationToken::new();
    let before = MEMORY.allocated();
    let mut tasks = JoinSet::new();
    for _ in 0..IDLE {
        tasks.spawn(token.clone().cancelled_owned());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let bare = (MEMORY.allocated() - before) / IDLE;
    token.cancel();
    tasks.join_all().await;

    let dir = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(dir.path().join("idle.db")).await.expect("a store");
    let client = Runtime::builder(store.clone()).start().await.expect("a client");
    fill(&client.machines(), IDLE, || errand::Todo).await;
    let before = MEMORY.allocated();
    let builder = Runtime::builder(store).max_concurrency(IDLE).poll_interval(Duration::from_hours(1));
    let runtime = builder.machine::<Errand, _>(Nobody { idle: true }).start().await.expect("a controller");
    while runtime.status().count(fsm_runtime::WorkerPhase::Running) < IDLE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let worker = (MEMORY.allocated() - before) / IDLE;
    println!("memory of each of {IDLE} idle workers: {worker} bytes; bare task: {bare} bytes; budget 2,048 bytes");
    runtime.shutdown(Duration::ZERO).await;
}

#[cfg(feature = "metrics")]
mod transactions {
    //! How many transactions the writer made.

    use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    static MADE: AtomicUsize = AtomicUsize::new(0);

    struct Count;

    impl HistogramFn for Count {
        fn record(&self, _: f64) {
            MADE.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Recorder for Count {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            if key.name() == "fsm_commit_groups" { Histogram::from_arc(Arc::new(Self)) } else { Histogram::noop() }
        }
    }

    pub(super) fn count() {
        assert!(metrics::set_global_recorder(Count).is_ok(), "there is no other recorder");
    }

    pub(super) fn so_far() -> usize {
        MADE.load(Ordering::Relaxed)
    }

    pub(super) fn show(what: &str, count: usize, before: usize) {
        let made = so_far() - before;
        println!("{count} {what} in {made} transactions, a sync each: {} to a sync", count / made.max(1));
    }
}

#[cfg(not(feature = "metrics"))]
mod transactions {
    //! Not counted without the feature `metrics`.

    pub(super) fn count() {}

    pub(super) fn so_far() -> usize {
        0
    }

    pub(super) fn show(_: &str, _: usize, _: usize) {}
}

async fn measure(bells: &Machines<Bell>, rung: &mut mpsc::UnboundedReceiver<Instant>) -> Vec<Duration> {
    let mut taken = Vec::new();
    for _ in 0..RINGS {
        bells.wait_for("door", bell::State::Silent, Duration::from_secs(10)).await.expect("silence");
        bells.fire("door", bell::event::Press).await.expect("a ring");
        let acknowledged = Instant::now();
        taken.push(rung.recv().await.expect("the ringer").saturating_duration_since(acknowledged));
    }
    taken
}

async fn bare() -> Vec<Duration> {
    let (press, mut pressed) = mpsc::unbounded_channel::<()>();
    let (ring, mut heard) = mpsc::unbounded_channel();
    let ringer = tokio::spawn(async move {
        while pressed.recv().await.is_some() {
            let ring = ring.clone();
            tokio::spawn(async move { ring.send(Instant::now()) });
        }
    });
    let mut taken = Vec::new();
    for _ in 0..RINGS {
        tokio::time::sleep(Duration::from_millis(1)).await;
        press.send(()).expect("the ringer listens");
        let sent = Instant::now();
        taken.push(heard.recv().await.expect("a ring").saturating_duration_since(sent));
    }
    ringer.abort();
    taken
}

fn show(what: &str, mut taken: Vec<Duration>) {
    taken.sort();
    println!("{what:<32} {:>12.2?} {:>10.2?}", taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
}
