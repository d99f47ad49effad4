//! A transition or creation on its way to the store: built with its guard's answer, committed alone or in a group.

use super::Durable;
use super::error::{Conflict, TransitionError};
use super::fire::ById;
use super::record::{self, RecordMeta};
use crate::machine::convert;
use crate::{
    engine::Engine,
    store::{Change, HistoryEntry, Key, Origin, Request, Row, Verdict},
};
use fsm_core::{Name, Reason};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A transition or a creation of one instance that is not stored yet.
///
/// Nothing is stored until it is awaited, or [added to a group](crate::Group::add) that is committed. For a record, the guard has
/// run when this value exists, and its refusal is the result of the `.await`. For an event that is fired by id, the instance is
/// read and the guard runs when it is awaited.
///
/// ```
/// # use fsm_runtime::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
/// # enum Order { #[on(pay => Paid)] Open, #[state(end)] Paid }
/// # async fn example(order: order::Record<order::Open>) -> Result<(), fsm_runtime::TransitionError<Order>> {
/// let paid = order.pay().await?;
/// # Ok(()) }
/// # fn main() {}
/// ```
///
/// # Cancel safety
/// If the future is dropped before it is ready, the change is made whole or not at all. Read the instance to see which, or use
/// an idempotency key and call again.
#[must_use = "nothing is stored until it is awaited"]
pub struct PendingTransition<R, M: Durable> {
    pending: Option<Pending<R, M>>,
    /// From the first poll on.
    commit: Option<Commit<R, M>>,
}

type Commit<R, M> = Pin<Box<dyn Future<Output = Result<R, TransitionError<M>>> + Send>>;

/// What is to be committed. Boxed: it is moved through the caller's own future.
pub(super) enum Pending<R, M: Durable> {
    /// To be committed.
    Ready(Box<Prepared<R, M>>),
    /// An event for whatever state the instance is in.
    ById(Box<ById<R, M>>),
    /// The guard refused. With an idempotency key, what was made under the key before is the answer.
    Refused(Box<Refused<R, M>>),
    Failed(Box<TransitionError<M>>),
}

impl<R: Send + 'static, M: Durable> Pending<R, M> {
    async fn commit(self) -> Result<R, TransitionError<M>> {
        match self {
            Self::Ready(prepared) => prepared.commit().await,
            Self::ById(by_id) => by_id.fire().await,
            Self::Refused(refused) => refused.replay().await,
            Self::Failed(error) => Err(*error),
        }
    }
}

impl<R: Send + 'static, M: Durable> PendingTransition<R, M> {
    pub(super) fn new(pending: Pending<R, M>) -> Self {
        Self { pending: Some(pending), commit: None }
    }

    pub(super) fn ready(prepared: Prepared<R, M>) -> Self {
        Self::new(Pending::Ready(Box::new(prepared)))
    }

    pub(super) fn by_id(by_id: ById<R, M>) -> Self {
        Self::new(Pending::ById(Box::new(by_id)))
    }

    pub(super) fn refused(refused: Refused<R, M>) -> Self {
        Self::new(Pending::Refused(Box::new(refused)))
    }

    pub(super) fn failed(error: TransitionError<M>) -> Self {
        Self::new(Pending::Failed(Box::new(error)))
    }

    /// `None` after its first poll.
    pub(super) fn into_pending(self) -> Option<Pending<R, M>> {
        self.pending
    }
}

impl<R: Send + 'static, M: Durable> Future for PendingTransition<R, M> {
    type Output = Result<R, TransitionError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(pending) = self.pending.take() {
            self.commit = Some(Box::pin(pending.commit()));
        }
        let Some(commit) = &mut self.commit else { return Poll::Pending };
        let polled = commit.as_mut().poll(cx);
        if polled.is_ready() {
            self.commit = None;
        }
        polled
    }
}

impl<R, M: Durable> fmt::Debug for PendingTransition<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.pending {
            Some(Pending::Ready(_)) => "PendingTransition(ready)",
            Some(Pending::ById(_)) => "PendingTransition(by id)",
            Some(Pending::Refused(_) | Pending::Failed(_)) => "PendingTransition(refused)",
            None => "PendingTransition(awaited)",
        })
    }
}

/// The caller's result from the machine after the change; `None` if the machine is in a state that `R` does not cover.
pub(super) type Wrap<R, M> = fn(M, RecordMeta<M>) -> Option<R>;

/// A change, and what completes it once the store has answered.
pub(super) struct Prepared<R, M: Durable> {
    pub(super) change: Change,
    pub(super) completion: Completion<R, M>,
}

impl<R: Send + 'static, M: Durable> Prepared<R, M> {
    /// Commits the change alone.
    pub(super) async fn commit(self) -> Result<R, TransitionError<M>> {
        let Self { change, completion } = self;
        let verdict = completion.meta.engine().commit_row(change).await?;
        completion.complete(verdict)
    }

    /// Gives it an idempotency key.
    pub(super) fn set_key(&mut self, idempotency_key: String) {
        match &mut self.change {
            Change::Create(create) => create.idempotency_key = Some(idempotency_key.clone()),
            Change::Transition(transition) => transition.idempotency_key = Some(idempotency_key.clone()),
            _ => return,
        }
        self.completion.meta.set_key(Some(idempotency_key));
    }

    /// The history entry that the same request wrote under its key; `None` if the key was not used.
    pub(super) async fn first(&self) -> Result<Option<HistoryEntry>, TransitionError<M>> {
        let (meta, request) = (&self.completion.meta, Request::of(&self.change));
        let (Some(used), Some(request)) = (meta.idempotency_key(), request) else { return Ok(None) };
        // A repeated creation does not know the incarnation of the first one.
        let incarnation = (!self.completion.creates).then(|| meta.incarnation());
        let first = meta.engine().store.find_by_idempotency_key(meta.key().clone(), used.to_owned()).await?;
        let first = first.filter(|first| incarnation.is_none_or(|incarnation| incarnation == first.incarnation));
        first.map(|first| record::same_request(first, request, used)).transpose()
    }
}

/// What turns a verdict into the caller's result.
pub(super) struct Completion<R, M: Durable> {
    /// Of the row before the change.
    pub(super) meta: RecordMeta<M>,
    /// The machine after the change.
    pub(super) target: M,
    pub(super) creates: bool,
    pub(super) wrap: Wrap<R, M>,
}

impl<R, M: Durable> Completion<R, M> {
    /// The row that was committed, or the verdict that says why none was.
    pub(super) fn complete(self, verdict: Result<Row, Verdict>) -> Result<R, TransitionError<M>> {
        let Self { meta, target, creates, wrap } = self;
        match verdict {
            Ok(row) => wrap(target, meta.moved_to(&row)).ok_or_else(|| TransitionError::Unstorable {
                key: row.key,
                reason: "the target is in another state".to_owned(),
            }),
            Err(Verdict::Duplicate { first, .. }) => {
                let (engine, origin, ..) = meta.into_origin();
                replayed(&engine, &origin, &first, wrap)
            }
            Err(verdict) => {
                let (engine, origin, key, idempotency_key) = meta.into_origin();
                Err(match missed(&engine, &origin, key, idempotency_key, verdict) {
                    TransitionError::Conflict(taken) if creates => TransitionError::Exists(taken),
                    error => error,
                })
            }
        }
    }
}

/// A request that a guard refuses now. It may have been made before, under its idempotency key.
pub(super) struct Refused<R, M: Durable> {
    pub(super) meta: RecordMeta<M>,
    pub(super) machine: M,
    pub(super) event: M::EventKind,
    pub(super) payload: String,
    pub(super) reason: Reason,
    pub(super) wrap: Wrap<R, M>,
}

impl<R, M: Durable> Refused<R, M> {
    /// What was made under the key, decoded; otherwise the refusal.
    async fn replay(self) -> Result<R, TransitionError<M>> {
        let first = self.first();
        match first.await? {
            Some(first) => self.result(&first),
            None => Err(self.refuse()),
        }
    }

    /// The result of the first request with the same key.
    pub(super) fn result(self, first: &HistoryEntry) -> Result<R, TransitionError<M>> {
        let (engine, origin, ..) = self.meta.into_origin();
        replayed(&engine, &origin, first, self.wrap)
    }

    pub(super) fn refuse(self) -> TransitionError<M> {
        record::refuse(self.machine, self.meta, self.event, self.reason)
    }

    /// The history entry that the same request wrote under its key in this incarnation; `None` if there is none.
    pub(super) fn first(
        &self,
    ) -> impl Future<Output = Result<Option<HistoryEntry>, TransitionError<M>>> + Send + use<R, M> {
        let (engine, key, incarnation) = (self.meta.engine().clone(), self.meta.key().clone(), self.meta.incarnation());
        let used = self.meta.idempotency_key().map(str::to_owned);
        let (event, payload) = (self.event, self.payload.clone());
        async move {
            let Some(used) = used else { return Ok(None) };
            let first = engine.store.find_by_idempotency_key(key, used.clone()).await?;
            let first = first.filter(|first| first.incarnation == incarnation);
            let request = Request::Event { event: event.as_str(), payload: &payload };
            first.map(|first| record::same_request(first, request, &used)).transpose()
        }
    }
}

/// The result of the first request with the same idempotency key.
pub(super) fn replayed<R, M: Durable>(
    engine: &Arc<Engine>,
    origin: &Origin,
    first: &HistoryEntry,
    wrap: Wrap<R, M>,
) -> Result<R, TransitionError<M>> {
    let (machine, context) = convert::decode_entry::<M>(&engine.migrations, first)?;
    wrap(machine, RecordMeta::of_entry(engine, origin, first, context)).ok_or_else(|| TransitionError::KeyReused {
        key: first.key.clone(),
        idempotency_key: first.idempotency_key.clone().unwrap_or_default(),
        first: first.event.clone(),
    })
}

/// The error that a verdict other than `Committed` means for the caller.
pub(super) fn missed<M: Durable>(
    engine: &Arc<Engine>,
    origin: &Origin,
    key: Key,
    idempotency_key: Option<String>,
    verdict: Verdict,
) -> TransitionError<M> {
    match verdict {
        Verdict::Conflict { current: Some(row), .. } | Verdict::Fenced { current: row, .. } => {
            match convert::decode::<M>(&engine.migrations, &row) {
                Ok((machine, context)) => TransitionError::Conflict(Conflict::new(
                    &row,
                    machine,
                    RecordMeta::of(engine, origin, &row, context),
                )),
                Err(error) => TransitionError::Row(error),
            }
        }
        Verdict::Conflict { current: None, .. } => TransitionError::NotFound { key },
        Verdict::KeyReused { first, .. } => {
            TransitionError::KeyReused { key, idempotency_key: idempotency_key.unwrap_or_default(), first: first.event }
        }
        Verdict::Refused { reason, .. } => TransitionError::Unstorable { key, reason },
        Verdict::TooLarge { what, size, limit, .. } => TransitionError::TooLarge { key, what, size, limit },
        Verdict::Committed { .. } | Verdict::Duplicate { .. } | Verdict::TooEarly { .. } => {
            TransitionError::Unstorable { key, reason: "the store's verdict does not fit the change".to_owned() }
        }
    }
}
