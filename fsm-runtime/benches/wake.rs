//! How long it takes from an acknowledged change until the worker runs: in the same process, and by another handle of the
//! file, which is what another process has.
//!
//! `cargo bench -p fsm-runtime --bench wake`: medians and 99th percentiles, beside the same with a bare tokio task and a channel.

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

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
    });
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
