//! Enforces the lease of this process: claims and workers stop before it expires.

pub(super) mod peers;
pub(super) mod timeline;
pub(super) mod watchdog;

use self::timeline::{LeaseTimeline, Phase};
use crate::{
    engine::Engine,
    store::{Key, Renewal, StoreError},
};
use std::{collections::HashSet, future::pending, mem, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle};

/// The lease of this process, as its holder knows it.
pub(super) struct LeaseKeeper {
    engine: Arc<Engine>,
    renewal: Renewal,
    timeline: LeaseTimeline,
    /// The time at which the watchdog requested its last successful renewal.
    renewed: watch::Receiver<Duration>,
    state: LeaseState,
    /// The instances whose claims wait for the lease.
    held_back: HashSet<Key>,
}

enum LeaseState {
    /// The lease holds.
    Held,
    /// The lease runs out, or has while the process was suspended. It is renewed once more before any worker is stopped. The task
    /// returns the time of its request.
    Renewing(JoinHandle<RenewalReply>),
    /// The renewal failed. The workers are cancelled.
    Draining,
    /// The lease is about to expire. The workers are aborted.
    Lost,
}

/// The time of the request; or the store's error, `None` where it did not answer in time.
type RenewalReply = Result<Duration, Option<StoreError>>;

/// What the loop waits for on behalf of the lease.
pub(super) enum LeaseEvent {
    /// The watchdog has renewed the lease.
    Renewed,
    /// The renewal that this module requested has ended.
    Reply(RenewalReply),
}

/// What a change of the lease means for the loop.
pub(super) enum LeaseChange {
    /// The lease holds again. Others may have claimed rows meanwhile, so all running instances are looked at, and those whose claims
    /// were `held_back`.
    Held { held_back: HashSet<Key>, was_lost: bool },
    /// The lease cannot be renewed: the workers must be cancelled.
    Draining { error: String },
    /// The lease is about to expire: the workers must be aborted.
    Lost,
}

impl LeaseKeeper {
    pub(super) fn new(
        engine: Arc<Engine>,
        renewal: Renewal,
        renewed: watch::Receiver<Duration>,
        grace: Duration,
    ) -> Self {
        let timeline = LeaseTimeline { renewed: *renewed.borrow(), ttl: renewal.ttl, grace };
        Self { engine, renewal, timeline, renewed, state: LeaseState::Held, held_back: HashSet::new() }
    }

    /// The id under which this process claims rows.
    pub(super) fn owner(&self) -> &str {
        &self.renewal.owner
    }

    pub(super) fn ttl(&self) -> Duration {
        self.renewal.ttl
    }

    /// The lease under which a row is claimed now.
    pub(super) fn timeline(&self) -> LeaseTimeline {
        self.timeline
    }

    /// Whether rows may be claimed now.
    pub(super) fn can_claim(&self) -> bool {
        matches!(self.state, LeaseState::Held)
    }

    /// Remembers an instance whose claim has to wait for the lease.
    pub(super) fn hold_back(&mut self, key: Key) {
        self.held_back.insert(key);
    }

    /// Whether a row that was claimed under `timeline` certainly still belongs to this process: that lease has held until now, and
    /// the workers are not being stopped.
    pub(super) fn covers(&self, timeline: LeaseTimeline) -> bool {
        let held = timeline.phase(self.engine.clock.elapsed()) < Phase::Lost;
        held && matches!(self.state, LeaseState::Held | LeaseState::Renewing(_))
    }

    /// The time at which [`advance`](Self::advance) has something to do.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        match self.state {
            LeaseState::Held | LeaseState::Draining => self.timeline.next(self.engine.clock.elapsed()),
            LeaseState::Renewing(_) | LeaseState::Lost => None,
        }
    }

    /// Moves on with the present phase of the lease.
    #[must_use]
    pub(super) fn advance(&mut self) -> Option<LeaseChange> {
        let phase = self.timeline.phase(self.engine.clock.elapsed());
        match self.state {
            LeaseState::Held if phase > Phase::Held => {
                self.state = LeaseState::Renewing(self.renew());
                None
            }
            LeaseState::Draining if phase == Phase::Lost => {
                self.state = LeaseState::Lost;
                Some(LeaseChange::Lost)
            }
            LeaseState::Held | LeaseState::Renewing(_) | LeaseState::Draining | LeaseState::Lost => None,
        }
    }

    fn renew(&self) -> JoinHandle<RenewalReply> {
        let (engine, renewal) = (self.engine.clone(), self.renewal.clone());
        tokio::spawn(async move {
            let requested = engine.clock.elapsed();
            // Real time, because the time of a disk does not depend on a test's clock.
            let timeout = renewal.ttl / 12;
            match tokio::time::timeout(timeout, engine.store.renew(vec![renewal], engine.clock.now())).await {
                Ok(reply) => reply.map(|_| requested).map_err(Some),
                Err(_elapsed) => Err(None),
            }
        })
    }

    /// The next event of the lease. Cancel safe.
    pub(super) async fn next_event(&mut self) -> LeaseEvent {
        let Self { state, renewed, .. } = self;
        let reply = async {
            match state {
                // The task is never aborted; should it panic, there is no lease.
                LeaseState::Renewing(request) => request.await.unwrap_or(Err(None)),
                LeaseState::Held | LeaseState::Draining | LeaseState::Lost => pending().await,
            }
        };
        tokio::select! {
            Ok(()) = renewed.changed() => LeaseEvent::Renewed,
            reply = reply => LeaseEvent::Reply(reply),
        }
    }

    /// Takes `event` into account.
    #[must_use]
    pub(super) fn on_event(&mut self, event: LeaseEvent) -> Option<LeaseChange> {
        match event {
            LeaseEvent::Renewed => {
                let at = *self.renewed.borrow_and_update();
                self.extend(at);
                matches!(self.state, LeaseState::Draining | LeaseState::Lost).then(|| self.hold())
            }
            LeaseEvent::Reply(Ok(at)) => {
                self.extend(at);
                Some(self.hold())
            }
            // The watchdog has renewed the lease meanwhile.
            LeaseEvent::Reply(Err(_)) if self.timeline.phase(self.engine.clock.elapsed()) == Phase::Held => {
                Some(self.hold())
            }
            LeaseEvent::Reply(Err(error)) => {
                self.state = LeaseState::Draining;
                let error = error.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
                Some(LeaseChange::Draining { error })
            }
        }
    }

    /// The lease was renewed by a request at `at`.
    fn extend(&mut self, at: Duration) {
        self.timeline.renewed = self.timeline.renewed.max(at);
    }

    fn hold(&mut self) -> LeaseChange {
        let before = mem::replace(&mut self.state, LeaseState::Held);
        let was_lost = matches!(before, LeaseState::Draining | LeaseState::Lost);
        LeaseChange::Held { held_back: mem::take(&mut self.held_back), was_lost }
    }
}
