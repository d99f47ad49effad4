//! Random events, failures, removals and processes: an instance never has two workers.

use super::PATIENCE;
use fsm_runtime::{Machines, Policy, ReadError, Runtime, TransitionError, prelude::*, store::sqlite::Sqlite};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A part that has work, and may change its state at any time.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Idle, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
#[on(end => Over)]
#[on(halt => Idle)]
enum Thing {
    #[on(press => Pressed)]
    Idle,
    /// The work succeeds or fails.
    #[state(work)]
    #[on(press => Pressed)]
    #[on(bend => Bent)]
    #[on(pressed => Idle)]
    #[after("20ms", bend)]
    Pressed,
    #[state(work)]
    #[on(press => Pressed)]
    #[on(straightened => Idle)]
    Bent,
    #[state(end, remove)]
    Over,
}

/// The running workers of each instance, and the violations seen.
#[derive(Default)]
struct Seen {
    /// By id: process, incarnation and worker.
    at_work: HashMap<String, Vec<(usize, String, String)>>,
    overlaps: Vec<String>,
    began: usize,
}

#[derive(Clone)]
struct Hands {
    seen: Arc<Mutex<Seen>>,
    /// Once set, every worker succeeds at once.
    calm: Arc<AtomicBool>,
    process: usize,
}

/// From a worker's first poll to its drop.
struct Hand {
    seen: Arc<Mutex<Seen>>,
    id: String,
    who: String,
}

impl Drop for Hand {
    fn drop(&mut self) {
        let mut seen = self.seen.lock().unwrap();
        seen.at_work.get_mut(&self.id).unwrap().retain(|(_, _, who)| *who != self.who);
    }
}

impl Hands {
    async fn work<S: fsm_runtime::DurableState<Machine = Thing>>(
        &self,
        task: &thing::Task<S>,
    ) -> Result<(), WorkError> {
        let (id, instance) = (task.id().to_owned(), task.instance_key());
        let who = format!("{:?} {} by process {}, fence {}", task.state(), task.key(), self.process, task.fence());
        let _hand = {
            let mut seen = self.seen.lock().unwrap();
            seen.began += 1;
            let others = seen.at_work.entry(id.clone()).or_default();
            // A removed id is another instance: another process need not wait for its worker.
            let beside = others.iter().filter(|(process, of, _)| *process == self.process || *of == instance);
            let overlaps: Vec<_> = beside.map(|(_, _, other)| format!("{who} beside {other}")).collect();
            others.push((self.process, instance, who.clone()));
            seen.overlaps.extend(overlaps);
            Hand { seen: self.seen.clone(), id, who }
        };
        if self.calm.load(Ordering::Relaxed) {
            return Ok(());
        }
        let pause = Duration::from_millis(fastrand::u64(..8));
        match fastrand::u8(..8) {
            // Ignores its cancellation.
            0 | 1 => tokio::time::sleep(pause).await,
            2 => std::future::pending().await,
            3 => panic!("a slip"),
            4 => return Err(WorkError::retry_after(pause, "dropped")),
            _ => tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = task.cancelled() => {}
            },
        }
        Ok(())
    }
}

impl thing::Workers for Hands {
    async fn pressed(&self, task: thing::Task<thing::Pressed>) -> Outcome<thing::Pressed> {
        self.work(&task).await?;
        if fastrand::bool() { task.pressed() } else { task.bend() }
    }

    async fn bent(&self, task: thing::Task<thing::Bent>) -> Outcome<thing::Bent> {
        self.work(&task).await?;
        task.straightened()
    }
}

async fn process(path: &Path, hands: Hands) -> Runtime {
    let builder = Runtime::builder(Sqlite::open(path).await.unwrap()).machine::<Thing, Hands>(hands);
    let builder =
        builder.poll_interval(Duration::from_millis(50)).grace_period(Duration::from_millis(10)).max_attempts(u32::MAX);
    // A worker that never ends is stopped by its state's timer in one state, and by its timeout in the other.
    let builder = builder.policy::<thing::Bent>(Policy::new().attempt_timeout(Duration::from_millis(20)));
    builder.backoff(Duration::from_millis(1), Duration::from_millis(20)).start().await.unwrap()
}

/// A random event of one instance, if it is possible.
async fn happens(things: &Machines<Thing>, id: &str, random: &mut fastrand::Rng) {
    let outcome = match random.u8(..10) {
        0 => things.fire(id, thing::event::End).await,
        1 | 2 => things.fire(id, thing::event::Halt).await,
        3 => things.fire(id, thing::event::Bend).await,
        4 => return drop(things.create(id, thing::Idle).await),
        _ => things.fire(id, thing::event::Press).await,
    };
    match outcome {
        Ok(_)
        | Err(TransitionError::Conflict(_) | TransitionError::NotFound { .. } | TransitionError::NotAccepted { .. }) => {
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Waits until the instance is gone, or rests without an owner.
async fn comes_to_rest(things: &Machines<Thing>, id: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let row = match things.row(id).await {
            Ok(row) => row,
            Err(ReadError::NotFound { .. }) => return,
            Err(other) => panic!("{id}: {other}"),
        };
        if row.state == "Idle" && row.owner.is_none() {
            assert_eq!((row.wake_at(), row.parked), (None, None), "{id}");
            return;
        }
        assert!(Instant::now() < deadline, "the row stays {row:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_c3_workers_of_an_instance_never_overlap() {
    let seed = std::env::var("FSM_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("FSM_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("things.db");
    let hands = Hands { seen: Arc::default(), calm: Arc::default(), process: 0 };
    let first = process(&path, hands.clone()).await;
    let things = first.machines::<Thing>();
    let ids: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    for id in &ids {
        things.create(id, thing::Idle).await.unwrap();
    }
    // Processes start and stop while one stays; each event goes to a random one.
    let began = Instant::now();
    let mut number = 0;
    let enough = || hands.seen.lock().unwrap().began > 100;
    while began.elapsed() < Duration::from_secs(4) || !enough() {
        assert!(began.elapsed() < 4 * PATIENCE, "too little happens: {} workers", hands.seen.lock().unwrap().began);
        number += 1;
        let guest = process(&path, Hands { process: number, ..hands.clone() }).await;
        let guests = guest.machines::<Thing>();
        for _ in 0..random.usize(20..80) {
            let by = if random.bool() { &things } else { &guests };
            happens(by, &ids[random.usize(..ids.len())], &mut random).await;
            tokio::time::sleep(Duration::from_millis(random.u64(..6))).await;
        }
        guest.shutdown(Duration::from_millis(random.u64(..20))).await;
        assert!(hands.seen.lock().unwrap().overlaps.is_empty(), "{:?}", hands.seen.lock().unwrap().overlaps);
    }
    // From here on every worker succeeds: all instances come to rest through the last process.
    hands.calm.store(true, Ordering::Relaxed);
    for id in &ids {
        comes_to_rest(&things, id).await;
    }
    first.shutdown(Duration::ZERO).await;
    let all = hands.seen.lock().unwrap();
    assert_eq!(all.overlaps, [""; 0]);
    assert!(all.at_work.values().all(Vec::is_empty), "{:?}", all.at_work);
    println!("{} workers in {number} processes", all.began);
}
