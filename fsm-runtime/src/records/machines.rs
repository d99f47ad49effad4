//! The handle on all instances of one machine: create, read, list, count, history, purge.

use super::{CreateFrom, Durable};
use super::{
    cursor::List,
    error::{ReadError, TransitionError},
    idempotency_key::IntoIdempotencyKey,
    query::{ListQuery, StateCount},
    record::{RawRecord, RecordMeta},
    transition::{self, Completion, PendingTransition, Prepared},
};
use crate::machine::convert;
use crate::{
    engine::Engine,
    machine::{DurableState, RowError, Seal, older},
    store::{
        Cause, Change, Count, Create, Filter, HistoryEntry, HistoryQuery, Key, Origin, Page, Prune, Purge, Row,
        StoreError,
    },
};
use fsm_core::{StateMachine, Target};
use std::{fmt, marker::PhantomData, sync::Arc};

/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 512;
/// How many entries of a removed instance are deleted in one transaction.
const BATCH: usize = 256;

/// The record of an instance that is created from `B`.
type Created<M, B> = <M as Durable>::Record<<M as CreateFrom<B>>::Initial>;

/// All instances of machine `M` in a runtime's store. From [`Runtime::machines`](crate::Runtime::machines) and, in a worker,
/// [`RawTask::machines`](crate::RawTask::machines). Cheap to clone.
///
/// | to | call |
/// | --- | --- |
/// | create instances | [`create`](Self::create), [`create_with_key`](Self::create_with_key), [`create_many`](Self::create_many) |
/// | read an instance | [`get`](Self::get), [`get_in`](Self::get_in), [`row`](Self::row), [`history`](Self::history), [`find_by_key`](Self::find_by_key) |
/// | list and count | [`list`](Self::list), [`rows`](Self::rows), [`decode`](Self::decode), [`count`](Self::count), [`claims`](Self::claims) |
/// | fire an event in whatever state the instance is | [`fire`](Self::fire), [`fire_with_key`](Self::fire_with_key) |
/// | decide on the current record, again after a conflict | [`retry`](Self::retry) |
/// | wait for a state | [`wait_for`](Self::wait_for), [`wait_until`](Self::wait_until), [`wait_until_passed`](Self::wait_until_passed), [`has_passed`](Self::has_passed) |
/// | reach and keep a state | [`converge`](Self::converge), [`desired_state`](Self::desired_state), [`wait_for_desired_state`](Self::wait_for_desired_state), [`clear_desired_state`](Self::clear_desired_state) |
/// | follow changes | [`changes`](Self::changes), [`change`](Self::change) |
/// | record the origin of changes | [`with_actor`](Self::with_actor), [`with_trace_id`](Self::with_trace_id) |
/// | operate and maintain | [`unpark`](Self::unpark), [`move_to`](Self::move_to), [`move_to_with`](Self::move_to_with), [`purge`](Self::purge), [`migrate_all`](Self::migrate_all) |
pub struct Machines<M> {
    pub(crate) engine: Arc<Engine>,
    pub(crate) origin: Origin,
    machine: PhantomData<fn() -> M>,
}

impl<M: Durable> Machines<M> {
    pub(crate) fn new(engine: Arc<Engine>, origin: Origin) -> Self {
        Self { engine, origin, machine: PhantomData }
    }

    /// The same instances, on behalf of `actor`. Every change through this handle, and through records from it, has the actor in
    /// its history entry.
    #[must_use]
    pub fn with_actor(&self, actor: impl Into<String>) -> Self {
        let origin = Origin { actor: Some(actor.into()), ..self.origin.clone() };
        Self::new(self.engine.clone(), origin)
    }

    /// The same instances, within a trace. Every change through this handle, and through records from it, has the trace id in its
    /// history entry.
    #[must_use]
    pub fn with_trace_id(&self, trace: impl Into<String>) -> Self {
        let origin = Origin { trace: Some(trace.into()), ..self.origin.clone() };
        Self::new(self.engine.clone(), origin)
    }

    pub(super) fn key(id: &str) -> Key {
        Key::new(M::GRAPH.machine, id)
    }

    /// Creates instance `id`. `initial` is an initial state; if the machine has a context, the pair `(state, context)`.
    ///
    /// Await the result, or add it to a [`TransitionGroup`](crate::TransitionGroup).
    ///
    /// # Errors
    /// [`TransitionError::Exists`] with the record of an instance that has the id; [`TransitionError::InvalidId`] for an id that is
    /// empty, longer than [`MAX_ID_BYTES`] or holds a NUL; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the instance is created or not. Creating it again shows which.
    pub fn create<B>(&self, id: &str, initial: B) -> PendingTransition<M::Record<<M as CreateFrom<B>>::Initial>, M>
    where
        M: CreateFrom<B>,
    {
        self.make(id, initial, None)
    }

    /// Like [`create`](Self::create), made once for each `key`: a second call, also after a crash, returns the result of the first.
    ///
    /// `key` can be an `Option`. With `None`, it is [`create`](Self::create).
    ///
    /// # Errors
    /// As [`create`](Self::create); [`TransitionError::KeyReused`] if the key was used for another creation. Creations are compared by
    /// the stored name of the state and its JSON, so a release that renames the state or its fields sends another request.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the instance is created or not. Repeating the call with the same key returns the
    /// result.
    pub fn create_with_key<B>(
        &self,
        id: &str,
        initial: B,
        key: impl IntoIdempotencyKey,
    ) -> PendingTransition<M::Record<<M as CreateFrom<B>>::Initial>, M>
    where
        M: CreateFrom<B>,
    {
        self.make(id, initial, key.into_idempotency_key())
    }

    // Not an `async fn`: rustc reports a bound that fails on one three times.
    fn make<B>(
        &self,
        id: &str,
        initial: B,
        idempotency_key: Option<String>,
    ) -> PendingTransition<M::Record<<M as CreateFrom<B>>::Initial>, M>
    where
        M: CreateFrom<B>,
    {
        match self.creation(id, initial, idempotency_key) {
            Ok(prepared) => PendingTransition::ready(prepared),
            Err(error) => PendingTransition::failed(error),
        }
    }

    pub(super) fn creation<B>(
        &self,
        id: &str,
        initial: B,
        idempotency_key: Option<String>,
    ) -> Result<Prepared<Created<M, B>, M>, TransitionError<M>>
    where
        M: CreateFrom<B>,
    {
        check_id(id).map_err(|why| TransitionError::InvalidId { why })?;
        let (entered, context) = self.engine.clock.scope(|| {
            let (state, context) = M::parts(initial, Seal);
            (convert::entering::<M>(state.into_enum(), &context), context)
        });
        let (target, into) = entered?;
        let (engine, origin) = (self.engine.clone(), self.origin.clone());
        let meta = RecordMeta::new(engine, origin, Self::key(id), idempotency_key.clone(), Box::new(context));
        let change = Change::Create(Create {
            key: meta.key().clone(),
            incarnation: meta.incarnation(),
            into,
            cause: Cause::Caller,
            idempotency_key,
            origin: self.origin.clone(),
        });
        Ok(Prepared { change, completion: Completion { meta, target, creates: true, wrap: in_state } })
    }

    /// The instance as it is, to match on.
    ///
    /// # Errors
    /// [`ReadError::NotFound`]; [`ReadError::Row`] if the row does not fit the declared machine; [`ReadError::Store`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn get(&self, id: &str) -> Result<M::AnyRecord, ReadError> {
        Ok(self.decode(&self.row(id).await?)?)
    }

    /// The instance that `row` describes, as it was when the row was read. For rows of [`row`](Self::row), [`rows`](Self::rows) and
    /// [`claims`](Self::claims).
    ///
    /// # Errors
    /// [`RowError`] if the row does not fit the declared machine.
    pub fn decode(&self, row: &Row) -> Result<M::AnyRecord, RowError> {
        if *row.key.machine != *M::GRAPH.machine {
            return Err(RowError::OtherMachine { key: row.key.clone(), expected: M::GRAPH.machine });
        }
        let (machine, context) = convert::decode::<M>(&self.engine.migrations, row)?;
        Ok(machine.wrap_any(RecordMeta::of(&self.engine, &self.origin, row, context)))
    }

    /// The step that was not undone, if the saga that `row` describes is half undone: the state that undoes the step is parked, so that
    /// step and those before it still have their effects. `None` for an instance that is not parked, is parked in another
    /// state, or has no saga. The reason is in [`Row::parked`]. [`ListQuery::half_undone`] lists these instances.
    ///
    /// ```
    /// # use fsm_runtime::{Durable, Machines, ReadError};
    /// async fn is_half_undone<M: Durable>(machines: &Machines<M>, id: &str) -> Result<bool, ReadError> {
    ///     Ok(machines.half_undone(&machines.row(id).await?).is_some())
    /// }
    /// ```
    #[must_use]
    pub fn half_undone(&self, row: &Row) -> Option<M::State> {
        row.parked.as_ref().filter(|_| *row.key.machine == *M::GRAPH.machine)?;
        let state = older::state(&self.engine.migrations, M::GRAPH, row)?;
        M::GRAPH.saga?.undoes(state)?.state.parse().ok()
    }

    /// The instance if it is in state `S`; `None` if it is in another state.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn get_in<S: DurableState<Machine = M>>(&self, id: &str) -> Result<Option<M::Record<S>>, ReadError> {
        let (row, (machine, context)) = self.load(id).await?;
        Ok(in_state(machine, RecordMeta::of(&self.engine, &self.origin, &row, context)))
    }

    /// The row of the instance, undecoded: with its attempts, its owner, the last error, and why it is parked.
    ///
    /// # Errors
    /// [`ReadError::NotFound`] and [`ReadError::Store`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn row(&self, id: &str) -> Result<Row, ReadError> {
        let key = Self::key(id);
        self.engine.store.get(key.clone()).await?.ok_or(ReadError::NotFound { key })
    }

    pub(super) async fn load(&self, id: &str) -> Result<(Row, convert::Whole<M>), ReadError> {
        let row = self.row(id).await?;
        let machine = convert::decode(&self.engine.migrations, &row)?;
        Ok((row, machine))
    }

    /// One page of instances. A row that does not fit the declared machine, such as one that a newer release has moved, is a
    /// [`RowError`] in its place: the other items, and the pages after it, do not depend on it.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] for an `after` that is not the end of a page of this list; [`StoreError::NoStateIndex`] for a list
    ///  by state or age if the store has no index of states; otherwise [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn list(&self, query: &ListQuery<M::State>) -> Result<Page<Result<M::AnyRecord, RowError>>, StoreError> {
        let Page { items, next } = self.rows(query).await?;
        Ok(Page::new(items.iter().map(|row| self.decode(row)).collect(), next))
    }

    /// The rows of [`list`](Self::list), undecoded: with what the runtime knows of each. [`decode`](Self::decode) makes a record of
    /// one.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] and [`StoreError::NoStateIndex`] as [`list`](Self::list); otherwise [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn rows(&self, query: &ListQuery<M::State>) -> Result<Page<Row>, StoreError> {
        let filter = query.filter(M::GRAPH);
        let list = List::of(&filter);
        let after = list.open(filter.after.as_deref())?;
        let (store, filter) = (&*self.engine.store, Filter { after, ..filter });
        let page = match query.states(M::GRAPH) {
            Some(states) => older::list(store, &self.engine.migrations, M::GRAPH, filter, &states).await?,
            None => store.list(filter).await?,
        };
        Ok(list.close(page))
    }

    /// How many instances are in each state. States without instances are left out. Reads the index of states, an entry for each
    /// instance.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] if the store has no index of states; otherwise [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn count(&self) -> Result<Vec<StateCount<M::State>>, StoreError> {
        let mut counts: Vec<StateCount<M::State>> = Vec::new();
        for (known, Count { state, rows, .. }) in
            older::counts(&*self.engine.store, &self.engine.migrations, M::GRAPH).await?
        {
            let known = known.or_else(|| M::GRAPH.state_was(&state).map(|info| info.name));
            let name = known.map_or(state, str::to_owned);
            match counts.iter_mut().find(|count| count.name == name) {
                Some(count) => count.instances += rows,
                None => counts.push(StateCount { state: name.parse().ok(), name, instances: rows }),
            }
        }
        counts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(counts)
    }

    /// What was made under an idempotency key: the record of instance `id` as it was after the change with this `key`. `None` if the key
    /// was not used. A transition of a record that is not the newest is a [`Conflict`](TransitionError::Conflict).
    ///
    /// Keys of a removed instance are found until the id is created again.
    ///
    /// # Errors
    /// [`ReadError::Row`] if the entry does not fit the declared machine; [`ReadError::Store`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn find_by_key(&self, id: &str, key: &str) -> Result<Option<M::AnyRecord>, ReadError> {
        let Some(first) = self.engine.store.find_by_idempotency_key(Self::key(id), key.to_owned()).await? else {
            return Ok(None);
        };
        let (machine, context) = convert::decode_entry::<M>(&self.engine.migrations, &first)?;
        Ok(Some(machine.wrap_any(RecordMeta::of_entry(&self.engine, &self.origin, &first, context))))
    }

    /// One page of the history of instance `id`. The history of a removed instance stays readable until it is pruned.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn history(&self, id: &str, query: &HistoryQuery) -> Result<Page<HistoryEntry, u64>, StoreError> {
        let query = HistoryQuery { key: Some(Self::key(id)), ..query.clone() };
        let limit = query.limit;
        let entries = self.engine.store.history(query).await?;
        let next = entries.last().map(|entry| entry.sequence).filter(|_| entries.len() == limit);
        Ok(Page::new(entries, next))
    }

    /// Deletes instance `id` with its history and its idempotency keys, also those of former instances with this id. A worker on it
    /// is cancelled. Subscribers that have not read its entries do not get them. With an [actor](Self::with_actor), the operators' log gets
    /// an entry with the actor, the machine and the id.
    ///
    /// # Errors
    /// [`TransitionError::Conflict`] if another caller changed it meanwhile; [`TransitionError::NotFound`] if neither the instance nor
    /// its history exists; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the instance is deleted or not, and the history of a removed one may be deleted in
    /// part. Call it again.
    pub async fn purge(&self, id: &str) -> Result<(), TransitionError<M>> {
        let row = match self.row(id).await {
            Ok(row) => row,
            Err(ReadError::NotFound { key }) => return self.purge_removed(key).await,
            Err(error) => return Err(error.into()),
        };
        let Row { key, incarnation, version, .. } = row;
        let purge = Purge { key: key.clone(), incarnation, version, origin: self.origin.clone(), why: None };
        self.commit(key, Change::Purge(purge)).await
    }

    /// Deletes the history and keys of an id without a row.
    async fn purge_removed(&self, key: Key) -> Result<(), TransitionError<M>> {
        let left = Prune { gone: Some(key.clone()), limit: BATCH, ..Prune::default() };
        let mut known = false;
        while self.engine.store.prune(left.clone()).await? > 0 {
            known = true;
        }
        if known { Ok(()) } else { Err(TransitionError::NotFound { key }) }
    }

    pub(super) async fn commit(&self, key: Key, change: Change) -> Result<(), TransitionError<M>> {
        match self.engine.commit_row(change).await? {
            Ok(_) => Ok(()),
            Err(verdict) => Err(transition::missed(&self.engine, &self.origin, key, None, verdict)),
        }
    }
}

/// The record of a machine that is in state `S`.
pub(super) fn in_state<S: DurableState<Machine = M>, M: Durable>(
    machine: M,
    meta: RecordMeta<M>,
) -> Option<M::Record<S>> {
    S::from_enum(machine).ok().map(|state| M::wrap(RawRecord::__new(state, meta)))
}

/// Why `id` is not valid, if it is not.
fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        Err("an instance's id cannot be empty".to_owned())
    } else if id.len() > MAX_ID_BYTES {
        Err(format!("an instance's id can have {MAX_ID_BYTES} bytes at most, and this one has {}", id.len()))
    } else if id.contains('\0') {
        Err(format!("an instance's id cannot hold a NUL: `{}`", id.escape_debug()))
    } else {
        Ok(())
    }
}

impl<M> Clone for Machines<M> {
    fn clone(&self) -> Self {
        Self { engine: self.engine.clone(), origin: self.origin.clone(), machine: PhantomData }
    }
}

impl<M: StateMachine> fmt::Debug for Machines<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machines({})", M::GRAPH.machine)
    }
}
