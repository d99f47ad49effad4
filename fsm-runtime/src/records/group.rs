//! Groups: changes of one or several machines that are made all or none, with the caller's own statements if the store can run
//! them.

use super::transition::{Completion, Pending, PendingTransition};
use super::{Durable, error::TransitionError};
use crate::{
    engine::Engine,
    error_kind::ErrorKind,
    store::{self, Change, Row, StoreError, TransactionalSql, Verdict},
};
use std::{any::Any, error::Error, fmt, future::Future, marker::PhantomData, pin::Pin, sync::Arc};
use tokio::sync::oneshot;

/// Notifier that are made all or none.
///
/// To make a group idempotent, give an idempotency key to one of its changes. If the group was committed under that key before, a
/// second commit returns [`GroupError::MadeBefore`].
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
#[must_use = "nothing happens until it is committed"]
pub struct Group {
    engine: Arc<Engine>,
    members: Vec<Member>,
}

type BoxError = Box<dyn Error + Send + Sync>;
type Decide = Box<dyn Complete>;
/// The change of one member of a group, and what completes it.
type Member = Pin<Box<dyn Future<Output = Result<(Change, Decide), GroupError>> + Send>>;

/// A [`Completion`] of any machine.
trait Complete: Send {
    /// The value for the change's [`Ticket`], from the row that was committed or the verdict that says why none was.
    fn complete(self: Box<Self>, verdict: Result<Row, Verdict>) -> Result<Box<dyn Any + Send>, (ErrorKind, BoxError)>;
}

impl<R: Send + 'static, M: Durable> Complete for Completion<R, M> {
    fn complete(self: Box<Self>, verdict: Result<Row, Verdict>) -> Result<Box<dyn Any + Send>, (ErrorKind, BoxError)> {
        match Completion::complete(*self, verdict) {
            Ok(result) => Ok(Box::new(result)),
            Err(error) => Err((error.kind(), error.into())),
        }
    }
}

async fn member<R: Send + 'static, M: Durable>(
    change: usize,
    transition: PendingTransition<R, M>,
) -> Result<(Change, Decide), GroupError> {
    let failed = |error: TransitionError<M>| GroupError::Change { change, kind: error.kind(), cause: error.into() };
    match transition.into_pending() {
        Pending::Ready(prepared) => Ok((prepared.change, Box::new(prepared.completion))),
        Pending::Refused(refused) => {
            let first = refused.made_before().await.map_err(failed)?;
            Err(GroupError::MadeBefore { change, sequence: first.sequence })
        }
        Pending::Failed(error) => Err(failed(*error)),
    }
}

/// Stands for the result of one change of a [`Group`].
#[derive(Debug)]
pub struct Ticket<R>(usize, PhantomData<fn() -> R>);

impl Group {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, members: Vec::new() }
    }

    /// Adds a change: a record's transition, or a creation. The ticket exchanges for its result after the commit.
    pub fn add<R: Send + 'static, M: Durable>(&mut self, transition: PendingTransition<R, M>) -> Ticket<R> {
        let change = self.members.len();
        self.members.push(Box::pin(member(change, transition)));
        Ticket(change, PhantomData)
    }

    /// Makes all of the changes, or none.
    ///
    /// # Errors
    /// [`GroupError`]. Nothing was changed, except after [`StoreError::Indeterminate`], where that is not known.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, all of the changes are made or none.
    pub async fn commit(self) -> Result<GroupOutput, GroupError> {
        let Self { engine, members } = self;
        if members.is_empty() {
            return Err(GroupError::Empty);
        }
        let (changes, decides) = prepare(members).await?;
        let group = vec![store::Group { changes }];
        let verdict = engine.commit_groups(group).await?.pop();
        decide(decides, verdict)
    }

    /// Makes all of the changes and runs `statements` in the same transaction, or does nothing.
    ///
    /// `store` is a clone of the store that the runtime was built with; it has to support statements of the caller
    /// ([`TransactionalSql`]). `statements` runs after the changes, while all other changes wait: keep it short. If it fails, the
    /// changes are not made.
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
    /// Dropped half-way, everything is done or nothing.
    pub async fn commit_with<S: TransactionalSql, T: Send + 'static>(
        self,
        store: &S,
        statements: impl FnOnce(&S::Sql<'_>) -> Result<T, BoxError> + Send + 'static,
    ) -> Result<(GroupOutput, T), GroupError> {
        let Self { engine, members } = self;
        if !engine.uses(store) {
            return Err(GroupError::OtherStore);
        }
        let (changes, decides) = prepare(members).await?;
        // The store's closure returns success only: the value is kept here.
        let (put, mut made) = oneshot::channel();
        let statements = move |sql: &S::Sql<'_>| {
            let _ = put.send(statements(sql)?);
            Ok(())
        };
        let verdict = engine.commit_with(store.clone(), store::Group { changes }, Box::new(statements)).await?;
        let verdict = verdict.map_err(GroupError::Statements)?;
        let together = decide(decides, Some(verdict))?;
        match made.try_recv() {
            Ok(made) => Ok((together, made)),
            Err(_) => Err(GroupError::Statements("they did not run".into())),
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group of {}", self.members.len())
    }
}

async fn prepare(members: Vec<Member>) -> Result<(Vec<Change>, Vec<Decide>), GroupError> {
    let (mut changes, mut decides) = (Vec::new(), Vec::new());
    for member in members {
        let (change, decide) = member.await?;
        changes.push(change);
        decides.push(decide);
    }
    Ok((changes, decides))
}

fn decide(mut decides: Vec<Decide>, verdict: Option<Verdict>) -> Result<GroupOutput, GroupError> {
    let verdict = match verdict {
        Some(Verdict::Committed { rows }) => {
            let results = decides.into_iter().zip(rows).enumerate().map(|(change, (decide, row))| {
                decide.complete(Ok(row)).map(Some).map_err(|(kind, cause)| GroupError::Change { change, kind, cause })
            });
            return Ok(GroupOutput(results.collect::<Result<_, _>>()?));
        }
        Some(verdict) => verdict,
        None => return Err(GroupError::Empty),
    };
    let change = verdict.change().unwrap_or_default();
    if let Verdict::Duplicate { first, .. } = &verdict {
        return Err(GroupError::MadeBefore { change, sequence: first.sequence });
    }
    let (kind, cause) = if change < decides.len() {
        match decides.swap_remove(change).complete(Err(verdict)) {
            Err(cause) => cause,
            Ok(_) => (ErrorKind::Internal, "the store's verdict does not fit the change".into()),
        }
    } else {
        (ErrorKind::Internal, "the store's verdict names a change that is not in the group".into())
    };
    Err(GroupError::Change { change, kind, cause })
}

/// The results of a [`Group`] that was committed.
#[derive(Debug)]
pub struct GroupOutput(Vec<Option<Box<dyn Any + Send>>>);

impl GroupOutput {
    /// The result that `ticket` stands for; `None` for a ticket of another group.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is good for one result")]
    pub fn take<R: Send + 'static>(&mut self, ticket: Ticket<R>) -> Option<R> {
        let result = self.0.get_mut(ticket.0)?.take()?;
        result.downcast().ok().map(|result| *result)
    }
}

/// Why a [`Group`] was not committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// One of the changes could not be made. `cause` is the [`TransitionError`] of its machine; use `downcast_ref` to get it.
    #[error("change {change} of the group was not made, so none was: {cause}")]
    Change {
        /// Its place in the group, from 0.
        change: usize,
        /// The kind of the cause.
        kind: ErrorKind,
        /// The cause.
        cause: BoxError,
    },
    /// One of the changes was made before, under its idempotency key. If no other request uses that key, the whole group was
    /// committed then, with the caller's statements.
    #[error(
        "change {change} of the group was made before, under the same idempotency key (history entry {sequence}); nothing was changed; \
         if an earlier call committed this group, it is complete"
    )]
    MadeBefore {
        /// Its place in the group, from 0.
        change: usize,
        /// The sequence of the history entry that was written then.
        sequence: u64,
    },
    /// The caller's own statements failed.
    #[error("the statements of the group failed, and so nothing was changed: {0}")]
    Statements(BoxError),
    /// The store that was given for the caller's own statements is not the one that the runtime was built with.
    #[error(
        "the statements are for a store that this runtime does not use; pass a clone of the store that it was built with"
    )]
    OtherStore,
    /// The group has no changes.
    #[error("the group is empty; `add` a change to it before it is committed")]
    Empty,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GroupError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Change { kind, .. } => *kind,
            Self::MadeBefore { .. } => ErrorKind::AlreadyExists,
            Self::Empty | Self::OtherStore => ErrorKind::Invalid,
            Self::Store(error) => error.kind(),
            Self::Statements(_) => ErrorKind::Internal,
        }
    }

    /// Whether the request may succeed when it is made again from the start: read, decided and fired again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            _ => self.kind().can_pass(),
        }
    }
}
