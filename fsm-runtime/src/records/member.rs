//! One change of a group, whatever machine it is of.

use super::Durable;
use super::{
    error::TransitionError,
    transition::{Completion, Pending, PendingTransition},
};
use crate::{
    error_kind::ErrorKind,
    store::{Change, HistoryEntry, Key, Row, Verdict},
};
use std::{any::Any, error::Error, future::Future, pin::Pin};

/// The kind and the text of a [`TransitionError`] of any machine.
pub(super) type Failure = (ErrorKind, Box<dyn Error + Send + Sync>);
/// A result of any type.
pub(super) type AnyResult = Result<Box<dyn Any + Send>, Failure>;
pub(super) type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// One change of a group.
pub(super) trait Member: Send {
    /// The instance; `None` if the change has already failed.
    fn key(&self) -> Option<&Key>;
    /// Whether it is decided again after a conflict.
    fn is_by_id(&self) -> bool;
    fn idempotency_key(&self) -> Option<&str>;
    fn set_idempotency_key(&mut self, idempotency_key: String);
    /// The history entry that the same request wrote under its idempotency key; `None` if the key was not used.
    fn first(&mut self) -> Step<'_, Option<HistoryEntry>>;
    /// The change to commit. By id, it is decided on the instance as it is now.
    fn change(&mut self) -> Step<'_, Change>;
    /// The result from the row that was committed, or the error from the verdict that says why none was.
    fn complete(self: Box<Self>, verdict: Result<Row, Verdict>) -> AnyResult;
    /// The result of the first request with the same idempotency key.
    fn replay(self: Box<Self>, first: HistoryEntry) -> AnyResult;
    /// The error after too many conflicts, or without a turn.
    fn contended(self: Box<Self>) -> Failure;
}

/// A [`PendingTransition`] of a group.
struct Joined<R, M: Durable> {
    /// `None` once it was awaited or has failed.
    pending: Option<Pending<R, M>>,
    /// Of the last decision on an event that is fired by id.
    decided: Option<Completion<R, M>>,
}

pub(super) fn member<R: Send + 'static, M: Durable>(transition: PendingTransition<R, M>) -> Box<dyn Member> {
    Box::new(Joined { pending: transition.into_pending(), decided: None })
}

impl<R: Send + 'static, M: Durable> Member for Joined<R, M> {
    fn key(&self) -> Option<&Key> {
        match self.pending.as_ref()? {
            Pending::Ready(ready) => Some(ready.change.key()),
            Pending::ById(by_id) => Some(by_id.key()),
            Pending::Refused(refused) => Some(refused.meta.key()),
            Pending::Failed(_) => None,
        }
    }

    fn is_by_id(&self) -> bool {
        matches!(self.pending, Some(Pending::ById(_)))
    }

    fn idempotency_key(&self) -> Option<&str> {
        match self.pending.as_ref()? {
            Pending::Ready(ready) => ready.completion.meta.idempotency_key(),
            Pending::ById(by_id) => by_id.idempotency_key(),
            Pending::Refused(refused) => refused.meta.idempotency_key(),
            Pending::Failed(_) => None,
        }
    }

    fn set_idempotency_key(&mut self, idempotency_key: String) {
        match &mut self.pending {
            Some(Pending::Ready(ready)) => ready.set_key(idempotency_key),
            Some(Pending::ById(by_id)) => by_id.set_key(idempotency_key),
            Some(Pending::Refused(refused)) => refused.meta.set_key(Some(idempotency_key)),
            Some(Pending::Failed(_)) | None => {}
        }
    }

    fn first(&mut self) -> Step<'_, Option<HistoryEntry>> {
        Box::pin(async {
            let first = match &mut self.pending {
                Some(Pending::Ready(ready)) => ready.first().await,
                Some(Pending::ById(by_id)) => by_id.first().await,
                Some(Pending::Refused(refused)) => refused.first().await,
                Some(Pending::Failed(_)) | None => Ok(None),
            };
            first.map_err(failure)
        })
    }

    fn change(&mut self) -> Step<'_, Change> {
        Box::pin(async {
            match self.pending.take() {
                Some(Pending::Ready(ready)) => {
                    let change = ready.change.clone();
                    self.pending = Some(Pending::Ready(ready));
                    Ok(change)
                }
                Some(Pending::ById(mut by_id)) => {
                    let decided = by_id.decide().await;
                    self.pending = Some(Pending::ById(by_id));
                    let prepared = decided.map_err(failure)?;
                    self.decided = Some(prepared.completion);
                    Ok(prepared.change)
                }
                Some(Pending::Refused(refused)) => Err(failure(refused.refuse())),
                Some(Pending::Failed(error)) => Err(failure(*error)),
                None => Err(awaited()),
            }
        })
    }

    fn complete(self: Box<Self>, verdict: Result<Row, Verdict>) -> AnyResult {
        let completion = match (self.pending, self.decided) {
            (Some(Pending::Ready(ready)), _) => ready.completion,
            (_, Some(decided)) => decided,
            _ => return Err(awaited()),
        };
        result(completion.complete(verdict))
    }

    fn replay(self: Box<Self>, first: HistoryEntry) -> AnyResult {
        match self.pending {
            Some(Pending::Ready(ready)) => {
                result(ready.completion.complete(Err(Verdict::Duplicate { change: 0, first: Box::new(first) })))
            }
            Some(Pending::ById(by_id)) => result(by_id.replay(&first)),
            Some(Pending::Refused(refused)) => result(refused.result(&first)),
            Some(Pending::Failed(error)) => Err(failure(*error)),
            None => Err(awaited()),
        }
    }

    fn contended(self: Box<Self>) -> Failure {
        match self.pending {
            Some(Pending::ById(by_id)) => failure(by_id.contended()),
            _ => awaited(),
        }
    }
}

fn result<R: Send + 'static, M: Durable>(result: Result<R, TransitionError<M>>) -> AnyResult {
    match result {
        Ok(result) => Ok(Box::new(result)),
        Err(error) => Err(failure(error)),
    }
}

fn failure<M: Durable>(error: TransitionError<M>) -> Failure {
    (error.kind(), error.into())
}

fn awaited() -> Failure {
    (ErrorKind::Invalid, "it was awaited before it was added to the group; add it without an await".into())
}
