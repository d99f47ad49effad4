//! Owns one run's connection to the store: with workers, which share the work with those of other runs, or as a plain client.

use crate::{
    cli::Places,
    config::shown,
    lock::RunDir,
    machine::Server,
    process::Processes,
    tail::Tail,
    wish::{Progress, Wish},
    workers::Keeper,
};
use anyhow::{Context as _, ensure};
use fsm_runtime::{
    Machines, Runtime,
    store::{Lease, StoreError, sqlite::Sqlite},
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// How often the store is looked at while something is awaited.
const GLANCE: Duration = Duration::from_millis(25);

/// How long workers have to come to an end when the run does.
const CLOSE: Duration = Duration::from_secs(5);

/// A connection to the store, and what was last seen there.
pub(crate) struct Session {
    processes: Arc<Processes>,
    runtime: Runtime,
    tail: Tail,
}

impl Session {
    /// Shares in the work, with all others that do.
    pub(crate) async fn work(places: &Places) -> anyhow::Result<Self> {
        let (store, processes) = (store(places), processes(places)?);
        let keeper = Keeper { processes: Arc::clone(&processes) };
        let runtime = Runtime::builder(Sqlite::open(&store).await?).machine::<Server, _>(keeper).start().await?;
        Self::new(processes, runtime).await
    }

    /// Leaves the work to others; an error if there is nothing yet to work on.
    pub(crate) async fn read(places: &Places) -> anyhow::Result<Self> {
        let store = store(places);
        let is_there = store.try_exists().with_context(|| shown(&store))?;
        ensure!(is_there, "there is no store {} yet; `servers up` makes it, --data names another", shown(&store));
        let processes = processes(places)?;
        let runtime = Runtime::builder(Sqlite::open(&store).await?).start().await?;
        Self::new(processes, runtime).await
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

    /// The processes that work on the store, or did and still hold servers.
    pub(crate) async fn all_processes(&self) -> Result<Vec<Lease>, StoreError> {
        self.runtime.processes().await
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Works towards all wishes, printing what happens, until each is fulfilled or has failed; tells those that failed.
    pub(crate) async fn settle(&mut self, mut wishes: Vec<Wish>) -> anyhow::Result<Vec<Unfulfilled>> {
        let mut unfulfilled = Vec::new();
        while !wishes.is_empty() {
            let mut waiting = Vec::new();
            for mut wish in wishes {
                match wish.step(&self.servers()).await? {
                    Progress::Waiting => waiting.push(wish),
                    Progress::Fulfilled => {}
                    Progress::Failed(why) => unfulfilled.push(Unfulfilled { id: wish.id, why }),
                }
            }
            wishes = waiting;
            self.tail.print(&self.servers()).await?;
            sleep(GLANCE).await;
        }
        Ok(unfulfilled)
    }

    /// Prints what happens for a while.
    pub(crate) async fn watch(&mut self, time: Duration) -> anyhow::Result<()> {
        timeout(time, self.follow()).await.unwrap_or(Ok(()))
    }

    /// Prints what happens, without end.
    pub(crate) async fn follow(&mut self) -> anyhow::Result<()> {
        loop {
            self.tail.print(&self.servers()).await?;
            sleep(GLANCE).await;
        }
    }

    /// Ends the work, not the servers: their processes live on, and the next manager finds them.
    pub(crate) async fn close(self) {
        let report = self.runtime.shutdown(CLOSE).await;
        for worker in &report.stopped {
            let (key, state, how) = (&worker.key, &worker.state, worker.how);
            eprintln!("stopped: the work on {key} in {state} ({how:?}); the next manager continues it");
        }
    }
}

/// A wish that did not come true.
pub(crate) struct Unfulfilled {
    pub(crate) id: String,
    pub(crate) why: String,
}

fn store(places: &Places) -> PathBuf {
    places.data.join("servers.db")
}

/// Where the processes' lock files are.
pub(crate) fn run_folder(places: &Places) -> PathBuf {
    places.data.join("run")
}

/// The processes whose lock files are in the data folder.
fn processes(places: &Places) -> anyhow::Result<Arc<Processes>> {
    let folder = run_folder(places);
    let run = RunDir::open(&folder).with_context(|| format!("the folder {}", shown(&folder)))?;
    Ok(Arc::new(Processes::new(run)?))
}
