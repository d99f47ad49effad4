//! Owns one run's connection to the store: with workers if nobody else has them, otherwise as a plain client.

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
    Machines, Runtime, StartError,
    store::{ControlError, sqlite::Sqlite},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// How often the store is looked at while something is awaited.
const GLANCE: Duration = Duration::from_millis(25);

/// How often a client looks whether it has to do the work itself, because the manager is gone.
const TAKE_OVER: Duration = Duration::from_millis(500);

/// How long workers have to come to an end when the run does.
const CLOSE: Duration = Duration::from_secs(5);

/// A connection to the store, and what was last seen there.
pub(crate) struct Session {
    store: PathBuf,
    processes: Arc<Processes>,
    runtime: Runtime,
    manages: bool,
    tail: Tail,
}

impl Session {
    /// Does the work itself; an error if somebody else does.
    pub(crate) async fn manage(places: &Places) -> anyhow::Result<Self> {
        let (store, processes) = (store(places), processes(places)?);
        let runtime = with_workers(&store, &processes).await??;
        Self::new(store, processes, runtime, true).await
    }

    /// Does the work itself, unless somebody else does.
    pub(crate) async fn join(places: &Places) -> anyhow::Result<Self> {
        let (store, processes) = (store(places), processes(places)?);
        match with_workers(&store, &processes).await? {
            Ok(runtime) => Self::new(store, processes, runtime, true).await,
            Err(_held) => Self::read(places).await,
        }
    }

    /// Leaves the work to others; an error if there is nothing yet to work on.
    pub(crate) async fn read(places: &Places) -> anyhow::Result<Self> {
        let store = store(places);
        let is_there = store.try_exists().with_context(|| shown(&store))?;
        ensure!(is_there, "there is no store {} yet; `servers up` makes it, --data names another", shown(&store));
        let processes = processes(places)?;
        let runtime = Runtime::builder(Sqlite::open(&store).await?).start().await?;
        Self::new(store, processes, runtime, false).await
    }

    async fn new(store: PathBuf, processes: Arc<Processes>, runtime: Runtime, manages: bool) -> anyhow::Result<Self> {
        let tail = Tail::from_now(&runtime.machines()).await?;
        Ok(Self { store, processes, runtime, manages, tail })
    }

    pub(crate) fn servers(&self) -> Machines<Server> {
        self.runtime.machines()
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Works towards all wishes, printing what happens, until each is fulfilled or has failed; tells those that failed.
    pub(crate) async fn settle(&mut self, mut wishes: Vec<Wish>) -> anyhow::Result<Vec<Unfulfilled>> {
        let mut unfulfilled = Vec::new();
        let mut look_again = Instant::now() + TAKE_OVER;
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
            if !self.manages && Instant::now() > look_again {
                self.take_over().await?;
                look_again = Instant::now() + TAKE_OVER;
            }
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

    /// Does the work from now on, if nobody else does any more.
    async fn take_over(&mut self) -> anyhow::Result<()> {
        if let Ok(runtime) = with_workers(&self.store, &self.processes).await? {
            (self.runtime, self.manages) = (runtime, true);
        }
        Ok(())
    }

    /// Ends the work, not the servers: their processes live on, and the next manager finds them.
    pub(crate) async fn close(self) {
        let report = self.runtime.shutdown(CLOSE).await;
        for cut in &report.cut {
            eprintln!("cut: the work on {} in {} ({:?}); the next manager takes it up", cut.key, cut.state, cut.how);
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

/// The processes whose lock files are in the data folder.
pub(crate) fn processes(places: &Places) -> anyhow::Result<Arc<Processes>> {
    let folder = places.data.join("run");
    let run = RunDir::open(&folder).with_context(|| format!("the folder {}", shown(&folder)))?;
    Ok(Arc::new(Processes::new(run)?))
}

/// A runtime that does the work, or the error of the one that does it already.
async fn with_workers(store: &Path, processes: &Arc<Processes>) -> anyhow::Result<Result<Runtime, ControlError>> {
    let keeper = Keeper { processes: Arc::clone(processes) };
    match Runtime::builder(Sqlite::open(store).await?).machine::<Server, _>(keeper).start().await {
        Ok(runtime) => Ok(Ok(runtime)),
        Err(StartError::Control(held @ ControlError::Held { .. })) => Ok(Err(held)),
        Err(error) => Err(error.into()),
    }
}
