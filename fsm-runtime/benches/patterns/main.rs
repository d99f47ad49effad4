//! The cost of the patterns in `docs/patterns.md`: rates, circuit breakers, calls that are made once, and locks.
//!
//! `cargo bench -p fsm-runtime --bench patterns` prints a line for each measurement, with its budget:
//!
//! - a call through a closed circuit breaker, and the check of a rate, with one key and with 1,000;
//! - the commits of `once` and of a lock, as SQLite's write-ahead log shows them;
//! - the calls of the store while 10,000 callers of a process wait for one lock, which this or another process holds;
//! - calls of `once` and cycles of a lock per second, on a file and in memory, compared with transitions by as many callers. Both need
//!   two commits, and a transition one. Medians of paired runs;
//! - the latency of transitions while others call `once` all the time.

mod counting;

use counting::{Counting, commits};
use fsm_runtime::{__private::RateCheck, Rate, breaker::Breaker, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    hint::black_box,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const TTL: Duration = Duration::from_secs(15);
const KEYS: usize = 1_000;
/// Small enough that SQLite does not start its log again meanwhile.
const COUNTED: usize = 20;
const WAITING: usize = 10_000;
const WAITED: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;
/// The length of one run.
const LASTS: Duration = Duration::from_secs(1);

fn main() {
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    show("measurement", "budget", "result");
    executor.block_on(async {
        breakers().await;
        rates();
        counted_commits().await;
        waiting_callers().await;
        throughput().await;
        beside_once().await;
    });
}

fn show(what: &str, budget: &str, result: &str) {
    println!("{what:<72} {budget:>10}   {result}");
}

fn nanoseconds(count: usize, took: Duration) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(u32::try_from(count).expect("a count"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Calls of a ready future.
async fn breakers() {
    const CALLS: usize = 200_000;
    let breaker = |n: usize| Breaker::options(n.to_string()).build().expect("a breaker");
    for count in [1, KEYS] {
        let breakers: Vec<Breaker> = (0..count).map(breaker).collect();
        let mut runs = Vec::new();
        for _ in 0..11 {
            let began = Instant::now();
            for n in 0..CALLS {
                let called = breakers[n % count].call(async || Ok::<_, Infallible>(n)).await;
                black_box(called.is_ok());
            }
            runs.push(nanoseconds(CALLS, began.elapsed()));
        }
        show(
            &format!("call through a closed circuit, breakers: {count}"),
            "< 1,000 ns",
            &format!("{:.0} ns", median(runs)),
        );
    }
}

/// Checks of a rate that admits nearly all, and of one that refuses nearly all.
fn rates() {
    const CHECKS: usize = 200_000;
    for (rate, what) in
        [(Rate::new(1_000_000_000, Duration::from_secs(1)).burst(1_000_000), "admits"), (Rate::new(1, TTL), "delays")]
    {
        for count in [1, KEYS] {
            let keys: Vec<Arc<str>> = (0..count).map(|n| n.to_string().into()).collect();
            let mut check = RateCheck::new(rate);
            let mut runs = Vec::new();
            for _ in 0..11 {
                let began = Instant::now();
                for n in 0..CHECKS {
                    black_box(check.start(&keys[n % count]));
                }
                runs.push(nanoseconds(CHECKS, began.elapsed()));
            }
            let what = format!("check of a rate that {what}, keys: {count}");
            show(&what, "< 1,000 ns", &format!("{:.0} ns", median(runs)));
        }
    }
}

async fn client(store: Sqlite) -> Runtime {
    Runtime::builder(store).start().await.expect("a client")
}

async fn once(runtime: &Runtime, key: &str) {
    let made = runtime.once::<String>(key).run(async |_| Ok(1)).await;
    assert_eq!(made.expect("a result"), 1);
}

async fn counted_commits() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("patterns.db");
    let runtime = client(Sqlite::open(&file).await.expect("a store")).await;
    // The first one also stores what the runtime needs once.
    once(&runtime, "warm").await;
    let each = |before: usize| {
        let made = u32::try_from(commits(&file) - before).expect("a count");
        format!("{:.1}", f64::from(made) / f64::from(u32::try_from(COUNTED).expect("a count")))
    };
    let before = commits(&file);
    for n in 0..COUNTED {
        once(&runtime, &n.to_string()).await;
    }
    show("commits of `once` that runs its function", "<= 2", &each(before));
    let before = commits(&file);
    for n in 0..COUNTED {
        once(&runtime, &n.to_string()).await;
    }
    show("commits of `once` whose result is stored", "0", &each(before));
    let (mut locks, before) = (Vec::new(), commits(&file));
    for n in 0..COUNTED {
        locks.push(runtime.locks().acquire(n.to_string(), TTL).await.expect("a lock"));
    }
    show("commits to take a free lock", "1", &each(before));
    let before = commits(&file);
    for lock in locks {
        lock.release().await.expect("it is released");
    }
    show("commits to release a lock", "1", &each(before));
}

/// Calls of the store while many callers of one process wait, which is not for each caller.
async fn waiting_callers() {
    for (holder, budget) in [("this", "< 1/s"), ("another", "< 5/s")] {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("patterns.db");
        let (store, calls) = Counting::new(Sqlite::open(&file).await.expect("a store"));
        let runtime = Runtime::builder(store).start().await.expect("a client");
        let other = client(Sqlite::open(&file).await.expect("a store")).await;
        let holding = if holder == "this" { &runtime } else { &other };
        let lock = holding.locks().acquire("nightly", TTL).await.expect("a lock");
        let mut waiting = JoinSet::new();
        for _ in 0..WAITING {
            let locks = runtime.locks();
            waiting.spawn(async move { locks.acquire("nightly", TTL).await.map(drop) });
        }
        // Until all have joined the queue.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (before, began) = (calls.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(WAITED).await;
        let made = u32::try_from(calls.load(Ordering::Relaxed) - before).expect("a count");
        let each_second = f64::from(made) / began.elapsed().as_secs_f64();
        let what = format!("store calls while {WAITING} callers wait for a lock of {holder} process");
        show(&what, budget, &format!("{each_second:.1}/s"));
        waiting.shutdown().await;
        lock.release().await.expect("it is released");
    }
}

/// A door.
#[derive(StateMachine)]
#[fsm(initial = Closed, durable, derive(Serialize, Deserialize))]
enum Door {
    /// Closed.
    #[on(turn => Opened)]
    Closed,
    /// Open.
    #[on(turn => Closed)]
    Opened,
}

/// Runs `cycle` with the numbers of `callers` for some time. Returns how often each second.
async fn rate<F: Future<Output = ()> + Send + 'static>(
    callers: usize,
    cycle: impl Fn(usize, u64) -> F + Clone + Send + 'static,
) -> f64 {
    let (mut running, began) = (JoinSet::new(), Instant::now());
    for caller in 0..callers {
        let cycle = cycle.clone();
        running.spawn(async move {
            let mut cycles = 0_u64;
            while began.elapsed() < LASTS {
                cycle(caller, cycles).await;
                cycles += 1;
            }
            cycles
        });
    }
    let cycles: u64 = running.join_all().await.iter().sum();
    f64::from(u32::try_from(cycles).expect("a count")) / began.elapsed().as_secs_f64()
}

async fn throughput() {
    for kind in ["file", "memory"] {
        for callers in [1, 64] {
            // The runs are paired, because the speed of the disk varies.
            let (mut turns, mut calls, mut cycles) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let dir = tempfile::tempdir().expect("a folder");
                let store = if kind == "file" {
                    Sqlite::open(dir.path().join("patterns.db")).await
                } else {
                    Sqlite::in_memory()
                };
                let runtime = Arc::new(client(store.expect("a store")).await);
                turns.push(transitions(&runtime, callers).await);
                calls.push(calls_of_once(runtime.clone(), callers).await);
                cycles.push(cycles_of_locks(&runtime, callers).await);
            }
            for (what, rates) in [("calls of `once`", &calls), ("cycles of a lock", &cycles)] {
                let ratio = median(rates.iter().zip(&turns).map(|(rate, turns)| rate / turns).collect());
                let (rate, turns) = (median(rates.clone()), median(turns.clone()));
                let what = format!("{what}, {kind}, callers: {callers}, transitions: {turns:.0}/s");
                show(&what, ">= 0.30x", &format!("{rate:.0}/s, {ratio:.2}x"));
            }
        }
    }
}

async fn transitions(runtime: &Runtime, callers: usize) -> f64 {
    let doors = runtime.machines::<Door>();
    for caller in 0..callers {
        doors.create(&caller.to_string(), door::Closed).await.expect("a door");
    }
    let turn = move |caller: usize, _| {
        let doors = doors.clone();
        async move { doors.fire(&caller.to_string(), door::event::Turn).await.map(drop).expect("it is turned") }
    };
    rate(callers, turn).await
}

async fn calls_of_once(runtime: Arc<Runtime>, callers: usize) -> f64 {
    let call = move |caller, n| {
        let runtime = runtime.clone();
        async move { once(&runtime, &format!("{caller}/{n}")).await }
    };
    rate(callers, call).await
}

async fn cycles_of_locks(runtime: &Runtime, callers: usize) -> f64 {
    let locks = runtime.locks();
    let cycle = move |caller: usize, _| {
        let locks = locks.clone();
        async move {
            let lock = locks.acquire(caller.to_string(), TTL).await.expect("a lock");
            lock.release().await.expect("it is released");
        }
    };
    rate(callers, cycle).await
}

/// The latency of a lone caller's transitions while others call `once` all the time, which must not starve them.
async fn beside_once() {
    for callers in [0, 64] {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(dir.path().join("patterns.db")).await.expect("a store");
        let runtime = Arc::new(client(store).await);
        let doors = runtime.machines::<Door>();
        doors.create("front", door::Closed).await.expect("a door");
        let others = tokio::spawn(calls_of_once(runtime.clone(), callers));
        let (mut times, began) = (Vec::new(), Instant::now());
        while began.elapsed() < LASTS {
            let asked = Instant::now();
            doors.fire("front", door::event::Turn).await.map(drop).expect("it is turned");
            times.push(asked.elapsed());
        }
        others.await.expect("it ends");
        times.sort();
        let what = format!("transition beside {callers} callers of `once`, file, median and p99");
        let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        show(&what, "< 100 ms", &format!("{median:.1?}, {p99:.1?}"));
    }
}
