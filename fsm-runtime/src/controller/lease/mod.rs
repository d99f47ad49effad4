//! Owns how the controller keeps to its lease: no claims and no workers that it does not cover.

pub(super) mod peers;
pub(super) mod timeline;
pub(super) mod watchdog;

use self::timeline::{Phase, Tenure};
use super::event_loop::Run;
use crate::store::{Key, StoreError};
use std::{collections::HashSet, mem, time::Duration};
use tokio::task::JoinHandle;

/// Where this process stands with its lease.
#[derive(Default)]
pub(in crate::controller) struct Standing {
    state: State,
    /// What would have been claimed, had the lease been there.
    held_back: HashSet<Key>,
}

#[derive(Default)]
enum State {
    /// It holds.
    #[default]
    Holds,
    /// It is running out, or has while the process stood still: asked for once more before anything is stopped. Gives when
    /// it was asked for.
    Asking(JoinHandle<Result<Duration, Option<StoreError>>>),
    /// It was refused. The workers were told to end.
    WindingDown,
    /// The workers were aborted.
    Over,
}

impl Standing {
    pub(in crate::controller) fn hold_back(&mut self, key: Key) {
        self.held_back.insert(key);
    }

    /// The answer to the last request; never ends where there is none. Cancel safe.
    pub(in crate::controller) async fn answered(&mut self) -> Result<Duration, Option<StoreError>> {
        match &mut self.state {
            // Nobody aborts it, and what it runs does not panic; were it gone all the same, there is no lease.
            State::Asking(request) => request.await.unwrap_or(Err(None)),
            State::Holds | State::WindingDown | State::Over => std::future::pending().await,
        }
    }
}

impl Run {
    pub(in crate::controller) fn may_claim(&self) -> bool {
        matches!(self.standing.state, State::Holds)
    }

    /// Whether what was claimed under `tenure` is certainly this process's alone: that lease has held until now, and is not being
    /// wound down.
    pub(in crate::controller) fn is_covered(&self, tenure: Tenure) -> bool {
        let held = tenure.phase(self.engine.clock.elapsed()) < Phase::Over;
        held && matches!(self.standing.state, State::Holds | State::Asking(_))
    }

    /// When the lease has to be looked at next.
    pub(in crate::controller) fn lease_changes(&self) -> Option<Duration> {
        match self.standing.state {
            State::Holds | State::WindingDown => self.tenure.next(self.engine.clock.elapsed()),
            State::Asking(_) | State::Over => None,
        }
    }

    /// Does what the present phase of the lease asks for.
    pub(in crate::controller) fn keep_to_the_lease(&mut self) {
        let phase = self.tenure.phase(self.engine.clock.elapsed());
        match self.standing.state {
            State::Holds if phase > Phase::Working => self.standing.state = State::Asking(self.ask()),
            State::WindingDown if phase == Phase::Over => {
                self.standing.state = State::Over;
                for key in self.all_running() {
                    self.abort(&key);
                }
            }
            State::Holds | State::Asking(_) | State::WindingDown | State::Over => {}
        }
    }

    fn ask(&self) -> JoinHandle<Result<Duration, Option<StoreError>>> {
        let (engine, renewal) = (self.engine.clone(), self.me.clone());
        tokio::spawn(async move {
            let asked = engine.clock.elapsed();
            // How long a disk takes is no matter of the clock, which a test may move meanwhile.
            let patience = renewal.ttl / 12;
            match tokio::time::timeout(patience, engine.store.renew(vec![renewal], engine.clock.now())).await {
                Ok(answer) => answer.map(|_| asked).map_err(Some),
                Err(_elapsed) => Err(None),
            }
        })
    }

    pub(in crate::controller) fn asked(&mut self, answer: Result<Duration, Option<StoreError>>) {
        self.standing.state = State::Holds;
        match answer {
            // What others claimed in between is seen by a look at what runs.
            Ok(at) => {
                self.look_at_all();
                self.lease_holds(at);
            }
            // The watchdog was faster: the lease holds.
            Err(_) if self.tenure.phase(self.engine.clock.elapsed()) == Phase::Working => {
                self.look_at_all();
                self.lease_holds(self.tenure.renewed);
            }
            Err(error) => {
                let error = error.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
                tracing::error!(
                    owner = %self.me.owner, %error, workers = self.running.len(),
                    "the lease is running out and cannot be renewed: the workers are told to end"
                );
                self.standing.state = State::WindingDown;
                for key in self.all_running() {
                    self.tell_to_end(&key);
                }
                self.running.values_mut().for_each(|running| running.lost = true);
                self.keep_to_the_lease();
            }
        }
    }

    /// The watchdog has renewed the lease.
    pub(in crate::controller) fn lease_renewed(&mut self) {
        let at = *self.renewed.borrow_and_update();
        self.lease_holds(at);
    }

    /// The lease was renewed by a request that was made `at` that time.
    fn lease_holds(&mut self, at: Duration) {
        self.tenure.renewed = self.tenure.renewed.max(at);
        if matches!(self.standing.state, State::WindingDown | State::Over) {
            tracing::info!(owner = %self.me.owner, "the lease holds again: work goes on");
            self.standing.state = State::Holds;
            self.look_at_all();
        }
        if self.may_claim() {
            for key in mem::take(&mut self.standing.held_back) {
                self.look_now(key);
            }
        }
    }

    fn look_at_all(&mut self) {
        for key in self.all_running() {
            self.look_now(key);
        }
    }

    pub(in crate::controller) fn all_running(&self) -> Vec<Key> {
        self.running.keys().cloned().collect()
    }
}
