//! An executor that is blocked by user code.

use super::{
    commits::{committed, create, fire},
    soon, until,
    work::{Job, Log, Workers, job, node, options},
};
use fsm_runtime::{Runtime, prelude::*, store::Store};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tests_postgres::Server;

/// Blocks the thread of its executor until it may go on.
struct Blocks(Arc<Mutex<mpsc::Receiver<()>>>, Log);

impl job::Workers for Blocks {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        self.1.add("blocked begins".to_owned());
        let _ = self.0.lock().unwrap().recv();
        task.finish()
    }
}

/// The lease of a node whose executor is blocked is not renewed, and others take over. Commits that were under way go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n40_n41_a_blocked_executor_loses_work_and_no_commit() {
    let (server, schema, log) = (Server::shared(), Server::shared().new_schema(), Log::default());
    let store = options(server, &schema).open().await.unwrap();
    let row = committed(&store, create("door")).await;
    let (go_on, blocked) = mpsc::channel();
    let thread = std::thread::spawn({
        let (store, log) = (store.clone(), log.clone());
        move || {
            let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            executor.block_on(async {
                let blocks = Blocks(Arc::new(Mutex::new(blocked)), log);
                let builder =
                    Runtime::builder(store.clone()).machine::<Job, _>(blocks).lease_ttl(Duration::from_secs(3));
                let runtime = builder.start().await.unwrap();
                // Handed to the store, and answered after the executor was blocked.
                let mut commit = Box::pin(committed(&store, fire(&row)));
                let polled =
                    std::future::poll_fn(|context| std::task::Poll::Ready(commit.as_mut().poll(context))).await;
                assert!(polled.is_pending());
                let jobs = runtime.machines::<Job>();
                jobs.create("a", job::Running).await.unwrap();
                jobs.wait_for("a", job::State::Finished, Duration::from_mins(2)).await.unwrap();
                let moved = commit.await;
                runtime.shutdown(Duration::from_secs(5)).await;
                moved
            })
        }
    });
    until("it is blocked", async || log.at("blocked begins").is_some()).await;
    let other = options(server, &schema).open().await.unwrap();
    until("the commit is made", async || {
        other.get(fsm_runtime::store::Key::new("Door", "door")).await.unwrap().unwrap().version == 2
    })
    .await;
    let second = node(options(server, &schema), Workers { node: "second", waits: false, log: log.clone() }).await;
    let jobs = second.machines::<Job>();
    let finished = soon("the end", jobs.wait_for("a", job::State::Finished, Duration::from_secs(50))).await.unwrap();
    assert_eq!(finished.version(), 2);
    assert!(log.at("second begins").is_some(), "{:?}", log.all());
    go_on.send(()).unwrap();
    assert_eq!(tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap().version, 2);
    let history = jobs.history("a", &fsm_runtime::HistoryQuery::new()).await.unwrap().items;
    assert_eq!(history.iter().map(|entry| entry.version).collect::<Vec<_>>(), [1, 2], "it is finished once");
    second.shutdown(Duration::from_secs(5)).await;
}
