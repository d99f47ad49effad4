//! What the tests of one process share: a machine with one step of work, and a node whose workers wait.

use fsm_runtime::{
    Runtime,
    prelude::*,
    store::postgres::{Postgres, PostgresOptions},
};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tests_postgres::Server;

pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// A job.
#[derive(StateMachine)]
#[fsm(initial = Running, durable, derive(Serialize, Deserialize))]
pub(crate) enum Job {
    /// A worker works on it.
    #[state(work)]
    #[on(finish => Finished)]
    Running,
    /// The end.
    #[state(end)]
    Finished,
}

/// What happened to the workers of all nodes of a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Instant, String)>>>);

impl Log {
    pub(crate) fn add(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), what));
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, what)| what.clone()).collect()
    }

    /// When it happened first.
    pub(crate) fn at(&self, what: &str) -> Option<Instant> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(_, happened)| happened == what).map(|(at, _)| *at)
    }
}

/// Works until it is cancelled, or finishes at once.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    pub(crate) node: &'static str,
    pub(crate) waits: bool,
    pub(crate) log: Log,
}

/// Written down when a worker is gone.
struct Gone<'a>(&'a Workers);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.log.add(format!("{} is gone", self.0.node));
    }
}

impl job::Workers for Workers {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        self.log.add(format!("{} begins", self.node));
        if !self.waits {
            return task.finish();
        }
        let _gone = Gone(self);
        task.cancelled().await;
        self.log.add(format!("{} is cancelled", self.node));
        // It is slow to obey, and is aborted.
        std::future::pending().await
    }
}

/// The options of a store in schema `schema`.
pub(crate) fn options(server: &Server, schema: &str) -> PostgresOptions {
    Postgres::options(server.url()).schema(schema)
}

pub(crate) async fn node(options: PostgresOptions, workers: Workers) -> Runtime {
    let builder = Runtime::builder(options.open().await.unwrap()).node(workers.node).machine::<Job, _>(workers);
    let builder = builder.lease_ttl(LEASE).poll_interval(Duration::from_millis(500));
    builder.backoff(Duration::from_millis(1), Duration::from_millis(50)).start().await.unwrap()
}
