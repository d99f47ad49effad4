//! Owns the wait until a controller has nothing to do, for tests that are to be deterministic.

use super::event_loop::Run;
use crate::{
    clock::FOREVER,
    engine::Engine,
    store::{Due, Key, Scope, StoreError},
};
use std::time::SystemTime;

/// What one read of the store fetches at most.
const PAGE: usize = 500;
/// After every machine's name, which is one of an identifier.
const LAST: &str = "\u{10FFFF}";

/// Why it cannot be said that there is nothing left to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdleError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work has ended by a fault of the runtime itself, with whatever is still due.
    #[error("nothing is worked on any more: {0}")]
    Failed(String),
}

impl Run {
    /// Answers those who wait for it, if there is nothing to do now.
    pub(super) fn answer_idle(&mut self) {
        if !self.engine.notifier.is_asked() {
            return;
        }
        let now = self.engine.clock.elapsed();
        let due = self.agenda.next().is_some_and(|at| at <= now);
        // Without its lease it holds back what it would do.
        if self.is_idle() && !due && self.may_claim() {
            self.engine.notifier.answer();
        }
    }
}

/// Ends when nothing in `scope` is due, running or on its way, and says when the next thing is due.
///
/// Cancel safe: it has no effects but that the controller looks at what is due.
pub(crate) async fn until_idle(engine: &Engine, scope: Scope) -> Result<Option<SystemTime>, StoreError> {
    let mut left = Vec::new();
    loop {
        engine.notifier.idle().await;
        let now = engine.clock.now();
        // What nobody has told of: raw writes, another process's word that is still on its way.
        let due = engine.store.due(scope.clone(), now, None, PAGE).await?;
        // What is due after it was looked at is what this code leaves alone.
        if due.is_empty() || due == left {
            let after = Due { key: Key::new(LAST, ""), at: now };
            let next = engine.store.due(scope, SystemTime::UNIX_EPOCH + FOREVER, Some(after), 1).await?;
            return Ok(next.first().map(|next| next.at));
        }
        engine.notifier.publish(due.iter().map(|due| due.key.clone()));
        left = due;
    }
}
