//! The requests of this process for its lease.

use crate::{
    engine::Engine,
    store::{Held, Lapsed, Process, Renewal, StoreError},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most entries of one read.
const PAGE: usize = 500;

/// The lease that this process asks the store for.
#[derive(Clone, Debug)]
pub(crate) struct LeaseRequest {
    pub(crate) process: Process,
    pub(crate) ttl: Duration,
    /// Cancelled when the controller begins to stop.
    pub(crate) stopping: CancellationToken,
}

impl LeaseRequest {
    /// The id under which this process claims rows.
    pub(in crate::controller) fn owner(&self) -> &str {
        &self.process.owner
    }

    /// Takes a lease. Returns the time of the request, from which the lease counts for its holder.
    pub(super) async fn take(&self, engine: &Engine) -> Result<Duration, StoreError> {
        let (requested, now) = (engine.clock.elapsed(), engine.clock.now());
        let taken = engine.asked("take_lease", engine.store.take_lease(self.process.clone(), self.ttl, now)).await?;
        engine.set_store_time(now, taken.now);
        Ok(requested)
    }

    /// Extends the lease, unless it has expired. Returns the time of the request.
    pub(in crate::controller) async fn renew(&self, engine: &Engine) -> Result<Result<Duration, Lapsed>, StoreError> {
        let renewal =
            Renewal { owner: self.process.owner.clone(), ttl: self.ttl, leaving: self.stopping.is_cancelled() };
        let (requested, now) = (engine.clock.elapsed(), engine.clock.now());
        let answer = engine.asked("renew_lease", engine.store.renew_lease(renewal, now)).await?;
        engine.set_store_time(now, answer.map_or_else(|lapsed| lapsed.now, |renewed| renewed.now));
        Ok(answer.map(|_| requested))
    }
}

/// What `owner` has claimed in the store.
pub(crate) async fn held_by(engine: &Engine, owner: &str) -> Result<Vec<Held>, StoreError> {
    let mut held: Vec<Held> = Vec::new();
    loop {
        let after = held.last().map(|last| last.key.clone());
        let page = engine.asked("held_by", engine.store.held_by(owner.to_owned(), after, PAGE)).await?;
        let ended = page.len() < PAGE;
        held.extend(page);
        if ended {
            return Ok(held);
        }
    }
}
