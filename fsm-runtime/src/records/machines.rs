//! Owns the handle on all instances of one machine: create, read, list, history, events by id, waiting.

use super::{
    failure::{Failure, ReadError, RowError, WaitError},
    firing::{self, Firing, Pending, Prepared, Stored},
    listing::Listing,
    migrate::Migrated,
    record::{self, Meta, RawRecord},
    rows,
};
use crate::{
    durable::{BornIn, Durable, DurableState},
    shared::Shared,
    store::{
        Attempts, Cause, Change, Create, Entering, HistoryEntry, HistoryQuery, Key, Note, Origin, Page, Purge, Release,
        Rewrite, Row, StoreError, Verdict,
    },
};
use fsm_core::{Name, Rejected, StateMachine};
use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// The longest id, in bytes.
pub const MAX_ID_BYTES: usize = 512;

/// How many instances share a transaction when many are made or rewritten.
const CREATE_BATCH: usize = 256;

/// How often an event given by id is tried again when others keep changing the instance under it.
const FIRE_TRIES: u32 = 16;

/// All instances of machine `M` in a runtime's store. Cheap to clone.
pub struct Machines<M> {
    shared: Arc<Shared>,
    origin: Origin,
    machine: PhantomData<fn() -> M>,
}

impl<M: Durable> Machines<M> {
    pub(crate) fn new(shared: Arc<Shared>, origin: Origin) -> Self {
        Self { shared, origin, machine: PhantomData }
    }

    /// The same instances, on behalf of `actor`: the history of what is changed through this handle, and through the
    /// records from it, says so.
    #[must_use]
    pub fn acting_as(&self, actor: impl Into<String>) -> Self {
        let origin = Origin { actor: Some(actor.into()), ..self.origin.clone() };
        Self::new(self.shared.clone(), origin)
    }

    /// The same instances, in the trace of that id: the history of what is changed through this handle, and through the
    /// records from it, says so.
    #[must_use]
    pub fn in_trace(&self, trace: impl Into<String>) -> Self {
        let origin = Origin { trace: Some(trace.into()), ..self.origin.clone() };
        Self::new(self.shared.clone(), origin)
    }

    fn key(id: &str) -> Key {
        Key::new(M::GRAPH.machine, id)
    }

    /// Makes instance `id` in `state`, in which a machine can be born.
    ///
    /// # Errors
    /// [`Failure::Exists`] with the record that has the id already, [`Failure::InvalidId`] for an id that is empty,
    /// longer than [`MAX_ID_BYTES`] or holds a NUL, and [`Failure::Store`].
    ///
    /// # Cancel safety
    /// Dropped half-way, the instance is made or not; creating it again tells which.
    pub fn create<S>(&self, id: &str, state: S) -> Firing<M::Record<S>, M>
    where
        S: DurableState<Machine = M>,
        M: BornIn<S>,
    {
        self.make(id, state, None)
    }

    /// The same, made once however often it is asked for with the same `key`: asked again, also after a crash, it
    /// answers as it did the first time.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`Failure::KeyReused`] where the key stands for another birth.
    pub fn create_with_key<S>(&self, id: &str, state: S, key: impl Into<String>) -> Firing<M::Record<S>, M>
    where
        S: DurableState<Machine = M>,
        M: BornIn<S>,
    {
        self.make(id, state, Some(key.into()))
    }

    // Not an `async fn`: rustc reports a bound that fails on one three times.
    fn make<S: DurableState<Machine = M>>(
        &self,
        id: &str,
        state: S,
        idempotency_key: Option<String>,
    ) -> Firing<M::Record<S>, M> {
        let (shared, origin) = (self.shared.clone(), self.origin.clone());
        let (key, checked) = (Self::key(id), check_id(id));
        Firing::new(move || {
            checked.map_err(|why| Failure::InvalidId { why })?;
            let (machine, into) = rows::entering::<M>(state.into_enum())?;
            let change = Change::Create(Create {
                key: key.clone(),
                incarnation: Uuid::now_v7(),
                into,
                cause: Cause::Caller,
                idempotency_key: idempotency_key.clone(),
                origin: origin.clone(),
            });
            let (to, by) = (shared.clone(), origin.clone());
            Ok(Prepared::new(shared, origin, key.clone(), change, idempotency_key, move |stored| {
                let meta = match stored {
                    Stored::Now(row) => Meta::of(&to, &by, &row),
                    Stored::Before(first) => Meta::of_first(&to, &by, &first, first.at),
                };
                match S::from_enum(machine) {
                    Ok(state) => Ok(M::wrap(RawRecord::new(state, meta))),
                    Err(_) => Err(Failure::Unstorable { key, reason: "it changed its state on the way".to_owned() }),
                }
            }))
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
        let (shared, origin) = (self.shared.clone(), self.origin.clone());
        Pending::new(async move {
            let row = shared.store.get(key.clone()).await?.ok_or(ReadError::NotFound { key })?;
            Ok(rows::decode::<M>(&shared.migrations, &row)?.wrap_any(Meta::of(&shared, &origin, &row)))
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
        let (row, machine) = self.load(id).await?;
        let meta = Meta::of(&self.shared, &self.origin, &row);
        Ok(match S::from_enum(machine) {
            Ok(state) => Ok(M::wrap(RawRecord::new(state, meta))),
            Err(machine) => Err(machine.wrap_any(meta)),
        })
    }

    /// The row of the instance, with what only the run time knows: attempts, owner, last error, why it is parked.
    ///
    /// # Errors
    /// [`ReadError::NotFound`] and [`ReadError::Store`].
    pub async fn row(&self, id: &str) -> Result<Row, ReadError> {
        let key = Self::key(id);
        self.shared.store.get(key.clone()).await?.ok_or(ReadError::NotFound { key })
    }

    async fn load(&self, id: &str) -> Result<(Row, M), ReadError> {
        let row = self.row(id).await?;
        let machine = rows::decode(&self.shared.migrations, &row)?;
        Ok((row, machine))
    }

    /// Fires `event` on instance `id`, in whatever state it stands, if that state declares it.
    ///
    /// When somebody else changes the instance at the same time, it is read again and the event is tried on what it has
    /// become. Where the decision depends on what was read before, fire on the record instead.
    ///
    /// # Errors
    /// [`Failure::NotAccepted`] and [`Failure::Refused`] with the record as it stands; [`Failure::NotFound`];
    /// [`Failure::Conflict`] when others kept being first.
    ///
    /// # Cancel safety
    /// Dropped half-way, the event is fired or not; read the instance to see which.
    pub fn fire(&self, id: &str, event: impl Into<M::Event>) -> Pending<Result<M::AnyRecord, Failure<M>>> {
        self.seek(id, event.into(), None)
    }

    /// The same, made once however often it is asked for with the same `key`: asked again, also after a crash and though
    /// the instance has moved on, it answers as it did the first time.
    ///
    /// # Errors
    /// As [`fire`](Self::fire); [`Failure::KeyReused`] where the key stands for another event or payload.
    pub fn fire_with_key(
        &self,
        id: &str,
        event: impl Into<M::Event>,
        key: impl Into<String>,
    ) -> Pending<Result<M::AnyRecord, Failure<M>>> {
        self.seek(id, event.into(), Some(key.into()))
    }

    fn seek(
        &self,
        id: &str,
        mut event: M::Event,
        idempotency_key: Option<String>,
    ) -> Pending<Result<M::AnyRecord, Failure<M>>> {
        let (this, id) = (self.clone(), id.to_owned());
        Pending::new(async move {
            let kind = M::kind_of(&event);
            let payload = M::encode_event(&event)?;
            let mut tries = 0;
            loop {
                tries += 1;
                let (row, machine) = this.load(&id).await?;
                let mut meta = Meta::<M>::of(&this.shared, &this.origin, &row);
                // Before legality: the first call may have moved the instance to where the event is not accepted.
                if let Some(key) = &idempotency_key
                    && let Some(first) = this.shared.store.first(row.key.clone(), row.incarnation, key.clone()).await?
                {
                    if first.event.as_deref() != Some(kind.as_str()) || first.payload.as_ref() != Some(&payload) {
                        let (key, idempotency_key) = (meta.key().clone(), key.clone());
                        return Err(Failure::KeyReused { key, idempotency_key, first: first.event });
                    }
                    let machine = meta.replay(&first)?;
                    return Ok(machine.wrap_any(Meta::of_first(&this.shared, &this.origin, &first, row.created)));
                }
                meta.set_key(idempotency_key.clone());
                let (from, accepts) = (machine.state(), machine.accepts());
                let target = match machine.apply(event) {
                    Ok(target) => target,
                    Err(Rejected { machine, reason: Some(reason), .. }) => {
                        return Err(record::refuse(machine, meta, reason));
                    }
                    Err(Rejected { machine, reason: None, .. }) => {
                        let record = Box::new(machine.wrap_any(meta));
                        return Err(Failure::NotAccepted { record, state: from, event: kind, accepts });
                    }
                };
                let plan =
                    meta.plan(from, kind, payload.clone(), target, |machine, meta| Ok(machine.wrap_any(meta)))?;
                match plan.commit().await {
                    Err(Failure::Conflict(_)) if tries < FIRE_TRIES => event = M::decode_event(kind, &payload)?,
                    decided => return decided,
                }
            }
        })
    }

    /// Reads the instance and lets `decide` act on it, again and again while others are faster: `tries` times at most,
    /// after which the last conflict is the answer.
    ///
    /// ```
    /// # use fsm_runtime::{Failure, Machines, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Tab { #[on(add { cents: u64 } => Open, with = add)] #[on(pay => Paid)] Open { cents: u64 }, #[state(end)] Paid }
    /// # fn add(mut open: tab::Open, event: tab::event::Add) -> tab::Open { open.cents += event.cents; open }
    /// # async fn example(tabs: Machines<Tab>) -> Result<(), tab::Failure> {
    /// tabs.retry("table 7", 10, async |tab| match tab {
    ///     tab::AnyRecord::Open(open) if open.cents > 0 => open.pay().await.map(drop),
    ///     _ => Ok(()), // nothing to pay
    /// })
    /// .await
    /// # }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// What `decide` fails with, but for a conflict before the last try; [`Failure::NotFound`]; [`Failure::Store`].
    ///
    /// # Cancel safety
    /// As that of `decide`.
    pub async fn retry<T>(
        &self,
        id: &str,
        tries: u32,
        mut decide: impl AsyncFnMut(M::AnyRecord) -> Result<T, Failure<M>>,
    ) -> Result<T, Failure<M>> {
        let mut left = tries;
        loop {
            left = left.saturating_sub(1);
            match decide(self.get(id).await?).await {
                Err(Failure::Conflict(_)) if left > 0 => {}
                decided => return decided,
            }
        }
    }

    /// One page of instances.
    ///
    /// # Errors
    /// As [`get`](Self::get), for the first row that cannot be read; [`StoreError::Cursor`] for an `after` that no page ended with.
    pub async fn list(&self, listing: &Listing<M::State>) -> Result<Page<M::AnyRecord>, ReadError> {
        let page = self.rows(listing).await?;
        let records = page.items.iter().map(|row| {
            let machine = rows::decode::<M>(&self.shared.migrations, row)?;
            Ok(machine.wrap_any(Meta::of(&self.shared, &self.origin, row)))
        });
        Ok(Page::new(records.collect::<Result<_, ReadError>>()?, page.next))
    }

    /// The rows of [`list`](Self::list), undecoded: for tools that show what the run time knows of each.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rows(&self, listing: &Listing<M::State>) -> Result<Page<Row>, StoreError> {
        self.shared.store.list(listing.filter(M::GRAPH.machine)).await
    }

    /// How many instances stand in each state, as stored; states without any are left out. Reads the index of states, an
    /// entry for each instance.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.shared.store.count(M::GRAPH.machine.to_owned()).await
    }

    /// What happened to instance `id`: the `limit` entries after sequence `after` (0 for the first). The history of a
    /// removed id stays readable.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, id: &str, after: u64, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let query = HistoryQuery { key: Some(Self::key(id)), after, newest_first: false, limit };
        self.shared.store.history(query).await
    }

    /// The same backwards: the `limit` entries before sequence `before` (`u64::MAX` for the newest), newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history_back(&self, id: &str, before: u64, limit: usize) -> Result<Vec<HistoryEntry>, StoreError> {
        let query = HistoryQuery { key: Some(Self::key(id)), after: before, newest_first: true, limit };
        self.shared.store.history(query).await
    }

    /// Deletes instance `id` for good, with its history and its idempotency keys, those of earlier lives of this id too.
    /// A worker on it is cancelled. Subscribers that have not seen the entries yet never will.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when somebody else changed it meanwhile; [`Failure::NotFound`]; [`Failure::Store`].
    pub async fn purge(&self, id: &str) -> Result<(), Failure<M>> {
        let row = self.row(id).await?;
        let purge = Purge { key: row.key.clone(), incarnation: row.incarnation, version: row.version };
        self.commit(row.key, Change::Purge(purge)).await
    }

    /// Makes many instances at once, each decided for itself: a few transactions for all of them.
    ///
    /// # Errors
    /// Each result is that of a [`create`](Self::create).
    pub async fn create_many<S>(
        &self,
        instances: impl IntoIterator<Item = (String, S)>,
    ) -> Vec<Result<M::Record<S>, Failure<M>>>
    where
        S: DurableState<Machine = M>,
        M: BornIn<S>,
    {
        let mut results = Vec::new();
        let mut prepared = Vec::new();
        for (id, state) in instances {
            // Always planned: nobody has polled it.
            let plan = self.make(&id, state, None).prepare();
            match plan.unwrap_or_else(|| Err(Failure::NotFound { key: Self::key(&id) })) {
                Ok(plan) => {
                    let (_, change, decide) = plan.split();
                    prepared.push((results.len(), change, decide));
                    results.push(None);
                }
                Err(failure) => results.push(Some(Err(failure))),
            }
        }
        while !prepared.is_empty() {
            let batch: Vec<_> = prepared.drain(..prepared.len().min(CREATE_BATCH)).collect();
            let groups = batch.iter().map(|(_, change, _)| change.clone().into()).collect();
            match self.shared.store.commit(groups, self.shared.clock.now()).await {
                Ok(verdicts) => {
                    for ((place, _, decide), verdict) in batch.into_iter().zip(verdicts) {
                        results[place] = Some(decide(match verdict {
                            Verdict::Committed { mut rows } if rows.len() == 1 => {
                                self.shared.announce(&rows);
                                Ok(rows.remove(0))
                            }
                            verdict => Err(verdict),
                        }));
                    }
                }
                Err(error) => {
                    for (place, ..) in batch {
                        results[place] = Some(Err(Failure::Store(error.clone())));
                    }
                }
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Writes all rows of older schema versions under the present one, `told` of the progress now and then. Others can
    /// work meanwhile, but not processes of older code: their rows would become newer than they know.
    ///
    /// Not needed for correctness: older rows are brought up to date when they are read, and written so when they move.
    ///
    /// # Errors
    /// [`ReadError::Row`] for the first row that cannot be brought up to date; what was written stays. [`ReadError::Store`].
    pub async fn migrate_all(&self, mut told: impl FnMut(Migrated)) -> Result<Migrated, ReadError> {
        let (mut done, mut listing) = (Migrated::default(), Listing::all().limit(CREATE_BATCH));
        loop {
            let page = self.rows(&listing).await?;
            let mut groups = Vec::new();
            for row in &page.items {
                done.seen += 1;
                if row.schema < M::GRAPH.version {
                    let machine = rows::decode::<M>(&self.shared.migrations, row)?;
                    let (_, into) = rows::entering(machine).map_err(|cause| RowError::Undecodable {
                        key: row.key.clone(),
                        state: row.state.clone(),
                        cause,
                    })?;
                    let Row { key, incarnation, version, .. } = row.clone();
                    let Entering { state, data, schema, .. } = into;
                    groups.push(Change::Rewrite(Rewrite { key, incarnation, version, state, data, schema }).into());
                }
            }
            for verdict in self.shared.store.commit(groups, self.shared.clock.now()).await? {
                match verdict {
                    Verdict::Committed { .. } => done.rewritten += 1,
                    _ => done.changed_meanwhile += 1,
                }
            }
            told(done);
            let Some(next) = page.next else { break };
            listing = listing.after(next);
        }
        self.shared.store.retire(M::GRAPH.machine.to_owned(), M::GRAPH.version).await?;
        Ok(done)
    }

    async fn commit(&self, key: Key, change: Change) -> Result<(), Failure<M>> {
        match self.shared.commit_row(change).await? {
            Ok(_) => Ok(()),
            Err(verdict) => Err(firing::missed(&self.shared, &self.origin, key, None, verdict)),
        }
    }

    /// Lets work on a parked instance begin anew, with its attempts counted from zero; noted in the history.
    ///
    /// On an instance that is not parked it does nothing.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when somebody else changed it meanwhile, [`Failure::NotFound`], [`Failure::Store`].
    pub async fn release(&self, id: &str) -> Result<(), Failure<M>> {
        let row = self.row(id).await?;
        if row.parked.is_none() {
            return Ok(());
        }
        let release = Release {
            key: row.key.clone(),
            incarnation: row.incarnation,
            version: row.version,
            fence: row.fence,
            retry: Some(Duration::ZERO),
            attempts: Attempts::Reset,
            error: None,
            parked: None,
            note: Some(Note {
                about: "released",
                text: format!("after {} attempts", row.attempt),
                cause: Cause::Operator,
            }),
        };
        self.commit(row.key, Change::Release(release)).await
    }

    /// Waits until instance `id` stands in `state`, for `timeout` at most; a state that it only passes through between
    /// two looks can be missed. Changes by other processes are seen too.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] says where it stands instead; [`WaitError::Read`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn wait_for(&self, id: &str, state: M::State, timeout: Duration) -> Result<M::AnyRecord, WaitError> {
        self.wait_until(id, timeout, state.as_str(), |now| now == state).await
    }

    /// Waits until instance `id` stands in a state that `wanted` says yes to; `what` names it in the error.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for).
    pub async fn wait_until(
        &self,
        id: &str,
        timeout: Duration,
        what: &'static str,
        wanted: impl Fn(M::State) -> bool,
    ) -> Result<M::AnyRecord, WaitError> {
        let key = Self::key(id);
        let mut word = self.shared.changes.subscribe();
        let deadline = self.shared.clock.elapsed().saturating_add(timeout);
        loop {
            let (row, machine) = self.load(id).await?;
            if wanted(machine.state()) {
                return Ok(machine.wrap_any(Meta::of(&self.shared, &self.origin, &row)));
            }
            let left = deadline.saturating_sub(self.shared.clock.elapsed());
            let told = async {
                loop {
                    match word.recv().await {
                        Ok(other) if other != key => {}
                        // Missed some: look.
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            if self.shared.clock.timeout(left, told).await.is_none() {
                let state = machine.state().as_str();
                return Err(WaitError::Timeout { key, wanted: what, waited: timeout, state, version: row.version });
            }
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
        Self { shared: self.shared.clone(), origin: self.origin.clone(), machine: PhantomData }
    }
}

impl<M: StateMachine> fmt::Debug for Machines<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machines({})", M::GRAPH.machine)
    }
}
