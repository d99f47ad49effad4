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

/// The lease of an entry from the view of its holder, in monotonic time. For the holder, the lease is lost some time before it expires in
/// the store.
pub(super) struct EntryLease {
    clock: Clock,
    lost: CancellationToken,
    /// The time at which the lease is lost unless it is renewed.
    give_up: Mutex<Duration>,
}

impl EntryLease {
    /// A lease of length `ttl`, which was requested at `requested` on the monotonic clock.
    pub(super) fn new(clock: &Clock, requested: Duration, ttl: Duration) -> Self {
        let give_up = Mutex::new(give_up(requested, ttl));
        Self { clock: clock.clone(), lost: CancellationToken::new(), give_up }
    }

    /// Gives up the lease: it is lost from now on.
    pub(super) fn give_up(&self) {
        self.lost.cancel();
    }

    /// Whether the lease is lost. Checks the clock, because after a suspension of the process the caller may run before the renewal task
    /// does.
    pub(super) fn is_lost(&self) -> bool {
        if !self.lost.is_cancelled() && self.clock.elapsed() >= *self.give_up.lock() {
            self.lost.cancel();
        }
        self.lost.is_cancelled()
    }

    /// Completes when the lease is lost. Each poll checks the clock, so a future that is polled only while this one is pending does not
    /// continue with a lost lease, even if the process was suspended.
    pub(super) fn lost(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static + use<> {
        let this = self.clone();
        async move {
            let mut cancelled = pin!(this.lost.cancelled());
            poll_fn(|context| if this.is_lost() { Poll::Ready(()) } else { cancelled.as_mut().poll(context) }).await;
        }
    }

    /// Renews the lease every third of `ttl`, counted from the request of the last successful renewal. The lease is lost if no renewal
    /// succeeds within five sixths of `ttl`.
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
                        tracing::warn!(id, "the lease of an entry has expired; it is lost");
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

/// The time at which a lease that was requested at `requested` is given up.
fn give_up(requested: Duration, ttl: Duration) -> Duration {
    requested.saturating_add(ttl / 6 * 5)
}
