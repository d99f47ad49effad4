//! A connection to the store, with workers or as a client.

use crate::{
    cli::Paths,
    config::display_path,
    goal::{Goal, Progress},
    lock::RunDir,
    machine::Server,
    process::Processes,
    tail::Tail,
    workers::ServerWorkers,
};
use anyhow::Context as _;
use fsm_runtime::{Machines, Node, Runtime, store::StoreError};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// The interval at which the store is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// The time within which workers have to finish at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the store.
pub(crate) struct Session {
    processes: Arc<Processes>,
    runtime: Runtime,
    tail: Tail,
}

impl Session {
    /// Opens the store with workers. Any number of processes share the work.
    pub(crate) async fn work(paths: &Paths) -> anyhow::Result<Self> {
        let processes = processes(paths)?;
        let workers = ServerWorkers { processes: Arc::clone(&processes) };
        let runtime = paths.store().open().await?.machine::<Server, _>(workers).start().await?;
        Self::new(processes, runtime).await
    }

    /// Opens the store as a client, without workers. Fails if there is no store.
    pub(crate) async fn read(paths: &Paths) -> anyhow::Result<Self> {
        let runtime = paths.store().open_existing().await?.start().await?;
        Self::new(processes(paths)?, runtime).await
    }

    async fn new(processes: Arc<Processes>, runtime: Runtime) -> anyhow::Result<Self> {
        let tail = Tail::from_now(&runtime.machines()).await?;
        Ok(Self { processes, runtime, tail })
    }

    pub(crate) fn servers(&self) -> Machines<Server> {
        self.runtime.machines()
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    /// The nodes that work on the store, and those that have ended and still have claims.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.runtime.nodes().await
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Runs until each goal is reached or has failed, and prints the changes meanwhile. Returns the goals that failed.
    pub(crate) async fn reach(&mut self, mut goals: Vec<Goal>) -> anyhow::Result<Vec<Failure>> {
        let mut failures = Vec::new();
        while !goals.is_empty() {
            let mut waiting = Vec::new();
            for mut goal in goals {
                match goal.step(&self.servers()).await? {
                    Progress::Waiting => waiting.push(goal),
                    Progress::Reached => {}
                    Progress::Failed(reason) => failures.push(Failure { id: goal.id, reason }),
                }
            }
            goals = waiting;
            self.tail.print(&self.servers()).await?;
            sleep(POLL_INTERVAL).await;
        }
        Ok(failures)
    }

    /// Prints changes for `time`.
    pub(crate) async fn watch(&mut self, time: Duration) -> anyhow::Result<()> {
        timeout(time, self.follow()).await.unwrap_or(Ok(()))
    }

    /// Prints changes until the future is dropped.
    pub(crate) async fn follow(&mut self) -> anyhow::Result<()> {
        loop {
            self.tail.print(&self.servers()).await?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Stops the workers. The servers' processes keep running, and the next manager finds them.
    pub(crate) async fn close(self) {
        let report = self.runtime.shutdown(SHUTDOWN_TIMEOUT).await;
        for worker in &report.stopped {
            let (key, state, how) = (&worker.key, &worker.state, worker.how);
            eprintln!("stopped: the work on {key} in {state} ({how:?}); the next manager continues it");
        }
    }
}

/// A goal that was not reached.
pub(crate) struct Failure {
    pub(crate) id: String,
    pub(crate) reason: String,
}

/// The directory of the processes' lock files.
pub(crate) fn run_dir(paths: &Paths) -> PathBuf {
    paths.data.join("run")
}

/// The processes whose lock files are in the data folder.
fn processes(paths: &Paths) -> anyhow::Result<Arc<Processes>> {
    let folder = run_dir(paths);
    let run = RunDir::open(&folder).with_context(|| format!("opening the folder {}", display_path(&folder)))?;
    Ok(Arc::new(Processes::new(run)?))
}
