//! The work queue: which instance is looked at next, and the steps that run beside the loop.

mod agenda;
pub(super) mod delay_queue;
mod in_flight;

use self::{agenda::Agenda, in_flight::InFlight};
use super::step::StepResult;
use crate::{
    engine::Engine,
    store::{Due, Key},
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::task::{Id, JoinError, JoinSet};

/// The most steps at once: more would only queue for the store.
const MAX_STEPS: usize = 128;

/// When each instance is looked at, and the steps in flight: one instance is not looked at while a step of it runs.
pub(super) struct WorkQueue {
    engine: Arc<Engine>,
    agenda: Agenda,
    steps: JoinSet<StepResult>,
    /// The instance of each step.
    keys: HashMap<Id, Key>,
    in_flight: InFlight,
}

impl WorkQueue {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            agenda: Agenda::default(),
            steps: JoinSet::new(),
            keys: HashMap::new(),
            in_flight: InFlight::default(),
        }
    }

    /// Schedules a look at `key` now.
    pub(super) fn notify(&mut self, key: Key) {
        self.agenda.notify(key, self.engine.clock.elapsed());
    }

    /// Schedules a look at `key` at the store's time `at`, or earlier where one is scheduled already.
    pub(super) fn notify_at(&mut self, key: Key, at: SystemTime) {
        let at = self.to_elapsed(at);
        self.agenda.notify(key, at);
    }

    /// Schedules a look at `key` after `delay`, or earlier where one is scheduled already.
    pub(super) fn notify_after(&mut self, key: Key, delay: Duration) {
        self.agenda.notify(key, self.engine.clock.elapsed().saturating_add(delay));
    }

    /// Schedules a look at what a scan has found.
    pub(super) fn add_found(&mut self, Due { key, at }: Due) {
        let at = self.to_elapsed(at);
        self.agenda.add_found(key, at);
    }

    /// Whether there is room for another page of a scan.
    pub(super) fn accepts_found(&self) -> bool {
        !self.agenda.is_full()
    }

    /// The time of the next look; `None` where none is scheduled or no more steps may start.
    pub(super) fn next_look(&mut self) -> Option<Duration> {
        self.agenda.next().filter(|_| self.steps.len() < MAX_STEPS)
    }

    /// Whether a look is due now.
    pub(super) fn is_due(&mut self) -> bool {
        self.agenda.next().is_some_and(|at| at <= self.engine.clock.elapsed())
    }

    /// Takes the next instance whose look is due. One with a step in flight is looked at after that step instead.
    pub(super) fn pop(&mut self) -> Option<Key> {
        while self.steps.len() < MAX_STEPS {
            let key = self.agenda.pop(self.engine.clock.elapsed())?;
            if !self.in_flight.defer(&key) {
                return Some(key);
            }
        }
        None
    }

    /// Starts a step of `key` beside the loop.
    pub(super) fn start(&mut self, key: Key, step: impl Future<Output = StepResult> + Send + 'static) {
        let id = self.steps.spawn(step).id();
        self.keys.insert(id, key.clone());
        self.in_flight.begin(key);
    }

    /// The next step that has ended; `None` where none runs. Cancel safe.
    pub(super) async fn next_ended(&mut self) -> Option<(Key, Result<StepResult, JoinError>)> {
        loop {
            let ended = self.steps.join_next_with_id().await?;
            let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
            let Some(key) = self.keys.remove(&id) else { continue };
            if self.in_flight.end(&key) {
                self.notify(key.clone());
            }
            return Some((key, ended.map(|(_, result)| result)));
        }
    }

    /// Whether a step of `key` is in flight.
    pub(super) fn is_in_flight(&self, key: &Key) -> bool {
        self.in_flight.contains(key)
    }

    /// Whether no step is in flight.
    pub(super) fn is_quiet(&self) -> bool {
        self.steps.is_empty()
    }

    /// Rebuilds the tables from the steps, which survive a panic of the loop. Each instance with a step is looked at afterwards.
    pub(super) fn recover(&mut self) {
        self.in_flight = InFlight::default();
        for key in self.keys.values() {
            self.in_flight.begin(key.clone());
            self.in_flight.defer(key);
        }
    }

    /// The monotonic time of the store's time `at`; now, where it is past.
    fn to_elapsed(&self, at: SystemTime) -> Duration {
        let delay = at.duration_since(self.engine.now()).unwrap_or_default();
        self.engine.clock.elapsed().saturating_add(delay)
    }
}
