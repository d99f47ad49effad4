//! Metrics, read by a recorder in memory, and their table in the documentation.

use fsm_runtime::{Policy, WorkerPhase, clock::ManualClock, prelude::*};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant, SystemTime},
};

/// A measurement whose path depends on its id.
#[derive(StateMachine)]
#[fsm(initial = Idle, durable, derive(Serialize, Deserialize))]
enum Meter {
    /// Waits.
    #[on(begin => Measuring)]
    Idle,
    /// A worker runs.
    #[state(work)]
    #[on(measured => Done)]
    #[on(stop => Done)]
    Measuring,
    /// Done.
    #[state(end)]
    Done,
}

struct Workers;

impl meter::Workers for Workers {
    async fn measuring(&self, task: meter::Task<meter::Measuring>) -> Outcome<meter::Measuring> {
        match (task.id(), task.attempt()) {
            ("fails", 1) => Err(WorkError::retry_after(Duration::ZERO, "not yet")),
            ("panics", 1) => panic!("on purpose"),
            ("permanent", _) => Err(WorkError::permanent("never")),
            ("again", _) => task.requeue_after(Duration::from_hours(9)),
            ("silent" | "stopped", _) => {
                task.cancelled().await;
                Err("cancelled".into())
            }
            _ => task.measured(),
        }
    }
}

/// The recorded values by name and labels: counts, sums of gauges, numbers of samples.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, f64>>>, Arc<Mutex<BTreeSet<String>>>);

struct Cell(Memory, String);

impl Cell {
    fn add(&self, value: f64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.add(f64::from(u32::try_from(value).unwrap()));
    }
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        self.add(value);
    }
    fn decrement(&self, value: f64) {
        self.add(-value);
    }
    fn set(&self, _: f64) {}
}

impl HistogramFn for Cell {
    fn record(&self, _: f64) {
        self.add(1.0);
    }
}

impl Memory {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Cell(self.clone(), format!("{} {}", key.name(), labels.join(" ")).trim_end().to_owned()))
    }

    fn describe(&self, kind: &str, name: &KeyName) {
        self.1.lock().unwrap().insert(format!("{} {kind}", name.as_str()));
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe("counter", &name);
    }
    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe("gauge", &name);
    }
    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.describe("histogram", &name);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

/// The recorder of this process.
fn memory() -> &'static Memory {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    MEMORY.get_or_init(|| {
        let memory = Memory::default();
        assert!(metrics::set_global_recorder(memory.clone()).is_ok(), "no other recorder is installed");
        fsm_runtime::describe_metrics();
        memory
    })
}

#[test]
fn the_documentation_lists_every_metric() {
    let text = include_str!("../../docs/operations.md");
    let documented: BTreeSet<String> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `fsm_")?.split('|').map(str::trim);
            let name = cells.next()?.trim_end_matches('`').to_owned();
            Some(format!("fsm_{name} {}", cells.next()?))
        })
        .filter(|line| ["counter", "gauge", "histogram"].iter().any(|kind| line.ends_with(kind)))
        .collect();
    assert_eq!(documented, *memory().1.lock().unwrap());
}

#[tokio::test]
async fn events_are_counted() {
    let seen = |line: &str| memory().0.lock().unwrap().get(line).copied().unwrap_or_default();
    memory();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let policy = Policy::new().heartbeat(Duration::from_mins(1)).backoff(Duration::ZERO, Duration::ZERO);
    let builder = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock());
    let runtime = builder.machine::<Meter, _>(Workers).policy::<meter::Measuring>(policy).start().await.unwrap();
    let meters = runtime.machines::<Meter>();
    let until = async |line: &str, value: f64| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while (seen(line) - value).abs() > 0.1 {
            assert!(Instant::now() < deadline, "`{line}` is {}, not {value}", seen(line));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for id in ["fires", "fails", "panics", "permanent", "again", "silent", "stopped"] {
        let idle = meters.create(id, meter::Idle).await.unwrap();
        meters.fire(id, meter::event::Begin).await.unwrap();
        if id == "fires" {
            idle.begin().await.unwrap_err();
        }
    }
    let of = |outcome: &str| format!("fsm_work_total machine=Meter state=Measuring outcome={outcome}");
    for (outcome, count) in [("fired", 3.0), ("retry", 1.0), ("panic", 1.0), ("permanent", 1.0), ("requeue", 1.0)] {
        until(&of(outcome), count).await;
    }
    // The gauge may briefly include a worker that is about to end.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !["silent", "stopped"].iter().all(|id| {
        let status = runtime.status();
        status.workers.iter().any(|it| &*it.key.id == *id && it.phase == WorkerPhase::Running)
    }) {
        assert!(Instant::now() < deadline, "{}", runtime.status());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    until("fsm_workers machine=Meter phase=running", 2.0).await;
    meters.fire("stopped", meter::event::Stop).await.unwrap();
    until(&of("cancelled"), 1.0).await;
    clock.advance(Duration::from_mins(1));
    until(&of("missed_heartbeat"), 1.0).await;
    // It is claimed again at once.
    until("fsm_claims_total machine=Meter state=Measuring", 10.0).await;
    for (line, count) in [
        ("fsm_transitions_total machine=Meter from=Idle event=begin cause=caller", 7.0),
        ("fsm_transitions_total machine=Meter from=Measuring event=measured cause=worker", 3.0),
        // The second is the claim that the stopped worker releases after its instance moved on.
        ("fsm_verdicts_total machine=Meter verdict=conflict", 2.0),
        ("fsm_parked_total machine=Meter state=Measuring", 1.0),
        ("fsm_wait_seconds machine=Meter state=Measuring", 10.0),
        ("fsm_work_seconds machine=Meter state=Measuring", 9.0),
    ] {
        until(line, count).await;
    }
    assert!(seen("fsm_commit_groups") >= 7.0 && seen("fsm_commit_seconds") >= 7.0);
    runtime.shutdown(Duration::ZERO).await;
    until("fsm_workers machine=Meter phase=running", 0.0).await;
    let described: BTreeSet<String> =
        memory().1.lock().unwrap().iter().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect();
    for line in memory().0.lock().unwrap().keys() {
        let name = line.split(' ').next().unwrap();
        assert!(described.contains(name), "`{name}` is not described");
    }
}
