//! Many instances that are due at the same time.

use super::{HOUR, PATIENCE};
use fsm_runtime::{HistoryQuery, Machines, Runtime, clock::ManualClock, prelude::*, store::sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// An alarm that rings in an hour, unless it is handled first.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Armed, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
enum Alarm {
    /// It will ring.
    #[on(ring => Rung)]
    #[on(check => Checking)]
    #[after("1h", ring)]
    Armed,
    /// A worker handles it.
    #[state(work)]
    #[on(checked => Rung)]
    Checking,
    /// It rang.
    #[state(end)]
    Rung,
}

/// Reports the instances that it works for.
struct Checker(mpsc::UnboundedSender<String>);

impl alarm::Workers for Checker {
    async fn checking(&self, task: alarm::Task<alarm::Checking>) -> Outcome<alarm::Checking> {
        let _ = self.0.send(task.id().to_owned());
        task.checked()
    }
}

async fn client(path: &Path, clock: &ManualClock) -> Runtime {
    Runtime::builder(Sqlite::open(path).await.unwrap()).clock(clock.clock()).start().await.unwrap()
}

async fn controller(path: &Path, clock: &ManualClock) -> (Runtime, mpsc::UnboundedReceiver<String>) {
    let (sender, calls) = mpsc::unbounded_channel();
    let store = Sqlite::open(path).await.unwrap();
    let builder = Runtime::builder(store).clock(clock.clock()).machine::<Alarm, Checker>(Checker(sender));
    (builder.start().await.unwrap(), calls)
}

async fn arm(alarms: &Machines<Alarm>, many: usize) {
    let made = alarms.create_many((0..many).map(|n| (format!("{n:06}"), alarm::Armed))).await;
    assert!(made.iter().all(Result::is_ok));
}

async fn in_state(alarms: &Machines<Alarm>, state: &str) -> usize {
    let counts = alarms.count().await.unwrap();
    counts.into_iter().find(|count| count.name == state).map_or(0, |count| usize::try_from(count.instances).unwrap())
}

/// Waits until `many` have rung; panics when none rings for the length of `PATIENCE`.
async fn rung(alarms: &Machines<Alarm>, many: usize) -> usize {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let now = in_state(alarms, "Rung").await;
        if now >= many {
            return now;
        }
        if now > last {
            (last, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "{now} of {many} have rung");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A tenth of the number in T3, to take seconds; `cargo bench -p fsm-runtime --bench scale` runs all. How long new
/// work waits does not depend on the number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t3_many_timers_due_at_once_leave_room_for_new_work() {
    const MANY: usize = 10_000;
    let store = Sqlite::in_memory().unwrap();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let client = Runtime::builder(store.clone()).clock(clock.clock()).start().await.unwrap();
    arm(&client.machines(), MANY).await;
    clock.advance(HOUR);
    let (sender, mut calls) = mpsc::unbounded_channel();
    let builder = Runtime::builder(store).clock(clock.clock()).machine::<Alarm, Checker>(Checker(sender));
    let runtime = builder.start().await.unwrap();
    let alarms = runtime.machines::<Alarm>();
    let before = rung(&alarms, 100).await;
    for id in ["new", "newer"] {
        alarms.create(id, alarm::Armed).await.unwrap().check().await.unwrap();
        let call = tokio::time::timeout(PATIENCE, calls.recv()).await.expect("a worker starts").unwrap();
        assert_eq!(call, id);
    }
    let after = in_state(&alarms, "Rung").await;
    println!("{before} had rung before the new work came, and {after} when it was done");
    assert!(after < MANY / 4, "the new work had to wait until {after} of {MANY} had rung");
    assert_eq!(rung(&alarms, MANY + 2).await, MANY + 2);
}

/// More than one page of a scan and more than the queue holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c13_five_thousand_keys_pass_through_the_scan() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alarms.db");
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    arm(&client(&path, &clock).await.machines(), 5_000).await;
    // Found before they are due, and then due all at once.
    clock.advance(Duration::from_secs(3_597));
    let (runtime, _calls) = controller(&path, &clock).await;
    clock.advance(Duration::from_secs(3));
    assert_eq!(rung(&runtime.machines(), 5_000).await, 5_000);
    let history = runtime.machines::<Alarm>().history("000000", &HistoryQuery::new().limit(9)).await.unwrap().items;
    assert_eq!(history.len(), 2, "{history:?}");
}

/// The next scan would be too late.
#[tokio::test]
async fn t1_a_timer_armed_by_another_process_fires_on_time() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alarms.db");
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);
    let (sender, mut calls) = mpsc::unbounded_channel();
    let builder = Runtime::builder(Sqlite::open(&path).await.unwrap()).clock(clock.clock());
    let builder = builder.machine::<Alarm, Checker>(Checker(sender)).poll_interval(HOUR * 10);
    let runtime = builder.start().await.unwrap();
    let alarms = runtime.machines::<Alarm>();
    let other = client(&path, &clock).await.machines::<Alarm>();
    // The first scan is over.
    alarms.create("first", alarm::Armed).await.unwrap().check().await.unwrap();
    calls.recv().await.unwrap();
    other.create("a", alarm::Armed).await.unwrap();
    // Earlier notifications were looked at first.
    other.create("b", alarm::Armed).await.unwrap().check().await.unwrap();
    assert_eq!(calls.recv().await.unwrap(), "b");
    assert_eq!(alarms.get("a").await.unwrap().state(), alarm::State::Armed);
    clock.advance(HOUR);
    alarms.wait_for("a", alarm::State::Rung, PATIENCE).await.unwrap();
}
