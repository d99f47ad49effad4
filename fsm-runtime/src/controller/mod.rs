//! The controller: runs one worker for each instance in a `work` state, fires timers, and reconciles desired states.
//!
//! It is level-triggered: it acts on stored rows, never on the content of a message. Notifications and a periodic scan for lost ones
//! both lead to the same look at the row.

mod converge;
mod decide;
mod discovery;
mod driver;
mod event_loop;
mod idle;
mod lease;
mod lifecycle;
mod queue;
mod shutdown;
mod step;
mod waits;
mod workers;

pub(crate) use crate::worker::Limits;
pub(crate) use discovery::follow;
pub(crate) use driver::{Driver, Machine};
pub use idle::IdleError;
pub(crate) use idle::until_idle;
pub use shutdown::{HowStopped, Shutdown, StoppedWorker};
pub(crate) use workers::{Drivers, policy::Policies};
pub use workers::{
    gate::RateCheck,
    policy::Policy,
    status::{Status, WorkerPhase, WorkerStatus},
};

use crate::{
    breaker::{Breaker, BreakerStatus},
    clock::Clock,
    engine::Engine,
    membership::{Assignment, LiveNodes, Membership},
    store::{Buckets, Scope, StoreError},
    sync,
};
use event_loop::EventLoop;
pub(crate) use lease::request::{LeaseRequest, held_by};
use lease::watchdog::Watchdog;
use lifecycle::ControllerTask;
use std::{
    future::pending,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{Mutex, oneshot, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use workers::status::WorkerRegistry;

/// The settings of a controller; `Builder` documents each.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The interval of the scan for due work.
    pub(crate) poll_interval: Duration,
    /// The most concurrent workers of one machine.
    pub(crate) max_concurrency: usize,
    /// The limits of states without a policy.
    pub(crate) limits: Limits,
    pub(crate) policies: Policies,
    /// The TTL of the lease.
    pub(crate) lease_ttl: Duration,
    /// The live nodes, for rates over all of them.
    pub(crate) live: watch::Receiver<LiveNodes>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(5),
            max_concurrency: 256,
            limits: Limits::default(),
            policies: Policies::default(),
            lease_ttl: Duration::from_secs(15),
            live: watch::channel(LiveNodes::default()).1,
        }
    }
}

/// The instances that a controller works on. Its buckets may change while it runs.
#[derive(Clone)]
pub(crate) struct WatchedScope {
    assignment: watch::Receiver<Assignment>,
    registry: Arc<WorkerRegistry>,
    /// Whether a machine waits for instances, which may be in any bucket.
    waits: bool,
}

impl WatchedScope {
    /// The instances at present.
    pub(crate) fn scopes(&self) -> Vec<Scope> {
        self.assignment.borrow().scopes()
    }

    /// The buckets at present, by machine and rank.
    pub(crate) fn assignment(&self) -> Assignment {
        self.assignment.borrow().clone()
    }

    /// The buckets whose changes concern this process: those that it works on, those of its running workers, and all if its instances wait
    /// for others.
    fn followed(&self) -> Buckets {
        if self.waits {
            return Buckets::ALL;
        }
        let mut buckets = self.assignment.borrow().any();
        if buckets != Buckets::ALL {
            buckets.extend(&self.registry.buckets());
        }
        buckets
    }

    /// Completes when the buckets change. Cancel safe.
    async fn changed(&mut self) {
        if self.assignment.changed().await.is_err() {
            // The controller has ended: they never change.
            pending::<()>().await;
        }
    }
}

/// A running controller. Dropping it stops it without waiting.
pub(crate) struct Controller {
    scope: WatchedScope,
    registry: Arc<WorkerRegistry>,
    breakers: Vec<Breaker>,
    failed: Arc<OnceLock<String>>,
    stop: CancellationToken,
    timeout: sync::Mutex<Option<oneshot::Sender<Duration>>>,
    ended: Mutex<Ending>,
}

enum Ending {
    Running(JoinHandle<Shutdown>),
    Ended(Shutdown),
}

impl Controller {
    /// Takes the lease that `me` describes, and starts on its part of the `membership`. `presence` shows other processes that this one is alive; it is dropped once
    /// all workers have ended.
    pub(crate) async fn start(
        engine: Arc<Engine>,
        drivers: Drivers,
        mut settings: Settings,
        me: LeaseRequest,
        membership: Membership,
        presence: Option<Box<dyn Send + Sync>>,
    ) -> Result<Self, StoreError> {
        let watchdog = Watchdog::start(engine.clone(), me.clone()).await?;
        membership.saw(engine.asked("leases", engine.store.leases(engine.now())).await?);
        let membership = Arc::new(membership);
        let assignment = membership.assignment();
        settings.live = membership.live();
        for driver in drivers.values() {
            let buckets = assignment.borrow().own(driver.graph().machine);
            waits::publish_waiting(&engine, driver.graph(), &buckets).await?;
        }
        let stop = me.stopping.clone();
        let (timeout, timeout_receiver) = oneshot::channel();
        let registry = Arc::<WorkerRegistry>::default();
        let breakers = settings.policies.breakers();
        let waits = drivers.values().any(|driver| driver.graph().has_waits());
        let scope = WatchedScope { assignment: assignment.clone(), registry: registry.clone(), waits };
        let (reports, workers) = (watchdog.reports(), registry.clone());
        let event_loop = EventLoop::new(engine.clone(), drivers, settings, me.clone(), assignment, reports, workers);
        let failed = Arc::<OnceLock<String>>::default();
        let task = ControllerTask {
            engine,
            me,
            membership,
            scope: scope.clone(),
            registry: registry.clone(),
            stop: stop.clone(),
            timeout: timeout_receiver,
            failed: failed.clone(),
            watchdog,
            presence,
        };
        let running = tokio::spawn(task.run(event_loop));
        Ok(Self {
            scope,
            registry,
            breakers,
            failed,
            stop,
            timeout: sync::Mutex::new(Some(timeout)),
            ended: Mutex::new(Ending::Running(running)),
        })
    }

    /// The instances that it works on.
    pub(crate) fn scope(&self) -> WatchedScope {
        self.scope.clone()
    }

    pub(crate) fn workers(&self, clock: &Clock) -> Vec<WorkerStatus> {
        self.registry.read(clock)
    }

    /// The status of the breakers of the policies.
    pub(crate) fn breakers(&self) -> Vec<BreakerStatus> {
        self.breakers.iter().map(Breaker::status).collect()
    }

    /// Why the controller has stopped by itself.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Stops within `timeout` and the grace period. A second call waits for the same end.
    ///
    /// # Cancel safety
    /// If the future is dropped, the shutdown continues.
    pub(crate) async fn shutdown(&self, timeout: Duration) -> Shutdown {
        let sender = self.timeout.lock().take();
        if let Some(sender) = sender {
            // Sent before `stop`, at which the controller receives it.
            let _ = sender.send(timeout);
            self.stop.cancel();
        }
        self.ended().await
    }

    /// Waits until the controller has stopped. Cancel safe.
    pub(crate) async fn ended(&self) -> Shutdown {
        let mut ended = self.ended.lock().await;
        if let Ending::Running(running) = &mut *ended {
            let (report, failed) = match running.await {
                Ok(report) => (report, None),
                Err(failed) => (Shutdown { failed: Some(failed.to_string()), ..Shutdown::default() }, Some(failed)),
            };
            // Before the log line: a `tracing` subscriber may panic.
            *ended = Ending::Ended(report);
            if let Some(failed) = failed {
                tracing::error!(%failed, "the controller task panicked");
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
