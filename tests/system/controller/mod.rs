//! The controller as its users see it: who is worked on, when, by how many; on a clock that stands still.

mod entered;
mod failures;
mod faults;
mod flood;
mod idle;
mod looks;
mod model;
mod operator;
mod policy;
mod progress;
mod slots;
mod start;
mod stop;
mod timers;
mod watch;
mod workers;

use crate::job::{Call, Calls, Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Builder, Machines, Runtime, StartError,
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
/// For what happens without any time passing on the manual clock: never waited for in full.
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
        let dir = TempDir::new().unwrap();
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
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

    /// The row, once it is as it should be.
    pub(crate) async fn row(&self, id: &str, right: impl Fn(&Row) -> bool) -> Row {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let row = self.jobs.row(id).await.unwrap();
            if right(&row) {
                return row;
            }
            assert!(std::time::Instant::now() < deadline, "it stays {row:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Runs another instance from start to end. What the controller had to do before that is done then.
    pub(crate) async fn barrier(&mut self, id: &str) {
        let call = self.running(id).await;
        call.tell(Do::Finish(0));
        self.jobs.wait_for(id, job::State::Finished, PATIENCE).await.unwrap();
    }

    pub(crate) async fn history(&self, id: &str) -> Vec<String> {
        let entries = self.jobs.history(id, 0, 100).await.unwrap();
        let line = |e: &fsm_runtime::store::HistoryEntry| match e.kind {
            HistoryKind::Note => format!("{}: {} ({})", e.version, e.event.as_deref().unwrap(), e.cause),
            _ => format!("{}: {} -> {} ({})", e.version, e.event.as_deref().unwrap_or("born"), e.to, e.cause),
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
    // A lease that outlasts every jump of the clock here: these tests are of one process, and how long a disk takes to renew a
    // lease that has just run out is no matter of theirs.
    let builder =
        Runtime::builder(Sqlite::open(path).await.unwrap()).machine::<Job, Puppets>(workers).lease_ttl(HOUR * 10_000);
    Ok((configure(builder.clock(clock.clock())).start().await?, calls))
}
