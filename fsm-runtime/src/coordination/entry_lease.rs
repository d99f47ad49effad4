//! The lease of an entry: its renewal, and how its holder learns that it is lost.

use crate::{clock::Clock, engine::Engine, sync::Mutex};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// The shortest time between two attempts to renew.
const PAUSE: Duration = Duration::from_millis(10);

/// The lease of an entry, as its holder knows it: it is lost some time before the store's lease ends, by the monotonic clock.
pub(super) struct EntryLease {
    clock: Clock,
    lost: CancellationToken,
    /// When it is lost without a renewal.
    give_up: Mutex<Duration>,
}

impl EntryLease {
    /// A lease of `ttl`, which was requested at `requested` by the monotonic clock.
    pub(super) fn new(clock: &Clock, requested: Duration, ttl: Duration) -> Self {
        let give_up = Mutex::new(give_up(requested, ttl));
        Self { clock: clock.clone(), lost: CancellationToken::new(), give_up }
    }

    /// The holder gives it up.
    pub(super) fn give_up(&self) {
        self.lost.cancel();
    }

    /// Looks at the clock: a process that was stopped may run before the task of the renewal does.
    pub(super) fn is_lost(&self) -> bool {
        if !self.lost.is_cancelled() && self.clock.elapsed() >= *self.give_up.lock() {
            self.lost.cancel();
        }
        self.lost.is_cancelled()
    }

    /// Completes when it is lost. Each poll looks at the clock. So what is polled only while this is pending does not go on with a lease
    /// that is lost, even if the process was stopped.
    pub(super) fn lost(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static + use<> {
        let this = self.clone();
        async move {
            let mut cancelled = pin!(this.lost.cancelled());
            poll_fn(|context| if this.is_lost() { Poll::Ready(()) } else { cancelled.as_mut().poll(context) }).await;
        }
    }

    /// Renews it at a third of its length, which counts from the time at which the last successful renewal was requested. After five sixths
    /// without a success it is lost.
    pub(super) async fn renew(self: Arc<Self>, engine: Arc<Engine>, id: String, ttl: Duration, requested: Duration) {
        let (clock, mut requested) = (&engine.clock, requested);
        let Some(entries) = engine.store.ephemerals() else { return };
        loop {
            let next = requested.saturating_add(ttl / 3);
            clock.sleep(next.saturating_sub(clock.elapsed())).await;
            requested = loop {
                let asked = clock.elapsed();
                if self.is_lost() {
                    tracing::warn!(id, "the lease of an entry could not be renewed in time; it is lost");
                    return;
                }
                let left = give_up(requested, ttl).saturating_sub(asked);
                let renewal = engine.asked("renew_entry", entries.renew_entry(id.clone(), ttl, engine.now()));
                match clock.timeout(left, renewal).await {
                    Some(Ok(true)) => break asked,
                    Some(Ok(false)) => {
                        tracing::warn!(id, "the lease of an entry has lapsed; it is lost");
                        return self.lost.cancel();
                    }
                    Some(Err(error)) => {
                        tracing::debug!(%error, "an entry could not be renewed; it is tried again");
                        clock.sleep((ttl / 30).max(PAUSE).min(left)).await;
                    }
                    None => {}
                }
            };
            *self.give_up.lock() = give_up(requested, ttl);
        }
    }
}

/// When a lease is given up that was requested at `requested`.
fn give_up(requested: Duration, ttl: Duration) -> Duration {
    requested.saturating_add(ttl / 6 * 5)
}
