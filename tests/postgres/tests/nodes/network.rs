//! Connections that break, or that nothing comes through any more.

use super::{
    commits::{committed, create, fire},
    process::{Errand, Node, Process, errand},
    soon, until,
    witness::{Faults, Witness},
    work::{Job, LEASE, Log, Workers, job, node, options},
};
use fsm_runtime::{
    Runtime,
    store::{
        Store,
        postgres::{Postgres, PostgresOptions},
    },
};
use std::time::{Duration, Instant};
use tests_postgres::{Network, Proxy, Server};

fn behind(server: &Server, proxy: &Proxy, schema: &str) -> PostgresOptions {
    let options = Postgres::options(server.trusted_url_at(proxy.port())).schema(schema);
    options.statement_timeout(Duration::from_secs(1)).timeout(Duration::from_mins(1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n6_a_partitioned_node_stops_its_work_and_comes_back() {
    let (server, schema, log) = (Server::shared(), Server::shared().new_schema(), Log::default());
    let proxy = Proxy::start(server.port()).await;
    let workers = |node, waits| Workers { node, waits, log: log.clone() };
    let first = node(behind(server, &proxy, &schema), workers("first", true)).await;
    let jobs = first.machines::<Job>();
    jobs.create("a", job::Running).await.unwrap();
    until("the first node works", async || log.at("first begins").is_some()).await;
    let second = node(options(server, &schema), workers("second", false)).await;
    let began = Instant::now();
    proxy.partition();
    until("the work is taken over", async || log.at("second begins").is_some()).await;
    let at = |what: &str| log.at(what).unwrap_or_else(|| panic!("no `{what}` in {:?}", log.all()));
    let (cancelled, gone, taken) = (at("first is cancelled"), at("first is gone"), at("second begins"));
    assert!(cancelled <= gone && gone <= taken, "{:?}", log.all());
    assert!(gone - began < LEASE, "aborted {:?} after the partition", gone - began);
    // It has the next job of the second node's only when that one is gone.
    proxy.heal();
    second.shutdown(Duration::from_secs(5)).await;
    let client = Runtime::builder(options(server, &schema).open().await.unwrap()).start().await.unwrap();
    client.machines::<Job>().create("b", job::Running).await.unwrap();
    let began = |log: &Log| log.all().iter().filter(|what| *what == "first begins").count();
    until("the first node works again", async || began(&log) == 2).await;
    assert_eq!(log.all().iter().filter(|what| *what == "second begins").count(), 1, "{:?}", log.all());
    first.shutdown(Duration::ZERO).await;
}

/// Unlike with the proxy of the test before, what was sent before and during the cut arrives when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n6_a_node_process_without_its_network_is_fenced_off() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let network = Network::start(server).await;
    let other = Node { callers: 4, ..Node::new(server, folder.path(), "b") };
    let cut_off =
        Node { url: network.url(server), namespace: network.namespace().map(str::to_owned), ..other.named("a") };
    let client = Runtime::builder(options(server, &other.schema).open().await.unwrap()).start().await.unwrap();
    let (errands, witness) = (client.machines::<Errand>(), Witness::new(server, &other).await);
    let a = Process::started(&cut_off);
    errands.create("long-1", errand::First).await.unwrap();
    until("the first process works", async || witness.began("long-1") == [a.id()]).await;
    let b = Process::started(&other);
    until("both call", async || witness.answers_of("a") > 3 && witness.answers_of("b") > 3).await;

    let began = Instant::now();
    network.cut();
    until("the work is taken over", async || witness.began("long-1") == [a.id(), b.id()]).await;
    let after = began.elapsed();
    assert!(after > other.lease / 2 && after < other.lease + Duration::from_secs(5), "taken over after {after:?}");
    let before = witness.answers_of("b");
    until("the other one is not held up", async || witness.answers_of("b") > before + 20).await;
    let answers = witness.answers_of("a");
    std::fs::write(folder.path().join("go"), "").unwrap();
    soon("the end", errands.wait_for("long-1", errand::State::Done, Duration::from_secs(50))).await.unwrap();
    assert_eq!(witness.answers_of("a"), answers, "it is cut off");

    network.heal();
    until("its callers go on", async || witness.answers_of("a") > answers + 20).await;
    b.end();
    errands.create("long-2", errand::First).await.unwrap();
    soon("the end", errands.wait_for("long-2", errand::State::Done, Duration::from_secs(50))).await.unwrap();
    assert_eq!(witness.began("long-2"), [a.id(); 3]);
    a.end();
    let last = Process::started(&Node { callers: 0, ..other.named("last") });
    until("all instances end", async || witness.under_way().await == 0).await;
    last.end();
    witness.check(&Faults::default()).await;
}

/// Nothing comes through the connections of one kind, and neither side is informed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n7_each_kind_of_half_open_connection_is_replaced() {
    let (server, schema, log) = (Server::shared(), Server::shared().new_schema(), Log::default());
    let proxy = Proxy::start(server.port()).await;
    let store = behind(server, &proxy, &schema).open().await.unwrap();
    let mut row = committed(&store, create("a")).await;
    for kind in ["fsm lane", "fsm reader", "fsm reader", "fsm lane"] {
        assert!(proxy.silence(kind) > 0, "{kind}");
        let began = Instant::now();
        row = committed(&store, fire(&row)).await;
        assert_eq!(store.get(row.key.clone()).await.unwrap(), Some(row.clone()));
        assert_eq!(store.get(row.key.clone()).await.unwrap(), Some(row.clone()));
        assert!(began.elapsed() < Duration::from_secs(20), "{kind} is replaced after {:?}", began.elapsed());
    }
    // A worker goes on while the connection for leases is replaced, although its statements may take longer than the lease.
    let patient = Postgres::options(server.trusted_url_at(proxy.port())).schema(&schema);
    let workers = Workers { node: "it", waits: true, log: log.clone() };
    let builder = Runtime::builder(patient.open().await.unwrap()).machine::<Job, _>(workers);
    let runtime = builder.lease_ttl(Duration::from_secs(12)).start().await.unwrap();
    runtime.machines::<Job>().create("a", job::Running).await.unwrap();
    until("it works", async || log.at("it begins").is_some()).await;
    let lease = async || {
        let leases = store.leases(std::time::SystemTime::now()).await.unwrap();
        leases.first().filter(|lease| lease.live).map(|lease| lease.until)
    };
    for _ in 0..2 {
        let before = lease().await;
        assert!(proxy.silence("fsm lease") > 0);
        until("the lease is renewed", async || lease().await > before).await;
    }
    assert_eq!(log.all(), ["it begins"]);
    runtime.shutdown(Duration::ZERO).await;
}

/// A connection that listens hears nothing for a long time in any case: it is asked whether it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n7_a_listener_that_is_cut_off_is_replaced() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let listening = behind(server, &proxy, &schema).poll(Duration::from_hours(1)).open().await.unwrap();
    let mut notices = listening.notices();
    let writer = options(server, &schema).open().await.unwrap();
    let mut row = committed(&writer, create("a")).await;
    soon("a notice", notices.recv()).await.unwrap();
    assert_eq!(proxy.silence("fsm notifications"), 1);
    let began = Instant::now();
    row = committed(&writer, fire(&row)).await;
    soon("a notice", notices.recv()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(15), "noticed after {:?}", began.elapsed());
    committed(&writer, fire(&row)).await;
    soon("a notice", notices.recv()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n17_a_listener_that_breaks_all_the_time_delays_nothing() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let proxy = Proxy::start(server.port()).await;
    let listening = behind(server, &proxy, &schema).open().await.unwrap();
    let mut notices = listening.notices();
    let writer = options(server, &schema).open().await.unwrap();
    let mut row = committed(&writer, create("a")).await;
    soon("a notice", notices.recv()).await.unwrap();
    let admin = server.connect().await;
    let channel = format!("LISTEN \"fsm {schema}\"");
    let (made, began) = (proxy.made(), Instant::now());
    let mut ended = 0;
    while ended < 10 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE application_name = 'fsm notifications' AND query LIKE '%' || $1 || '%'";
        ended += admin.query_one(end, &[&channel]).await.unwrap().get::<_, i64>(0);
        let committing = Instant::now();
        row = committed(&writer, fire(&row)).await;
        soon("a notice", notices.recv()).await.unwrap();
        // A poll is 250 ms.
        assert!(committing.elapsed() < Duration::from_secs(5), "seen after {:?}", committing.elapsed());
    }
    let made = u128::from(proxy.made() - made);
    assert!(made <= 2 * began.elapsed().as_millis() / 50 + 4, "{made} connections in {:?}", began.elapsed());
}

/// Under load, each node notifies others of many changes at once, in no transaction that changes anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n18_notifications_are_few_and_lock_nothing() {
    let (server, schema) = (Server::shared(), Server::shared().new_schema());
    let store = options(server, &schema).open().await.unwrap();
    let (client, mut connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let (heard, mut notifications) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            let _ = heard.send(message);
        }
    });
    client.batch_execute(&format!("LISTEN \"fsm {schema}\"")).await.unwrap();
    let began = Instant::now();
    let callers: Vec<_> = (0..32)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut row = committed(&store, create(&caller.to_string())).await;
                for _ in 0..30 {
                    row = committed(&store, fire(&row)).await;
                }
            })
        })
        .collect();
    let locked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fsm lane' AND wait_event = 'object'";
    let mut waits = 0;
    while callers.iter().any(|caller| !caller.is_finished()) {
        waits += client.query_one(locked, &[]).await.unwrap().get::<_, i64>(0);
    }
    for caller in callers {
        caller.await.unwrap();
    }
    soon("a notification", notifications.recv()).await.unwrap();
    // What is under way arrives before the answer of a statement that is sent after it.
    client.batch_execute("SELECT 1").await.unwrap();
    let mut count = 1;
    while notifications.try_recv().is_ok() {
        count += 1;
    }
    assert!(count <= began.elapsed().as_millis() / 10 + 1, "{count} notifications in {:?}", began.elapsed());
    assert_eq!(waits, 0, "no transaction waits for the lock of notifications");
}
