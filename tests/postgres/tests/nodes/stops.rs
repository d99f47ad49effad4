//! A process that is stopped for longer than its lease, and goes on.

use super::{
    process::{Errand, Node, Process, Role, errand, now},
    soon, until,
    witness::{Faults, Witness},
};
use fsm_runtime::{Runtime, store::postgres::Postgres};
use rustix::process::Signal;
use std::{
    fs,
    time::{Duration, Instant},
};
use tests_postgres::Server;

/// The test's own runtime, a client.
async fn client(node: &Node) -> Runtime {
    let store = Postgres::options(&node.url).schema(&node.schema).open().await.unwrap();
    Runtime::builder(store).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n3_n4_a_stopped_process_loses_its_work_and_comes_back() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let node = Node { callers: 4, ..Node::new(server, folder.path(), "a") };
    let client = client(&node).await;
    let errands = client.machines::<Errand>();
    let witness = Witness::new(server, &node).await;
    let a = Process::started(&node);
    errands.create("long-1", errand::First).await.unwrap();
    until("the first process works", async || witness.began("long-1") == [a.id()]).await;
    let b = Process::started(&node.named("b"));
    until("both call", async || witness.answers_of("a") > 3 && witness.answers_of("b") > 3).await;

    // In the midst of its commits.
    let (stopped, began) = (now(), Instant::now());
    a.signal(Signal::STOP);
    until("its transactions have ended", async || witness.waiting_transactions().await == 0).await;
    let before = witness.answers_of("b");
    until("the other one is not held up", async || witness.answers_of("b") > before + 20).await;
    until("the work is taken over", async || witness.began("long-1") == [a.id(), b.id()]).await;
    let after = began.elapsed();
    assert!(after > node.lease / 2 && after < node.lease + Duration::from_secs(5), "taken over after {after:?}");
    // What the stopped one had created, and not finished.
    until("nothing of it is left", async || {
        let leases = format!("SELECT count(*) FROM {}.instances WHERE owner LIKE '{}-%'", node.schema, a.id());
        server.connect().await.query_one(&leases, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;

    // Its worker goes on at once and returns, under a claim that is not its own any more.
    fs::write(folder.path().join("go"), "").unwrap();
    a.signal(Signal::CONT);
    let faults = Faults { stops: [(a.id(), vec![(stopped, now())])].into(), ..Faults::default() };
    soon("the end", errands.wait_for("long-1", errand::State::Done, Duration::from_secs(50))).await.unwrap();
    b.end();
    // It has a new lease, and works.
    errands.create("long-2", errand::First).await.unwrap();
    soon("the end", errands.wait_for("long-2", errand::State::Done, Duration::from_secs(50))).await.unwrap();
    assert_eq!(witness.began("long-2"), [a.id(); 3]);
    a.end();
    let last = Process::started(&Node { callers: 0, ..node.named("last") });
    until("all instances end", async || witness.under_way().await == 0).await;
    last.end();
    witness.check(&faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n5_a_process_stopped_in_its_statements_holds_up_no_one() {
    let (server, folder) = (Server::shared(), tempfile::tempdir().unwrap());
    let node = Node { role: Role::WaitsInStatements, ..Node::new(server, folder.path(), "a") };
    let client = client(&node).await;
    let errands = client.machines::<Errand>();
    errands.create("long", errand::First).await.unwrap();
    let mut process = Process::started(&node);
    process.read("in statements");
    process.signal(Signal::STOP);
    // The row is locked until the server ends the transaction.
    let called_off = soon("the row is free", errands.fire("long", errand::event::CallOff)).await.unwrap();
    assert_eq!(called_off.version(), 2);
    fs::write(folder.path().join("go"), "").unwrap();
    process.signal(Signal::CONT);
    let error = process.read("error: ");
    assert!(!error.contains("not known"), "nothing was changed: {error}");
    process.end();
    let history = errands.history("long", &fsm_runtime::HistoryQuery::new()).await.unwrap().items;
    assert_eq!(history.len(), 2, "{history:?}");
}
