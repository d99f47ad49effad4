//! Owns a change on its way to the store: prepared when it is awaited, committed alone or in a group, turned into a result.

use super::Durable;
use super::error::{Conflict, TransitionError};
use super::record::RecordMeta;
use crate::machine::convert;
use crate::{
    engine::Engine,
    store::{Change, HistoryEntry, Key, Origin, Row, Verdict},
};
use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A change of one instance, on its way to the store.
///
/// Nothing happens until it is awaited, or [added to a group](crate::Group::add). Dropped half-way, the change is made
/// whole or not at all; read the instance to see which, or use an idempotency key and ask again.
#[must_use = "nothing happens until it is awaited"]
pub struct Firing<R, M: Durable>(Stage<R, M>);

type Plan<R, M> = Box<dyn FnOnce() -> Result<Planned<R, M>, TransitionError<M>> + Send>;
/// What a verdict on a change is to the caller.
type Decide<R, M> = Box<dyn FnOnce(Result<Row, Verdict>) -> Result<R, TransitionError<M>> + Send>;

/// What there is to be done once the guards have run.
#[expect(clippy::large_enum_variant, reason = "nearly every one is the large one, which lives for a moment")]
pub(super) enum Planned<R, M: Durable> {
    Ready(Prepared<R, M>),
    /// A guard refused, and there is an idempotency key: whatever is refused now, what was made under the key is the answer.
    Refused(Asked<R, M>),
}

/// The answer to a request that was made before, or the refusal that it gets today.
pub(super) struct Asked<R, M: Durable> {
    pub(super) first: Pin<Box<dyn Future<Output = Result<HistoryEntry, TransitionError<M>>> + Send>>,
    pub(super) finish: Box<dyn FnOnce(HistoryEntry) -> Result<R, TransitionError<M>> + Send>,
}

impl<R, M: Durable> Asked<R, M> {
    pub(super) async fn answer(self) -> Result<R, TransitionError<M>> {
        (self.finish)(self.first.await?)
    }
}

enum Stage<R, M: Durable> {
    /// Guards have not run yet.
    Planned(Plan<R, M>),
    Committing(Pin<Box<dyn Future<Output = Result<R, TransitionError<M>>> + Send>>),
    Over,
}

impl<R: 'static, M: Durable> Firing<R, M> {
    pub(super) fn new(plan: impl FnOnce() -> Result<Planned<R, M>, TransitionError<M>> + Send + 'static) -> Self {
        Self(Stage::Planned(Box::new(plan)))
    }

    /// Runs the guards and builds the change; `None` when it is on its way already.
    pub(super) fn prepare(self) -> Option<Result<Planned<R, M>, TransitionError<M>>> {
        match self.0 {
            Stage::Planned(plan) => Some(plan()),
            Stage::Committing(_) | Stage::Over => None,
        }
    }
}

impl<R: 'static, M: Durable> Future for Firing<R, M> {
    type Output = Result<R, TransitionError<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0 = match mem::replace(&mut self.0, Stage::Over) {
            Stage::Planned(plan) => Stage::Committing(Box::pin(async move {
                match plan()? {
                    Planned::Ready(prepared) => prepared.commit().await,
                    Planned::Refused(asked) => asked.answer().await,
                }
            })),
            stage => stage,
        };
        match &mut self.0 {
            Stage::Committing(commit) => commit.as_mut().poll(cx),
            Stage::Planned(_) | Stage::Over => Poll::Pending,
        }
    }
}

impl<R, M: Durable> fmt::Debug for Firing<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Firing")
    }
}

/// A change, and what it is to the caller once it is stored.
pub(super) struct Prepared<R, M: Durable> {
    engine: Arc<Engine>,
    origin: Origin,
    key: Key,
    idempotency_key: Option<String>,
    change: Change,
    finish: Box<dyn FnOnce(Stored) -> Result<R, TransitionError<M>> + Send>,
}

/// How a change came to be stored.
pub(super) enum Stored {
    Now(Row),
    /// Before, under the same idempotency key.
    Before(HistoryEntry),
}

impl<R, M: Durable> From<Prepared<R, M>> for Planned<R, M> {
    fn from(prepared: Prepared<R, M>) -> Self {
        Self::Ready(prepared)
    }
}

impl<R: 'static, M: Durable> Prepared<R, M> {
    pub(super) fn new(
        engine: Arc<Engine>,
        origin: Origin,
        key: Key,
        change: Change,
        idempotency_key: Option<String>,
        finish: impl FnOnce(Stored) -> Result<R, TransitionError<M>> + Send + 'static,
    ) -> Self {
        Self { engine, origin, key, idempotency_key, change, finish: Box::new(finish) }
    }

    /// Commits the change alone.
    pub(super) async fn commit(self) -> Result<R, TransitionError<M>> {
        let (engine, change, decide) = self.split();
        let verdict = engine.commit_row(change).await?;
        decide(verdict)
    }

    /// The change, and what a verdict on it is to the caller.
    pub(super) fn split(self) -> (Arc<Engine>, Change, Decide<R, M>) {
        let Self { engine, origin, key, idempotency_key, change, finish } = self;
        let (to, creates) = (engine.clone(), matches!(change, Change::Create(_)));
        let decide = Box::new(move |verdict| match verdict {
            Ok(row) => finish(Stored::Now(row)),
            Err(Verdict::Duplicate { first, .. }) => finish(Stored::Before(*first)),
            Err(verdict) => Err(match missed(&to, &origin, key, idempotency_key, verdict) {
                TransitionError::Conflict(taken) if creates => TransitionError::Exists(taken),
                failure => failure,
            }),
        });
        (engine, change, decide)
    }
}

/// The failure that a verdict other than `Committed` is to the caller.
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

/// Something of an instance that takes more than one look at the store; nothing happens until it is awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct Pending<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Pending<T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Future for Pending<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
