//! The task of a worker, and the outcomes with which it ends.

use super::{
    Attempt, Beside, Checkpointed, CommitBeside, FiredEvent, WorkError,
    checkpoint::{self, CheckpointError},
    signals::Signals,
};
use crate::{
    codec::to_json,
    engine::Engine,
    machine::{DurableState, StoredMachine, convert},
    store::Row,
};
use fsm_core::{Accepts, Name, StateMachine, Target};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, future::Future, marker::PhantomData, ops::Deref, pin::Pin, sync::Arc, time::Duration};

/// The return type of a worker's method: an event of the state, [`requeue_after`](RawTask::requeue_after), or an error.
pub type Outcome<S> = Result<Done<S>, WorkError>;

/// The claim under which a worker runs. Only the controller creates one.
// Small, because a worker's future holds it more than once.
#[doc(hidden)]
pub struct WorkClaim<M: StoredMachine> {
    attempt: Arc<Attempt>,
    engine: Arc<Engine>,
    context: Box<M::Context>,
    /// The version of the data that the task has.
    version: u64,
}

impl<M: StoredMachine> WorkClaim<M> {
    pub(crate) fn new(attempt: Arc<Attempt>, context: Box<M::Context>, engine: Arc<Engine>) -> Self {
        let version = attempt.row.version;
        Self { attempt, engine, context, version }
    }

    fn row(&self) -> &Row {
        &self.attempt.row
    }

    fn signals(&self) -> &Signals {
        &self.attempt.signals
    }
}

impl<M: StoredMachine> fmt::Debug for WorkClaim<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { key, fence, .. } = self.row();
        f.debug_struct("WorkClaim").field("key", key).field("fence", fence).finish_non_exhaustive()
    }
}

/// The task of a worker that runs in state `S`.
///
/// The generated `Task<S>` dereferences to it, and adds a method for each event of the state. An event with the name of a method
/// here, such as `cancelled`, takes precedence on the task; `RawTask::cancelled(&task)` calls the method here.
pub struct RawTask<S: DurableState> {
    state: S,
    claim: WorkClaim<S::Machine>,
}

impl<S: DurableState> RawTask<S> {
    #[doc(hidden)]
    pub fn __new(state: S, claim: WorkClaim<S::Machine>) -> Self {
        Self { state, claim }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.claim.engine
    }

    /// The name of the state.
    #[must_use]
    pub const fn state(&self) -> <S::Machine as StateMachine>::State {
        S::STATE
    }

    /// The data of the state.
    #[must_use]
    pub fn data(&self) -> &S {
        &self.state
    }

    /// The machine's context, which all states share.
    #[must_use]
    pub fn context(&self) -> &<S::Machine as StateMachine>::Context {
        &self.claim.context
    }

    /// The id of the instance.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.claim.row().key.id
    }

    /// The version of the instance whose data the task has: that of the claim, or of the last [`refresh`](Self::refresh). While the
    /// worker runs, only internal transitions raise the instance's version; any other change cancels the worker.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.claim.version
    }

    /// Completes when an internal transition has changed the instance since the task got its data. [`refresh`](Self::refresh) reads
    /// the data then. It is notified of changes by this process at once, and of others by the next scan at the latest.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.claim.attempt.clone().changed(self.claim.version)
    }

    /// Reads the present data and context of the instance, after internal transitions.
    ///
    /// A worker that does not read them ends with an event all the same: the event is then fired on the present data, so its guard
    /// and its `with` see that, and not the data of the task.
    ///
    /// # Errors
    /// - when the instance has moved on or was claimed by another worker: return the error with `?`;
    /// - when the store cannot be read, or the row does not fit the declared machine. The task keeps its data.
    ///
    /// # Cancel safety
    /// When the future is dropped, the task keeps its data.
    pub async fn refresh(&mut self) -> Result<(), WorkError> {
        let WorkClaim { attempt, engine, .. } = &self.claim;
        let key = attempt.row.key.clone();
        let row = engine.asked("get", engine.store.get(key.clone())).await?;
        let Some(row) = row.filter(|row| attempt.row.is_held_in(row)) else {
            return Err(WorkError::from(CheckpointError::Superseded { key }));
        };
        if row.version > self.claim.version {
            let (machine, context) = convert::decode::<S::Machine>(&engine.migrations, &row)?;
            let state = S::from_enum(machine).map_err(|_| CheckpointError::Superseded { key })?;
            attempt.saw(&row);
            (self.state, self.claim.context, self.claim.version) = (state, context, row.version);
        }
        Ok(())
    }

    /// The number of this attempt since the state was entered, from 1. Attempts that ended with their process count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.claim.row().attempt
    }

    /// The fencing token of this claim, which grows with every claim in the store.
    ///
    /// Pass it to systems that check fencing tokens: they can then refuse a paused worker that has been replaced.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.claim.row().fence
    }

    /// An idempotency key for external calls that may happen only once while the instance is in this state.
    ///
    /// It is the same for every attempt since the state was entered. Another visit to the state gets another key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.instance_key(), self.claim.row().entered)
    }

    /// A unique name for this incarnation of the instance, for external resources that belong to it.
    ///
    /// It does not change while the instance exists. An instance that is created again under the same id gets another.
    #[must_use]
    pub fn instance_key(&self) -> String {
        let Row { key, incarnation, .. } = self.claim.row();
        format!("{}/{}/{incarnation}", key.machine, key.id)
    }

    /// Completes when the worker is cancelled, because the instance has left the state or the process stops.
    ///
    /// The worker then cleans up and returns. After the grace period it is aborted at its next `await`.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.claim.signals().cancelled()
    }

    /// Whether the worker is [cancelled](Self::cancelled).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.claim.signals().is_cancelled()
    }

    /// Completes when the process begins to shut down.
    ///
    /// A worker that would still run for long then returns [`requeue_after`](Self::requeue_after), so that the next process
    /// continues its work. Other workers finish.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.claim.signals().draining()
    }

    /// Records a heartbeat, which the state's policy may require; see [`Policy::heartbeat`](crate::Policy::heartbeat). In memory
    /// only, and cheap enough to be called in a tight loop.
    pub fn heartbeat(&self) {
        self.claim.signals().heartbeat();
    }

    /// The signals of this task, for code that runs outside it, such as in `spawn_blocking`.
    #[must_use]
    pub fn signals(&self) -> Signals {
        self.claim.signals().clone()
    }

    /// Completes after `duration` by the runtime's clock, which tests can control.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.claim.signals().clock().sleep(duration)
    }

    /// Ends the attempt, stays in the state, and frees the worker's slot. The worker runs again after the delay `after`.
    ///
    /// This is not a failure and does not count as an attempt. Use it to poll or to watch something.
    ///
    /// # Errors
    /// Never; the return type is that of the worker's method.
    pub fn requeue_after(self, after: Duration) -> Outcome<S> {
        Ok(Done::new(End::Requeue(after)))
    }

    /// Ends the work with an event of the state.
    ///
    /// # Errors
    /// A permanent error if a guard refuses the event, or if the event cannot be serialized as JSON.
    pub fn fire<E>(mut self, event: E) -> Outcome<S>
    where
        S::Machine: Accepts<S, E>,
        E: Serialize,
    {
        let kind = <S::Machine as Accepts<S, E>>::EVENT;
        let payload = to_json(&event).map_err(WorkError::permanent)?;
        convert::readable_payload::<S::Machine>(kind, &payload).map_err(WorkError::permanent)?;
        let WorkClaim { engine, context, .. } = &mut self.claim;
        let fired = engine.clock.scope(|| <S::Machine as Accepts<S, E>>::transition(self.state, event, context));
        let WorkClaim { context, version, .. } = self.claim;
        match fired {
            Ok(target) => {
                let machine = target.into_enum();
                Ok(Done::new(End::Fired { machine, context, event: kind, payload, version }))
            }
            Err(refused) => {
                let event = FiredEvent { name: kind.as_str().to_owned(), payload };
                Err(WorkError::refused(event, format!("a guard refused: {}", refused.reason)))
            }
        }
    }
}

// The bounds are on the methods, and neither returns a projection or an `impl Future` of `S`: so a state without checkpoints is one
// error, with the text of `Checkpointed`.
impl<S: DurableState> RawTask<S> {
    /// Stores a checkpoint for the next attempt in this state: after a failure, after the end of the process, or after
    /// [`requeue_after`](Self::requeue_after).
    ///
    /// It replaces the previous checkpoint, and is dropped when the state is left. It changes neither the version nor the history,
    /// and counts as a [heartbeat](Self::heartbeat). Await one checkpoint before the next.
    ///
    /// Work runs at least once: what a failed attempt did after its last checkpoint is repeated. Store the checkpoint *before* a
    /// step that must not be tried twice.
    ///
    /// While the store is unavailable, the checkpoint is retried with backoff until the worker is cancelled.
    ///
    /// # Errors
    /// - if the instance has left the state or was claimed by another worker: return the error with `?`;
    /// - if the worker is cancelled while the store is unavailable;
    /// - a permanent error if `checkpoint` cannot be serialized as JSON, or if the store can never accept it.
    ///
    /// # Cancel safety
    /// If the future is dropped, the checkpoint is stored completely or not at all.
    pub fn checkpoint(&self, checkpoint: &S::Checkpoint) -> Pin<Box<dyn Future<Output = Result<(), WorkError>> + Send>>
    where
        S: Checkpointed,
    {
        checkpoint::keep(self.claim.engine.clone(), &self.claim.attempt, checkpoint)
    }

    /// The last [checkpoint](Self::checkpoint) of the previous attempts since the state was entered, if there is one. Checkpoints of
    /// this attempt do not change it.
    ///
    /// # Errors
    /// A permanent error if the stored checkpoint cannot be deserialized as the declared type.
    pub fn last_checkpoint<C: DeserializeOwned>(&self) -> Result<Option<C>, WorkError>
    where
        S: Checkpointed<Checkpoint = C>,
    {
        checkpoint::read(self.claim.row())
    }
}

/// The fields of the state.
impl<S: DurableState> Deref for RawTask<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.state
    }
}

/// Prints the instance, never the state's data.
impl<S: DurableState> fmt::Debug for RawTask<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { key, version, attempt, .. } = self.claim.row();
        write!(f, "work on {key} in `{}`, version {version}, attempt {attempt}", S::STATE)
    }
}

/// The success value of a worker in state `S`. Only the methods of the task create one.
#[must_use = "return it from the worker: `Ok(done)`"]
pub struct Done<S: DurableState>(Finished<S::Machine>, PhantomData<fn() -> S>);

impl<S: DurableState> Done<S> {
    fn new(end: End<S::Machine>) -> Self {
        Self(Finished(end, Beside::default()), PhantomData)
    }

    /// Lets `commit` store the result together with other changes.
    pub(crate) fn beside(mut self, commit: CommitBeside) -> Outcome<S> {
        if self.0.1.0.replace(commit).is_some() {
            return Err(WorkError::permanent("the result has a group already; add all changes to one group"));
        }
        Ok(self)
    }

    #[doc(hidden)]
    pub fn into_finished(self) -> Finished<S::Machine> {
        self.0
    }
}

impl<S: DurableState> fmt::Debug for Done<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Done({:?})", self.0.0)
    }
}

/// A [`Done`] of any state of machine `M`.
#[doc(hidden)]
pub struct Finished<M: StoredMachine>(pub(crate) End<M>, pub(crate) Beside);

impl<M: StoredMachine> fmt::Debug for Finished<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finished({:?})", self.0)
    }
}

/// How a worker ended.
pub(crate) enum End<M: StoredMachine> {
    Fired { machine: M, context: Box<M::Context>, event: M::EventKind, payload: String, version: u64 },
    Requeue(Duration),
}

/// Prints the event's name, never data or payload.
impl<M: StoredMachine> fmt::Debug for End<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fired { event, .. } => write!(f, "{event}"),
            Self::Requeue(after) => write!(f, "requeue after {after:?}"),
        }
    }
}
