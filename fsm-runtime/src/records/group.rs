//! Groups: changes of one or several machines in one transaction, with the caller's own statements if the store supports them.

use super::Durable;
use super::{
    fire::FIRE_TRIES,
    group_error::GroupError,
    member::{Failure, Member, member},
    transition::PendingTransition,
};
use crate::{
    engine::{Engine, turns::Turn},
    error_kind::ErrorKind,
    store::{self, Change, HistoryEntry, Key, TransactionalSql, Verdict},
    sync::Mutex,
};
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    future::Future,
    marker::PhantomData,
    sync::Arc,
};
use tokio::sync::oneshot;

/// Changes that are committed in one transaction, or none of them: transitions of records, events that are fired by id, and
/// creations. A group changes each instance at most once. From [`Runtime::group`](crate::Runtime::group) and
/// [`RawTask::group`](crate::RawTask::group).
///
/// ```
/// # use fsm_runtime::{GroupError, Runtime, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
/// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Packed, durable, derive(Serialize, Deserialize))]
/// # enum Parcel { #[on(send => Sent)] Packed, #[state(end)] Sent }
/// # async fn example(
/// #     runtime: Runtime, order: order::Record<order::Open>, parcel: parcel::Record<parcel::Packed>,
/// # ) -> Result<(), GroupError> {
/// let mut group = runtime.group();
/// let paid = group.add(order.pay());
/// let sent = group.add(parcel.send());
/// let mut done = group.commit().await?; // both, or neither
/// let (paid, sent) = (done.take(paid), done.take(sent)); // their records, in the new states
/// # Ok(()) }
/// # fn main() {}
/// ```
///
/// # Repeating a group
///
/// To make a group idempotent, give an idempotency key to one of its changes. If the group was committed before, a second commit
/// changes nothing and returns the results of the first, also after a crash. The key has to be unique among the requests for the
/// instance that it is used on. Changes without a key of their own get one that is derived from it.
///
/// Build the group from events by id and creations: a repeated request may find its instances in other states, whose records do not
/// have the events.
///
/// ```
/// # use fsm_runtime::{GroupError, Runtime, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Cart, durable, derive(Serialize, Deserialize))]
/// # enum Order { #[on(place => Placed)] Cart, #[state(end)] Placed }
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Valid, durable, derive(Serialize, Deserialize))]
/// # enum Coupon { #[on(redeem => Redeemed)] Valid, #[state(end)] Redeemed }
/// # async fn example(runtime: Runtime, key: &str) -> Result<(), GroupError> {
/// let (orders, coupons) = (runtime.machines::<Order>(), runtime.machines::<Coupon>());
/// let mut group = runtime.group();
/// let placed = group.add(orders.fire_with_key("o-1", order::event::Place, key));
/// group.add(coupons.fire("SPRING", coupon::event::Redeem));
/// let placed = group.commit().await?.take(placed); // the same record each time
/// # Ok(()) }
/// # fn main() {}
/// ```
///
/// If some of the changes were made under their keys and others were not, the commit fails with [`GroupError::KeyReused`].
///
/// # Contention
///
/// Events by id wait for their turn on each instance and are decided again after a conflict, as those of
/// [`Machines::fire`](crate::Machines::fire) are. A conflict on a record fails the group.
#[must_use = "nothing happens until it is committed"]
pub struct TransitionGroup {
    engine: Arc<Engine>,
    members: Vec<Box<dyn Member>>,
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Identifies one change of a [`TransitionGroup`]. Pass it to [`GroupOutput::take`] to get the result.
#[derive(Debug)]
pub struct Ticket<R>(usize, PhantomData<fn() -> R>);

impl TransitionGroup {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, members: Vec::new() }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    #[cfg(feature = "postgres")]
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a change: a record's transition, an event that is fired by id, or a creation. After the commit, pass the ticket to
    /// [`GroupOutput::take`] to get its result.
    pub fn add<R: Send + 'static, M: Durable>(&mut self, transition: PendingTransition<R, M>) -> Ticket<R> {
        self.members.push(member(transition));
        Ticket(self.members.len() - 1, PhantomData)
    }

    /// Commits all changes, or none. If the group was committed before under its idempotency key, nothing is changed, and the
    /// results are those of the first commit.
    ///
    /// # Errors
    /// [`GroupError`]. Nothing was changed, except possibly after [`StoreError::Indeterminate`](store::StoreError::Indeterminate).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, all of the changes are made or none.
    pub async fn commit(self) -> Result<GroupOutput, GroupError> {
        if self.members.is_empty() {
            return Err(GroupError::Empty);
        }
        let engine = self.engine.clone();
        self.run(move |changes| {
            let engine = engine.clone();
            async move { Ok(engine.commit_group(store::Group { changes }).await?) }
        })
        .await
    }

    /// Commits all changes and runs `statements` in the same transaction, or does nothing.
    ///
    /// `store` is a clone of the store that the runtime was built with; it has to support statements of the caller
    /// ([`TransactionalSql`]). `statements` runs after the changes, while all other changes wait: keep it short. If it fails, the
    /// changes are not made.
    ///
    /// The second value is what `statements` returned. It is `None` if the group was committed before under its idempotency key: the
    /// statements ran then, and do not run again.
    ///
    #[cfg_attr(feature = "sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
    /// # use fsm_runtime::{GroupError, Runtime, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
    /// # async fn example(store: Sqlite, runtime: Runtime, order: order::Record<order::Open>) -> Result<(), GroupError> {
    /// let mut group = runtime.group();
    /// let paid = group.add(order.pay());
    /// let (mut done, _) = group
    ///     .commit_with(&store, |sql| Ok(sql.execute("INSERT INTO receipts (text) VALUES (?1)", &["paid".into()])?))
    ///     .await?;
    /// let paid = done.take(paid);
    /// # Ok(()) }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// As [`commit`](Self::commit); [`GroupError::Statements`] with the error of `statements`, also if a statement ended the transaction;
    /// [`GroupError::OtherStore`] if `store` is not the runtime's.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, everything is done or nothing.
    pub async fn commit_with<S: TransactionalSql, T: Send + 'static>(
        self,
        store: &S,
        statements: impl FnOnce(&S::Sql<'_>) -> Result<T, BoxError> + Send + 'static,
    ) -> Result<(GroupOutput, Option<T>), GroupError> {
        let engine = self.engine.clone();
        if !engine.uses(store) {
            return Err(GroupError::OtherStore);
        }
        // The store's closure returns success only: the value is kept here.
        let (put, mut made) = oneshot::channel();
        // An attempt that ends in a conflict does not run them.
        let statements = Arc::new(Mutex::new(Some((put, statements))));
        let output = self
            .run(move |changes| {
                let (engine, store, statements) = (engine.clone(), store.clone(), statements.clone());
                let run = move |sql: &S::Sql<'_>| {
                    let taken = statements.lock().take();
                    let (put, statements) = taken.ok_or("they ran in an earlier attempt")?;
                    let _ = put.send(statements(sql)?);
                    Ok(())
                };
                async move {
                    let verdict = engine.commit_with(store, store::Group { changes }, Box::new(run)).await?;
                    verdict.map_err(GroupError::Statements)
                }
            })
            .await?;
        match (made.try_recv(), output.is_repeated()) {
            (Ok(made), false) => Ok((output, Some(made))),
            (_, true) => Ok((output, None)),
            (Err(_), false) => Err(GroupError::Statements("they did not run".into())),
        }
    }

    /// Commits the changes with `submit`, again after a conflict of an event that is fired by id.
    pub(super) async fn run<F>(self, submit: impl Fn(Vec<Change>) -> F + Send) -> Result<GroupOutput, GroupError>
    where
        F: Future<Output = Result<Verdict, GroupError>> + Send,
    {
        let Self { engine, mut members } = self;
        for (place, member) in members.iter_mut().enumerate().filter(|(_, member)| member.key().is_none()) {
            member.change().await.map_err(|failure| failed(place, failure))?;
        }
        each_instance_once(&members)?;
        let has_key = share_key(&mut members);
        let _turns = match turns(&engine, by_id(&members)).await {
            Ok(turns) => turns,
            Err(late) => return Err(failed(late, members.swap_remove(late).contended())),
        };
        let mut tries = 0;
        loop {
            tries += 1;
            if has_key && let Some(first) = committed_before(&mut members).await? {
                return replay(members, first);
            }
            let mut changes = Vec::with_capacity(members.len());
            let mut refused = None;
            for (place, member) in members.iter_mut().enumerate() {
                match member.change().await {
                    Ok(change) => changes.push(change),
                    Err(failure) => {
                        refused = Some((failed(place, failure), member.is_by_id()));
                        break;
                    }
                }
            }
            if let Some((error, by_id)) = refused {
                // Another process may have committed the same group between the look-up and the read.
                if by_id
                    && has_key
                    && let Some(first) = committed_before(&mut members).await?
                {
                    return replay(members, first);
                }
                return Err(error);
            }
            let verdict = match submit(changes).await? {
                Verdict::Committed { rows } => {
                    let results = members.into_iter().zip(rows).enumerate();
                    let results = results.map(|(place, (member, row))| {
                        member.complete(Ok(row)).map(Some).map_err(|failure| failed(place, failure))
                    });
                    return Ok(GroupOutput { results: results.collect::<Result<_, _>>()?, repeated: false });
                }
                verdict => verdict,
            };
            let place = verdict.change().unwrap_or_default();
            let Some(member) = members.get(place) else {
                let cause = "the store's verdict names a change that is not in the group";
                return Err(failed(place, (ErrorKind::Internal, cause.into())));
            };
            // A duplicate: the same group was committed since the keys were looked up.
            let again = matches!(verdict, Verdict::Duplicate { .. })
                || (matches!(verdict, Verdict::Conflict { current: Some(_), .. }) && member.is_by_id());
            if again && tries < FIRE_TRIES {
                continue;
            }
            let member = members.swap_remove(place);
            let failure = if again && member.is_by_id() {
                member.contended()
            } else {
                match member.complete(Err(verdict)) {
                    Err(failure) => failure,
                    Ok(_) => (ErrorKind::Internal, "the store's verdict does not fit the change".into()),
                }
            };
            return Err(failed(place, failure));
        }
    }
}

impl fmt::Debug for TransitionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransitionGroup of {}", self.members.len())
    }
}

fn failed(change: usize, (kind, cause): Failure) -> GroupError {
    GroupError::Change { change, kind, cause }
}

fn each_instance_once(members: &[Box<dyn Member>]) -> Result<(), GroupError> {
    let mut places: BTreeMap<&Key, usize> = BTreeMap::new();
    for (second, member) in members.iter().enumerate() {
        if let Some(key) = member.key()
            && let Some(first) = places.insert(key, second)
        {
            return Err(GroupError::SameInstance { key: key.clone(), first, second });
        }
    }
    Ok(())
}

/// Gives every change an idempotency key if one of them has one. Returns whether that is so.
///
/// The keys of other instances are derived from the key and its instance, because callers choose keys that are unique for one
/// instance only. With several keys, the one of the first instance in order counts, whatever the order of the changes.
fn share_key(members: &mut [Box<dyn Member>]) -> bool {
    let keyed = members.iter().filter_map(|member| Some((member.key()?, member.idempotency_key()?)));
    let Some(shared) = keyed.min().map(|(key, used)| format!("{used} of {key}")) else { return false };
    for member in members.iter_mut().filter(|member| member.idempotency_key().is_none()) {
        member.set_idempotency_key(shared.clone());
    }
    true
}

/// The instances that are changed by id, with the places of the changes.
fn by_id(members: &[Box<dyn Member>]) -> BTreeSet<(Key, usize)> {
    let by_id = members.iter().enumerate().filter(|(_, member)| member.is_by_id());
    by_id.filter_map(|(place, member)| Some((member.key()?.clone(), place))).collect()
}

/// The turns on these instances, in their order, so that two groups do not wait for each other. An error is the place of a change
/// whose turn did not come.
async fn turns(engine: &Engine, keys: BTreeSet<(Key, usize)>) -> Result<Vec<Turn<'_>>, usize> {
    let mut turns = Vec::with_capacity(keys.len());
    for (key, place) in keys {
        turns.push(engine.turns.take(&key, &engine.clock).await.ok_or(place)?);
    }
    Ok(turns)
}

/// The history entries of the changes if the group was committed before under its keys.
async fn committed_before(members: &mut [Box<dyn Member>]) -> Result<Option<Vec<HistoryEntry>>, GroupError> {
    let first = first(members).await?;
    if first.iter().all(Option::is_none) {
        return Ok(None);
    }
    // The group may have been committed between two look-ups.
    let first = if first.iter().all(Option::is_some) { first } else { self::first(members).await? };
    let place = |found: bool| first.iter().position(|first| first.is_some() == found);
    if let (Some(made), Some(missing)) = (place(true), place(false)) {
        let key = |place: usize| members.get(place).and_then(|member| member.key().cloned());
        if let (Some(made_key), Some(missing_key)) = (key(made), key(missing)) {
            return Err(GroupError::KeyReused { made, made_key, missing, missing_key });
        }
        return Ok(None);
    }
    Ok(first.into_iter().collect())
}

async fn first(members: &mut [Box<dyn Member>]) -> Result<Vec<Option<HistoryEntry>>, GroupError> {
    let mut found = Vec::with_capacity(members.len());
    for (place, member) in members.iter_mut().enumerate() {
        found.push(member.first().await.map_err(|failure| failed(place, failure))?);
    }
    Ok(found)
}

fn replay(members: Vec<Box<dyn Member>>, first: Vec<HistoryEntry>) -> Result<GroupOutput, GroupError> {
    let results = members.into_iter().zip(first).enumerate();
    let results = results
        .map(|(place, (member, first))| member.replay(first).map(Some).map_err(|failure| failed(place, failure)));
    Ok(GroupOutput { results: results.collect::<Result<_, _>>()?, repeated: true })
}

/// The results of a [`TransitionGroup`] that was committed.
#[derive(Debug)]
pub struct GroupOutput {
    results: Vec<Option<Box<dyn Any + Send>>>,
    repeated: bool,
}

impl GroupOutput {
    /// The result that `ticket` stands for; `None` for a ticket of another group.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is good for one result")]
    pub fn take<R: Send + 'static>(&mut self, ticket: Ticket<R>) -> Option<R> {
        let result = self.results.get_mut(ticket.0)?.take()?;
        result.downcast().ok().map(|result| *result)
    }

    /// Whether the group was committed by an earlier call under its idempotency key, and the results are those of that call.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }
}
