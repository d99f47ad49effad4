//! Enforces the lease of this process: claims and workers stop before it expires.

pub(super) mod peers;
pub(super) mod request;
pub(super) mod timeline;
pub(super) mod watchdog;

use self::{
    request::{LeaseRequest, held_by},
    timeline::{LeaseTimeline, Phase},
    watchdog::LeaseReport,
};
use crate::{
    engine::Engine,
    store::{Held, Key, StoreError},
};
use std::{collections::HashSet, future::pending, mem, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// The lease of this process, as its holder knows it.
pub(super) struct LeaseKeeper {
    engine: Arc<Engine>,
    me: LeaseRequest,
    timeline: LeaseTimeline,
    /// The result of the watchdog's last renewal.
    watchdog: watch::Receiver<LeaseReport>,
    state: LeaseState,
    /// A request of this module for the lease.
    request: Option<JoinHandle<Reply>>,
    /// Whether the lease may have expired since the claims were last known to be held under it.
    compares: bool,
    /// The instances whose claims wait for the lease.
    held_back: HashSet<Key>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LeaseState {
    /// The lease holds.
    Held,
    /// The lease runs out, or has while the process was suspended. It is requested once more before any worker is stopped.
    Requested,
    /// The request failed. The workers are cancelled.
    Draining,
    /// The lease is about to expire. The workers are aborted.
    Lost,
}

/// The answer to a request for the lease; or the store's error, `None` where it did not answer in time.
type Reply = Result<Granted, Option<StoreError>>;

/// The lease is granted.
pub(super) struct Granted {
    /// The time of the request.
    at: Duration,
    /// What this process has claimed, if the old lease had expired.
    held: Option<Vec<Held>>,
}

/// What the loop waits for on behalf of the lease.
pub(super) enum LeaseEvent {
    /// The watchdog has tried to renew the lease.
    Reported,
    /// The request of this module has ended.
    Reply(Reply),
}

/// What a change of the lease means for the loop.
pub(super) enum LeaseChange {
    /// The lease holds again: the claims that were `held_back` can be made. If the old lease had expired, others may have claimed rows
    /// since, and `held` is what this process still has.
    Held { held_back: HashSet<Key>, was_lost: bool, held: Option<Vec<Held>> },
    /// The lease cannot be renewed: the workers must be cancelled.
    Draining { error: String },
    /// The lease is about to expire: the workers must be aborted.
    Lost,
}

impl LeaseKeeper {
    pub(super) fn new(
        engine: Arc<Engine>,
        me: LeaseRequest,
        watchdog: watch::Receiver<LeaseReport>,
        grace: Duration,
    ) -> Self {
        let timeline = LeaseTimeline { renewed: watchdog.borrow().at, ttl: me.ttl, grace };
        let (state, held_back) = (LeaseState::Held, HashSet::new());
        Self { engine, me, timeline, watchdog, state, request: None, compares: false, held_back }
    }

    /// The id under which this process claims rows.
    pub(super) fn owner(&self) -> &str {
        self.me.owner()
    }

    pub(super) fn ttl(&self) -> Duration {
        self.me.ttl
    }

    /// The lease under which a row is claimed now.
    pub(super) fn timeline(&self) -> LeaseTimeline {
        self.timeline
    }

    /// Whether rows may be claimed now.
    pub(super) fn can_claim(&self) -> bool {
        self.state == LeaseState::Held
    }

    /// Remembers an instance whose claim has to wait for the lease.
    pub(super) fn hold_back(&mut self, key: Key) {
        self.held_back.insert(key);
    }

    /// Whether a row that was claimed under `timeline` certainly still belongs to this process: that lease has held until now, and
    /// the workers are not being stopped.
    pub(super) fn covers(&self, timeline: LeaseTimeline) -> bool {
        let held = timeline.phase(self.engine.clock.elapsed()) < Phase::Lost;
        held && matches!(self.state, LeaseState::Held | LeaseState::Requested)
    }

    /// The time at which [`advance`](Self::advance) has something to do.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        match self.state {
            LeaseState::Lost => None,
            LeaseState::Requested if self.request.is_some() => None,
            _ => self.timeline.next(self.engine.clock.elapsed()),
        }
    }

    /// Moves on with the present phase of the lease.
    #[must_use]
    pub(super) fn advance(&mut self) -> Option<LeaseChange> {
        let phase = self.timeline.phase(self.engine.clock.elapsed());
        match self.state {
            LeaseState::Held if phase > Phase::Held => {
                self.request();
                None
            }
            LeaseState::Draining if phase == Phase::Lost => {
                self.state = LeaseState::Lost;
                Some(LeaseChange::Lost)
            }
            LeaseState::Requested if self.request.is_none() && phase > Phase::Held => {
                Some(self.drain("no answer".to_owned()))
            }
            LeaseState::Held | LeaseState::Requested | LeaseState::Draining | LeaseState::Lost => None,
        }
    }

    /// Requests the lease, unless a request is under way. Nothing is claimed before the answer.
    fn request(&mut self) {
        self.compare_if_over();
        if self.state == LeaseState::Held {
            self.state = LeaseState::Requested;
        }
        if self.request.is_none() {
            self.request = Some(tokio::spawn(request(self.engine.clone(), self.me.clone(), self.compares)));
        }
    }

    /// The next event of the lease. Cancel safe.
    pub(super) async fn next_event(&mut self) -> LeaseEvent {
        let Self { request, watchdog, .. } = self;
        let reply = async {
            match request {
                // The task is never aborted; should it panic, there is no lease.
                Some(request) => request.await.unwrap_or(Err(None)),
                None => pending().await,
            }
        };
        tokio::select! {
            Ok(()) = watchdog.changed() => LeaseEvent::Reported,
            reply = reply => LeaseEvent::Reply(reply),
        }
    }

    /// Takes `event` into account.
    #[must_use]
    pub(super) fn on_event(&mut self, event: LeaseEvent) -> Option<LeaseChange> {
        match event {
            LeaseEvent::Reported => {
                self.on_report();
                None
            }
            LeaseEvent::Reply(reply) => {
                self.request = None;
                self.on_reply(reply)
            }
        }
    }

    fn on_report(&mut self) {
        let LeaseReport { at, lapsed } = *self.watchdog.borrow_and_update();
        if !lapsed {
            self.extend(at);
            if self.state != LeaseState::Held || self.compares {
                self.request();
            }
        } else if at > self.timeline.renewed {
            // No lease was granted since.
            self.compares = true;
            self.request();
        }
    }

    fn on_reply(&mut self, reply: Reply) -> Option<LeaseChange> {
        match reply {
            Ok(Granted { at, held }) => {
                self.extend(at);
                // What was read holds as long as the lease under which it was read.
                self.compares &= held.is_none() || self.is_over(at);
                if self.compares {
                    self.request();
                    return None;
                }
                let before = mem::replace(&mut self.state, LeaseState::Held);
                let was_lost = matches!(before, LeaseState::Draining | LeaseState::Lost);
                Some(LeaseChange::Held { held_back: mem::take(&mut self.held_back), was_lost, held })
            }
            Err(error) => {
                // It may have found that the lease had expired.
                self.compares = true;
                let error = error.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
                // Otherwise the watchdog has renewed it meanwhile, and its next report leads to another request.
                let runs_out = self.timeline.phase(self.engine.clock.elapsed()) > Phase::Held;
                (self.state == LeaseState::Requested && runs_out).then(|| self.drain(error))
            }
        }
    }

    fn drain(&mut self, error: String) -> LeaseChange {
        self.state = LeaseState::Draining;
        LeaseChange::Draining { error }
    }

    /// Whether a lease that was requested at `at` may be over in the store.
    fn is_over(&self, at: Duration) -> bool {
        self.engine.clock.elapsed() >= at.saturating_add(self.me.ttl)
    }

    /// An expired lease may be live again without a response that it had expired: the store may execute a request late, which this
    /// process had given up.
    fn compare_if_over(&mut self) {
        self.compares |= self.is_over(self.timeline.renewed);
    }

    /// The lease was extended by a request at `at`.
    fn extend(&mut self, at: Duration) {
        self.compare_if_over();
        self.timeline.renewed = self.timeline.renewed.max(at);
    }
}

/// Renews the lease. If it has expired, takes a new one, and then reads what was left of the claims: others may have taken rows over
/// while there was no lease, and can take none from now on. Reads them in any case where it `compares`.
async fn request(engine: Arc<Engine>, me: LeaseRequest, compares: bool) -> Reply {
    // Real time, because the time of a disk does not depend on a test's clock.
    let limit = me.ttl / 12;
    let (at, lapsed) = match in_time(limit, me.renew(&engine)).await? {
        Ok(at) => (at, false),
        Err(_lapsed) => (in_time(limit, me.take(&engine)).await?, true),
    };
    if !lapsed && !compares {
        return Ok(Granted { at, held: None });
    }
    let held = in_time(limit, held_by(&engine, me.owner())).await?;
    if lapsed {
        tracing::warn!(
            owner = %me.owner(), claims = held.len(),
            "the lease expired, and a new one was taken; work that other processes have taken over is cancelled"
        );
    }
    Ok(Granted { at, held: Some(held) })
}

async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Option<StoreError>> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Some),
        Err(_elapsed) => Err(None),
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::{peers::tests::engine, *};
    use crate::{clock::ManualClock, store::Process};
    use std::time::SystemTime;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn l6_claims_are_compared_after_a_late_request() {
        let (clock, ttl) = (ManualClock::new(SystemTime::UNIX_EPOCH), Duration::from_mins(1));
        let engine = engine(&clock);
        let me = LeaseRequest { process: Process::new("me", "me"), ttl, stopping: CancellationToken::new() };
        let at = me.take(&engine).await.unwrap();
        let (_watchdog, reports) = watch::channel(LeaseReport { at, lapsed: false });
        let mut keeper = LeaseKeeper::new(engine.clone(), me.clone(), reports, ttl);
        clock.advance(ttl * 2);
        // Others can have claimed rows. Now the store executes a request that the process had given up before it was stopped.
        me.take(&engine).await.unwrap();
        assert!(keeper.advance().is_none(), "it asks first");
        let event = keeper.next_event().await;
        let Some(LeaseChange::Held { held, .. }) = keeper.on_event(event) else { panic!("the lease is live") };
        assert!(held.is_some(), "what is still claimed was not read");
    }
}
