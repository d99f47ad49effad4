//! Owns how far a worker is, as it outlives the worker: kept under its claim, and handed to the next attempt.

use super::{Attempt, WorkError, signals::Signals};
use crate::{
    codec::{CodecError, from_json, to_json},
    engine::{Engine, STORE_RETRY, store_health::Waiting},
    machine::WorkState,
    store::{Change, Checkpoint, Key, Row, Verdict},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::type_name, future::Future, sync::Arc};

/// A `work` state whose worker keeps how far it is. Implemented by the derive for each state marked
/// `#[state(work, checkpoint = Type)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no checkpoint type",
    label = "this state declares no `checkpoint`",
    note = "declare the type on the variant: `#[state(work, checkpoint = Type)]`"
)]
pub trait Checkpointed: WorkState {
    /// What is kept.
    type Checkpoint: Serialize + DeserializeOwned;
}

/// Why a worker's progress could not be kept, or read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgressError {
    /// What an earlier attempt left is not of the declared type (any more).
    #[error(
        "the stored progress of {key} in `{state}` is no `{expected}` ({cause}): let the type read what was stored \
         (`#[serde(alias)]`, `#[serde(default)]`), or move the instance by an event: a new stay begins without progress"
    )]
    Unreadable { key: Key, state: String, expected: &'static str, cause: CodecError },
    /// The instance has moved on, or another worker has it: what this one does counts no more.
    #[error("{key} has moved on, or is another worker's now: nothing that this one does counts any more")]
    Superseded { key: Key },
    /// The store can never take it.
    #[error("the store refused the progress of {key}: {reason}")]
    Refused { key: Key, reason: String },
}

/// What the attempts before this one left with the claimed `row`.
pub(crate) fn read<P: DeserializeOwned>(row: &Row) -> Result<Option<P>, WorkError> {
    row.checkpoint.as_deref().map(from_json).transpose().map_err(|cause| {
        let (key, state) = (row.key.clone(), row.state.clone());
        WorkError::permanent(ProgressError::Unreadable { key, state, expected: type_name::<P>(), cause })
    })
}

/// Stores `progress` under the claim of `attempt`, however long the store is away; until the worker is told to end.
///
/// Tried again after an uncertain commit, it writes the same once more.
pub(crate) fn keep<P: Serialize>(
    engine: Arc<Engine>,
    attempt: &Attempt,
    progress: &P,
) -> impl Future<Output = Result<(), WorkError>> + Send + 'static + use<P> {
    let Row { key, incarnation, version, fence, .. } = &attempt.row;
    let (key, incarnation, version, fence) = (key.clone(), *incarnation, *version, *fence);
    let change = to_json(progress).map(|checkpoint| Checkpoint { key, incarnation, version, fence, checkpoint });
    let signals = attempt.signals.clone();
    // In a box: a worker's future is as large as the largest of what it may wait for.
    Box::pin(async move { store(&engine, change.map_err(WorkError::permanent)?, &signals).await })
}

async fn store(engine: &Engine, change: Checkpoint, signals: &Signals) -> Result<(), WorkError> {
    let (mut tries, mut waiting) = (0, None);
    loop {
        let key = change.key.clone();
        let answer = engine.commit_own(Change::Checkpoint(change.clone())).await;
        if answer.is_ok()
            && let Some(waiting) = waiting.take()
        {
            Waiting::answered(waiting);
        }
        let error = match answer {
            Ok(Verdict::Committed { .. }) => {
                signals.heartbeat();
                return Ok(());
            }
            Ok(Verdict::Conflict { .. } | Verdict::Fenced { .. }) => {
                return Err(WorkError::from(ProgressError::Superseded { key }));
            }
            Ok(verdict) => {
                let reason = verdict.refusal();
                let reason =
                    reason.unwrap_or_else(|| format!("its verdict is {verdict:?}, which is about idempotency keys"));
                return Err(WorkError::permanent(ProgressError::Refused { key, reason }));
            }
            Err(error) => error,
        };
        tries += 1;
        if waiting.is_none() {
            waiting = Some(engine.outage.wait("progress", &change.key, &error));
        }
        if signals.is_cancelled() {
            return Err(error.into());
        }
        tokio::select! {
            () = engine.clock.sleep(STORE_RETRY.delay(tries)) => {}
            () = signals.cancelled() => {}
        }
    }
}
