//! Owns the supervision of work: one worker for each instance in a `work` state, whatever happens.
//!
//! Level-triggered: it acts on what is stored, never on what a message says. A word that something changed, and a
//! periodic scan for what was missed, both lead to the same look at the row.

mod converge;
mod decide;
mod discovery;
mod driver;
mod event_loop;
mod idle;
mod lease;
mod lifecycle;
mod queue;
mod recovery;
mod shutdown;
mod workers;

pub(crate) use crate::worker::Limits;
pub(crate) use discovery::follow;
pub(crate) use driver::{Driver, Machine};
pub use idle::IdleError;
pub(crate) use idle::until_idle;
pub use shutdown::{HowStopped, Shutdown, StoppedWorker};
pub(crate) use workers::policy::Policies;
pub use workers::policy::Policy;
pub(crate) use workers::status::Board;
pub use workers::status::{Status, WorkerPhase, WorkerStatus};

use crate::{
    clock::Clock,
    engine::Engine,
    store::{Renewal, Scope, StoreError},
    sync,
};
use event_loop::Run;
use lease::watchdog::Watchdog;
use lifecycle::Life;
use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{Mutex, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// What a controller goes by; `Builder` documents each.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) scan: Duration,
    /// How many workers of one machine run at once.
    pub(crate) concurrency: usize,
    /// Where a state has no policy of its own.
    pub(crate) limits: Limits,
    pub(crate) policies: Policies,
    pub(crate) lease: Duration,
    /// Whose instances are worked on here.
    pub(crate) shards: RangeInclusive<u16>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scan: Duration::from_secs(5),
            concurrency: 256,
            limits: Limits::default(),
            policies: Policies::default(),
            lease: Duration::from_secs(15),
            shards: 0..=u16::MAX,
        }
    }
}

/// The drivers by their machines' names.
pub(crate) type Drivers = HashMap<&'static str, Arc<dyn Driver>>;

/// A running controller; dropping it stops it without waiting.
pub(crate) struct Controller {
    scope: Scope,
    board: Arc<Board>,
    failed: Arc<OnceLock<String>>,
    stop: CancellationToken,
    deadline: sync::Mutex<Option<oneshot::Sender<Duration>>>,
    ended: Mutex<Ending>,
}

enum Ending {
    Running(JoinHandle<Shutdown>),
    Ended(Shutdown),
}

impl Controller {
    /// Takes the lease that `me` describes, and starts. `presence` shows others that this process is alive; it is kept
    /// until everything has ended.
    pub(crate) async fn start(
        engine: Arc<Engine>,
        drivers: Drivers,
        settings: Settings,
        me: Renewal,
        presence: Box<dyn Send + Sync>,
    ) -> Result<Self, StoreError> {
        let watchdog = Watchdog::start(engine.clone(), me.clone()).await?;
        let stop = CancellationToken::new();
        let (deadline, told) = oneshot::channel();
        let board = Arc::<Board>::default();
        let machines = drivers.keys().map(|machine| (*machine).to_owned()).collect();
        let scope = Scope { machines, shards: settings.shards.clone() };
        let run = Run::new(engine.clone(), drivers, settings, me.clone(), watchdog.renewed(), board.clone());
        let failed = Arc::<OnceLock<String>>::default();
        let life = Life {
            engine,
            me,
            scope: scope.clone(),
            board: board.clone(),
            stop: stop.clone(),
            deadline: told,
            failed: failed.clone(),
            watchdog,
            presence,
        };
        let running = tokio::spawn(life.live(run));
        Ok(Self {
            scope,
            board,
            failed,
            stop,
            deadline: sync::Mutex::new(Some(deadline)),
            ended: Mutex::new(Ending::Running(running)),
        })
    }

    /// What it works on.
    pub(crate) fn scope(&self) -> Scope {
        self.scope.clone()
    }

    pub(crate) fn workers(&self, clock: &Clock) -> Vec<WorkerStatus> {
        self.board.read(clock)
    }

    /// Why there is no work any more, where nobody stopped it.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Stops within `deadline` and the grace period; called again, it waits for the same end.
    ///
    /// Cancel safe: dropped half-way, the stop goes on.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> Shutdown {
        let teller = self.deadline.lock().take();
        if let Some(teller) = teller {
            // The controller takes it when it sees `stop`.
            let _ = teller.send(deadline);
            self.stop.cancel();
        }
        self.ended().await
    }

    /// Ends when the work has ended, however it came to that. Cancel safe.
    pub(crate) async fn ended(&self) -> Shutdown {
        let mut ended = self.ended.lock().await;
        if let Ending::Running(running) = &mut *ended {
            let (report, failed) = match running.await {
                Ok(report) => (report, None),
                Err(failed) => (Shutdown { failed: Some(failed.to_string()), ..Shutdown::default() }, Some(failed)),
            };
            // Before it is told: a `tracing` layer may panic.
            *ended = Ending::Ended(report);
            if let Some(failed) = failed {
                tracing::error!(%failed, "the controller did not end by itself");
            }
        }
        match &*ended {
            Ending::Ended(report) => report.clone(),
            Ending::Running(_) => Shutdown::default(),
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
