//! Durable transitions per second, compared with a bare `rusqlite` loop with the same statements and batch size.
//!
//! - `cargo bench -p fsm-runtime --bench durable [-- SECONDS ROWS [CALLERS]]` prints for 1, 16, 64 and 256 callers the rates of
//!   the runtime and of the bare loop, the median ratio of paired runs, and the latency (p50 and p99) of a transition and of a
//!   bare batch. `*` marks a store with `commit_in_place`. `CALLERS` selects one number of callers. Each case also runs once
//!   under `valgrind --tool=callgrind`, which counts instructions for each transition, independent of other load.
//! - `-- two [SECONDS]` prints the rate and latency of one process on a file, and of two at the same time.
//! - `-- index [SECONDS]` prints the rate with and without the index of states.

use fsm_runtime::{
    prelude::*,
    store::sqlite::{SqliteOptions, Synchronous},
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// A switch with 200 bytes of data.
#[derive(StateMachine)]
#[fsm(initial = Off, durable, derive(Serialize, Deserialize))]
enum Switch {
    /// Switched off.
    #[on(on => On)]
    Off { ballast: String },
    /// Switched on.
    #[on(off => Off)]
    On { ballast: String },
}

const PAIRS: usize = 5;
const BALLAST: usize = 186;

/// The result of one run.
struct Run {
    rate: f64,
    p50: Duration,
    p99: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    if let [counted, which, callers, transitions] = &arguments[..]
        && counted == "counted"
    {
        let number = |text: &String| text.parse().expect("a number");
        return executor.block_on(run_counted(which, number(callers), number(transitions)));
    }
    if let [sharing, path, callers, seconds] = &arguments[..]
        && sharing == "sharing"
    {
        let number = |text: &String| text.parse::<usize>().expect("a number");
        let until = Until::Time(Duration::from_secs(u64::try_from(number(seconds)).expect("seconds")));
        let run = executor.block_on(measure_ours(Path::new(path), &Sqlite::options(), number(callers), 1_024, until));
        return println!("{} {} {}", run.rate, run.p50.as_secs_f64(), run.p99.as_secs_f64());
    }
    if arguments.first().is_some_and(|first| first == "two") {
        return two_processes(arguments.get(1).map_or("3", |seconds| seconds));
    }
    if arguments.first().is_some_and(|first| first == "index") {
        let seconds = arguments.get(1).map_or(2, |seconds| seconds.parse().expect("seconds"));
        return index(&executor, Duration::from_secs(seconds));
    }
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse::<u64>().ok());
    let seconds = Duration::from_secs(numbers.next().unwrap_or(2));
    let rows = usize::try_from(numbers.next().unwrap_or(10_000)).expect("a number of rows");
    let only = numbers.next().and_then(|only| usize::try_from(only).ok());
    println!(
        "{rows} rows of 200 bytes, {seconds:?} per run, medians of {PAIRS} pairs; rates in transitions per second"
    );
    println!("bare loop, for each transition:\n{UPDATE}\n{INSERT}\n");
    for synchronous in [Synchronous::Full, Synchronous::Normal] {
        println!("{synchronous:?}");
        println!("callers      ours      bare   ratio   p50        p99        bare batch p50 / p99");
        let cases = [(1, false), (1, true), (16, false), (64, false), (64, true), (256, false)];
        for (callers, in_place) in cases.into_iter().filter(|(callers, _)| only.is_none_or(|only| only == *callers)) {
            let options = Sqlite::options().synchronous(synchronous).commit_in_place(in_place);
            let (mut ours, mut bare) = (Vec::new(), Vec::new());
            for _ in 0..PAIRS {
                let dir = tempfile::tempdir().expect("a folder");
                let path = dir.path().join("ours.db");
                ours.push(executor.block_on(measure_ours(&path, &options, callers, rows, Until::Time(seconds))));
                let path = dir.path().join("bare.db");
                bare.push(executor.block_on(measure_bare(&path, synchronous, callers, rows, Until::Time(seconds))));
            }
            let ratio = median(ours.iter().zip(&bare).map(|(ours, bare)| ours.rate / bare.rate).collect());
            println!(
                "{callers:>7}{}{:>9.0} {:>9.0}   {ratio:>4.2}x   {:<10.2?} {:<10.2?} {:.2?} / {:.2?}",
                if in_place { '*' } else { ' ' },
                median(ours.iter().map(|run| run.rate).collect()),
                median(bare.iter().map(|run| run.rate).collect()),
                median(ours.iter().map(|run| run.p50).collect()),
                median(ours.iter().map(|run| run.p99).collect()),
                median(bare.iter().map(|run| run.p50).collect()),
                median(bare.iter().map(|run| run.p99).collect()),
            );
        }
    }
    println!("\ninstructions for each transition, all threads\ncallers      ours      bare   ratio");
    for callers in [1, 64, 256].into_iter().filter(|callers| only.is_none_or(|only| only == *callers)) {
        match (instructions("ours", callers), instructions("bare", callers)) {
            (Some(ours), Some(bare)) => println!("{callers:>7} {ours:>9.0} {bare:>9.0}   {:>4.2}x", ours / bare),
            _ => return println!("valgrind is not installed: instructions are not counted"),
        }
    }
}

/// One process on a file, and two at the same time.
fn two_processes(seconds: &str) {
    println!("callers each     alone       p99   the slower   its share   worst p99   (medians of {PAIRS})");
    for callers in [1, 16, 64, 256] {
        let (mut alone, mut shared) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            alone.extend(processes(1, callers, seconds));
            let both = processes(2, callers, seconds);
            let rate = both.iter().map(|run| run.rate).fold(f64::INFINITY, f64::min);
            let p99 = both.iter().map(|run| run.p99).max().expect("two");
            shared.push((rate, p99));
        }
        let rate = median(alone.iter().map(|run| run.rate).collect());
        let slower = median(shared.iter().map(|(rate, _)| *rate).collect());
        println!(
            "{callers:>12} {rate:>9.0} {:>9.2?} {slower:>12.0} {:>10.0}% {:>11.2?}",
            median(alone.iter().map(|run| run.p99).collect()),
            100.0 * slower / rate,
            median(shared.iter().map(|(_, p99)| *p99).collect()),
        );
    }
}

/// With and without the index of states, on 100,000 rows.
fn index(executor: &tokio::runtime::Runtime, time: Duration) {
    println!("            callers      with   without   without / with   (medians of {PAIRS} pairs)");
    for synchronous in [Synchronous::Full, Synchronous::Normal] {
        for callers in [1, 64] {
            let mut rates = Vec::new();
            for _ in 0..PAIRS {
                let dir = tempfile::tempdir().expect("a folder");
                rates.push([true, false].map(|on| {
                    let options = Sqlite::options().synchronous(synchronous).state_index(on);
                    let path = dir.path().join(format!("{on}.db"));
                    executor.block_on(measure_ours(&path, &options, callers, 100_000, Until::Time(time))).rate
                }));
            }
            println!(
                "{:>10} {callers:>8} {:>9.0} {:>9.0} {:>10.2}x",
                format!("{synchronous:?}"),
                median(rates.iter().map(|[with, _]| *with).collect()),
                median(rates.iter().map(|[_, without]| *without).collect()),
                median(rates.iter().map(|[with, without]| without / with).collect())
            );
        }
    }
}

/// The results of `count` processes that share a new file.
fn processes(count: usize, callers: usize, seconds: &str) -> Vec<Run> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("shared.db");
    let this = std::env::current_exe().expect("this program");
    let started: Vec<_> = (0..count)
        .map(|_| {
            let mut process = std::process::Command::new(&this);
            process.arg("sharing").arg(&path).args([&callers.to_string(), seconds]);
            process.stdout(std::process::Stdio::piped()).spawn().expect("a process")
        })
        .collect();
    let runs = started.into_iter().map(|process| {
        let output = String::from_utf8(process.wait_with_output().expect("it has ended").stdout).expect("text");
        let numbers: Vec<f64> = output.split_whitespace().map(|number| number.parse().expect("a number")).collect();
        let [rate, p50, p99] = numbers[..] else { panic!("a process failed") };
        Run { rate, p50: Duration::from_secs_f64(p50), p99: Duration::from_secs_f64(p99) }
    });
    runs.collect()
}

/// Instructions for each transition, counted by callgrind. The difference of two runs of this program excludes its start.
fn instructions(which: &str, callers: usize) -> Option<f64> {
    let (few, many) = (2_048, 10_240);
    let count = |transitions: u32| -> Option<f64> {
        let run = std::process::Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args(["counted", which, &callers.to_string(), &transitions.to_string()])
            .output()
            .ok()?;
        let output = String::from_utf8_lossy(&run.stderr).into_owned();
        output.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
    };
    Some((count(many)? - count(few)?) / f64::from(many - few))
}

/// A fixed number of transitions on 1,024 rows, to be counted by callgrind.
async fn run_counted(which: &str, callers: usize, transitions: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let (path, until) = (dir.path().join("counted.db"), Until::Transitions(transitions));
    match which {
        "ours" => measure_ours(&path, &Sqlite::options().synchronous(Synchronous::Normal), callers, 1_024, until).await,
        _ => measure_bare(&path, Synchronous::Normal, callers, 1_024, until).await,
    };
}

/// When a run ends.
#[derive(Clone, Copy)]
enum Until {
    Time(Duration),
    Transitions(usize),
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    values[values.len() / 2]
}

fn summary(began: Instant, transitions: usize, mut latencies: Vec<Duration>) -> Run {
    let rate = f64::from(u32::try_from(transitions).expect("a run is short")) / began.elapsed().as_secs_f64();
    latencies.sort();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
    Run { rate, p50: at(50), p99: at(99) }
}

/// The id of row `n` of this process. Other processes may share the file.
fn id(n: usize) -> String {
    format!("{n:08}-{}", std::process::id())
}

async fn fill(path: &Path, options: &SqliteOptions, rows: usize) -> Runtime {
    let store = options.clone().open(path).await.expect("a store");
    let runtime = Runtime::builder(store).start().await.expect("a runtime");
    let switches = runtime.machines::<Switch>();
    let mut creating = JoinSet::new();
    for n in 0..rows {
        let (switches, off) = (switches.clone(), switch::Off { ballast: "x".repeat(BALLAST) });
        creating.spawn(async move { switches.create(&id(n), off).await.expect("a row") });
    }
    creating.join_all().await;
    runtime
}

async fn measure_ours(path: &Path, options: &SqliteOptions, callers: usize, rows: usize, until: Until) -> Run {
    let runtime = fill(path, options, rows).await;
    let switches = runtime.machines::<Switch>();
    // Each caller has separate rows, in a shuffled order.
    let mut shares: Vec<Vec<switch::AnyRecord>> = (0..callers).map(|_| Vec::new()).collect();
    let mut order: Vec<usize> = (0..rows).collect();
    fastrand::shuffle(&mut order);
    for (place, n) in order.into_iter().enumerate() {
        shares[place % callers].push(switches.get(&id(n)).await.expect("a row"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for share in shares {
        let stop = stop.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            let mut records: std::collections::VecDeque<_> = share.into();
            let most = match until {
                Until::Time(_) => usize::MAX,
                Until::Transitions(transitions) => transitions / callers,
            };
            while latencies.len() < most && !stop.load(Ordering::Relaxed) {
                let Some(record) = records.pop_front() else { break };
                let began = Instant::now();
                let record = match record {
                    switch::AnyRecord::Off(off) => switch::AnyRecord::On(off.on().await.expect("on")),
                    switch::AnyRecord::On(on) => switch::AnyRecord::Off(on.off().await.expect("off")),
                };
                latencies.push(began.elapsed());
                records.push_back(record);
            }
            latencies
        });
    }
    if let Until::Time(time) = until {
        tokio::time::sleep(time).await;
        stop.store(true, Ordering::Relaxed);
    }
    let latencies: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    summary(began, latencies.len(), latencies)
}

/// The statements of the store, so that the bare loop does the same work.
const UPDATE: &str = include_str!("../src/store/sqlite/sql/enter_state.sql");
const INSERT: &str = include_str!("../src/store/sqlite/sql/history.sql");

/// The same tables and statements without the runtime: one thread, `batch` transitions in each transaction.
async fn measure_bare(path: &Path, synchronous: Synchronous, batch: usize, rows: usize, until: Until) -> Run {
    drop(fill(path, &Sqlite::options().synchronous(synchronous), rows).await);
    let path = path.to_owned();
    let run = move || -> rusqlite::Result<Run> {
        let connection = Connection::open(path)?;
        connection.execute_batch(match synchronous {
            Synchronous::Full => "PRAGMA synchronous = FULL",
            _ => "PRAGMA synchronous = NORMAL",
        })?;
        let mut all: Vec<(String, Vec<u8>, u64)> = connection
            .prepare("SELECT id, incarnation, version FROM fsm_instances")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        fastrand::shuffle(&mut all);
        let data = format!("{{\"ballast\":\"{}\"}}", "x".repeat(BALLAST));
        let (mut update, mut insert) = (connection.prepare(UPDATE)?, connection.prepare(INSERT)?);
        let (mut done, mut latencies, began) = (0, Vec::new(), Instant::now());
        while match until {
            Until::Time(time) => began.elapsed() < time,
            Until::Transitions(transitions) => done < transitions,
        } {
            let batch_began = Instant::now();
            connection.execute_batch("BEGIN IMMEDIATE")?;
            for _ in 0..batch {
                let (id, incarnation, version) = &all[done % rows];
                let (from, event, to) = if *version % 2 == 1 { ("Off", "on", "On") } else { ("On", "off", "Off") };
                let none = None::<i64>;
                let fence: u64 = update.query_row(
                    params![
                        "Switch",
                        id,
                        incarnation,
                        version,
                        to,
                        1,
                        data,
                        none,
                        none,
                        none,
                        none,
                        1,
                        false,
                        none,
                        none
                    ],
                    |row| row.get(0),
                )?;
                let version = *version + 1;
                insert.execute(params![
                    "Switch",
                    id,
                    incarnation,
                    "transition",
                    version,
                    1,
                    fence,
                    from,
                    event,
                    to,
                    "null",
                    data,
                    none,
                    "caller",
                    none,
                    none,
                    none,
                    1
                ])?;
                all[done % rows].2 = version;
                done += 1;
            }
            connection.execute_batch("COMMIT")?;
            latencies.push(batch_began.elapsed());
        }
        Ok(summary(began, done, latencies))
    };
    tokio::task::spawn_blocking(run).await.expect("a thread").expect("SQLite")
}
