//! Owns the handle on all instances of one machine: create, read, list, history, events by id, waiting.

use super::{CreateFrom, Durable};
use super::{
    error::{ReadError, TransitionError},
    query::ListQuery,
    record::{RawRecord, RecordMeta},
    transition::{self, Firing, Pending, Prepared, Stored},
};
use crate::machine::convert;
use crate::{
    engine::Engine,
    machine::DurableState,
    machine::knows,
    store::{
        Cause, Change, Count, Create, HistoryEntry, HistoryQuery, Key, Origin, Page, Prune, Purge, Row, StoreError,
    },
};
use fsm_core::{StateMachine, Target};
use std::{collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};
use uuid::Uuid;

/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 512;
/// How much of what is left of a removed instance is deleted in one transaction.
const BATCH: usize = 256;

/// All instances of machine `M` in a runtime's store. Cheap to clone.
pub struct Machines<M> {
    pub(super) engine: Arc<Engine>,
    pub(super) origin: Origin,
    machine: PhantomData<fn() -> M>,
}

impl<M: Durable> Machines<M> {
    pub(crate) fn new(engine: Arc<Engine>, origin: Origin) -> Self {
        Self { engine, origin, machine: PhantomData }
    }

    /// The same instances, on behalf of `actor`: the history of what is changed through this handle, and through the
    /// records from it, says so.
    #[must_use]
    pub fn with_actor(&self, actor: impl Into<String>) -> Self {
        let origin = Origin { actor: Some(actor.into()), ..self.origin.clone() };
        Self::new(self.engine.clone(), origin)
    }

    /// The same instances, in the trace of that id: the history of what is changed through this handle, and through the
    /// records from it, says so.
    #[must_use]
    pub fn with_trace_id(&self, trace: impl Into<String>) -> Self {
        let origin = Origin { trace: Some(trace.into()), ..self.origin.clone() };
        Self::new(self.engine.clone(), origin)
    }

    pub(super) fn key(id: &str) -> Key {
        Key::new(M::GRAPH.machine, id)
    }

    /// Makes instance `id` of its birth: a state in which a machine can be born, and where every state shares a context, the
    /// pair of the two, `(state, context)`.
    ///
    /// # Errors
    /// [`TransitionError::Exists`] with the record that has the id already, [`TransitionError::InvalidId`] for an id that is empty,
    /// longer than [`MAX_ID_BYTES`] or holds a NUL, and [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// Dropped half-way, the instance is made or not; creating it again tells which.
    pub fn create<B>(&self, id: &str, birth: B) -> Firing<M::Record<<M as CreateFrom<B>>::Initial>, M>
    where
        M: CreateFrom<B>,
    {
        self.make(id, birth, None)
    }

    /// The same, made once however often it is asked for with the same `key`: asked again, also after a crash, it
    /// answers as it did the first time.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`TransitionError::KeyReused`] where the key stands for another birth: what counts is its state and its JSON, so
    /// that it is another one to a release that has another name for the state, or other fields.
    pub fn create_with_key<B>(
        &self,
        id: &str,
        birth: B,
        key: impl Into<String>,
    ) -> Firing<M::Record<<M as CreateFrom<B>>::Initial>, M>
    where
        M: CreateFrom<B>,
    {
        self.make(id, birth, Some(key.into()))
    }

    // Not an `async fn`: rustc reports a bound that fails on one three times.
    pub(super) fn make<B>(
        &self,
        id: &str,
        birth: B,
        idempotency_key: Option<String>,
    ) -> Firing<M::Record<<M as CreateFrom<B>>::Initial>, M>
    where
        M: CreateFrom<B>,
    {
        let (engine, origin) = (self.engine.clone(), self.origin.clone());
        let (key, checked) = (Self::key(id), check_id(id));
        let (state, context) = M::parts(birth);
        let (machine, context) = (state.into_enum(), Box::new(context));
        Firing::new(move || {
            checked.map_err(|why| TransitionError::InvalidId { why })?;
            if !convert::is_initial::<M>(machine.state()) {
                return Err(TransitionError::NotInitial { key, state: machine.state() });
            }
            let (machine, into) = convert::entering::<M>(machine, &context)?;
            let change = Change::Create(Create {
                key: key.clone(),
                incarnation: Uuid::now_v7(),
                into,
                cause: Cause::Caller,
                idempotency_key: idempotency_key.clone(),
                origin: origin.clone(),
            });
            let (to, by) = (engine.clone(), origin.clone());
            let prepared = Prepared::new(engine, origin, key.clone(), change, idempotency_key, move |stored| {
                let meta = match stored {
                    Stored::Now(row) => RecordMeta::of(&to, &by, &row, context),
                    // The same birth: the key answers for no other.
                    Stored::Before(first) => RecordMeta::of_first(&to, &by, &first, context),
                };
                match Target::from_enum(machine) {
                    Ok(state) => Ok(M::wrap(RawRecord::__new(state, meta))),
                    Err(_) => {
                        Err(TransitionError::Unstorable { key, reason: "it changed its state on the way".to_owned() })
                    }
                }
            });
            Ok(prepared.into())
        })
    }

    /// The instance as it stands, to match on.
    ///
    /// # Errors
    /// [`ReadError::NotFound`]; [`ReadError::Row`] when what is stored does not fit the declaration; [`ReadError::Store`].
    pub async fn get(&self, id: &str) -> Result<M::AnyRecord, ReadError> {
        self.read(Self::key(id)).await
    }

    pub(super) fn read(&self, key: Key) -> Pending<Result<M::AnyRecord, ReadError>> {
        let (engine, origin) = (self.engine.clone(), self.origin.clone());
        Pending::new(async move {
            let row = engine.store.get(key.clone()).await?.ok_or(ReadError::NotFound { key })?;
            let (machine, context) = convert::decode::<M>(&engine.migrations, &row)?;
            Ok(machine.wrap_any(RecordMeta::of(&engine, &origin, &row, context)))
        })
    }

    /// The instance if it stands in `S`, otherwise whatever it is.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_in<S: DurableState<Machine = M>>(
        &self,
        id: &str,
    ) -> Result<Result<M::Record<S>, M::AnyRecord>, ReadError> {
        let (row, (machine, context)) = self.load(id).await?;
        let meta = RecordMeta::of(&self.engine, &self.origin, &row, context);
        Ok(match S::from_enum(machine) {
            Ok(state) => Ok(M::wrap(RawRecord::__new(state, meta))),
            Err(machine) => Err(machine.wrap_any(meta)),
        })
    }

    /// The row of the instance, with what only the run time knows: attempts, owner, last error, why it is parked.
    ///
    /// # Errors
    /// [`ReadError::NotFound`] and [`ReadError::Store`].
    pub async fn row(&self, id: &str) -> Result<Row, ReadError> {
        let key = Self::key(id);
        self.engine.store.get(key.clone()).await?.ok_or(ReadError::NotFound { key })
    }

    pub(super) async fn load(&self, id: &str) -> Result<(Row, convert::Whole<M>), ReadError> {
        let row = self.row(id).await?;
        let machine = convert::decode(&self.engine.migrations, &row)?;
        Ok((row, machine))
    }

    /// One page of instances.
    ///
    /// # Errors
    /// As [`get`](Self::get), for the first row that cannot be read; [`StoreError::Cursor`] for an `after` that no page ended with;
    /// [`StoreError::NoStateIndex`] for a list by state or age where the store has no index of states.
    /// Under [`tolerate_unknown`](crate::Builder::tolerate_unknown) a page leaves out what this code does not know.
    pub async fn list(&self, listing: &ListQuery<M::State>) -> Result<Page<M::AnyRecord>, ReadError> {
        let page = self.rows(listing).await?;
        let tolerant = self.engine.unknown.is_tolerated();
        let left_out = |row: &Row| tolerant && !knows(M::GRAPH, &row.state, row.schema);
        let records = page.items.iter().filter(|row| !left_out(row)).map(|row| {
            let (machine, context) = convert::decode::<M>(&self.engine.migrations, row)?;
            Ok(machine.wrap_any(RecordMeta::of(&self.engine, &self.origin, row, context)))
        });
        Ok(Page::new(records.collect::<Result<_, ReadError>>()?, page.next))
    }

    /// The rows of [`list`](Self::list), undecoded: for tools that show what the run time knows of each.
    ///
    /// # Errors
    /// As [`list`](Self::list), but for rows that cannot be read.
    pub async fn rows(&self, listing: &ListQuery<M::State>) -> Result<Page<Row>, StoreError> {
        self.engine.store.list(listing.filter(M::GRAPH)).await
    }

    /// How many instances stand in each state, by its present name; states without any are left out, and one that is not declared
    /// comes under the name that is stored. Reads the index of states, an entry for each instance.
    ///
    /// # Errors
    /// [`StoreError::NoStateIndex`] where the store has no index of states; otherwise [`StoreError`].
    pub async fn count(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut counts = BTreeMap::new();
        for Count { state, rows, .. } in self.engine.store.count(M::GRAPH.machine.to_owned()).await? {
            let state = M::GRAPH.state_was(&state).map_or(state, |info| info.name.to_owned());
            *counts.entry(state).or_insert(0) += rows;
        }
        Ok(counts.into_iter().collect())
    }

    /// What happened to instance `id`: the `limit` entries after sequence `after` (0 for the first). The history of a
    /// removed id stays readable.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, id: &str, after: u64, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let query = HistoryQuery { key: Some(Self::key(id)), after, newest_first: false, limit };
        self.engine.store.history(query).await
    }

    /// The same backwards: the `limit` entries before sequence `before` (`u64::MAX` for the newest), newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history_back(&self, id: &str, before: u64, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let query = HistoryQuery { key: Some(Self::key(id)), after: before, newest_first: true, limit };
        self.engine.store.history(query).await
    }

    /// Deletes instance `id` for good, with its history and its idempotency keys, those of earlier lives of this id too; of one
    /// that was removed, what is left of it. A worker on it is cancelled. Subscribers that have not seen the entries yet never will.
    ///
    /// # Errors
    /// [`TransitionError::Conflict`] when somebody else changed it meanwhile; [`TransitionError::NotFound`] where nothing is known of the id;
    /// [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// Dropped half-way, it is deleted or not; of what was removed before, a part may be left. Ask again.
    pub async fn purge(&self, id: &str) -> Result<(), TransitionError<M>> {
        let row = match self.row(id).await {
            Ok(row) => row,
            Err(ReadError::NotFound { key }) => return self.forget(key).await,
            Err(error) => return Err(error.into()),
        };
        let purge = Purge { key: row.key.clone(), incarnation: row.incarnation, version: row.version };
        self.commit(row.key, Change::Purge(purge)).await
    }

    /// What is left of an id without a row.
    async fn forget(&self, key: Key) -> Result<(), TransitionError<M>> {
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

/// What is wrong with `id`, if anything is.
fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        Err("an instance's id cannot be empty".to_owned())
    } else if id.len() > MAX_ID_BYTES {
        Err(format!("an instance's id can have {MAX_ID_BYTES} bytes, and this one has {}", id.len()))
    } else if id.contains('\0') {
        Err(format!(
            "an instance's id cannot hold a NUL, which tools and other stores cut it at: `{}`",
            id.escape_debug()
        ))
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
