//! Retries a change while the store is unavailable.

use super::{Engine, store_health::Waiting};
use crate::{
    backoff::Backoff,
    store::{Change, Key, StoreError, Verdict},
};
use std::{future::Future, time::Duration};
use tokio_util::sync::CancellationToken;

/// The backoff between two attempts.
const STORE_RETRY: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) };

/// Commits a worker's `change`, retrying while the store fails, until `stop` is cancelled.
///
/// # Errors
/// As [`until_stored`].
pub(crate) async fn store_until(
    engine: &Engine,
    change: Change,
    stop: &CancellationToken,
) -> Result<Verdict, StoreError> {
    let what = if matches!(change, Change::SaveCheckpoint(_)) { "checkpoint" } else { "result" };
    until_stored(engine, what, change.key(), stop, || engine.commit_own(change.clone())).await
}

/// Calls `commit`, a worker's change of `key`, again while the store fails, until `stop` is cancelled.
///
/// A retry after an indeterminate commit is safe: the change is a compare-and-swap, or writes the same value again.
///
/// # Errors
/// The store's last error, once `stop` is cancelled. At least one attempt is made.
pub(crate) async fn until_stored<T, F: Future<Output = Result<T, StoreError>>>(
    engine: &Engine,
    what: &'static str,
    key: &Key,
    stop: &CancellationToken,
    commit: impl Fn() -> F,
) -> Result<T, StoreError> {
    let (mut tries, mut waiting) = (0, None);
    loop {
        let error = match commit().await {
            Ok(stored) => {
                if let Some(waiting) = waiting {
                    Waiting::answered(waiting);
                }
                return Ok(stored);
            }
            Err(error) => error,
        };
        tries += 1;
        if waiting.is_none() {
            waiting = Some(engine.store_health.wait(what, key, &error));
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
