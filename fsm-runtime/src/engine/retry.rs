//! Retries a change while the store is unavailable.

use super::{Engine, store_health::Waiting};
use crate::{
    backoff::Backoff,
    store::{Change, StoreError, Verdict},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The backoff between two attempts.
const STORE_RETRY: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) };

/// Commits a worker's `change`, retrying while the store fails, until `stop` is cancelled.
///
/// A retry after an indeterminate commit is safe: the change is a compare-and-swap, or writes the same value again.
///
/// # Errors
/// The store's last error, once `stop` is cancelled. At least one attempt is made.
pub(crate) async fn store_until(
    engine: &Engine,
    change: Change,
    stop: &CancellationToken,
) -> Result<Verdict, StoreError> {
    let what = if matches!(change, Change::Checkpoint(_)) { "checkpoint" } else { "result" };
    let (mut tries, mut waiting) = (0, None);
    loop {
        let error = match engine.commit_own(change.clone()).await {
            Ok(verdict) => {
                if let Some(waiting) = waiting {
                    Waiting::answered(waiting);
                }
                return Ok(verdict);
            }
            Err(error) => error,
        };
        tries += 1;
        if waiting.is_none() {
            waiting = Some(engine.store_health.wait(what, change.key(), &error));
        }
        if stop.is_cancelled() {
            return Err(error);
        }
        tokio::select! {
            () = engine.clock.sleep(STORE_RETRY.delay(tries)) => {}
            () = stop.cancelled() => {}
        }
    }
}
