//! Owns the declaration of a supervisor, the checks on it, and its start.

use super::{
    child::Child,
    context::Context,
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

/// How many commands wait for a busy supervisor before callers do.
const COMMANDS: usize = 64;

/// Which children are restarted when one fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// That one. Children added later stop side by side, those of the builder after them in reverse order.
    #[default]
    OneForOne,
    /// All: the others stop in reverse order, then all start in order.
    OneForAll,
    /// Those from the failed one on: they stop in reverse order and start in order.
    RestForOne,
}

/// A supervisor as it is declared; [`Supervisor::builder`] makes one.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing runs before `start`"]
pub struct SupervisorBuilder {
    pub(super) strategy: Strategy,
    pub(super) restarts: Restarts,
    pub(super) children: Vec<Child>,
    clock: Option<Clock>,
}

impl SupervisorBuilder {
    /// Which children are restarted when one fails; one for one if not set.
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// How often children are restarted; once in five seconds if not set.
    pub fn restarts(self, restarts: Restarts) -> Self {
        Self { restarts, ..self }
    }

    /// One more child, started after those before it.
    pub fn child(mut self, child: Child) -> Self {
        self.children.push(child);
        self
    }

    /// Where time comes from; if not set, the system's clock, or that of the supervisor above.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Starts the children in order, each when the one before has started. Must be called within a tokio runtime.
    ///
    /// Dropped before it ends, it stops what it has started, in reverse order.
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
                    // Who asked for the start may have gone; those that it started are stopped by now.
                    let _ = ready.map(|ready| ready.send(Err(error)));
                    return;
                }
            };
            end.send_replace(Some(End { result, report }));
        });
        started.await.unwrap_or(Err(SupervisorStartError::Stopped))?;
        Ok(supervisor)
    }

    /// The same as a child of another supervisor, in the task of that child.
    pub(super) fn run_below(self, ctx: Context) -> impl Future<Output = Outcome> + Send {
        let clock = self.clock.clone().unwrap_or_else(|| ctx.clock().clone());
        let descendants: Arc<Descendants> = ctx.0.descendants.clone().unwrap_or_default();
        let (supervisor, commands, end) = channels();
        // A run has one descendants, and calls this once.
        let _ = descendants.handle.set(supervisor);
        async move {
            if let Err(invalid) = self.check() {
                return Outcome { result: Err(SupervisorStartError::from(invalid).into()), cut: Vec::new() };
            }
            let (goal, report) =
                SupervisorTask::new(self, clock, descendants).run(commands, Some(ctx), &mut None).await;
            let cut = report.cut.clone();
            let result = match goal {
                Goal::Shutdown => Ok(()),
                Goal::GaveUp(error) => Err(error),
                Goal::StartFailed(error) => return Outcome { result: Err(error.into()), cut },
            };
            end.send_replace(Some(End { result: result.clone(), report }));
            Outcome { result: result.map_err(Into::into), cut }
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
