//! The workers of this process: their slots and claims, their start, their end, and what their end means for the row.

pub(super) mod gate;
mod machines;
pub(super) mod policy;
mod result;
pub(super) mod run;
mod running;
mod shared_slots;
pub(super) mod slot_entries;
mod slots;
pub(super) mod status;
mod timeouts;

pub(crate) use self::machines::Drivers;
pub(super) use self::running::EndedWorker;
use self::{
    machines::RegisteredMachines,
    result::Ending,
    run::{failure, release},
    running::RunningWorkers,
    shared_slots::{Call, Loss},
    slot_entries::EntryEvent,
    slots::{SlotTable, Taken},
    status::WorkerRegistry,
};
use super::{
    Settings,
    decide::Visit,
    driver::Driver,
    queue::{WorkQueue, delay_queue::DelayQueue},
    step::StepResult,
};
use crate::{
    engine::Engine,
    log::{Escaped, log_row},
    metrics, panics,
    store::{Attempts, Change, Key, Row, StoreError},
    worker::{
        Attempt, Limits, WorkError,
        signals::{Signals, Stage},
    },
};
use std::{collections::HashMap, mem, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// The workers of this process, and the rows that it has claimed.
pub(super) struct Workers {
    engine: Arc<Engine>,
    machines: RegisteredMachines,
    slots: SlotTable,
    running: RunningWorkers,
    /// The time of the next check of each running worker.
    checks: DelayQueue,
    /// The rows of claims that were requested and have no worker yet, as they were before.
    unstarted: HashMap<Key, Visit>,
    /// The rows of claims whose attempts are given back at the end of a shutdown.
    unused: Vec<Row>,
    draining: CancellationToken,
    /// Cancelled when results are no longer retried.
    giving_up: CancellationToken,
    /// What `Runtime::status` shows.
    registry: Arc<WorkerRegistry>,
    /// Notified when a breaker may admit work that it has refused.
    breakers: Arc<Notify>,
    /// The tasks that do so. They end with this.
    _watchers: JoinSet<()>,
}

/// Whether a row whose work is due may be claimed.
pub(super) enum Admission {
    /// It may be claimed; it has a slot.
    Claim,
    /// All slots are taken; it has a place in the queue.
    NoSlot,
    /// The process shuts down.
    ShuttingDown,
    /// The lease does not hold.
    NoLease,
    /// This process has claimed it already and started no worker: the answer was lost, or the loop panicked before.
    Unstarted,
    /// Its last attempt ended with its process.
    Exhausted,
}

/// What follows from the end of a worker.
pub(super) enum AfterWorker {
    /// The failure has to be stored.
    StoreFailure(WorkError),
    /// The attempt has to be given back.
    GiveBack,
    /// The row as the worker's result left it.
    Continue(Box<Row>),
    /// The row has to be looked at.
    Look,
}

/// The end of an attempt, and what follows.
pub(super) struct WorkerEnd {
    pub(super) attempt: Arc<Attempt>,
    pub(super) next: AfterWorker,
    /// The outcome for the metrics, where the worker has not recorded it itself.
    pub(super) outcome: Option<&'static str>,
}

impl Workers {
    pub(super) fn new(
        engine: Arc<Engine>,
        drivers: Drivers,
        settings: Settings,
        registry: Arc<WorkerRegistry>,
    ) -> Self {
        let machines = RegisteredMachines::new(drivers, settings.policies, settings.limits);
        let breakers = Arc::<Notify>::default();
        let mut watchers = JoinSet::new();
        for breaker in machines.breakers() {
            let (mut changes, breakers) = (breaker.subscribe(), breakers.clone());
            watchers.spawn(async move {
                while changes.changed().await.is_ok() {
                    breakers.notify_one();
                }
            });
        }
        Self {
            slots: machines.slots(settings.max_concurrency, settings.lease_ttl, &engine.clock, &settings.live),
            engine,
            machines,
            running: RunningWorkers::default(),
            checks: DelayQueue::default(),
            unstarted: HashMap::new(),
            unused: Vec::new(),
            draining: CancellationToken::new(),
            giving_up: CancellationToken::new(),
            registry,
            breakers,
            _watchers: watchers,
        }
    }

    /// The driver of the instance's machine; `None` where the machine is not registered.
    pub(super) fn driver(&self, key: &Key) -> Option<&Arc<dyn Driver>> {
        self.machines.driver(key)
    }

    /// The limits of an attempt in the state of `row`.
    pub(super) fn limits(&self, row: &Row) -> Limits {
        self.machines.limits(row)
    }

    /// The visit for which a worker of `key` runs.
    pub(super) fn visit(&self, key: &Key) -> Option<Visit> {
        self.running.get(key).map(|worker| Visit::of(&worker.attempt.row))
    }

    /// Records that `row` was read, for its worker.
    pub(super) fn saw(&self, row: &Row) {
        if let Some(worker) = self.running.get(&row.key) {
            worker.attempt.saw(row);
        }
    }

    /// The instances with a running worker.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.running.keys()
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether `key` waits for a slot.
    pub(super) fn is_waiting(&self, key: &Key) -> bool {
        self.slots.is_waiting(key)
    }

    /// Whether nothing runs except leaked workers.
    pub(super) fn is_quiet(&self) -> bool {
        self.running.are_all_leaked()
    }

    /// Decides whether `row`, whose work is due, may be claimed, and takes a slot for it.
    pub(super) fn admit(&mut self, row: &Row, me: &str, has_lease: bool, queue: &mut WorkQueue) -> Admission {
        if self.draining.is_cancelled() {
            self.free_slot(&row.key, queue);
            return Admission::ShuttingDown;
        }
        if !self.take_slot(row, queue) {
            return Admission::NoSlot;
        }
        if !has_lease {
            self.free_slot(&row.key, queue);
            return Admission::NoLease;
        }
        let is_mine = row.owner.as_deref() == Some(me);
        let before = self.unstarted.get(&row.key);
        if is_mine && before.is_some_and(|before| before.was_claimed_since(Visit::of(row))) {
            return Admission::Unstarted;
        }
        if let Some(owner) = row.owner.as_ref().filter(|_| !is_mine) {
            if row.attempt >= self.limits(row).max_attempts {
                return Admission::Exhausted;
            }
            log_row!(warn, row, %owner, "taken over from a process that has ended");
            metrics::taken_over(&row.key.machine, &row.state);
        }
        self.unstarted.insert(row.key.clone(), Visit::of(row));
        Admission::Claim
    }

    /// Forgets a claim of `key` that has no worker, and frees its slot.
    pub(super) fn forget_claim(&mut self, key: &Key, queue: &mut WorkQueue) {
        self.unstarted.remove(key);
        self.free_slot(key, queue);
    }

    /// The change that gives back the claim of `row`, and its attempt; logs `why`.
    pub(super) fn return_claim(&mut self, row: &Row, why: &str, queue: &mut WorkQueue) -> Change {
        log_row!(warn, row, "{why}");
        self.free_slot(&row.key, queue);
        Change::Release(release(row, Duration::ZERO, Attempts::GiveBack, None))
    }

    /// Starts the worker of the claimed `row`. Returns its attempt; `None` while the process shuts down.
    pub(super) fn start(&mut self, row: Row, queue: &mut WorkQueue) -> Option<Arc<Attempt>> {
        let driver = self.driver(&row.key)?.clone();
        if self.draining.is_cancelled() {
            self.free_slot(&row.key, queue);
            self.unused.push(row);
            return None;
        }
        let signals = Signals::new(self.engine.clock.clone(), self.draining.clone());
        let span = tracing::info_span!(
            "work", machine = %row.key.machine, id = %Escaped(&row.key.id), state = %row.state, version = row.version,
            attempt = row.attempt
        );
        tracing::debug!(parent: &span, fence = row.fence, "worker starts");
        let limits = self.limits(&row);
        let permit = self.slots.take_permit(&row.key);
        let attempt = Arc::new(Attempt::new(row, limits, signals));
        let work = run::work(self.engine.clone(), driver, attempt.clone(), permit, self.giving_up.clone());
        self.running.spawn(attempt.clone(), work.instrument(span));
        self.unstarted.remove(&attempt.row.key);
        self.registry.set_running(&attempt);
        self.watch(&attempt.row.key);
        Some(attempt)
    }

    /// Cancels the worker of `key`, whose instance has moved on.
    pub(super) fn cancel_outdated(&mut self, key: &Key) {
        let first = self.cancel(key);
        self.running.set_outdated(key);
        if let Some(worker) = self.running.get(key).filter(|_| first) {
            log_row!(info, worker.attempt.row, "cancelling the worker: the instance has moved on");
        }
    }

    /// Cancels the workers of visits that are not among those that this process has claimed: another process has taken them over.
    pub(super) fn cancel_taken_over(&mut self, held: &HashMap<Key, Visit>) {
        for key in self.running.keys() {
            if held.get(&key).copied() != self.visit(&key) {
                self.cancel_outdated(&key);
            }
        }
    }

    /// Cancels all workers, whose attempts will be given back: the lease cannot be renewed.
    pub(super) fn cancel_all_without_lease(&mut self) {
        for key in self.running.keys() {
            self.cancel(&key);
        }
        self.running.set_lease_lost();
    }

    /// Aborts all workers.
    pub(super) fn abort_all(&mut self) {
        for key in self.running.keys() {
            self.abort(&key);
        }
    }

    /// The next worker that has ended; `None` where none runs. Cancel safe.
    pub(super) async fn next_ended(&mut self) -> Option<EndedWorker> {
        self.running.next_ended().await
    }

    /// Frees the slot of a worker that has ended, and decides what follows.
    pub(super) fn on_ended(&mut self, ended: EndedWorker, queue: &mut WorkQueue) -> WorkerEnd {
        let EndedWorker { key, worker, result } = ended;
        let attempt = worker.attempt;
        let Attempt { row, signals, .. } = &*attempt;
        self.checks.remove(&key);
        self.free_slot(&key, queue);
        let stage = signals.stage();
        if stage == Stage::Leaked {
            metrics::workers(&key.machine, "leaked", -1.0);
            log_row!(warn, row, "the leaked worker has ended");
        }
        // The result of a worker that returned in time is stored and counted.
        let returned = stage == Stage::Returned;
        let (next, outcome) = match (signals.overdue(), result) {
            (Some(overdue), _) if !returned => {
                (AfterWorker::StoreFailure(WorkError::from(overdue.to_string())), overdue.name())
            }
            (None, Err(failed)) if failed.is_panic() && !signals.is_cancelled() => {
                (AfterWorker::StoreFailure(WorkError::from(panic_text(failed))), "panic")
            }
            (None, _) if worker.lease_lost && !returned => (AfterWorker::GiveBack, "lost"),
            // A look in flight, or the one that found the worker outdated, sees a newer row.
            (_, Ok(Some(left))) if !worker.outdated && !queue.is_in_flight(&key) => {
                (AfterWorker::Continue(left), "returned")
            }
            _ => (AfterWorker::Look, "aborted"),
        };
        WorkerEnd { next, outcome: (!returned).then_some(outcome), attempt }
    }

    /// The step that stores the failure of a worker that could not store it itself.
    pub(super) fn store_failure(
        &self,
        row: Row,
        error: WorkError,
    ) -> Option<impl Future<Output = StepResult> + Send + use<>> {
        let driver = self.driver(&row.key)?.clone();
        let (engine, limits, giving_up) = (self.engine.clone(), self.limits(&row), self.giving_up.clone());
        Some(async move {
            let change = failure(&*driver, &engine, &row, &error, limits);
            let ending = Ending { engine: &engine, driver: &driver, row: &row, limits, giving_up: &giving_up };
            ending.store(change.into()).await;
            StepResult::Stored(Ok(()))
        })
    }

    /// The step that gives back an attempt that was aborted because the lease was lost.
    pub(super) fn give_attempt_back(
        &self,
        attempt: Arc<Attempt>,
    ) -> Option<impl Future<Output = StepResult> + Send + use<>> {
        let driver = self.driver(&attempt.row.key)?.clone();
        let (engine, giving_up) = (self.engine.clone(), self.giving_up.clone());
        Some(async move {
            let Attempt { row, limits, .. } = &*attempt;
            let change = Change::Release(release(row, Duration::ZERO, Attempts::GiveBack, None));
            let ending = Ending { engine: &engine, driver: &driver, row, limits: *limits, giving_up: &giving_up };
            ending.store(change.into()).await;
            StepResult::Stored(Ok(()))
        })
    }

    /// Begins a shutdown: no more claims, and workers learn that the process drains.
    pub(super) fn drain(&mut self, queue: &WorkQueue) {
        self.draining.cancel();
        self.slots.close();
        let Self { slots, running, .. } = self;
        slots.retain(|key| running.contains(key) || queue.is_in_flight(key), self.engine.clock.elapsed());
    }

    /// The attempts of the running workers.
    pub(super) fn attempts(&self) -> Vec<Arc<Attempt>> {
        self.running.attempts()
    }

    /// Cancels all workers, and stops retrying results. Returns the longest grace period.
    pub(super) fn cancel_all_for_shutdown(&mut self) -> Duration {
        self.giving_up.cancel();
        let attempts = self.running.attempts();
        for attempt in &attempts {
            self.cancel(&attempt.row.key);
        }
        attempts
            .iter()
            .map(|attempt| attempt.limits.grace_period)
            .max()
            .unwrap_or(self.machines.defaults().grace_period)
    }

    /// Whether a worker of `key` runs.
    pub(super) fn is_running(&self, key: &Key) -> bool {
        self.running.contains(key)
    }

    /// Gives the attempt of `row` back at the end of the shutdown.
    pub(super) fn add_unused(&mut self, row: Row) {
        self.unused.push(row);
    }

    /// Gives back the claims that came to nothing, within `timeout`. Best effort: without the store, other processes take them over.
    pub(super) async fn release_unused(&mut self, timeout: Duration) {
        let rows = mem::take(&mut self.unused);
        let claims = rows.len();
        let error = match self.engine.clock.timeout(timeout, self.give_claims_back(rows)).await {
            Some(Ok(())) => return,
            Some(Err(error)) => error.to_string(),
            None => "no answer".to_owned(),
        };
        tracing::warn!(%error, claims, "claims could not be released");
    }

    async fn give_claims_back(&self, mut rows: Vec<Row>) -> Result<(), StoreError> {
        let release = |row: &Row| Change::Release(release(row, Duration::ZERO, Attempts::GiveBack, None)).into();
        while !rows.is_empty() {
            let commit = self.engine.store.commit(rows.iter().map(release).collect(), self.engine.now());
            let verdicts = self.engine.asked("commit", commit).await?;
            // Under the same claim, internal transitions have changed the row.
            rows =
                rows.into_iter().zip(verdicts).filter_map(|(row, verdict)| row.held_since(&verdict).cloned()).collect();
        }
        Ok(())
    }

    /// Rebuilds the tables from the tasks, which survive a panic of the loop, and schedules a look at each running instance. Rows
    /// claimed without a worker are found by the scan, which restarts with the loop.
    pub(super) fn recover(&mut self, queue: &mut WorkQueue) {
        let now = self.engine.clock.elapsed();
        let Self { slots, running, registry, .. } = self;
        slots.retain(|key| running.contains(key) || queue.is_in_flight(key), now);
        slots.recover(now);
        slots.reopen(Duration::MAX);
        registry.retain(|key| running.contains(key) || slots.is_waiting(key));
        for attempt in self.running.attempts() {
            self.registry.set_running(&attempt);
        }
        for key in self.running.keys() {
            self.watch_again(&key);
            queue.notify(key);
        }
        for machine in self.slots.machines() {
            self.grant_slots(machine, queue);
        }
    }

    /// Whether there is a slot for work on `row`; if not, it has a place in the queue.
    fn take_slot(&mut self, row: &Row, queue: &mut WorkQueue) -> bool {
        let Some(driver) = self.machines.driver(&row.key) else { return false };
        let Some(state) = driver.graph().state_was(&row.state) else { return false };
        let now = self.engine.clock.elapsed();
        let limit_key = self.machines.limit_key(&self.engine, state.name, row);
        let Some(taken) = self.slots.take(&row.key, state.name, limit_key, now) else { return false };
        if let Taken::Queued(held_back) = &taken {
            self.registry.set_waiting(row, now, held_back.clone());
            self.engine.held_back.add(&row.key, held_back.clone());
        }
        self.grant_slots(&row.key.machine, queue);
        matches!(taken, Taken::Slot)
    }

    /// Frees the slot of `key`, or its place in the queue, unless a worker runs in it.
    pub(super) fn free_slot(&mut self, key: &Key, queue: &mut WorkQueue) {
        if self.running.contains(key) {
            return;
        }
        self.slots.free(key, self.engine.clock.elapsed());
        self.registry.remove(key);
        self.engine.held_back.remove(key);
        self.grant_slots(&key.machine, queue);
    }

    /// Gives free slots to waiting instances, which are looked at then.
    fn grant_slots(&mut self, machine: &str, queue: &mut WorkQueue) {
        if self.draining.is_cancelled() {
            return;
        }
        let now = self.engine.clock.elapsed();
        while let Some(next) = self.slots.grant_next(machine, now) {
            self.engine.held_back.remove(&next);
            queue.notify(next);
        }
    }

    /// Whether `key` has a slot, and has lost the one over all processes.
    pub(super) fn has_lost_slot(&self, key: &Key) -> bool {
        self.slots.has_lost_slot(key, self.engine.clock.elapsed())
    }

    /// Whether a state has slots over all processes.
    pub(super) fn has_shared_slots(&self) -> bool {
        self.slots.has_shared()
    }

    /// The calls of the store that are to be made for slots over all processes, and the number of queues in which entries wait for changes.
    pub(super) fn take_calls(&mut self) -> (Vec<Call>, u32) {
        self.slots.take_calls()
    }

    /// Whether a call can show that work has a slot over all processes.
    pub(super) fn is_looking(&mut self) -> bool {
        self.slots.is_looking(self.engine.clock.elapsed())
    }

    /// The time at which something is to be done about the slots over all processes.
    pub(super) fn next_tick(&mut self) -> Option<Duration> {
        self.slots.next_tick()
    }

    /// Does what is due about the slots over all processes.
    pub(super) fn tick(&mut self, queue: &mut WorkQueue) {
        let now = self.engine.clock.elapsed();
        if self.slots.next_tick().is_none_or(|at| at > now) {
            return;
        }
        for loss in self.slots.tick(now) {
            self.lose_slot(loss);
        }
        for machine in self.slots.machines() {
            self.grant_slots(machine, queue);
        }
    }

    /// Takes what the store tells of the slots over all processes into account.
    pub(super) fn on_entries(&mut self, event: EntryEvent, queue: &mut WorkQueue) {
        let now = self.engine.clock.elapsed();
        match event {
            EntryEvent::Changed => self.slots.entries_changed(now),
            EntryEvent::Removed => {}
            EntryEvent::Lost => self.slots.recover(now),
            EntryEvent::Answered(answered) => {
                let machine = answered.queue.machine;
                if let Some(loss) = self.slots.answered(answered, now) {
                    self.lose_slot(loss);
                }
                self.grant_slots(machine, queue);
            }
        }
    }

    /// Stops the worker of a slot that is lost. Its attempt is given back.
    fn lose_slot(&mut self, loss: Loss) {
        match loss {
            Loss::Cancel(key) => {
                let first = self.cancel(&key);
                self.running.set_slot_lost(&key);
                if let Some(worker) = self.running.get(&key).filter(|_| first) {
                    log_row!(
                        error,
                        worker.attempt.row,
                        "cancelling the worker: the lease of its slot over all processes could not be renewed"
                    );
                }
            }
            Loss::Abort(key) => {
                self.running.set_slot_lost(&key);
                self.abort(&key);
            }
        }
    }

    /// The time at which work that waits for a rate or a breaker can be tried again.
    pub(super) fn next_opening(&self) -> Option<Duration> {
        self.slots.next_opening()
    }

    /// Gives slots to work whose wait for a rate or a breaker is over.
    pub(super) fn reopen_due(&mut self, queue: &mut WorkQueue) {
        let now = self.engine.clock.elapsed();
        if self.next_opening().is_some_and(|at| at <= now) {
            self.reopen(now, queue);
        }
    }

    /// Gives slots to work that has waited for a rate or a breaker until `until`.
    pub(super) fn reopen(&mut self, until: Duration, queue: &mut WorkQueue) {
        self.slots.reopen(until);
        for machine in self.slots.machines() {
            self.grant_slots(machine, queue);
        }
    }

    /// Notified when a breaker may admit work that it has refused.
    pub(super) fn breaker_changes(&self) -> Arc<Notify> {
        self.breakers.clone()
    }
}

/// The message of a panic, or why the task did not end by itself.
pub(super) fn panic_text(failed: JoinError) -> String {
    match failed.try_into_panic() {
        Ok(payload) => format!("panicked: {}", panics::text(&*payload)),
        Err(failed) => failed.to_string(),
    }
}
