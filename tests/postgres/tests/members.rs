//! Nodes that divide the buckets of a store on one server. Each has an executor of its own, so that it can be killed: its tasks end
//! at once, and its lease is renewed no more.

#![cfg(server)]

use fsm_runtime::{
    Builder, Machines, Members, Runtime,
    prelude::*,
    store::{BUCKETS, Buckets, Key, postgres::Postgres},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::{Duration, Instant},
};
use tests_postgres::Server;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_mins(1);
/// Long enough for a busy machine.
const TTL: Duration = Duration::from_secs(3);
/// Until the first renewal.
const JOINS: Duration = Duration::from_secs(1);

/// A job.
#[derive(StateMachine)]
#[fsm(initial = Queued, durable, derive(Serialize, Deserialize))]
enum Job {
    /// Not started.
    #[on(start => Running)]
    #[on(hold => Held)]
    Queued,
    /// A worker works on it.
    #[state(work)]
    #[on(finish => Finished)]
    Running,
    /// A worker waits until it is cancelled.
    #[state(work)]
    #[on(release => Finished)]
    Held,
    /// The end.
    #[state(end)]
    Finished,
}

/// Says which node began to work on which instance.
struct Workers {
    node: String,
    began: mpsc::UnboundedSender<(String, String)>,
}

impl job::Workers for Workers {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        let _ = self.began.send((self.node.clone(), task.id().to_owned()));
        task.finish()
    }

    async fn held(&self, task: job::Task<job::Held>) -> Outcome<job::Held> {
        let _ = self.began.send((self.node.clone(), task.id().to_owned()));
        tokio::select! {
            () = task.draining() => tokio::time::sleep(TTL / 2).await,
            () = task.cancelled() => {}
        }
        task.release()
    }
}

/// A schema of a server.
struct World {
    url: String,
    schema: String,
    began: mpsc::UnboundedSender<(String, String)>,
    works: mpsc::UnboundedReceiver<(String, String)>,
}

struct Node {
    executor: tokio::runtime::Runtime,
    runtime: Runtime,
}

impl World {
    fn new(server: &Server) -> Self {
        let (began, works) = mpsc::unbounded_channel();
        Self { url: server.url(), schema: server.new_schema(), began, works }
    }

    async fn builder(&self) -> Builder {
        let store = Postgres::options(&self.url).schema(&self.schema).lanes(1).open().await.unwrap();
        Runtime::builder(store).lease_ttl(TTL)
    }

    async fn client(&self) -> Runtime {
        self.builder().await.start().await.unwrap()
    }

    async fn start(&self, node: &str, configure: impl FnOnce(Builder) -> Builder) -> Node {
        let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let workers = Workers { node: node.to_owned(), began: self.began.clone() };
        let builder = configure(self.builder().await.machine::<Job, _>(workers).node(node));
        let runtime = executor.spawn(async move { builder.start().await.unwrap() }).await.unwrap();
        Node { executor, runtime }
    }

    async fn start_all(&self, count: usize) -> BTreeMap<String, Node> {
        let mut nodes = BTreeMap::new();
        for n in 0..count {
            let name = format!("node-{n}");
            nodes.insert(name.clone(), self.start(&name, |builder| builder).await);
        }
        nodes
    }

    /// The next work that begins.
    async fn next(&mut self) -> (String, String) {
        soon("work begins", self.works.recv()).await.unwrap()
    }
}

impl Node {
    /// As SIGKILL does: nothing is released, and nobody is notified.
    fn kill(self) {
        self.executor.shutdown_background();
    }

    async fn stop(self) {
        let (runtime, executor) = (self.runtime, self.executor);
        // On its own executor, as in its own process.
        executor.spawn(async move { runtime.shutdown(Duration::from_secs(5)).await }).await.unwrap();
        executor.shutdown_background();
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

async fn until<F: Future<Output = bool>>(what: &str, mut right: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !right().await {
        assert!(Instant::now() < deadline, "never true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The buckets of each node that has joined.
async fn shares(runtime: &Runtime) -> BTreeMap<String, Buckets> {
    let nodes = runtime.nodes().await.unwrap().into_iter().filter(|node| node.live && node.joined.is_some());
    nodes.map(|node| (node.name.clone(), node.machines[0].buckets.unwrap())).collect()
}

/// Waits until `count` nodes have joined, and returns the buckets of each.
async fn joined(runtime: &Runtime, count: usize) -> BTreeMap<String, Buckets> {
    until("the nodes have joined", async || shares(runtime).await.len() == count).await;
    shares(runtime).await
}

fn ids_in(buckets: Buckets) -> impl Iterator<Item = String> {
    (0..).map(|n: u32| n.to_string()).filter(move |id| buckets.contains_key(&Key::new("Job", id.as_str())))
}

async fn started(jobs: &Machines<Job>, id: &str) {
    jobs.create(id, job::Queued).await.unwrap().start().await.unwrap();
}

async fn finished(jobs: &Machines<Job>, id: &str) {
    let finished = soon("the end", jobs.wait_for(id, job::State::Finished, PATIENCE)).await.unwrap();
    assert_eq!(finished.version(), 3, "{id} was worked on once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m2_nodes_of_a_server_divide_the_buckets_by_default() {
    let mut world = World::new(Server::shared());
    let (nodes, client) = (world.start_all(3).await, world.client().await);
    let shares = joined(&client, 3).await;
    assert_eq!(shares.values().map(Buckets::len).sum::<usize>(), usize::from(BUCKETS));
    // The nodes see of each other what the client sees, after one look at the leases.
    tokio::time::sleep(JOINS).await;
    let jobs = client.machines::<Job>();
    for (node, share) in &shares {
        for id in ids_in(*share).take(5) {
            started(&jobs, &id).await;
            assert_eq!(world.next().await, (node.clone(), id.clone()));
            finished(&jobs, &id).await;
        }
    }
    for node in nodes.into_values() {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m3_n28_buckets_of_a_killed_node_go_to_all_others() {
    let server = Server::start();
    let world = World::new(&server);
    let (mut nodes, client) = (world.start_all(8).await, world.client().await);
    let before = joined(&client, 8).await;
    let jobs = client.machines::<Job>();
    // A worker of it runs.
    let dead = "node-3";
    let running = ids_in(before[dead]).next().unwrap();
    jobs.create(&running, job::Queued).await.unwrap().hold().await.unwrap();
    until("it is claimed", async || client.nodes().await.unwrap().iter().any(|node| node.running == 1)).await;
    let sql = server.connect().await;
    let statements = async || {
        let sum = "SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database";
        sql.query_one(sum, &[]).await.unwrap().get::<_, i64>(0)
    };
    let during = async |time: Duration| {
        let begun = statements().await;
        tokio::time::sleep(time).await;
        statements().await - begun
    };
    let idle = during(TTL).await;
    nodes.remove(dead).unwrap().kill();
    // The whole of the takeover is within twice the lease.
    let takeover = during(TTL * 2).await;
    println!("{idle} statements in {TTL:?} of 8 idle nodes and a client, and {takeover} in {:?} after a kill", TTL * 2);
    assert!(takeover <= idle * 2 * 2, "{takeover} statements in twice the time of {idle}");
    let after = joined(&client, 7).await;
    let mut gained = Buckets::NONE;
    for (node, share) in &after {
        assert!(before[node].without(share).is_empty(), "{node} has lost a bucket");
        let more = share.without(&before[node]);
        assert!(!more.is_empty(), "{node} has gained nothing");
        let even = usize::from(BUCKETS) / 7;
        assert!(share.len() * 10 > even * 8 && share.len() * 10 < even * 12, "{node} has {}", share.len());
        gained.extend(&more);
    }
    assert_eq!(gained, before[dead]);
    // Its work goes on elsewhere, and is stopped there.
    until("it is taken over", async || jobs.row(&running).await.unwrap().attempt == 2).await;
    for node in nodes.into_values() {
        node.stop().await;
    }
    finished(&jobs, &running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m3_a_leaving_node_of_a_server_hands_its_buckets_over() {
    let mut world = World::new(Server::shared());
    let (mut nodes, client) = (world.start_all(2).await, world.client().await);
    let shares = joined(&client, 2).await;
    tokio::time::sleep(JOINS).await;
    let jobs = client.machines::<Job>();
    let [running, next] = [0, 1].map(|n| ids_in(shares["node-0"]).nth(n).unwrap());
    jobs.create(&running, job::Queued).await.unwrap().hold().await.unwrap();
    assert_eq!(world.next().await, ("node-0".to_owned(), running.clone()));
    let begun = Instant::now();
    let stopping = tokio::spawn(nodes.remove("node-0").unwrap().stop());
    until("it leaves", async || client.nodes().await.unwrap().iter().any(|node| node.leaving)).await;
    started(&jobs, &next).await;
    // While the worker of the other still runs, for half of its lease.
    assert_eq!(world.next().await, ("node-1".to_owned(), next.clone()));
    println!("taken over {:?} after the shutdown began", begun.elapsed());
    assert!(begun.elapsed() < TTL, "{:?}", begun.elapsed());
    stopping.await.unwrap();
    for id in [&running, &next] {
        finished(&jobs, id).await;
    }
    nodes.remove("node-1").unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m3_n29_work_goes_on_while_each_node_is_restarted() {
    let mut world = World::new(Server::shared());
    let (mut nodes, client) = (world.start_all(4).await, world.client().await);
    let before = joined(&client, 4).await;
    let jobs = client.machines::<Job>();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    // One job after the other, in buckets of all nodes.
    let load = tokio::spawn(async move {
        let mut longest = Duration::ZERO;
        for n in 0.. {
            if stopped.try_recv().is_ok() {
                return (n, longest);
            }
            let begun = Instant::now();
            let id = format!("load-{n}");
            started(&jobs, &id).await;
            finished(&jobs, &id).await;
            longest = longest.max(begun.elapsed());
        }
        unreachable!("it is stopped")
    });
    for name in before.keys() {
        nodes.remove(name).unwrap().stop().await;
        nodes.insert(name.clone(), world.start(name, |builder| builder).await);
        assert_eq!(joined(&client, 4).await, before, "the same buckets as before");
    }
    stop.send(()).unwrap();
    let (count, longest) = load.await.unwrap();
    println!("{count} jobs, the longest took {longest:?}");
    // No lease had to lapse.
    assert!(longest < TTL, "{longest:?}");
    world.works.close();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    while let Some((_, id)) = world.works.recv().await {
        *counts.entry(id).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    for node in nodes.into_values() {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m1_n30_a_crash_loop_moves_no_bucket_of_a_server() {
    let world = World::new(Server::shared());
    let (nodes, client) = (world.start_all(2).await, world.client().await);
    let before = joined(&client, 2).await;
    let mut watch = client.watch_nodes();
    let mut lives = BTreeSet::new();
    for life in 1..=4 {
        let third = world.start("node-9", |builder| builder).await;
        // It is killed as soon as it is seen, long before its first renewal.
        while lives.len() < life {
            let shown = soon("a change", watch.next()).await.unwrap().unwrap();
            let mut shares: BTreeMap<&str, Buckets> = BTreeMap::new();
            for node in shown.iter().filter(|node| node.live) {
                shares.entry(&node.name).or_default().extend(&node.machines[0].buckets.unwrap());
            }
            assert_eq!(shares.remove("node-9").unwrap_or_default(), Buckets::NONE, "life {life}");
            assert!(shares.into_iter().eq(before.iter().map(|(node, share)| (node.as_str(), *share))), "life {life}");
            lives.extend(shown.into_iter().filter(|node| node.name == "node-9").map(|node| node.owner));
        }
        third.kill();
    }
    for node in nodes.into_values() {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m5_n31_a_dead_node_of_a_list_is_skipped_unless_alone() {
    for alone in [false, true] {
        let mut world = World::new(Server::shared());
        let list = || if alone { Members::listed(["a", "b"]).alone() } else { Members::listed(["a", "b"]) };
        let a = world.start("a", |builder| builder.members(list()).poll_interval(Duration::from_millis(100))).await;
        let jobs = a.runtime.machines::<Job>();
        let own = world.builder().await.members(Members::listed(["a", "b"]).alone()).start().await.unwrap();
        let share = shares(&own).await.get("a").copied();
        let share = match share {
            Some(share) => share,
            None => joined(&own, 1).await["a"],
        };
        let (mine, others) = (ids_in(share).next().unwrap(), ids_in(Buckets::ALL.without(&share)).next().unwrap());
        started(&jobs, &others).await;
        if !alone {
            assert_eq!(world.next().await, ("a".to_owned(), others.clone()));
            finished(&jobs, &others).await;
        }
        started(&jobs, &mine).await;
        assert_eq!(world.next().await, ("a".to_owned(), mine.clone()));
        finished(&jobs, &mine).await;
        if alone {
            // Many scans later.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(jobs.get(&others).await.unwrap().state(), job::State::Running);
            assert!(world.works.is_empty());
            let b = world.start("b", |builder| builder.members(list())).await;
            assert_eq!(world.next().await, ("b".to_owned(), others.clone()));
            finished(&jobs, &others).await;
            b.stop().await;
        }
        a.stop().await;
    }
}

/// Each leaves most buckets to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m5_n32_lists_that_differ_work_each_instance_once() {
    let mut world = World::new(Server::shared());
    let interval = Duration::from_millis(500);
    let lists = [("a", ["a", "b=1000"]), ("b", ["a=1000", "b"])];
    let mut nodes = Vec::new();
    for (name, list) in lists {
        let configure = |builder: Builder| builder.members(Members::listed(list)).poll_interval(interval);
        nodes.push(world.start(name, configure).await);
    }
    let client = world.client().await;
    joined(&client, 2).await;
    tokio::time::sleep(JOINS).await;
    let jobs = client.machines::<Job>();
    let ids: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let begun = Instant::now();
    for id in &ids {
        started(&jobs, id).await;
    }
    for id in &ids {
        finished(&jobs, id).await;
    }
    println!("worked on within {:?}, and a scan is every {interval:?}", begun.elapsed());
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    while let Ok((_, id)) = world.works.try_recv() {
        *counts.entry(id).or_default() += 1;
    }
    assert!(counts.len() == ids.len() && counts.values().all(|count| *count == 1), "{counts:?}");
    for node in nodes {
        node.stop().await;
    }
}
