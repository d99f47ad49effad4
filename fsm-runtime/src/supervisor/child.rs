//! [`Child`]: the specification of a supervised task.

use super::{
    builder::SupervisorBuilder,
    context::ChildContext,
    error::{BoxError, SupervisorConfigError},
    liveness::Watch,
    run::{Make, Outcome},
};
use std::{fmt, future::Future, sync::Arc, time::Duration};

/// The default shutdown timeout, as in OTP. Also the grace period of a child supervisor that missed its heartbeat.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(5);

/// The default heartbeat of a child supervisor.
const SUPERVISOR_HEARTBEAT: Duration = Duration::from_secs(10);

/// The specification of a child: an id, and a closure that makes the future of each run.
///
/// By default a child is permanent, counts as started when it is spawned, has five seconds to stop, and has no heartbeat
/// timeout. Clones share the closure.
///
/// ```
/// use fsm_runtime::supervisor::Child;
/// use std::time::Duration;
/// # async fn connect() -> std::io::Result<()> { Ok(()) }
///
/// let reader = Child::new("reader", |ctx| async move {
///     connect().await?; // an error before `started` is a failed start
///     ctx.started();
///     while !ctx.is_cancelled() {
///         ctx.beat();
///         ctx.clock().sleep(Duration::from_millis(100)).await;
///     }
///     Ok(())
/// })
/// .transient()
/// .reports_start()
/// .heartbeat(Duration::from_secs(1))
/// .shutdown_timeout(Duration::from_secs(2));
/// assert_eq!(reader.id(), "reader");
/// ```
#[derive(Clone)]
pub struct Child {
    pub(super) id: Arc<str>,
    pub(super) make: Make,
    pub(super) policy: RestartPolicy,
    pub(super) stop: Stop,
    pub(super) watch: Watch,
    pub(super) reports_start: bool,
    pub(super) is_supervisor: bool,
}

/// When a child is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestartPolicy {
    /// Whenever it ends.
    Permanent,
    /// When it fails. A normal return ends it.
    Transient,
    /// Never. Its entry is removed when it ends.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// Cancelled, and aborted after this time.
    Within(Duration),
    /// Cancelled, and awaited without a timeout.
    WithoutTimeout,
    /// Aborted at once.
    Abort,
}

impl Child {
    /// Creates a permanent child. `work` makes the future of each run from the run's [`ChildContext`].
    ///
    /// `work` is called in the run's own task, and a panic in it is a panic of the run.
    pub fn new<W, F>(id: impl Into<String>, work: W) -> Self
    where
        W: Fn(ChildContext) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let make: Make = Arc::new(move |ctx| {
            let work = work(ctx);
            Box::pin(async move { Outcome { result: work.await, forced: Vec::new() } })
        });
        Self {
            id: id.into().into(),
            make,
            policy: RestartPolicy::Permanent,
            stop: Stop::Within(SHUTDOWN),
            watch: Watch::default(),
            reports_start: false,
            is_supervisor: false,
        }
    }

    /// Creates a child that is itself a supervisor. `build` is called for each run.
    ///
    /// It has started when all its children have. It has no shutdown timeout, because its children have their own. It beats
    /// by itself, with a default heartbeat timeout of ten seconds. It uses its parent's clock unless its builder sets one.
    /// If it gives up, the child has failed.
    pub fn supervisor(id: impl Into<String>, build: impl Fn() -> SupervisorBuilder + Send + Sync + 'static) -> Self {
        let make: Make = Arc::new(move |ctx| Box::pin(build().run_below(ctx)));
        let heartbeat = Some(SUPERVISOR_HEARTBEAT);
        Self {
            id: id.into().into(),
            make,
            policy: RestartPolicy::Permanent,
            stop: Stop::WithoutTimeout,
            watch: Watch { heartbeat, stall: None },
            reports_start: true,
            is_supervisor: true,
        }
    }

    /// The child's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Restarts the child whenever it ends: after a panic, an error, or a normal return. The default.
    #[must_use]
    pub fn permanent(self) -> Self {
        Self { policy: RestartPolicy::Permanent, ..self }
    }

    /// Restarts the child after a panic or an error, but not after a normal return.
    #[must_use]
    pub fn transient(self) -> Self {
        Self { policy: RestartPolicy::Transient, ..self }
    }

    /// Never restarts the child, and removes its entry when it ends.
    #[must_use]
    pub fn temporary(self) -> Self {
        Self { policy: RestartPolicy::Temporary, ..self }
    }

    /// Makes the child count as started only when it calls [`ChildContext::started`]; the next child waits for that. If it ends
    /// before, by a panic, an error, or (for a permanent child) a return, its start has failed.
    #[must_use]
    pub fn reports_start(self) -> Self {
        Self { reports_start: true, ..self }
    }

    /// Sets how long the child may take to stop after it is cancelled, before it is aborted. The default is five seconds.
    #[must_use]
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { stop: Stop::Within(timeout), ..self }
    }

    /// Waits for the child without a timeout when it is cancelled. The timeout of
    /// [`Supervisor::shutdown`](super::Supervisor::shutdown) still applies.
    #[must_use]
    pub fn shutdown_without_end(self) -> Self {
        Self { stop: Stop::WithoutTimeout, ..self }
    }

    /// Aborts the child at once when it is stopped: OTP's `brutal_kill`.
    #[must_use]
    pub fn abort_on_shutdown(self) -> Self {
        Self { stop: Stop::Abort, ..self }
    }

    /// Sets the heartbeat timeout. A child that neither [beats](ChildContext::beat) nor waits in [`ChildContext::hand_on`] for this
    /// long is cancelled, aborted after its shutdown timeout, and has failed with
    /// [`MissedHeartbeat`](super::ChildFailure::MissedHeartbeat). The time counts from the spawn, so it limits the start too.
    #[must_use]
    pub fn heartbeat(self, within: Duration) -> Self {
        Self { watch: Watch { heartbeat: Some(within), ..self.watch }, ..self }
    }

    /// Sets the stall timeout: how long the [progress](ChildContext::progress) value may stay the same while the child beats. After
    /// that it is treated like a missed heartbeat, and has failed with [`Stalled`](super::ChildFailure::Stalled).
    #[must_use]
    pub fn stall(self, within: Duration) -> Self {
        Self { watch: Watch { stall: Some(within), ..self.watch }, ..self }
    }

    pub(super) fn check(&self) -> Result<(), SupervisorConfigError> {
        if [self.watch.heartbeat, self.watch.stall].contains(&Some(Duration::ZERO)) {
            return Err(SupervisorConfigError::NoTime { id: self.id.to_string() });
        }
        Ok(())
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("id", &self.id).field("policy", &self.policy).finish_non_exhaustive()
    }
}
