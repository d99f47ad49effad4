//! A transition or creation on its way to the store: built with its guard's answer, committed alone or in a group.

use super::Durable;
use super::error::{Conflict, TransitionError};
use super::record::{self, RecordMeta};
use crate::machine::convert;
use crate::{
    engine::Engine,
    store::{Change, HistoryEntry, Key, Origin, Row, Verdict},
};
use fsm_core::Reason;
use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
};

/// A transition or a creation of one instance that is not stored yet.
///
/// Nothing is stored until it is awaited, or [added to a group](crate::Group::add) that is committed. The guard has run
/// when this value exists, and its refusal is the result of the `.await`.
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
/// Where a [`Future`] is needed, for example by `tokio::spawn`, call [`into_future`](IntoFuture::into_future).
///
/// # Cancel safety
/// If the future is dropped before it is ready, the change is made whole or not at all. Read the instance to see which, or use
/// an idempotency key and call again.
#[must_use = "nothing is stored until it is awaited"]
pub struct PendingTransition<R, M: Durable>(Pending<R, M>);

/// What follows from the guard's answer. Boxed: it is moved through the caller's own future.
pub(super) enum Pending<R, M: Durable> {
    /// To be committed.
    Ready(Box<Prepared<R, M>>),
    /// The guard refused, and there is an idempotency key: what was made under the key before is the answer.
    Refused(Box<RefusedWithKey<R, M>>),
    Failed(Box<TransitionError<M>>),
}

impl<R: 'static, M: Durable> PendingTransition<R, M> {
    pub(super) fn ready(prepared: Prepared<R, M>) -> Self {
        Self(Pending::Ready(Box::new(prepared)))
    }

    pub(super) fn refused(refused: RefusedWithKey<R, M>) -> Self {
        Self(Pending::Refused(Box::new(refused)))
    }

    pub(super) fn failed(error: TransitionError<M>) -> Self {
        Self(Pending::Failed(Box::new(error)))
    }

    pub(super) fn into_pending(self) -> Pending<R, M> {
        self.0
    }

    async fn commit(self) -> Result<R, TransitionError<M>> {
        match self.0 {
            Pending::Ready(prepared) => prepared.commit().await,
            Pending::Refused(refused) => refused.replay().await,
            Pending::Failed(error) => Err(*error),
        }
    }
}

impl<R: 'static, M: Durable> IntoFuture for PendingTransition<R, M> {
    type Output = Result<R, TransitionError<M>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.commit())
    }
}

impl<R, M: Durable> fmt::Debug for PendingTransition<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Pending::Ready(_) => "PendingTransition(ready)",
            Pending::Refused(_) | Pending::Failed(_) => "PendingTransition(refused)",
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

impl<R: 'static, M: Durable> Prepared<R, M> {
    /// Commits the change alone.
    pub(super) async fn commit(self) -> Result<R, TransitionError<M>> {
        let Self { change, completion } = self;
        let verdict = completion.meta.engine().commit_row(change).await?;
        completion.complete(verdict)
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
            Err(Verdict::Duplicate { first, .. }) => replayed(meta, &first, wrap),
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

/// A request that a guard refuses now, and that may have been made before under its idempotency key.
pub(super) struct RefusedWithKey<R, M: Durable> {
    pub(super) meta: RecordMeta<M>,
    pub(super) machine: M,
    pub(super) event: M::EventKind,
    pub(super) payload: String,
    pub(super) reason: Reason,
    pub(super) idempotency_key: String,
    pub(super) wrap: Wrap<R, M>,
}

impl<R, M: Durable> RefusedWithKey<R, M> {
    /// What was made under the key, decoded; otherwise the refusal.
    async fn replay(self) -> Result<R, TransitionError<M>> {
        let first = self.first().await;
        let Self { meta, machine, event, payload, reason, idempotency_key, wrap } = self;
        match first? {
            Some(first) => replayed(meta, &record::same_request(first, event, &payload, idempotency_key)?, wrap),
            None => Err(record::refuse(machine, meta, event, reason)),
        }
    }

    /// The history entry that was made under the key; otherwise the refusal.
    pub(super) async fn made_before(self) -> Result<HistoryEntry, TransitionError<M>> {
        let first = self.first().await;
        let Self { meta, machine, event, payload, reason, idempotency_key, .. } = self;
        match first? {
            Some(first) => record::same_request(first, event, &payload, idempotency_key),
            None => Err(record::refuse(machine, meta, event, reason)),
        }
    }

    /// What stands under the key in this incarnation of the instance.
    fn first(&self) -> impl Future<Output = Result<Option<HistoryEntry>, TransitionError<M>>> + Send + use<R, M> {
        let (engine, key) = (self.meta.engine().clone(), self.meta.key().clone());
        let (incarnation, idempotency_key) = (self.meta.incarnation(), self.idempotency_key.clone());
        async move {
            let first = engine.store.find_by_idempotency_key(key, idempotency_key).await?;
            Ok(first.filter(|first| first.incarnation == incarnation))
        }
    }
}

/// The result of the first request with the same idempotency key.
fn replayed<R, M: Durable>(
    meta: RecordMeta<M>,
    first: &HistoryEntry,
    wrap: Wrap<R, M>,
) -> Result<R, TransitionError<M>> {
    let (machine, context) = convert::decode_entry::<M>(&meta.engine().migrations, first)?;
    let reused = TransitionError::KeyReused {
        key: first.key.clone(),
        idempotency_key: first.idempotency_key.clone().unwrap_or_default(),
        first: first.event.clone(),
    };
    wrap(machine, meta.at_entry(first, context)).ok_or(reused)
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
        Verdict::Committed { .. } | Verdict::Duplicate { .. } => {
            TransitionError::Unstorable { key, reason: "the store's verdict does not fit the change".to_owned() }
        }
    }
}
