//! The wait until a controller has nothing to do, for deterministic tests.

use super::WatchedScope;
use crate::{
    clock::FOREVER,
    engine::Engine,
    store::{Due, Key, StoreError},
};
use std::time::SystemTime;

/// The most entries of one read.
const PAGE: usize = 500;
/// Sorts after every machine name, since these are identifiers.
const LAST: &str = "\u{10FFFF}";

/// The error of [`Runtime::run_until_idle`](crate::Runtime::run_until_idle).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdleError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The controller has stopped because of a fault of the runtime itself. Due work is not done.
    #[error("the controller has stopped: {0}")]
    Failed(String),
    /// The runtime has another clock than the one that was to be advanced.
    #[error("the runtime does not use this clock; pass `clock.clock()` to `Builder::clock`")]
    OtherClock,
}

/// Waits until nothing in `scope` is due, running or in flight. Returns the next due time.
///
/// # Cancel safety
/// Its only effect is that the controller looks at due rows.
pub(crate) async fn until_idle(engine: &Engine, scope: &WatchedScope) -> Result<Option<SystemTime>, StoreError> {
    let mut before = Vec::new();
    loop {
        engine.notifier.idle().await;
        let (now, scopes) = (engine.now(), scope.scopes());
        // Due without a notification: raw writes, or changes of another process that are not read yet.
        let mut due: Vec<Due> = Vec::new();
        for scope in &scopes {
            due.extend(engine.store.due(scope.clone(), now, None, PAGE).await?);
        }
        // Rows still due after a look are those that this code does not know.
        if due.is_empty() || due == before {
            let mut next: Vec<Due> = Vec::new();
            for scope in scopes {
                let after = Due { key: Key::new(LAST, ""), at: now };
                next.extend(engine.store.due(scope, SystemTime::UNIX_EPOCH + FOREVER, Some(after), 1).await?);
            }
            return Ok(next.into_iter().map(|next| next.at).min());
        }
        engine.notifier.publish(due.iter().map(|due| due.key.clone()));
        before = due;
    }
}
