//! Owns one instance's typed record: where its row stands, and the transition of it as one compare-and-swap.

use super::Durable;
use super::{
    error::TransitionError,
    transition::{Asked, Firing, Planned, Prepared, Stored},
};
use crate::machine::convert;
use crate::{
    codec::{same_json, to_json},
    engine::Engine,
    machine::DurableState,
    store::{Cause, Change, HistoryEntry, Key, Origin, Row, Transition},
};
use fsm_core::{Accepts, Name, Reason, StateMachine, Target};
use serde::Serialize;
use std::{fmt, ops::Deref, sync::Arc};
use uuid::Uuid;

/// What a record holds besides its state: where its row stands, and what every state shares. Only a runtime makes one.
pub struct RecordMeta<M: Durable> {
    engine: Arc<Engine>,
    key: Key,
    incarnation: Uuid,
    version: u64,
    idempotency_key: Option<String>,
    origin: Origin,
    context: Box<M::Context>,
}

impl<M: Durable> RecordMeta<M> {
    pub(super) fn of(engine: &Arc<Engine>, origin: &Origin, row: &Row, context: Box<M::Context>) -> Self {
        Self {
            engine: engine.clone(),
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            idempotency_key: None,
            origin: origin.clone(),
            context,
        }
    }

    /// Where the row stood after `first`.
    pub(super) fn of_first(
        engine: &Arc<Engine>,
        origin: &Origin,
        first: &HistoryEntry,
        context: Box<M::Context>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            key: first.key.clone(),
            incarnation: first.incarnation,
            version: first.version,
            idempotency_key: None,
            origin: origin.clone(),
            context,
        }
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.key.id
    }

    /// The version that the row had when it was read.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The change that moves the row on to `target`; `finish` says what the machine in its new place is to the caller.
    pub(super) fn plan<R: 'static>(
        mut self,
        from: M::State,
        event: M::EventKind,
        payload: String,
        target: M,
        finish: impl FnOnce(M, Self) -> Result<R, TransitionError<M>> + Send + 'static,
    ) -> Result<Prepared<R, M>, TransitionError<M>> {
        let (from, event) = (from.as_str(), event.as_str());
        let (target, into) = convert::entering(target, &self.context)?;
        let to = target.state().as_str();
        if !convert::declared::<M>(from, event, to) {
            return Err(TransitionError::Undeclared { from, event, to });
        }
        let (engine, key, idempotency_key) = (self.engine.clone(), self.key.clone(), self.idempotency_key.take());
        let change = Change::Transition(Transition {
            key: key.clone(),
            incarnation: self.incarnation,
            version: self.version,
            fence: None,
            from: from.to_owned(),
            event: event.to_owned(),
            payload,
            into,
            cause: Cause::Caller,
            idempotency_key: idempotency_key.clone(),
            origin: self.origin.clone(),
        });
        let origin = self.origin.clone();
        Ok(Prepared::new(engine, origin, key, change, idempotency_key, move |stored| match stored {
            Stored::Now(row) => finish(target, Self::of(&self.engine, &self.origin, &row, self.context)),
            Stored::Before(first) => {
                let (machine, context) = self.replay(&first)?;
                finish(machine, Self::of_first(&self.engine, &self.origin, &first, context))
            }
        }))
    }

    /// What a guard's answer is to the caller: with an idempotency key, what was made under it before, if anything was.
    fn refused<R: 'static>(
        self,
        machine: M,
        event: M::EventKind,
        payload: String,
        reason: Reason,
        finish: impl FnOnce(M, Self) -> Result<R, TransitionError<M>> + Send + 'static,
    ) -> Result<Planned<R, M>, TransitionError<M>> {
        let Some(idempotency_key) = self.idempotency_key.clone() else {
            return Err(refuse(machine, self, event, reason));
        };
        let (engine, origin) = (self.engine.clone(), self.origin.clone());
        let first = Box::pin(async move {
            let first = self.engine.store.first(self.key.clone(), idempotency_key.clone()).await?;
            // One of another life stands for nothing.
            let Some(first) = first.filter(|first| first.incarnation == self.incarnation) else {
                return Err(refuse(machine, self, event, reason));
            };
            same_request(first, event, &payload, idempotency_key)
        });
        let finish = Box::new(move |first: HistoryEntry| {
            let (machine, context) = convert::decode_entry(&engine.migrations, &first)?;
            finish(machine, Self::of_first(&engine, &origin, &first, context))
        });
        Ok(Planned::Refused(Asked { first, finish }))
    }

    /// What the first call with the same idempotency key led to.
    pub(super) fn replay(&self, first: &HistoryEntry) -> Result<convert::Whole<M>, TransitionError<M>> {
        Ok(convert::decode_entry(&self.engine.migrations, first)?)
    }

    pub(super) fn set_key(&mut self, idempotency_key: Option<String>) {
        self.idempotency_key = idempotency_key;
    }

    /// What every state shares, for a transition to read and to change.
    pub(super) fn context_mut(&mut self) -> &mut M::Context {
        &mut self.context
    }
}

/// What the generated `Record<S>` of every machine derefs to: the instance and its state, to read. Only a runtime makes one.
///
/// A method of an event that has the name of one of these, as an event `id`, takes its place on the records of the states that
/// declare the event; `RawRecord::id(&record)` reads it there.
pub struct RawRecord<S: DurableState<Machine: Durable>> {
    state: S,
    meta: RecordMeta<S::Machine>,
}

impl<S: DurableState<Machine: Durable>> RawRecord<S> {
    /// Only a runtime can make a [`RecordMeta`], so only it can make this.
    #[doc(hidden)]
    pub fn __new(state: S, meta: RecordMeta<S::Machine>) -> Self {
        Self { state, meta }
    }

    #[doc(hidden)]
    pub fn __into_parts(self) -> (S, RecordMeta<S::Machine>) {
        (self.state, self.meta)
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

    /// The state's data alone.
    #[must_use]
    pub fn into_data(self) -> S {
        self.state
    }

    /// What every state shares.
    #[must_use]
    pub fn context(&self) -> &<S::Machine as StateMachine>::Context {
        &self.meta.context
    }

    /// Where the row stands.
    #[must_use]
    pub fn meta(&self) -> &RecordMeta<S::Machine> {
        &self.meta
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.meta.id()
    }

    /// The version that the row had when it was read.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.meta.version()
    }

    /// Makes the next transition idempotent: with the same key it is made once, and asked for again, also after a
    /// crash, it answers as it did the first time, whatever a guard says by then.
    ///
    /// Who asks again may find the instance in another state, whose record does not have the event:
    /// [`Machines::fire_with_key`](crate::Machines::fire_with_key) asks by id, whatever the state is. Another event or payload under a used
    /// key is [`TransitionError::KeyReused`]; what counts is its JSON, in which a `HashMap` may be in any order, but a `HashSet` may not.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.meta.idempotency_key = Some(key.into());
        self
    }

    /// One transition, one compare-and-swap. `wrap` puts the typed target into what the caller gets.
    #[doc(hidden)]
    pub fn __commit<E, R>(
        self,
        event: E,
        wrap: impl FnOnce(<S::Machine as Accepts<S, E>>::Target, RecordMeta<S::Machine>) -> R + Send + 'static,
    ) -> Firing<R, S::Machine>
    where
        S::Machine: Accepts<S, E>,
        E: Serialize + Send + 'static,
        R: Send + 'static,
    {
        Firing::new(move || {
            let Self { state, mut meta } = self;
            let payload = to_json(&event)?;
            let moved = <S::Machine as Accepts<S, E>>::transition(state, event, &mut meta.context);
            let event = <S::Machine as Accepts<S, E>>::EVENT;
            let (key, idempotency_key) = (meta.key.clone(), meta.idempotency_key.clone().unwrap_or_default());
            let finish = move |machine, meta| match Target::from_enum(machine) {
                Ok(target) => Ok(wrap(target, meta)),
                // Only a replay under an idempotency key can be in a state that this event does not lead to from here.
                Err(_) => {
                    Err(TransitionError::KeyReused { key, idempotency_key, first: Some(event.as_str().to_owned()) })
                }
            };
            match moved {
                Ok(target) => Ok(meta.plan(S::STATE, event, payload, target.into_enum(), finish)?.into()),
                Err(refused) => meta.refused(refused.machine.into_enum(), event, payload, refused.reason, finish),
            }
        })
    }
}

/// What was made under the idempotency key, if that is what is asked for now.
pub(super) fn same_request<M: Durable>(
    first: HistoryEntry,
    event: M::EventKind,
    payload: &str,
    idempotency_key: String,
) -> Result<HistoryEntry, TransitionError<M>> {
    let same = first.payload.as_deref().is_some_and(|then| same_json(then, payload));
    if first.event.as_deref() == Some(event.as_str()) && same {
        Ok(first)
    } else {
        Err(TransitionError::KeyReused { key: first.key, idempotency_key, first: first.event })
    }
}

/// A guard's answer. Ordinary, like a conflict, and told of as one is.
pub(super) fn refuse<M: Durable>(
    machine: M,
    meta: RecordMeta<M>,
    event: M::EventKind,
    reason: Reason,
) -> TransitionError<M> {
    let (key, state) = (meta.key.clone(), machine.state());
    let (name, id) = (&key.machine, key.id.escape_debug());
    tracing::debug!(machine = %name, %id, %state, version = meta.version, %event, %reason, "refused by a guard");
    TransitionError::Refused { record: Box::new(machine.wrap_any(meta)), key, state, event, reason }
}

/// An event that its state does not declare: where the caller did not know the state, as ordinary as a guard's answer.
pub(super) fn not_accepted<M: Durable>(
    machine: M,
    meta: RecordMeta<M>,
    event: M::EventKind,
    accepts: &'static [M::EventKind],
) -> TransitionError<M> {
    let (key, state) = (meta.key.clone(), machine.state());
    let (name, id) = (&key.machine, key.id.escape_debug());
    tracing::debug!(
        machine = %name, %id, %state, version = meta.version, %event,
        "refused: the state does not declare the event"
    );
    TransitionError::NotAccepted { record: Box::new(machine.wrap_any(meta)), key, state, event, accepts }
}

/// The fields of the state.
impl<S: DurableState<Machine: Durable>> Deref for RawRecord<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.state
    }
}

/// Everything but the data, which is never printed.
impl<S: DurableState<Machine: Durable>> fmt::Debug for RawRecord<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordMeta { key, version, .. } = &self.meta;
        write!(f, "{key} in `{}`, version {version}", S::STATE)
    }
}
