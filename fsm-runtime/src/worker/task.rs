//! Owns what a worker sees and says: its task, the outcome it ends with, and the error it can fail with.

use super::{Attempt, Checkpointed, WorkError, checkpoint, signals::Signals};
use crate::{
    codec::to_json,
    engine::Engine,
    machine::{DurableState, StoredMachine},
    store::Row,
};
use fsm_core::{Accepts, StateMachine, Target};
use serde::Serialize;
use std::{fmt, future::Future, marker::PhantomData, ops::Deref, sync::Arc, time::Duration};

/// What a worker's method returns: a declared event by way of the task's methods, or [`again`](RawTask::requeue_after), or an error.
pub type Outcome<S> = Result<Done<S>, WorkError>;

/// The claim under which a worker runs. Only a controller makes one.
///
/// Small, because a worker's future holds it more than once.
pub struct WorkClaim<M: StoredMachine> {
    attempt: Arc<Attempt>,
    engine: Arc<Engine>,
    context: Box<M::Context>,
}

impl<M: StoredMachine> WorkClaim<M> {
    pub(crate) fn new(attempt: Arc<Attempt>, context: Box<M::Context>, engine: Arc<Engine>) -> Self {
        Self { attempt, engine, context }
    }

    fn row(&self) -> &Row {
        &self.attempt.row
    }

    fn signals(&self) -> &Signals {
        &self.attempt.signals
    }
}

/// One piece of work, typed by the state it was claimed in: what the generated `Task<S>` of every machine derefs to.
///
/// A method of an event that has the name of one of these, as an event `cancelled`, takes its place on the tasks of the states
/// that declare the event; `RawTask::cancelled(&task)` reaches it there.
pub struct RawTask<S: DurableState> {
    state: S,
    claim: WorkClaim<S::Machine>,
}

impl<S: DurableState> RawTask<S> {
    /// Only a controller can make a [`WorkClaim`], so only it can make this.
    #[doc(hidden)]
    pub fn __new(state: S, claim: WorkClaim<S::Machine>) -> Self {
        Self { state, claim }
    }

    /// The name of its state.
    #[must_use]
    pub const fn state(&self) -> <S::Machine as StateMachine>::State {
        S::STATE
    }

    /// What the instance holds in this state.
    #[must_use]
    pub fn data(&self) -> &S {
        &self.state
    }

    /// What every state shares.
    #[must_use]
    pub fn context(&self) -> &<S::Machine as StateMachine>::Context {
        &self.claim.context
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.claim.row().key.id
    }

    /// The instance's version; it stays while the worker runs, or the worker is cancelled.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.claim.row().version
    }

    /// Which attempt this is at this stay in the state, from 1. Attempts that ended with the process count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.claim.row().attempt
    }

    /// Grows with every claim in the store. Give it to systems that check fences: they can then refuse a worker that was
    /// replaced while it stood still.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.claim.row().fence
    }

    /// The same for every attempt at this stay in the state, and for no other: the idempotency key for calls that may
    /// happen once in this stay.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.instance_key(), self.claim.row().entered)
    }

    /// The same for the instance's whole life, and for no other, not even a later one under the same id: the name for
    /// what belongs to the instance.
    #[must_use]
    pub fn instance_key(&self) -> String {
        let Row { key, incarnation, .. } = self.claim.row();
        format!("{}/{}/{incarnation}", key.machine, key.id)
    }

    /// Ends when the result is not wanted any more: the instance has moved on, or the process stops. Clean up and
    /// return then; after the grace period the worker is aborted at its next `await`.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.claim.signals().cancelled()
    }

    /// Whether [`cancelled`](Self::cancelled) has ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.claim.signals().is_cancelled()
    }

    /// Ends when the process wants to stop: a worker that would go on for long should end with
    /// [`again`](Self::again) now, to be taken up by the next process.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.claim.signals().draining()
    }

    /// Shows that the worker is alive, where its state's policy asks for that; see [`Policy::heartbeat`](crate::Policy::heartbeat).
    /// In memory, and cheap enough for every turn of a loop.
    pub fn heartbeat(&self) {
        self.claim.signals().heartbeat();
    }

    /// The same signals apart from the task, for code that runs elsewhere: in `spawn_blocking`, say.
    #[must_use]
    pub fn signals(&self) -> Signals {
        self.claim.signals().clone()
    }

    /// Ends after `duration` by the runtime's clock, which tests can drive.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.claim.signals().clock().sleep(duration)
    }

    /// Not yet: keeps the state, gives the worker's slot free, and runs the worker again after `after`. This is no
    /// failure and counts as no attempt: the way to poll, and to watch.
    ///
    /// # Errors
    /// None; the return type is that of the worker's method.
    pub fn requeue_after(self, after: Duration) -> Outcome<S> {
        Ok(Done(Finished(End::Requeue(after)), PhantomData))
    }

    /// Ends the work with an event that the state declares.
    ///
    /// # Errors
    /// A permanent [`WorkError`] when a guard refuses, or the event cannot be written as JSON.
    pub fn fire<E>(mut self, event: E) -> Outcome<S>
    where
        S::Machine: Accepts<S, E>,
        E: Serialize,
    {
        let payload = to_json(&event).map_err(WorkError::permanent)?;
        let target = <S::Machine as Accepts<S, E>>::transition(self.state, event, &mut self.claim.context)
            .map_err(|refused| WorkError::permanent(format!("a guard refused: {}", refused.reason)))?;
        let event = <S::Machine as Accepts<S, E>>::EVENT;
        let (machine, context) = (target.into_enum(), self.claim.context);
        Ok(Done(Finished(End::Fired { machine, context, event, payload }), PhantomData))
    }
}

impl<S: Checkpointed> RawTask<S> {
    /// Keeps how far the worker is, durably, for the next attempt at this stay in the state: the one after a failure, after the
    /// end of the process, or after [`again`](Self::again). What was kept before is replaced; a transition ends it. Touches
    /// neither version nor history, and counts as a [heartbeat](Self::heartbeat). Call it one at a time.
    ///
    /// Work is done at least once: what comes between the last checkpoint and the end of an attempt is done again. Work that
    /// must not kill every attempt at the same item is checkpointed before it is begun.
    ///
    /// While the store is away it is tried again, with backoff, until the worker is told to end. Cancel safe: dropped, it is
    /// stored whole or not at all.
    ///
    /// # Errors
    /// When the instance has moved on or the claim is somebody else's: end the worker with `?` then, nothing that it does counts
    /// any more. When it is told to end while the store is away. A permanent one when `progress` cannot be written as JSON, or
    /// the store can never take it.
    pub fn checkpoint(&self, progress: &S::Checkpoint) -> impl Future<Output = Result<(), WorkError>> + Send + 'static {
        checkpoint::keep(self.claim.engine.clone(), &self.claim.attempt, progress)
    }

    /// What the attempts before this one kept with [`checkpoint`](Self::checkpoint) at this stay in the state; `None` where they
    /// kept nothing. It stays what it was when this attempt began.
    ///
    /// # Errors
    /// A permanent one when what is stored is not of the declared type (any more); its text names the type and the way out.
    pub fn last_checkpoint(&self) -> Result<Option<S::Checkpoint>, WorkError> {
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

/// Everything but the data, which is never printed.
impl<S: DurableState> fmt::Debug for RawTask<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { key, version, attempt, .. } = self.claim.row();
        write!(f, "work on {key} in `{}`, version {version}, attempt {attempt}", S::STATE)
    }
}

/// How work on state `S` ended well. Only a task's own methods make one.
#[must_use = "a worker returns it: `Ok(done)`"]
pub struct Done<S: DurableState>(Finished<S::Machine>, PhantomData<fn() -> S>);

impl<S: DurableState> Done<S> {
    #[doc(hidden)]
    pub fn into_finished(self) -> Finished<S::Machine> {
        self.0
    }
}

impl<S: DurableState> fmt::Debug for Done<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.0 {
            End::Fired { event, .. } => write!(f, "Done({event})"),
            End::Requeue(after) => write!(f, "Done(requeue after {after:?})"),
        }
    }
}

/// A [`Done`] of any state of `M`.
pub struct Finished<M: StoredMachine>(pub(crate) End<M>);

pub(crate) enum End<M: StoredMachine> {
    Fired { machine: M, context: Box<M::Context>, event: M::EventKind, payload: String },
    Requeue(Duration),
}
