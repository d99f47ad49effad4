//! Owns a child as it is declared: its id, what it runs, and how it is treated.

use super::{
    builder::SupervisorBuilder,
    context::Context,
    error::{BoxError, SupervisorConfigError},
    liveness::Watch,
    run::{Make, Outcome},
};
use std::{fmt, future::Future, sync::Arc, time::Duration};

/// A child's shutdown timeout if nothing else is set, as in OTP; and the grace period of a supervisor that went silent.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(5);

/// The heartbeat of a supervisor that is a child, if nothing else is set.
const SUPERVISOR_HEARTBEAT: Duration = Duration::from_secs(10);

/// A child as it is declared: an id, and a closure that makes the future of each of its runs.
///
/// Unless said otherwise it is permanent, has started when it is spawned, has five seconds to stop, and nobody listens
/// for its heartbeat. Clones share the closure.
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
pub enum RestartPolicy {
    /// Whenever it ends.
    Permanent,
    /// When it fails; a return is its end.
    Transient,
    /// Never; when it ends, its entry is gone.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// Told, and aborted after this time.
    Within(Duration),
    /// Told, and waited for without end.
    InItsOwnTime,
    /// Aborted at once.
    Abort,
}

impl Child {
    /// A permanent child that runs what `work` makes of each run's [`Context`].
    ///
    /// `work` is called in the run's own task; a panic of it is a panic of the run.
    pub fn new<W, F>(id: impl Into<String>, work: W) -> Self
    where
        W: Fn(Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let make: Make = Arc::new(move |ctx| {
            let work = work(ctx);
            Box::pin(async move { Outcome { result: work.await, cut: Vec::new() } })
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

    /// A child that is a supervisor itself, built anew for each run.
    ///
    /// It has started when its children have; it is given as long as it takes to stop, since its children have their own
    /// timeouts; and it beats by itself, with a heartbeat of ten seconds unless another one is set. It has the clock of
    /// its supervisor unless its builder has one. When it gives up, that is a failure like any other.
    pub fn supervisor(id: impl Into<String>, build: impl Fn() -> SupervisorBuilder + Send + Sync + 'static) -> Self {
        let make: Make = Arc::new(move |ctx| Box::pin(build().run_below(ctx)));
        let heartbeat = Some(SUPERVISOR_HEARTBEAT);
        Self {
            id: id.into().into(),
            make,
            policy: RestartPolicy::Permanent,
            stop: Stop::InItsOwnTime,
            watch: Watch { heartbeat, stall: None },
            reports_start: true,
            is_supervisor: true,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Restart it whenever it ends: after a panic, an error, and a return. The default.
    #[must_use]
    pub fn permanent(self) -> Self {
        Self { policy: RestartPolicy::Permanent, ..self }
    }

    /// Restart it after a panic or an error, and let it rest after a return.
    #[must_use]
    pub fn transient(self) -> Self {
        Self { policy: RestartPolicy::Transient, ..self }
    }

    /// Never restart it, and forget it when it ends.
    #[must_use]
    pub fn temporary(self) -> Self {
        Self { policy: RestartPolicy::Temporary, ..self }
    }

    /// It has started only when it [says so](Context::started), and the next child waits for that. If it ends before,
    /// by a panic, by an error, or by a return although it is permanent, its start has failed.
    #[must_use]
    pub fn reports_start(self) -> Self {
        Self { reports_start: true, ..self }
    }

    /// How long it may take to stop once it is told, before it is aborted; five seconds if not set.
    #[must_use]
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { stop: Stop::Within(timeout), ..self }
    }

    /// Wait for it without end when it is told to stop. Only the deadline of
    /// [`shutdown`](super::Supervisor::shutdown) goes before that.
    #[must_use]
    pub fn shutdown_without_end(self) -> Self {
        Self { stop: Stop::InItsOwnTime, ..self }
    }

    /// Abort it at once when it is to stop: OTP's `brutal_kill`.
    #[must_use]
    pub fn abort_on_shutdown(self) -> Self {
        Self { stop: Stop::Abort, ..self }
    }

    /// How long it may be silent. One that neither [beats](Context::beat) nor waits in [`Context::hand_on`] for so long is
    /// told to stop, aborted after its shutdown timeout, and has failed by
    /// [`MissedHeartbeat`](super::ChildFailure::MissedHeartbeat). Counted from the spawning, so that it limits the start too.
    #[must_use]
    pub fn heartbeat(self, within: Duration) -> Self {
        Self { watch: Watch { heartbeat: Some(within), ..self.watch }, ..self }
    }

    /// How long its [progress](Context::progress) may stand still while it beats; then it is treated as if it were
    /// silent, and has failed by [`Stalled`](super::ChildFailure::Stalled).
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
