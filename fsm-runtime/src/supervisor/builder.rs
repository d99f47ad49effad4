//! [`SupervisorBuilder`]: the declaration of a supervisor, its validation, and its start.

use super::{
    child::Child,
    context::ChildContext,
    descendants::Descendants,
    error::{SupervisorConfigError, SupervisorStartError},
    handle::{End, Supervisor},
    restarts::Restarts,
    run::Outcome,
    task::{Goal, SupervisorTask},
};
use crate::clock::Clock;
use std::{collections::HashSet, future::Future, sync::Arc};
use tokio::sync::{mpsc, oneshot, watch};

/// Capacity of the command channel; a caller waits when it is full.
const COMMANDS: usize = 64;

/// Which children are restarted when one fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Only the failed child. On shutdown, children added later stop in parallel; then the children of the builder stop in
    /// reverse order.
    #[default]
    OneForOne,
    /// All children: the others stop in reverse order, then all start in order.
    OneForAll,
    /// The failed child and those after it: they stop in reverse order, then start in order.
    RestForOne,
}

/// Configures and starts a [`Supervisor`]. Made by [`Supervisor::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "nothing runs before `start`"]
pub struct SupervisorBuilder {
    pub(super) strategy: Strategy,
    pub(super) restarts: Restarts,
    pub(super) children: Vec<Child>,
    clock: Option<Clock>,
}

impl SupervisorBuilder {
    /// Sets which children are restarted when one fails. The default is [`Strategy::OneForOne`].
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// Sets how often children are restarted before the supervisor gives up. The default is once in five seconds.
    pub fn restarts(self, restarts: Restarts) -> Self {
        Self { restarts, ..self }
    }

    /// Adds a child. It starts after those added before it.
    pub fn child(mut self, child: Child) -> Self {
        self.children.push(child);
        self
    }

    /// Sets the clock. The default is the clock of the parent supervisor, or the system clock if there is none.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Starts the children in order, each after the one before has started. Must be called within a tokio runtime.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the children that have started are stopped in reverse order.
    ///
    /// # Errors
    ///
    /// [`SupervisorStartError::Invalid`] before anything is started; [`SupervisorStartError::Child`] when a child fails to start and those
    /// before it have stopped; [`SupervisorStartError::Stopped`] when the runtime shuts down meanwhile.
    pub async fn start(self) -> Result<Supervisor, SupervisorStartError> {
        self.check()?;
        let clock = self.clock.clone().unwrap_or_default();
        let (supervisor, commands, end) = channels();
        let tree = SupervisorTask::new(self, clock, Arc::default());
        let (ready, started) = oneshot::channel();
        tokio::spawn(async move {
            let mut ready = Some(ready);
            let (goal, report) = tree.run(commands, None, &mut ready).await;
            let result = match goal {
                Goal::Shutdown => Ok(()),
                Goal::GaveUp(error) => Err(error),
                Goal::StartFailed(error) => {
                    // The receiver may be gone. The children that had started are stopped by now.
                    let _ = ready.map(|ready| ready.send(Err(error)));
                    return;
                }
            };
            end.send_replace(Some(End { result, report }));
        });
        started.await.unwrap_or(Err(SupervisorStartError::Stopped))?;
        Ok(supervisor)
    }

    /// Runs the supervisor as a child of another one, in that child's task.
    pub(super) fn run_below(self, ctx: ChildContext) -> impl Future<Output = Outcome> + Send {
        let clock = self.clock.clone().unwrap_or_else(|| ctx.clock().clone());
        let descendants: Arc<Descendants> = ctx.0.descendants.clone().unwrap_or_default();
        let (supervisor, commands, end) = channels();
        // Called once for each run.
        let _ = descendants.handle.set(supervisor);
        async move {
            if let Err(invalid) = self.check() {
                return Outcome { result: Err(SupervisorStartError::from(invalid).into()), forced: Vec::new() };
            }
            let (goal, report) =
                SupervisorTask::new(self, clock, descendants).run(commands, Some(ctx), &mut None).await;
            let forced = report.stopped.clone();
            let result = match goal {
                Goal::Shutdown => Ok(()),
                Goal::GaveUp(error) => Err(error),
                Goal::StartFailed(error) => return Outcome { result: Err(error.into()), forced },
            };
            end.send_replace(Some(End { result: result.clone(), report }));
            Outcome { result: result.map_err(Into::into), forced }
        }
    }

    fn check(&self) -> Result<(), SupervisorConfigError> {
        self.restarts.check()?;
        let mut ids = HashSet::new();
        for child in &self.children {
            child.check()?;
            if !ids.insert(&child.id) {
                return Err(SupervisorConfigError::DuplicateId { id: child.id.to_string() });
            }
        }
        Ok(())
    }
}

fn channels() -> (Supervisor, mpsc::Receiver<super::handle::Command>, watch::Sender<Option<End>>) {
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let (end, ended) = watch::channel(None);
    (Supervisor { commands, ended }, receiver, end)
}
