//! Runtimes on several nodes: each has a store object of its own, as another process has.

#![cfg(server)]

use fsm_runtime::{
    Policy, Runtime, StartPosition,
    prelude::*,
    store::{
        Store as _,
        postgres::{Postgres, PostgresOptions},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tests_postgres::{Proxy, Server};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

/// A job.
#[derive(StateMachine)]
#[fsm(initial = Queued, durable, derive(Serialize, Deserialize))]
enum Job {
    /// Not started.
    #[on(start => Running)]
    Queued,
    /// A worker works on it.
    #[state(work)]
    #[on(finish => Finished)]
    Running,
    /// The end.
    #[on(again => Queued)]
    Finished,
}

/// Finishes at once, or waits until it is cancelled.
struct Workers {
    node: &'static str,
    waits: bool,
    started: mpsc::UnboundedSender<&'static str>,
}

impl job::Workers for Workers {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        let _ = self.started.send(self.node);
        if self.waits {
            task.cancelled().await;
            return Err("cancelled".into());
        }
        task.finish()
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

async fn client(options: PostgresOptions) -> Runtime {
    Runtime::builder(options.open().await.unwrap()).start().await.unwrap()
}

async fn node(options: PostgresOptions, workers: Workers) -> Runtime {
    let node = workers.node;
    let builder = Runtime::builder(options.open().await.unwrap()).machine::<Job, _>(workers).node(node);
    builder.lease_ttl(Duration::from_secs(3)).start().await.unwrap()
}

/// An event on one node starts the worker on another, whose result ends a wait on the first.
async fn work_on_another_node(options: impl Fn() -> PostgresOptions) {
    let (started, mut starts) = mpsc::unbounded_channel();
    let worker = node(options(), Workers { node: "worker", waits: false, started }).await;
    let client = client(options()).await;
    let jobs = client.machines::<Job>();
    for id in ["a", "b", "c"] {
        jobs.create(id, job::Queued).await.unwrap().start().await.unwrap();
        assert_eq!(soon("the work", starts.recv()).await, Some("worker"));
        let finished = soon("the end", jobs.wait_for(id, job::State::Finished, PATIENCE)).await.unwrap();
        assert_eq!(finished.version(), 3);
    }
    worker.shutdown(Duration::from_secs(5)).await;
    client.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_another_node_does_the_work() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    work_on_another_node(|| Postgres::options(server.url()).schema(&schema)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n16_polling_finds_what_no_notification_tells() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    // Without notifications, prepared statements and settings of a session.
    work_on_another_node(|| Postgres::options(server.url()).schema(&schema).pooled(true)).await;
}

/// A node that is cut off stops its worker before its lease ends, and the other node goes on after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n6_work_of_a_node_that_is_cut_off_is_taken_over() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let (started, mut starts) = mpsc::unbounded_channel();
    let behind_proxy = Postgres::options(server.url_at(proxy.port())).schema(&schema).timeout(Duration::from_secs(1));
    let first = node(behind_proxy, Workers { node: "first", waits: true, started: started.clone() }).await;
    let direct = || Postgres::options(server.url()).schema(&schema);
    let client = client(direct()).await;
    let jobs = client.machines::<Job>();
    jobs.create("a", job::Queued).await.unwrap().start().await.unwrap();
    assert_eq!(soon("the first worker", starts.recv()).await, Some("first"));
    let second = node(direct(), Workers { node: "second", waits: false, started }).await;
    proxy.cut_off();
    assert_eq!(soon("the take-over", starts.recv()).await, Some("second"));
    let finished = soon("the end", jobs.wait_for("a", job::State::Finished, PATIENCE)).await.unwrap();
    assert_eq!(finished.version(), 3);
    for runtime in [first, second, client] {
        runtime.shutdown(Duration::from_millis(100)).await;
    }
}

/// Counts the workers that run at once over all nodes.
#[derive(Clone, Default)]
struct Counted {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl job::Workers for Counted {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..20))).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        task.finish()
    }
}

/// The nodes of a store share the slots of a state, and a node that shuts down leaves them to the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c24_two_nodes_share_the_slots_of_a_state() {
    const JOBS: usize = 60;
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let counted = Counted::default();
    let node = async |name: &str| {
        let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
        let builder = Runtime::builder(store).machine::<Job, _>(counted.clone()).node(name);
        let builder = builder.policy::<job::Running>(Policy::new().concurrency_over_all(2));
        builder.lease_ttl(Duration::from_secs(3)).poll_interval(Duration::from_millis(200)).start().await.unwrap()
    };
    let (first, second) = (node("first").await, node("second").await);
    let jobs = second.machines::<Job>();
    for n in 0..JOBS {
        jobs.create(&n.to_string(), job::Queued).await.unwrap().start().await.unwrap();
    }
    for n in 0..JOBS / 2 {
        soon("the end", jobs.wait_for(&n.to_string(), job::State::Finished, PATIENCE)).await.unwrap();
    }
    first.shutdown(Duration::from_secs(5)).await;
    for n in 0..JOBS {
        soon("the end", jobs.wait_for(&n.to_string(), job::State::Finished, PATIENCE)).await.unwrap();
    }
    assert_eq!(counted.most.load(Ordering::SeqCst), 2);
    second.shutdown(Duration::from_secs(5)).await;
    let store = Postgres::options(server.url()).schema(&schema).open().await.unwrap();
    let left = store.ephemerals().unwrap().entries("slot", None, None, 9, std::time::SystemTime::now()).await.unwrap();
    assert_eq!(left, []);
}

/// A subscriber of one node gets each entry that the others write, once, and the entries of each instance in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n22_a_subscriber_misses_no_entry_of_many_nodes() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let options = || Postgres::options(server.url()).schema(&schema);
    let reader = client(options()).await;
    let mut subscription = reader.subscribe("all", StartPosition::Oldest).await.unwrap();
    let writers = (0..4).map(|writer| {
        let options = options();
        tokio::spawn(async move {
            let runtime = client(options).await;
            let jobs = runtime.machines::<Job>();
            for n in 0..20 {
                jobs.create(&format!("{writer}-{n}"), job::Queued).await.unwrap().start().await.unwrap();
            }
            runtime.shutdown(Duration::from_secs(5)).await;
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut last = 0;
    for _ in 0..4 * 20 * 2 {
        let entry = soon("an entry", subscription.next()).await.unwrap().unwrap();
        assert!(entry.sequence > last, "{} after {last}", entry.sequence);
        last = entry.sequence;
        versions.entry(entry.key.id.to_string()).or_default().push(entry.version);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(versions.len(), 80);
    assert!(versions.values().all(|versions| *versions == [1, 2]), "{versions:?}");
    reader.shutdown(Duration::from_secs(5)).await;
}

/// Also where nothing but `once` is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_whose_time_is_over_are_removed() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let runtime = client(Postgres::options(server.url()).schema(schema.clone())).await;
    for n in 0..20 {
        let once = runtime.once::<String>(format!("charge/{n}")).ttl(Duration::from_micros(1));
        assert_eq!(once.run(async |_| Ok(n)).await.unwrap(), n);
    }
    let count = format!("SELECT count(*) FROM {schema}.results");
    let kept: i64 = server.connect().await.query_one(&count, &[]).await.unwrap().get(0);
    assert_eq!(kept, 1, "the last one");
}

/// A waiting lock looks again when entries change, and not at each commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_only_changes_of_entries_wake_those_that_wait() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let options = Postgres::options(server.url()).schema(&schema);
    let (waiting, other) = (options.clone().open().await.unwrap(), client(options.clone()).await);
    let entries = waiting.ephemerals().unwrap();
    let (mut changes, mut notices) = (entries.entry_changes(), waiting.notices());
    let jobs = other.machines::<Job>();
    let mut n = 0;
    // What came before, such as the beginning of the connection, notifies at first.
    let quiet = async {
        loop {
            changes.mark_unchanged();
            for _ in 0..10 {
                n += 1;
                let _ = jobs.create(&n.to_string(), job::Queued).await.unwrap();
                notices.recv().await.unwrap();
            }
            if !changes.has_changed().unwrap() {
                return;
            }
        }
    };
    soon("commits of instances do not notify", quiet).await;
    let lock = other.locks().acquire("a", Duration::from_mins(1)).await.unwrap();
    soon("a lock was acquired", changes.changed()).await.unwrap();
    changes.mark_unchanged();
    lock.release().await.unwrap();
    soon("a lock was released", changes.changed()).await.unwrap();
}
