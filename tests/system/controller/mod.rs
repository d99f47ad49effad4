//! The controller through its public API, on a manual clock.

mod checkpoint;
mod clock;
mod failures;
mod idle;
mod internal;
mod limits;
mod model;
mod operator;
mod plan;
mod policy;
mod recover;
mod run;
mod scan;
mod shared_slots;
mod slots;
mod start;
mod stop;
mod timers;
mod watch;
mod worker;

use crate::job::{Call, Calls, Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Builder, HistoryQuery, Machines, Runtime, StartError,
    clock::ManualClock,
    store::{HistoryKind, Row, sqlite::Sqlite},
};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
/// The limit for anything that happens without the manual clock advancing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) jobs: Machines<Job>,
    pub(crate) calls: Calls,
    pub(crate) clock: ManualClock,
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        Self::at(clock, configure).await
    }

    pub(crate) async fn at(clock: ManualClock, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let dir = TempDir::new().unwrap();
        let (runtime, calls) = start(&dir.path().join("jobs.db"), &clock, configure).await.unwrap();
        let jobs = runtime.machines();
        Self { runtime, jobs, calls, clock, dir }
    }

    /// A job that is running, and its worker.
    pub(crate) async fn running(&mut self, id: &str) -> Call {
        self.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
        let call = self.calls.next().await;
        assert_eq!((call.id.as_str(), call.state), (id, job::State::Running));
        call
    }

    /// Waits until `right` holds of the row.
    pub(crate) async fn row(&self, id: &str, right: impl Fn(&Row) -> bool) -> Row {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let row = self.jobs.row(id).await.unwrap();
            if right(&row) {
                return row;
            }
            assert!(std::time::Instant::now() < deadline, "the row stays {row:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Runs another instance from start to end. Everything that the controller had queued before is done by then.
    pub(crate) async fn barrier(&mut self, id: &str) {
        let call = self.running(id).await;
        call.tell(Do::Finish(0));
        self.jobs.wait_for(id, job::State::Finished, PATIENCE).await.unwrap();
    }

    pub(crate) async fn history(&self, id: &str) -> Vec<String> {
        let entries = self.jobs.history(id, &HistoryQuery::new().limit(100)).await.unwrap().items;
        let line = |e: &fsm_runtime::store::HistoryEntry| match e.kind {
            HistoryKind::Note => format!("{}: {} ({})", e.version, e.event.as_deref().unwrap(), e.cause),
            _ => format!("{}: {} -> {} ({})", e.version, e.event.as_deref().unwrap_or("created"), e.to, e.cause),
        };
        entries.iter().map(line).collect()
    }
}

pub(crate) async fn start(
    path: &Path,
    clock: &ManualClock,
    configure: impl FnOnce(Builder) -> Builder,
) -> Result<(Runtime, Calls), StartError> {
    let (workers, calls) = puppets();
    // The lease outlasts every jump of the clock: these tests have one process, and do not depend on how long a disk takes
    // to renew a lapsed lease.
    let builder =
        Runtime::builder(Sqlite::open(path).await.unwrap()).machine::<Job, Puppets>(workers).lease_ttl(HOUR * 10_000);
    Ok((configure(builder.clock(clock.clock())).start().await?, calls))
}
