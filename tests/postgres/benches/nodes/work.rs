//! Cycles of work, and the time from an event on one node to the worker on another.

use super::{at, line, median};
use fsm_runtime::{Machines, Runtime, prelude::*, store::postgres::Postgres};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tests_postgres::Server;
use tokio::{sync::mpsc, task::JoinSet};

/// An errand.
#[derive(StateMachine)]
#[fsm(initial = Waiting | Todo, durable, derive(Serialize, Deserialize))]
pub(super) enum Errand {
    /// Nothing to do yet.
    #[on(ask => Todo)]
    #[on(cancel => Done)]
    Waiting,
    /// A worker does it.
    #[state(work)]
    #[on(finish => Done)]
    Todo,
    /// It was done.
    #[on(repeat => Waiting)]
    Done,
}

/// Finishes at once.
struct AtOnce(mpsc::UnboundedSender<(Instant, String)>);

impl errand::Workers for AtOnce {
    async fn todo(&self, task: errand::Task<errand::Todo>) -> Outcome<errand::Todo> {
        let _ = self.0.send((Instant::now(), task.id().to_owned()));
        task.finish()
    }
}

const CYCLES: usize = 5_000;
const AT_ONCE: usize = 256;
const PAIRS: usize = 3;

pub(super) async fn print_cycles(server: &Server) {
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let (transitions, cycles) = (transitions(server).await, cycles(server).await);
        rates.push(cycles);
        ratios.push(cycles / transitions);
    }
    line(&format!("cycles of work, {AT_ONCE} at a time"), &format!("{:.0}/s", median(&rates)), "");
    line("  against transitions by id", &format!("{:.2}x", median(&ratios)), ">= 0.30x");
}

async fn open(server: &Server, schema: &str) -> Postgres {
    Postgres::options(server.url()).schema(schema).open().await.expect("the store opens")
}

/// Calls `call` for all numbers below `CYCLES`, and returns how many were made in a second.
async fn at_once<F: Future<Output = ()> + Send + 'static>(call: impl Fn(usize) -> F) -> f64 {
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for n in 0..CYCLES {
        if calls.len() >= AT_ONCE {
            calls.join_next().await;
        }
        calls.spawn(call(n));
    }
    calls.join_all().await;
    rate(began)
}

fn rate(began: Instant) -> f64 {
    f64::from(u32::try_from(CYCLES).expect("a count")) / began.elapsed().as_secs_f64()
}

async fn fill(errands: &Machines<Errand>, todo: bool) {
    at_once(|n| {
        let (errands, id) = (errands.clone(), n.to_string());
        async move {
            let created = if todo {
                errands.create(&id, errand::Todo).await.map(drop)
            } else {
                errands.create(&id, errand::Waiting).await.map(drop)
            };
            created.expect("created");
        }
    })
    .await;
}

async fn transitions(server: &Server) -> f64 {
    let client = Runtime::builder(open(server, &server.new_schema()).await).start().await.expect("a client");
    let errands = client.machines::<Errand>();
    fill(&errands, false).await;
    let rate = at_once(|n| {
        let errands = errands.clone();
        async move { errands.fire(&n.to_string(), errand::event::Cancel).await.map(drop).expect("fired") }
    })
    .await;
    client.shutdown(Duration::from_secs(1)).await;
    rate
}

async fn cycles(server: &Server) -> f64 {
    let store = open(server, &server.new_schema()).await;
    let client = Runtime::builder(store.clone()).start().await.expect("a client");
    fill(&client.machines(), true).await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let began = Instant::now();
    let builder = Runtime::builder(store).max_concurrency(AT_ONCE).machine::<Errand, _>(AtOnce(started));
    let runtime = builder.start().await.expect("a controller");
    let mut started = Vec::with_capacity(CYCLES);
    for _ in 0..CYCLES {
        started.push(starts.recv().await.expect("it starts").1);
    }
    let errands = runtime.machines::<Errand>();
    let done = async |id: &str| {
        errands.wait_for(id, errand::State::Done, Duration::from_mins(1)).await.expect("done");
    };
    // Those that run at the same time as the last one may not be stored yet.
    for id in &started[CYCLES - AT_ONCE..] {
        done(id).await;
    }
    let rate = rate(began);
    for id in &started {
        done(id).await;
    }
    runtime.shutdown(Duration::from_secs(1)).await;
    client.shutdown(Duration::from_secs(1)).await;
    rate
}

const EVENTS: usize = 300;

pub(super) async fn print_latency(server: &Server) {
    let schema = server.new_schema();
    let (started, mut starts) = mpsc::unbounded_channel();
    let builder = Runtime::builder(open(server, &schema).await).machine::<Errand, _>(AtOnce(started)).node("worker");
    let worker = builder.start().await.expect("a controller");
    let client = Runtime::builder(open(server, &schema).await).start().await.expect("a client");
    let errands = client.machines::<Errand>();
    let mut times = Vec::with_capacity(EVENTS);
    for n in 0..EVENTS {
        let id = n.to_string();
        let waiting = errands.create(&id, errand::Waiting).await.expect("created");
        let fired = waiting.ask().await;
        let acknowledged = Instant::now();
        drop(fired.expect("fired"));
        let (start, _) = starts.recv().await.expect("the worker starts");
        times.push(start.saturating_duration_since(acknowledged));
        errands.wait_for(&id, errand::State::Done, Duration::from_mins(1)).await.expect("done");
    }
    line("event on one node to worker on another, median", &format!("{:.1?}", at(&mut times, 50)), "");
    line("  p99", &format!("{:.1?}", at(&mut times, 99)), "< 50 ms");
    worker.shutdown(Duration::from_secs(1)).await;
    client.shutdown(Duration::from_secs(1)).await;
}
