//! The life of a controller: its loop runs under a supervisor until it is stopped or has failed too often, and then ends its workers.

use super::{
    LeaseRequest, WatchedScope,
    discovery::{PEERS, SCAN},
    event_loop::EventLoop,
    lease::watchdog::{WATCHDOG, Watchdog},
    shutdown::{HowStopped, Shutdown, StoppedWorker},
    waits::WAITS,
    workers::status::WorkerRegistry,
};
use crate::{
    engine::{Engine, background},
    membership::Membership,
    panics,
    supervisor::{ChildContext, Restarts, Supervisor, SupervisorError},
};
use std::{
    future::pending,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;

/// The name of the loop among the background tasks.
pub(super) const LOOP: &str = "controller";
/// The loop restarts without delay, because meanwhile workers are not held to their time and the lease. A loop that panics at each
/// scan keeps running; one that panics at each step is given up, and another process, or the next start, continues the work.
const RESTARTS: Restarts = Restarts::Intensity { max: 5, window: Duration::from_secs(10) };

/// What a controller holds besides its loop, and gives up at its end.
pub(super) struct ControllerTask {
    pub(super) engine: Arc<Engine>,
    pub(super) me: LeaseRequest,
    pub(super) membership: Arc<Membership>,
    pub(super) scope: WatchedScope,
    pub(super) registry: Arc<WorkerRegistry>,
    /// Cancelled by the handle, or when it is dropped.
    pub(super) stop: CancellationToken,
    /// The time that a shutdown gives workers to finish.
    pub(super) timeout: oneshot::Receiver<Duration>,
    /// Why the controller has stopped by itself.
    pub(super) failed: Arc<OnceLock<String>>,
    pub(super) watchdog: Watchdog,
    /// Shows other processes that this one is alive.
    pub(super) presence: Option<Box<dyn Send + Sync>>,
}

impl ControllerTask {
    /// Runs the loop until it is stopped or has failed too often; then ends its workers and gives the lease back.
    pub(super) async fn run(self, event_loop: EventLoop) -> Shutdown {
        let event_loop = Arc::new(Mutex::new(event_loop));
        let ended = self.supervise(event_loop.clone()).await;
        if let Err(error) = &ended {
            let _ = self.failed.set(error.to_string());
            self.engine.health.failed(LOOP);
        }
        let timeout = match &ended {
            // A handle that was dropped gives no time.
            Ok(()) => self.timeout.await.unwrap_or_default(),
            Err(_) => Duration::ZERO,
        };
        // A `tracing` subscriber may panic; that must not abort the shutdown.
        let _ = panics::caught(async {
            if let Err(error) = &ended {
                tracing::error!(%error, "the controller has failed too often and stops; its work is left to other processes");
            }
        })
        .await;
        // A controller that has failed claims nothing more, either.
        self.stop.cancel();
        let (engine, me) = (&self.engine, &self.me);
        let stopped = panics::caught(async move {
            // First, and at once: the other processes take the buckets over while workers still end.
            let announced = async {
                if let Err(error) = me.renew(engine).await {
                    tracing::warn!(owner = %me.owner(), %error, "the other processes cannot be notified of the shutdown");
                }
                pending().await
            };
            tokio::select! {
                biased;
                report = announced => report,
                report = async { event_loop.lock().await.stop(timeout).await } => report,
            }
        });
        // Workers that could not be stopped are aborted as the loop is dropped, and leak where they block their threads.
        let report = stopped.await.unwrap_or_else(|panic| {
            let why = format!("stopping the workers panicked: {}", panics::text(&*panic));
            let _ = self.failed.set(why);
            let workers =
                self.registry.read(&self.engine.clock).into_iter().filter(|worker| worker.last_beat.is_some());
            let stopped =
                workers.map(|worker| StoppedWorker { key: worker.key, state: worker.state, how: HowStopped::Leaked });
            Shutdown { stopped: stopped.collect(), failed: None }
        });
        // Afterwards, so that idle waits are answered once all claims are given back.
        self.engine.notifier.detach();
        self.watchdog.stop().await;
        self.engine.health.done(&[LOOP, SCAN, PEERS, WATCHDOG, WAITS]);
        let leaked = |worker: &StoppedWorker| worker.how == HowStopped::Leaked;
        // A metrics recorder or a `tracing` subscriber may panic; that must not abort the shutdown.
        let cleared = async {
            self.registry.retain(|key| report.stopped.iter().any(|worker| leaked(worker) && worker.key == *key));
        };
        let _ = panics::caught(cleared).await;
        let ttl = self.me.ttl;
        let leaving = panics::caught(leave(&self.engine, self.me, self.presence, report.stopped.iter().any(leaked)));
        // After the TTL the lease has expired in any case.
        let _ = self.engine.clock.timeout(ttl, leaving).await;
        Shutdown { failed: self.failed.get().cloned(), ..report }
    }

    async fn supervise(&self, event_loop: Arc<Mutex<EventLoop>>) -> Result<(), SupervisorError> {
        let (scope, membership, halt) = (self.scope.clone(), self.membership.clone(), CancellationToken::new());
        let halted = halt.clone();
        let run = move |context: ChildContext| {
            let (event_loop, scope) = (event_loop.clone(), scope.clone());
            let (membership, halt) = (membership.clone(), halted.clone());
            async move {
                let mut event_loop = event_loop.lock().await;
                if context.run() > 1 {
                    event_loop.recover();
                }
                event_loop.run_until(halt, scope, membership).await;
            }
        };
        let child = background::child(&self.engine.health, LOOP, run).shutdown_without_end();
        let builder = Supervisor::builder().clock(self.engine.clock.clone()).restarts(RESTARTS);
        let Ok(supervisor) = builder.child(child).start().await else { return Err(SupervisorError::Gone) };
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(()),
            ended = supervisor.ended() => ended,
        };
        halt.cancel();
        supervisor.shutdown(Duration::MAX).await;
        ended
    }
}

/// Gives the lease back, unless a worker has `leaked`.
async fn leave(engine: &Engine, me: LeaseRequest, presence: Option<Box<dyn Send + Sync>>, leaked: bool) {
    let clock = engine.clock.clone();
    if leaked {
        // The worker keeps its claim until the lease expires, and this process has not ended.
        tokio::spawn(async move {
            clock.sleep(me.ttl).await;
            drop(presence);
        });
        return;
    }
    // First, because other processes would log a process that has ended and still has its lease as killed.
    let ended = engine.asked("end_leases", engine.store.end_leases(vec![me.process.owner.clone()], engine.now())).await;
    drop(presence);
    match ended {
        // Tidies up what the dropped presence has left, which otherwise happens at the next end of a lease.
        Ok(()) => drop(engine.asked("end_leases", engine.store.end_leases(Vec::new(), engine.now())).await),
        Err(error) => tracing::warn!(owner = %me.owner(), %error, "the lease could not be ended; it expires by itself"),
    }
}
