//! The machine of these tests, and workers that a test commands.

use fsm_runtime::{Signals, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// A job, from the queue to its result.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(initial = Queued, durable, derive(Clone, Debug, PartialEq, Serialize, Deserialize))]
#[on(cancel => Cancelling, except(Cancelling))]
pub(crate) enum Job {
    /// Waits for its start.
    #[on(start => Running)]
    Queued { name: String },
    /// A worker runs.
    #[state(work, checkpoint = u32)]
    #[on(finish { result: u32 } => Finished)]
    #[on(fail { reason: String } => Failed)]
    #[on(restart => Running)]
    #[after("1h", fail { reason: "too slow".into() })]
    Running { name: String },
    /// It can be retried.
    #[on(retry => Running)]
    #[on(reopen => Queued, guard = has_reason)]
    Failed { name: String, reason: String },
    /// A worker is cleaning up.
    #[state(work, exhausted = unclean { why: error.to_string() })]
    #[on(unclean { why: String } => Failed, with = unclean)]
    #[on(cleaned => Cancelled)]
    Cancelling { name: String },
    /// Done.
    #[state(end)]
    Finished { name: String, result: u32 },
    /// Given up.
    #[state(end)]
    Cancelled { name: String },
}

fn unclean(cancelling: job::Cancelling, event: job::event::Unclean) -> job::Failed {
    assert_ne!(event.why, "unspeakable");
    job::Failed { name: cancelling.name, reason: event.why }
}

fn has_reason(failed: &job::Failed, _: &job::event::Reopen) -> Result<(), &'static str> {
    if failed.reason.is_empty() { Err("no reason was given") } else { Ok(()) }
}

pub(crate) fn queued() -> job::Queued {
    job::Queued { name: "n".into() }
}

/// The limit for anything that happens at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A command to a worker.
pub(crate) enum Do {
    Finish(u32),
    /// Ignores cancellation until the other end sends, and then finishes.
    FinishWhen(oneshot::Receiver<()>, u32),
    FinishWhenCancelled(u32),
    AgainWhenCancelled(Duration),
    Fail(&'static str),
    FailFor(Duration),
    Permanent(&'static str),
    Panic(&'static str),
    PanicWithString(String),
    PanicWithNumber(u8),
    Again(Duration),
    /// Saves the number as a checkpoint, and then runs the command.
    Checkpoint(u32, Box<Do>),
    /// Saves the number when the other end sends, ignoring cancellation, and returns the result.
    CheckpointWhen(oneshot::Receiver<()>, u32, oneshot::Sender<String>),
    /// Hangs and ignores cancellation.
    Hang,
    /// Blocks its thread until the other end is dropped.
    Block(std::sync::mpsc::Receiver<()>),
    /// The same, and then finishes without an `await`.
    BlockAndFinish(std::sync::mpsc::Receiver<()>, u32),
}

/// One execution of a worker, commanded by the test.
pub(crate) struct Call {
    pub(crate) state: job::State,
    pub(crate) id: String,
    pub(crate) attempt: u32,
    pub(crate) version: u64,
    pub(crate) fence: u64,
    pub(crate) key: String,
    pub(crate) progress: Option<u32>,
    pub(crate) signals: Signals,
    tell: oneshot::Sender<Do>,
    cancelled: Signal,
    draining: Signal,
}

pub(crate) type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Call {
    pub(crate) fn tell(self, what: Do) {
        drop(self.tell_and_watch(what));
    }

    /// The same, and returns a future that ends when the worker is cancelled.
    pub(crate) fn tell_and_watch(self, what: Do) -> Signal {
        let _ = self.tell.send(what);
        self.cancelled
    }

    /// Waits until the worker is cancelled.
    pub(crate) async fn cancelled(&mut self) {
        tokio::time::timeout(PATIENCE, &mut self.cancelled).await.expect("the worker is cancelled");
    }

    /// Waits until the worker is notified of the stop.
    pub(crate) async fn draining(&mut self) {
        tokio::time::timeout(PATIENCE, &mut self.draining).await.expect("the worker is notified of the stop");
    }
}

/// Workers that report their start and wait for a command; without one they end when cancelled.
#[derive(Clone)]
pub(crate) struct Puppets {
    calls: mpsc::UnboundedSender<Call>,
    alive: Arc<Mutex<Alive>>,
}

#[derive(Default)]
struct Alive {
    now: HashSet<String>,
    most: usize,
    overlaps: Vec<String>,
}

/// The test's end of [`Puppets`].
pub(crate) struct Calls {
    calls: mpsc::UnboundedReceiver<Call>,
    alive: Arc<Mutex<Alive>>,
}

pub(crate) fn puppets() -> (Puppets, Calls) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let alive = Arc::<Mutex<Alive>>::default();
    (Puppets { calls: sender, alive: alive.clone() }, Calls { calls: receiver, alive })
}

impl Calls {
    /// The next execution that begins.
    pub(crate) async fn next(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("a worker starts").unwrap()
    }

    /// Whether all workers have ended and every start was taken.
    pub(crate) async fn is_over(&mut self) -> bool {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("all workers have ended").is_none()
    }

    /// Whether every start was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// The greatest number of workers at one time; panics if there ever were two for one instance.
    pub(crate) fn most_at_once(&self) -> usize {
        let alive = self.alive.lock().unwrap();
        assert!(alive.overlaps.is_empty(), "two workers at once for {:?}", alive.overlaps);
        alive.most
    }

    pub(crate) fn running_now(&self) -> usize {
        self.alive.lock().unwrap().now.len()
    }
}

/// Counts an execution from its first poll to its drop, however it ends.
struct Presence(Arc<Mutex<Alive>>, String);

impl Presence {
    fn of(alive: &Arc<Mutex<Alive>>, id: &str) -> Self {
        let mut all = alive.lock().unwrap();
        if !all.now.insert(id.to_owned()) {
            all.overlaps.push(id.to_owned());
        }
        all.most = all.most.max(all.now.len());
        Self(alive.clone(), id.to_owned())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.lock().unwrap().now.remove(&self.1);
    }
}

impl Puppets {
    async fn command<S>(&self, task: &job::Task<S>, progress: Option<u32>) -> Result<Do, WorkError>
    where
        S: fsm_runtime::DurableState<Machine = Job>,
    {
        let (tell, command) = oneshot::channel();
        let call = Call {
            state: task.state(),
            id: task.id().to_owned(),
            attempt: task.attempt(),
            version: task.version(),
            fence: task.fence(),
            key: task.key(),
            progress,
            signals: task.signals(),
            tell,
            cancelled: Box::pin(task.cancelled()),
            draining: Box::pin(task.draining()),
        };
        let _ = self.calls.send(call);
        tokio::select! {
            biased;
            Ok(what) = command => Ok(what),
            () = task.cancelled() => Err("cancelled".into()),
        }
    }
}

impl job::Workers for Puppets {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        let _presence = Presence::of(&self.alive, task.id());
        let mut what = self.command(&task, task.last_checkpoint()?).await?;
        while let Do::Checkpoint(progress, then) = what {
            task.checkpoint(&progress).await?;
            what = *then;
        }
        match what {
            Do::Checkpoint(..) => unreachable!("all are kept"),
            Do::CheckpointWhen(command, progress, reply) => {
                let _ = command.await;
                let kept = task.checkpoint(&progress).await;
                let _ = reply.send(format!("{kept:?}"));
                kept?;
                task.finish(progress)
            }
            Do::Finish(result) => task.finish(result),
            Do::FinishWhenCancelled(result) => {
                task.cancelled().await;
                task.finish(result)
            }
            Do::AgainWhenCancelled(after) => {
                task.cancelled().await;
                task.requeue_after(after)
            }
            Do::FinishWhen(command, result) => {
                let _ = command.await;
                task.finish(result)
            }
            Do::Fail(why) => Err(why.into()),
            Do::FailFor(delay) => Err(WorkError::retry_after(delay, "not now")),
            Do::Permanent(why) => Err(WorkError::permanent(why)),
            Do::Panic(why) => panic!("{why}"),
            Do::PanicWithString(why) => std::panic::panic_any(why),
            Do::PanicWithNumber(number) => std::panic::panic_any(number),
            Do::Again(after) => task.requeue_after(after),
            Do::Hang => std::future::pending().await,
            Do::Block(until) => {
                let _ = until.recv();
                Err("unblocked".into())
            }
            Do::BlockAndFinish(until, result) => {
                while until.recv().is_ok() {}
                task.finish(result)
            }
        }
    }

    async fn cancelling(&self, task: job::Task<job::Cancelling>) -> Outcome<job::Cancelling> {
        let _presence = Presence::of(&self.alive, task.id());
        match self.command(&task, None).await? {
            Do::Fail(why) => Err(why.into()),
            _ => task.cleaned(),
        }
    }
}
