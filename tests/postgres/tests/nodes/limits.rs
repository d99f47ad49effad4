//! Rates and circuit breakers of runtimes on one server.

use super::{
    PATIENCE, soon, until,
    work::{Job, job, options},
};
use fsm_runtime::{
    Policy, Rate, Runtime, WaitsFor,
    breaker::{Breaker, Circuit},
    prelude::*,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tests_postgres::Server;
use tokio::sync::mpsc;

/// Calls a provider, which can be down.
#[derive(Clone)]
struct Caller {
    node: &'static str,
    down: Arc<AtomicBool>,
    calls: mpsc::UnboundedSender<(Instant, &'static str)>,
}

impl job::Workers for Caller {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        let _ = self.calls.send((Instant::now(), self.node));
        if self.down.load(Ordering::SeqCst) { Err("503".into()) } else { task.finish() }
    }
}

async fn start(server: &Server, schema: &str, caller: &Caller, policy: Policy) -> Runtime {
    let builder = Runtime::builder(options(server, schema).open().await.unwrap()).node(caller.node);
    let builder = builder.machine::<Job, _>(caller.clone()).lease_ttl(Duration::from_millis(1_500));
    builder.poll_interval(Duration::from_millis(500)).policy::<job::Running>(policy).start().await.unwrap()
}

/// Waits until each of two nodes has seen the other: it sees the leases whenever it renews its own.
async fn know_each_other(runtime: &Runtime) {
    let leases = async || {
        let nodes = runtime.nodes().await.unwrap();
        nodes.into_iter().filter(|node| node.live).map(|node| node.until).collect::<Vec<_>>()
    };
    until("both have leases", async || leases().await.len() == 2).await;
    // The second renewal begins when the answer of the first is there.
    for _ in 0..2 {
        let before = leases().await;
        let renewed = async || leases().await.iter().zip(&before).all(|(now, before)| now > before);
        until("both renew their leases", renewed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c22_a_rate_over_all_nodes_holds_for_two_runtimes() {
    const RATE: u32 = 20;
    const JOBS: u32 = 40;
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let (calls, mut received) = mpsc::unbounded_channel();
    let policy = || Policy::new().rate(Rate::new(RATE, Duration::from_secs(1)).over_all_nodes());
    let mut runtimes = Vec::new();
    for node in ["a", "b"] {
        let caller = Caller { node, down: Arc::default(), calls: calls.clone() };
        runtimes.push(start(server, &schema, &caller, policy()).await);
    }
    know_each_other(&runtimes[0]).await;
    let (began, jobs) = (Instant::now(), runtimes[0].machines::<Job>());
    for n in 0..JOBS {
        jobs.create(&n.to_string(), job::Running).await.unwrap();
    }
    let mut nodes = BTreeSet::new();
    for calls in 1..=JOBS {
        let (at, node) = soon("a call", received.recv()).await.unwrap();
        nodes.insert(node);
        // The first start of each node is not delayed.
        let allowed = 2.0 + f64::from(RATE) * at.duration_since(began).as_secs_f64();
        assert!(f64::from(calls) <= allowed, "{calls} calls after {:?}", at.duration_since(began));
    }
    assert_eq!(nodes, ["a", "b"].into());
    for n in 0..JOBS {
        jobs.wait_for(&n.to_string(), job::State::Finished, PATIENCE).await.unwrap();
    }
    assert!(received.try_recv().is_err(), "each job has called once");
    for runtime in runtimes {
        runtime.shutdown(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c23_an_open_circuit_costs_no_attempts_on_postgres() {
    const OTHERS: usize = 20;
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let provider = Breaker::options("provider").failures_in_a_row(2).open_for(Duration::from_hours(1)).build().unwrap();
    let policy = Policy::new().breaker(&provider).backoff(Duration::ZERO, Duration::ZERO);
    let (calls, mut received) = mpsc::unbounded_channel();
    let caller = Caller { node: "a", down: Arc::new(AtomicBool::new(true)), calls };
    let runtime = start(server, &schema, &caller, policy).await;
    let jobs = runtime.machines::<Job>();
    jobs.create("first", job::Running).await.unwrap();
    until("the circuit opens", async || matches!(provider.circuit(), Circuit::Open { .. })).await;
    for n in 0..OTHERS {
        jobs.create(&n.to_string(), job::Running).await.unwrap();
    }
    let waiting = || {
        let workers = runtime.status().workers.into_iter();
        workers.filter(|worker| matches!(worker.waits_for, Some(WaitsFor::Breaker { .. }))).count()
    };
    until("all wait", async || waiting() == OTHERS + 1).await;
    assert_eq!(jobs.row("first").await.unwrap().attempt, 2);
    for n in 0..OTHERS {
        let row = jobs.row(&n.to_string()).await.unwrap();
        assert_eq!((row.attempt, row.fence, row.owner, row.error), (0, 0, None, None));
    }
    for _ in 0..2 {
        soon("a call", received.recv()).await.unwrap();
    }
    assert!(received.try_recv().is_err(), "nothing else was called");
    caller.down.store(false, Ordering::SeqCst);
    provider.reset();
    for id in (0..OTHERS).map(|n| n.to_string()).chain(["first".to_owned()]) {
        jobs.wait_for(&id, job::State::Finished, PATIENCE).await.unwrap();
    }
    assert_eq!(provider.circuit(), Circuit::Closed);
    let mut rest = 0;
    while received.try_recv().is_ok() {
        rest += 1;
    }
    assert_eq!(rest, OTHERS + 1, "each job has called once more");
    runtime.shutdown(Duration::from_secs(1)).await;
}
