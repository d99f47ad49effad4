//! [`Supervisor`]: the handle of a running supervisor.

use super::{
    builder::SupervisorBuilder,
    child::Child,
    error::{ChildError, SupervisorError},
    report::{ChildInfo, Counts, SupervisorShutdown},
};
use std::{fmt, time::Duration};
use tokio::sync::{mpsc, oneshot, watch};

/// A handle of a running supervisor. Clones are handles of the same supervisor.
///
/// When the last handle of a root supervisor is dropped, it stops its children, each within its shutdown timeout.
///
/// # Cancel safety
/// If the future of a command is dropped before the command was sent, nothing happens. If it is dropped later, the command
/// is carried out and only its result is lost.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use fsm_runtime::supervisor::{Child, Restarts, Strategy, Supervisor};
/// use std::time::Duration;
///
/// let supervisor = Supervisor::builder()
///     .strategy(Strategy::OneForOne)
///     .restarts(Restarts::Intensity { max: 3, window: Duration::from_secs(5) })
///     .child(Child::new("waits", |ctx| async move {
///         ctx.cancelled().await;
///         Ok(())
///     }))
///     .start()
///     .await?;
///
/// supervisor.start_child(Child::new("fails", |_| async { Err("no luck".into()) }).temporary()).await?;
/// assert_eq!(supervisor.children().await?[0].id, "waits");
///
/// let report = supervisor.shutdown(Duration::from_secs(5)).await;
/// assert!(report.stopped.is_empty(), "every child ended by itself");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Supervisor {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) ended: watch::Receiver<Option<End>>,
}

/// How a supervisor ended.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) result: Result<(), SupervisorError>,
    pub(super) report: SupervisorShutdown,
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, ChildError>>;

pub(super) enum Command {
    Start(Child, Answer<()>),
    Terminate(String, Answer<()>),
    Restart(String, Answer<()>),
    Remove(String, Answer<()>),
    Children(Answer<Vec<ChildInfo>>),
    Counts(Answer<Counts>),
    Supervisor(String, Answer<Supervisor>),
    Shutdown(Duration),
}

impl Supervisor {
    /// A supervisor without children, one for one, with OTP's default of one restart in five seconds.
    pub fn builder() -> SupervisorBuilder {
        SupervisorBuilder::default()
    }

    /// Adds a child at the end and starts it; ends when it has started. A child that fails to start is not kept, and
    /// that does not count as a failure.
    ///
    /// # Errors
    ///
    /// [`ChildError::AlreadyStarted`] or [`AlreadyPresent`](ChildError::AlreadyPresent) if the id is known,
    /// [`Invalid`](ChildError::Invalid), [`Failed`](ChildError::Failed) with the cause,
    /// [`Stopping`](ChildError::Stopping) if it was terminated before it had started, or [`Ended`](ChildError::Ended).
    ///
    /// # Cancel safety
    /// As described for [`Supervisor`].
    pub async fn start_child(&self, child: Child) -> Result<(), ChildError> {
        self.ask(|answer| Command::Start(child, answer)).await
    }

    /// Stops a child and keeps its entry, so that it can be restarted. The entry of a temporary child is removed. Completes
    /// when the child has ended. Does not count as a failure, and takes effect at once while the child is restarting.
    ///
    /// # Errors
    ///
    /// [`ChildError::NotFound`], [`Leaked`](ChildError::Leaked) if it cannot be stopped, or [`Ended`](ChildError::Ended).
    ///
    /// # Cancel safety
    /// As described for [`Supervisor`].
    pub async fn terminate(&self, id: impl Into<String>) -> Result<(), ChildError> {
        self.ask(|answer| Command::Terminate(id.into(), answer)).await
    }

    /// Starts a child that is stopped or has finished. Completes when it has started. If the start fails, the child stays
    /// stopped, and the failure does not count. Resets its consecutive failures ([`Restarts::Backoff`](super::Restarts::Backoff)).
    ///
    /// # Errors
    ///
    /// [`ChildError::NotFound`], [`Running`](ChildError::Running), [`Restarting`](ChildError::Restarting),
    /// [`Stopping`](ChildError::Stopping), [`Leaked`](ChildError::Leaked), [`Failed`](ChildError::Failed) with the cause,
    /// or [`Ended`](ChildError::Ended).
    ///
    /// # Cancel safety
    /// As described for [`Supervisor`].
    pub async fn restart(&self, id: impl Into<String>) -> Result<(), ChildError> {
        self.ask(|answer| Command::Restart(id.into(), answer)).await
    }

    /// Removes a child that is stopped or has finished, and its saved position.
    ///
    /// # Errors
    ///
    /// [`ChildError::NotFound`], [`Running`](ChildError::Running), [`Restarting`](ChildError::Restarting),
    /// [`Stopping`](ChildError::Stopping), [`Leaked`](ChildError::Leaked) or [`Ended`](ChildError::Ended).
    ///
    /// # Cancel safety
    /// As described for [`Supervisor`].
    pub async fn remove(&self, id: impl Into<String>) -> Result<(), ChildError> {
        self.ask(|answer| Command::Remove(id.into(), answer)).await
    }

    /// Returns all children in start order.
    ///
    /// # Errors
    ///
    /// [`ChildError::Ended`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn children(&self) -> Result<Vec<ChildInfo>, ChildError> {
        self.ask(Command::Children).await
    }

    /// Returns the exact number of children by kind and state.
    ///
    /// # Errors
    ///
    /// [`ChildError::Ended`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn counts(&self) -> Result<Counts, ChildError> {
        self.ask(Command::Counts).await
    }

    /// Returns the handle of a child supervisor's current run. A later run has another handle.
    ///
    /// # Errors
    ///
    /// [`ChildError::NotFound`], [`NotASupervisor`](ChildError::NotASupervisor), [`Restarting`](ChildError::Restarting) or
    /// [`Stopping`](ChildError::Stopping) if it does not run, or [`Ended`](ChildError::Ended).
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn supervisor(&self, id: impl Into<String>) -> Result<Self, ChildError> {
        self.ask(|answer| Command::Supervisor(id.into(), answer)).await
    }

    /// Stops all children in reverse order, each within its own timeout, and all of them within `timeout`. Children that
    /// still run after `timeout` are aborted and have one more second to end. Returns the children that did not stop by
    /// themselves. A second call can shorten the timeout; after the end, each call returns the same report.
    ///
    /// For a child supervisor, this is a normal return, to which its restart policy applies.
    ///
    /// # Cancel safety
    /// If the future is dropped before the request was sent, nothing happens. If it is dropped later, the shutdown goes
    /// on.
    pub async fn shutdown(&self, timeout: Duration) -> SupervisorShutdown {
        // The supervisor may have ended.
        let _ = self.commands.send(Command::Shutdown(timeout)).await;
        self.end().await.report
    }

    /// Completes when the supervisor has ended, by a shutdown or because it gave up.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] if it did not end by a shutdown.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn ended(&self) -> Result<(), SupervisorError> {
        self.end().await.result
    }

    async fn end(&self) -> End {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        end.unwrap_or(End { result: Err(SupervisorError::Gone), report: SupervisorShutdown::default() })
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, ChildError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| ChildError::Ended)?;
        answered.await.unwrap_or(Err(ChildError::Ended))
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("ended", &self.ended.borrow().is_some()).finish_non_exhaustive()
    }
}
