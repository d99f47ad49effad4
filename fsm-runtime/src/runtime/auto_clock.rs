//! A manual clock that advances by itself.

use crate::{
    clock::ManualClock,
    controller::{WatchedScope, until_idle},
    engine::Engine,
};
use std::{sync::Arc, time::Duration};

/// The real time before the store is read again after an error.
const RETRY: Duration = Duration::from_millis(10);

/// Advances `clock` to the next due time whenever nothing in `scope` is due or running, until the runtime shuts down.
pub(super) async fn advance(engine: Arc<Engine>, clock: ManualClock, scope: WatchedScope) {
    // Before the first read: what changes later is not missed.
    let mut changed = engine.notifier.subscribe();
    let advance = async {
        loop {
            match until_idle(&engine, &scope).await {
                Ok(Some(next)) => clock.advance_to(next),
                // An error means that some changes were missed: there are changes.
                Ok(None) => drop(changed.recv().await),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    };
    tokio::select! {
        () = engine.closing.cancelled() => {}
        () = advance => {}
    }
}
