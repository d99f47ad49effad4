//! The typed record of one instance: its state and version, and its transitions, each one compare-and-swap.

use super::{AnyRecord as _, Durable};
use super::{
    error::TransitionError,
    idempotency_key::IntoIdempotencyKey,
    transition::{Completion, PendingTransition, Prepared, Refused, Wrap},
};
use crate::machine::convert;
use crate::{
    codec::to_json,
    engine::Engine,
    log::log_key,
    machine::DurableState,
    store::{Cause, Change, HistoryEntry, Key, Origin, Request, Row, Transition},
};
use fsm_core::{Accepts, Name, Reason, StateMachine, Target};
use serde::Serialize;
use std::{fmt, ops::Deref, sync::Arc, time::SystemTime};
use uuid::Uuid;

/// A record without its state: the instance's key and version, and the machine's context. Created by the runtime only.
pub struct RecordMeta<M: Durable> {
    engine: Arc<Engine>,
    key: Key,
    incarnation: Uuid,
    version: u64,
    idempotency_key: Option<String>,
    origin: Origin,
    /// `None` if a history entry does not say it.
    created: Option<SystemTime>,
    entered: SystemTime,
    context: Box<M::Context>,
}

impl<M: Durable> RecordMeta<M> {
    /// Of the instance that `row` describes.
    pub(super) fn of(engine: &Arc<Engine>, origin: &Origin, row: &Row, context: Box<M::Context>) -> Self {
        Self {
            engine: engine.clone(),
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            idempotency_key: None,
            origin: origin.clone(),
            created: Some(row.created),
            entered: row.updated,
            context,
        }
    }

    /// Of the instance as it was after `entry`.
    pub(crate) fn of_entry(
        engine: &Arc<Engine>,
        origin: &Origin,
        entry: &HistoryEntry,
        context: Box<M::Context>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            key: entry.key.clone(),
            incarnation: entry.incarnation,
            version: entry.version,
            idempotency_key: None,
            origin: origin.clone(),
            created: created_by(entry),
            entered: entry.at,
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

    /// When the instance was created. `None` for a record of a past change, such as one from a stream of changes, or the repeated
    /// result of a request with an idempotency key: history entries do not have the time of the creation.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        self.created
    }

    /// When the instance entered its state.
    #[must_use]
    pub fn entered(&self) -> SystemTime {
        self.entered
    }

    /// The context, which all states share; `()` if there is none.
    #[must_use]
    pub fn context(&self) -> &M::Context {
        &self.context
    }

    /// The context, without the record.
    #[doc(hidden)]
    #[must_use]
    pub fn __into_context(self) -> M::Context {
        *self.context
    }

    /// Of an instance that is about to be created.
    pub(super) fn new(
        engine: Arc<Engine>,
        origin: Origin,
        key: Key,
        idempotency_key: Option<String>,
        context: Box<M::Context>,
    ) -> Self {
        let (incarnation, created, entered) = (Uuid::now_v7(), None, SystemTime::UNIX_EPOCH);
        Self { engine, key, incarnation, version: 0, idempotency_key, origin, created, entered, context }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    pub(super) fn incarnation(&self) -> Uuid {
        self.incarnation
    }

    /// The same instance, as `row` describes it. An idempotency key applies to one transition.
    pub(super) fn moved_to(self, row: &Row) -> Self {
        let (incarnation, version) = (row.incarnation, row.version);
        let (created, entered) = (Some(row.created), row.updated);
        Self { incarnation, version, created, entered, idempotency_key: None, ..self }
    }

    pub(super) fn into_origin(self) -> (Arc<Engine>, Origin, Key, Option<String>) {
        (self.engine, self.origin, self.key, self.idempotency_key)
    }

    /// The compare-and-swap that moves the row to `target`.
    pub(super) fn transition<R>(
        self,
        from: M::State,
        event: M::EventKind,
        payload: String,
        target: M,
        wrap: Wrap<R, M>,
    ) -> Result<Prepared<R, M>, TransitionError<M>> {
        let cause = Cause::Caller;
        let (target, into, internal) = convert::moving(target, &self.context, from.as_str(), event.as_str(), cause)?;
        let change = Change::Transition(Transition {
            key: self.key.clone(),
            incarnation: self.incarnation,
            version: self.version,
            fence: None,
            from: from.as_str().to_owned(),
            event: event.as_str().to_owned(),
            payload,
            into,
            internal,
            cause,
            not_before: None,
            idempotency_key: self.idempotency_key.clone(),
            origin: self.origin.clone(),
        });
        Ok(Prepared { change, completion: Completion { meta: self, target, creates: false, wrap } })
    }

    pub(super) fn set_key(&mut self, idempotency_key: Option<String>) {
        self.idempotency_key = idempotency_key;
    }

    /// The context, for a transition to read and change.
    pub(super) fn context_mut(&mut self) -> &mut M::Context {
        &mut self.context
    }
}

/// Without the context, which is never printed.
impl<M: Durable> fmt::Debug for RecordMeta<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordMeta").field("key", &self.key).field("version", &self.version).finish_non_exhaustive()
    }
}

/// When the instance was created, if `entry` is its creation.
fn created_by(entry: &HistoryEntry) -> Option<SystemTime> {
    entry.from.is_none().then_some(entry.at)
}

/// The methods that all records have, whatever the machine: the generated `Record<S>` dereferences to it. Created by the runtime only.
///
/// The generated record adds a method for each event of the state. An event with the name of a method here, such as `id`, takes
/// precedence on the record; `RawRecord::id(&record)` calls the method here.
pub struct RawRecord<S: DurableState<Machine: Durable>> {
    state: S,
    meta: RecordMeta<S::Machine>,
}

impl<S: DurableState<Machine: Durable>> RawRecord<S> {
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

    /// The data of the state.
    #[must_use]
    pub fn data(&self) -> &S {
        &self.state
    }

    /// The data of the state, without the record.
    #[must_use]
    pub fn into_data(self) -> S {
        self.state
    }

    /// The machine's context, which all states share.
    #[must_use]
    pub fn context(&self) -> &<S::Machine as StateMachine>::Context {
        &self.meta.context
    }

    /// The instance's key and version.
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

    /// When the instance was created; see [`RecordMeta::created`].
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        self.meta.created()
    }

    /// When the instance entered its state.
    #[must_use]
    pub fn entered(&self) -> SystemTime {
        self.meta.entered()
    }

    /// Makes the next transition idempotent. With the same key it is made once; a second call, also after a crash, returns
    /// the result of the first, even if a guard would refuse it by then.
    ///
    /// After a crash the instance may be in another state, whose record does not have the event. Use
    /// [`Machines::fire_with_key`](crate::Machines::fire_with_key) then, which takes the id. Another event or payload under a
    /// used key is [`TransitionError::KeyReused`]. Payloads are compared as JSON: the order of a `HashMap` does not matter, the
    /// order of a `HashSet` does.
    ///
    /// `key` can be an `Option`. With `None`, the transition has no key.
    #[must_use]
    pub fn with_key(mut self, key: impl IntoIdempotencyKey) -> Self {
        self.meta.idempotency_key = key.into_idempotency_key();
        self
    }

    /// Calls `f` at the time of the runtime's clock.
    #[doc(hidden)]
    pub fn __scope<T>(&self, f: impl FnOnce() -> T) -> T {
        self.meta.engine().clock.scope(f)
    }

    /// Builds one transition, which is one compare-and-swap. `wrap` makes the caller's result of the machine after it.
    #[doc(hidden)]
    pub fn __commit<E, R>(self, event: E, wrap: Wrap<R, S::Machine>) -> PendingTransition<R, S::Machine>
    where
        S::Machine: Accepts<S, E>,
        E: Serialize + Send + 'static,
        R: Send + 'static,
    {
        let Self { state, mut meta } = self;
        let kind = <S::Machine as Accepts<S, E>>::EVENT;
        let payload = to_json(&event);
        let payload = payload.and_then(|it| convert::readable_payload::<S::Machine>(kind, &it).map(|()| it));
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return PendingTransition::failed(error.into()),
        };
        let clock = meta.engine().clock.clone();
        clock.scope(|| match <S::Machine as Accepts<S, E>>::transition(state, event, &mut meta.context) {
            Ok(target) => match meta.transition(S::STATE, kind, payload, target.into_enum(), wrap) {
                Ok(prepared) => PendingTransition::ready(prepared),
                Err(error) => PendingTransition::failed(error),
            },
            Err(refused) => {
                let (machine, reason) = (refused.machine.into_enum(), refused.reason);
                PendingTransition::refused(Refused { meta, machine, event: kind, payload, reason, wrap })
            }
        })
    }
}

/// `first`, the entry under `idempotency_key`, if `request` wrote it.
pub(super) fn same_request<M: Durable>(
    first: HistoryEntry,
    request: Request<'_>,
    idempotency_key: &str,
) -> Result<HistoryEntry, TransitionError<M>> {
    if request.wrote(&first) {
        return Ok(first);
    }
    let idempotency_key = idempotency_key.to_owned();
    Err(TransitionError::KeyReused { key: first.key, idempotency_key, first: first.event })
}

/// The error of a guard that refuses. It is an ordinary outcome, logged at level `DEBUG` as a conflict is.
pub(super) fn refuse<M: Durable>(
    machine: M,
    meta: RecordMeta<M>,
    event: M::EventKind,
    reason: Reason,
) -> TransitionError<M> {
    let (key, state) = (meta.key.clone(), machine.state());
    log_key!(debug, key, %state, version = meta.version, %event, %reason, "refused by a guard");
    TransitionError::Refused { record: Box::new(machine.wrap_any(meta)), key, state, event, reason }
}

/// The error of an event that the state does not declare.
pub(super) fn not_accepted<M: Durable>(machine: M, meta: RecordMeta<M>, event: M::EventKind) -> TransitionError<M> {
    let (key, state) = (meta.key.clone(), machine.state());
    log_key!(
        debug, key, %state, version = meta.version, %event,
        "refused: the state does not declare the event"
    );
    let record = Box::new(machine.wrap_any(meta));
    let accepts = record.accepts();
    TransitionError::NotAccepted { record, key, state, event, accepts }
}

/// The fields of the state.
impl<S: DurableState<Machine: Durable>> Deref for RawRecord<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.state
    }
}

/// Without the data, which is never printed.
impl<S: DurableState<Machine: Durable>> fmt::Debug for RawRecord<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordMeta { key, version, .. } = &self.meta;
        write!(f, "{key} in `{}`, version {version}", S::STATE)
    }
}
