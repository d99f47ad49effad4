//! Checkpoints: what a worker stores for its next attempt, under its claim.

use super::{Attempt, WorkError};
use crate::{
    codec::{CodecError, from_json, readable, to_json},
    engine::{Engine, store_until},
    machine::WorkState,
    store::{Change, Key, Row, SaveCheckpoint, Verdict},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::type_name, future::Future, pin::Pin, sync::Arc};

/// A `work` state with checkpoints.
///
/// Implemented by the derive for each state marked `#[state(work, checkpoint = Type)]`.
#[diagnostic::on_unimplemented(
    message = "state `{Self}` has no checkpoints",
    label = "this state declares no `checkpoint` type",
    note = "declare the type on the variant: `#[state(work, checkpoint = Type)]`"
)]
pub trait Checkpointed: WorkState {
    /// The type of the checkpoints.
    type Checkpoint: Serialize + DeserializeOwned;
}

/// Why a checkpoint could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// The checkpoint of an earlier attempt is not of the declared type.
    #[error(
        "the stored checkpoint of {key} in `{state}` is not a valid `{expected}` ({cause}): make the type read the stored form \
         (`#[serde(alias)]`, `#[serde(default)]`), or fire an event: the checkpoint is dropped when the state is left"
    )]
    Unreadable { key: Key, state: String, expected: &'static str, cause: CodecError },
    /// The instance has moved on, or another worker has claimed it.
    #[error("{key} has left the state or was claimed by another worker, so the results of this worker are refused")]
    Superseded { key: Key },
    /// The store can never accept it.
    #[error("the store refused the checkpoint of {key}: {reason}")]
    Refused { key: Key, reason: String },
}

/// The last checkpoint, as it was claimed with `row`.
pub(crate) fn read<P: DeserializeOwned>(row: &Row) -> Result<Option<P>, WorkError> {
    row.checkpoint.as_deref().map(from_json).transpose().map_err(|cause| {
        let (key, state) = (row.key.clone(), row.state.clone());
        WorkError::permanent(CheckpointError::Unreadable { key, state, expected: type_name::<P>(), cause })
    })
}

/// Stores `checkpoint` under the claim of `attempt`, retrying until the worker is cancelled.
pub(crate) fn keep<P: Serialize + DeserializeOwned>(
    engine: Arc<Engine>,
    attempt: &Arc<Attempt>,
    checkpoint: &P,
) -> Pin<Box<dyn Future<Output = Result<(), WorkError>> + Send>> {
    let Row { key, incarnation, fence, .. } = &attempt.row;
    let (key, incarnation, version, fence) = (key.clone(), *incarnation, attempt.newest.get(), *fence);
    let text = to_json(checkpoint).and_then(|text| readable("checkpoint", from_json::<P>(&text)).map(|()| text));
    let change = text.map(|checkpoint| SaveCheckpoint { key, incarnation, version, fence, checkpoint });
    let attempt = attempt.clone();
    // Boxed: a worker's future is as large as the largest future that it awaits.
    Box::pin(async move { store(&engine, change.map_err(WorkError::permanent)?, &attempt).await })
}

async fn store(engine: &Engine, mut change: SaveCheckpoint, attempt: &Attempt) -> Result<(), WorkError> {
    let Attempt { row, signals, .. } = attempt;
    loop {
        let stored = store_until(engine, Change::SaveCheckpoint(change.clone()), signals.cancellation());
        match stored.await? {
            Verdict::Committed { .. } => {
                signals.heartbeat();
                return Ok(());
            }
            verdict @ (Verdict::Conflict { .. } | Verdict::Fenced { .. }) => {
                // Under the same claim, internal transitions have changed the row.
                let Some(current) = row.held_since(&verdict) else {
                    return Err(WorkError::from(CheckpointError::Superseded { key: change.key }));
                };
                attempt.saw(current);
                change.version = current.version;
            }
            verdict => {
                let reason = verdict.refusal();
                let reason = reason
                    .unwrap_or_else(|| format!("unexpected verdict {verdict:?}: a checkpoint has no idempotency key"));
                return Err(WorkError::permanent(CheckpointError::Refused { key: change.key, reason }));
            }
        }
    }
}
