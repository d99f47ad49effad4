//! The controller's loop: one task, beside which everything slow runs.
//!
//! ```text
//!   notifications, scan, timers
//!          │
//!          ▼
//!   ┌── WorkQueue ──┐   which instance is next; one step for each at a time
//!   │               │
//!   │      look     │   a step reads the row
//!   │       │       │
//!   │     decide    │   row + worker -> action (pure)
//!   │       │       │
//!   │     check     │   what its state waits for, if anything (`waits/`)
//!   │       │       │
//!   │      act      │   claim, start or cancel a worker, fire a timer, converge, release
//!   │       │       │
//!   │     result    │   of the step, or of the worker
//!   │       │       │
//!   └───────┴───────┘   look again
//! ```
//!
//! The loop selects and dispatches. `WorkQueue`, `Workers` and `LeaseKeeper` hold the state.

use super::{
    Drivers, Settings, WatchedScope,
    converge::converge,
    decide::{Action, Visit, decide},
    discovery::{self, Found},
    lease::{LeaseChange, LeaseKeeper, request::LeaseRequest, timeline::LeaseTimeline, watchdog::LeaseReport},
    queue::WorkQueue,
    shutdown::{HowStopped, Shutdown, StoppedWorker},
    step::{self, Look, Share, StepResult},
    waits::{self, AwaitedMachines, WaitIndex, Watched},
    workers::{
        Admission, AfterWorker, EndedWorker, WorkerEnd, Workers, panic_text, run::release, slot_entries::SlotEntries,
        status::WorkerRegistry,
    },
};
use crate::{
    engine::Engine,
    log::{log_key, log_row, unnamed},
    machine::older,
    membership::{Assignment, Membership},
    metrics,
    store::{Attempts, Change, Claim, Due, Held, Key, Release, Row},
    worker::WorkError,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinError,
};
use tokio_util::sync::CancellationToken;

/// The pause before an instance is looked at again after an error of the store.
const RETRY_LOOK: Duration = Duration::from_secs(1);

pub(super) struct EventLoop {
    engine: Arc<Engine>,
    queue: WorkQueue,
    workers: Workers,
    /// The calls for slots over all processes.
    entries: SlotEntries,
    lease: LeaseKeeper,
    /// The interval of the scan.
    poll_interval: Duration,
    /// The buckets of this process.
    assignment: watch::Receiver<Assignment>,
    /// Instances in the buckets of other processes that were not taken over in time.
    abandoned: HashSet<Key>,
    /// The unreadable rows that were logged, each version once.
    unreadable: HashSet<(Key, u64)>,
    /// The instances that wait for others.
    waits: WaitIndex,
    /// The machines, as far as waits are concerned.
    awaited_machines: Arc<AwaitedMachines>,
}

impl EventLoop {
    pub(super) fn new(
        engine: Arc<Engine>,
        drivers: Drivers,
        settings: Settings,
        me: LeaseRequest,
        assignment: watch::Receiver<Assignment>,
        reports: watch::Receiver<LeaseReport>,
        registry: Arc<WorkerRegistry>,
    ) -> Self {
        let awaited_machines = Arc::new(AwaitedMachines::new(&drivers));
        let (holder, poll_interval, grace) =
            (me.process.holder.clone(), settings.poll_interval, settings.limits.grace_period);
        let workers = Workers::new(engine.clone(), drivers, settings, registry);
        Self {
            waits: WaitIndex::default(),
            awaited_machines,
            queue: WorkQueue::new(engine.clone()),
            lease: LeaseKeeper::new(engine.clone(), me, reports, grace),
            poll_interval,
            assignment,
            abandoned: HashSet::new(),
            entries: SlotEntries::new(engine.clone(), &holder, workers.has_shared_slots()),
            workers,
            unreadable: HashSet::new(),
            engine,
        }
    }

    /// Runs until `halt` is cancelled. Steps and workers continue; [`stop`](Self::stop) ends them.
    pub(super) async fn run_until(
        &mut self,
        halt: CancellationToken,
        scope: WatchedScope,
        membership: Arc<Membership>,
    ) {
        let (found, mut due) = mpsc::channel(2);
        let waiting = self.awaited_machines.waiting();
        // It reads the store, which may not answer.
        let discovery = tokio::select! {
            discovery = discovery::start(&self.engine, membership, self.poll_interval, scope, waiting, found) => discovery,
            () = halt.cancelled() => return,
        };
        let (engine, breakers) = (self.engine.clone(), self.workers.breaker_changes());
        loop {
            self.begin_looks();
            self.check_deadlines();
            self.answer_idle();
            self.make_calls();
            let pause = self.pause(true);
            tokio::select! {
                () = halt.cancelled() => break,
                Some(ended) = self.workers.next_ended() => self.on_worker_ended(ended),
                Some((key, result)) = self.queue.next_ended() => self.on_step_ended(key, result),
                keys = engine.notifier.next() => keys.into_iter().for_each(|key| self.changed(key)),
                Some(found) = due.recv(), if self.queue.accepts_found() => self.on_found(found),
                event = self.lease.next_event() => {
                    let change = self.lease.on_event(event);
                    self.on_lease_change(change);
                }
                event = self.entries.next_event() => self.workers.on_entries(event, &mut self.queue),
                () = breakers.notified() => self.workers.reopen(Duration::MAX, &mut self.queue),
                () = engine.clock.sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
        drop(due);
        if let Some(discovery) = discovery {
            discovery.shutdown(Duration::ZERO).await;
        }
    }

    /// Continues after a panic of the loop, with the steps and workers that run.
    pub(super) fn recover(&mut self) {
        self.queue.recover();
        self.workers.recover(&mut self.queue);
    }

    /// Ends everything: workers have `timeout` to finish, then their grace period, then they are aborted.
    pub(super) async fn stop(&mut self, timeout: Duration) -> Shutdown {
        let clock = self.engine.clock.clone();
        self.workers.drain(&self.queue);
        let finished = clock.timeout(timeout, self.until_quiet()).await.is_some();
        let unfinished = self.workers.attempts();
        if !finished {
            let grace = self.workers.cancel_all_for_shutdown();
            // They end within one grace period, and aborts take effect within another; calls of the store are not waited for.
            let _ = clock.timeout(grace.saturating_mul(2), self.until_quiet()).await;
        }
        let mut report = Shutdown::default();
        for attempt in unfinished {
            let stopped = StoppedWorker::of(&attempt, self.workers.is_running(&attempt.row.key));
            // A leaked worker keeps its claim, so that no other worker overlaps with it.
            if stopped.how != HowStopped::Leaked {
                self.workers.add_unused(attempt.row.clone());
            }
            report.stopped.push(stopped);
        }
        report.stopped.sort_by(|a, b| a.key.cmp(&b.key));
        // Once the lease has expired, other processes take the claims over in any case.
        self.workers.release_unused(self.lease.ttl()).await;
        // Slots over all processes expire in any case.
        let _ = clock.timeout(self.lease.ttl(), self.leave_queues()).await;
        report.stopped.iter().for_each(StoppedWorker::log);
        report
    }

    async fn until_quiet(&mut self) {
        while !self.is_quiet() {
            self.check_deadlines();
            self.make_calls();
            let pause = self.pause(false);
            let clock = self.engine.clock.clone();
            tokio::select! {
                Some(ended) = self.workers.next_ended() => self.on_worker_ended(ended),
                Some((key, result)) = self.queue.next_ended() => self.on_step_ended(key, result),
                event = self.lease.next_event() => {
                    let change = self.lease.on_event(event);
                    self.on_lease_change(change);
                }
                event = self.entries.next_event() => self.workers.on_entries(event, &mut self.queue),
                () = clock.sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    /// Waits until the entries of slots over all processes are removed. Cancel safe.
    async fn leave_queues(&mut self) {
        self.make_calls();
        while self.entries.is_busy() {
            let event = self.entries.next_event().await;
            self.workers.on_entries(event, &mut self.queue);
            self.make_calls();
        }
    }

    /// Makes the calls that slots over all processes need.
    fn make_calls(&mut self) {
        let (calls, waiting) = self.workers.take_calls();
        self.entries.make(calls, waiting);
    }

    /// Whether nothing runs except leaked workers.
    fn is_quiet(&self) -> bool {
        self.queue.is_quiet() && self.workers.is_quiet()
    }

    /// The time until the next deadline, or until the next look `with_looks`.
    fn pause(&mut self, with_looks: bool) -> Option<Duration> {
        let look = self.queue.next_look().filter(|_| with_looks);
        let opening = self.workers.next_opening().filter(|_| with_looks);
        let (check, tick) = (self.workers.next_check(), self.workers.next_tick());
        let next = look.into_iter().chain(opening).chain(check).chain(tick).chain(self.lease.next_deadline()).min();
        next.map(|at| at.saturating_sub(self.engine.clock.elapsed()))
    }

    /// Answers callers that wait until there is nothing to do.
    fn answer_idle(&mut self) {
        // Without the lease, claims are held back.
        if self.engine.notifier.has_idle_waiters()
            && self.is_quiet()
            && !self.queue.is_due()
            && !self.workers.is_looking()
            && self.lease.can_claim()
        {
            self.engine.notifier.notify_idle();
        }
    }

    fn check_deadlines(&mut self) {
        self.workers.check_due();
        self.workers.reopen_due(&mut self.queue);
        self.workers.tick(&mut self.queue);
        let change = self.lease.advance();
        self.on_lease_change(change);
    }

    fn on_lease_change(&mut self, change: Option<LeaseChange>) {
        match change {
            None => {}
            Some(LeaseChange::Held { held_back, was_lost, held }) => {
                if let Some(held) = held {
                    self.workers.cancel_taken_over(&visits(&held));
                    self.compare(&held);
                }
                for key in held_back {
                    self.queue.notify(key);
                }
                if was_lost {
                    tracing::info!(owner = %self.lease.owner(), "the lease is renewed again; work continues");
                }
            }
            Some(LeaseChange::Draining { error }) => {
                self.workers.cancel_all_without_lease();
                tracing::error!(
                    owner = %self.lease.owner(), %error, workers = self.workers.len(),
                    "the lease expires and cannot be renewed; cancelling all workers"
                );
            }
            Some(LeaseChange::Lost) => self.workers.abort_all(),
        }
    }

    /// Schedules looks at an instance that has changed, and at those that wait for it.
    fn changed(&mut self, key: Key) {
        self.notify_waiters(&key);
        self.notify(key);
    }

    fn notify_waiters(&mut self, key: &Key) {
        self.waits.waiters(key).for_each(|waiter| self.queue.notify(waiter.clone()));
    }

    /// Schedules a look at `key` now, if its machine is registered.
    fn notify(&mut self, key: Key) {
        if self.workers.driver(&key).is_some() {
            self.queue.notify(key);
        }
    }

    /// Schedules looks at what a scan has found.
    fn on_found(&mut self, found: Found) {
        match found {
            Found::Due(page) => {
                for due in page {
                    // A waiting instance is looked at when it gets a slot.
                    if !self.workers.is_waiting(&due.key) {
                        self.queue.add_found(due);
                    }
                }
            }
            Found::Abandoned(keys) => {
                for key in keys {
                    self.abandoned.insert(key.clone());
                    self.queue.add_found(Due::new(key, self.engine.now()));
                }
            }
            Found::Held(held) => self.compare(&held),
        }
    }

    /// Schedules looks where what this process has claimed in the store is not what it runs: should a notification have been lost, or
    /// the answer to a claim.
    fn compare(&mut self, held: &[Held]) {
        let visits = visits(held);
        for key in self.workers.keys() {
            if visits.get(&key).copied() != self.workers.visit(&key) {
                self.queue.notify(key);
            }
        }
        for Held { key, .. } in held {
            if !self.workers.is_running(key) && !self.workers.is_waiting(key) {
                self.notify(key.clone());
            }
        }
    }

    /// Starts the looks that are due.
    fn begin_looks(&mut self) {
        while let Some(key) = self.queue.pop() {
            let Some(driver) = self.workers.driver(&key) else { continue };
            let (engine, driver, me) = (self.engine.clone(), driver.clone(), self.lease.owner().to_owned());
            let share = match self.assignment.borrow().rank(&key) {
                _ if self.abandoned.remove(&key) => Share::Own,
                Some(0) => Share::Own,
                Some(rank) => Share::Overdue(discovery::patience(rank, self.poll_interval)),
                None => Share::Other,
            };
            let (running, looked_at) = (self.workers.visit(&key), key.clone());
            self.queue.start(key, async move {
                StepResult::Looked(step::look(&engine, &*driver, &me, share, looked_at, running).await)
            });
        }
    }

    fn on_step_ended(&mut self, key: Key, result: Result<StepResult, JoinError>) {
        match result {
            Ok(StepResult::Looked(Ok(look))) => self.on_looked(&key, look),
            Ok(StepResult::Checked(Ok(waits::Checked::Unchanged(action, row)))) => self.act(&key, action, Some(row)),
            Ok(StepResult::Checked(Ok(waits::Checked::Stored))) => self.queue.notify(key),
            Ok(StepResult::Claimed(timeline, Ok(row))) => self.on_claimed(key, timeline, row),
            Ok(StepResult::Unreadable(row, error)) => {
                self.workers.free_slot(&key, &mut self.queue);
                if self.unreadable.insert((key, row.version)) {
                    let error = unnamed(&row.key, &row.state, &error);
                    log_row!(error, row, %error, "the timer is due, but the row cannot be decoded; it is left unchanged");
                }
            }
            Ok(StepResult::Early(delay)) => self.queue.notify_after(key, delay),
            Ok(StepResult::Stored(Ok(()))) => {
                self.notify_waiters(&key);
                self.queue.notify(key);
            }
            Ok(
                StepResult::Looked(Err(error))
                | StepResult::Checked(Err(error))
                | StepResult::Claimed(_, Err(error))
                | StepResult::Stored(Err(error)),
            ) => {
                // The scan logs once that the store is unavailable.
                log_key!(debug, key, %error, "the store failed; the instance is retried");
                self.workers.free_slot(&key, &mut self.queue);
                self.queue.notify_after(key, RETRY_LOOK);
            }
            Err(failed) => {
                let error = panic_text(failed);
                log_key!(error, key, %error, "a step failed; the instance is retried");
                self.workers.free_slot(&key, &mut self.queue);
                self.queue.notify_after(key, self.poll_interval);
            }
        }
    }

    /// Checks what the instance waits for, or acts at once where it waits for nothing.
    fn on_looked(&mut self, key: &Key, look: Look) {
        match (look.row, look.waits) {
            (Some(row), Some(Ok(waits))) => self.check_waits(key, look.action, Watched { row, waits }),
            (Some(row), Some(Err(error))) => {
                if self.unreadable.insert((key.clone(), row.version)) {
                    let error = unnamed(&row.key, &row.state, &error);
                    log_row!(error, row, %error, "the instance waits, but its row cannot be decoded; it is left as it is");
                }
                self.act(key, look.action, Some(row));
            }
            (row, _) => {
                self.waits.forget(key);
                self.act(key, look.action, row);
            }
        }
    }

    fn check_waits(&mut self, key: &Key, mut action: Action, watched: Watched) {
        let Some(driver) = self.workers.driver(key).cloned() else { return };
        // Before the other instances are read, so that no change of them is missed.
        self.waits.watch(&watched.row, &watched.waits);
        if action == Action::CancelWorker {
            self.act(key, action, None);
            action = Action::Rest;
        }
        let (engine, machines) = (self.engine.clone(), self.awaited_machines.clone());
        self.queue.start(key.clone(), waits::check(engine, driver, machines, action, watched));
    }

    fn act(&mut self, key: &Key, action: Action, row: Option<Box<Row>>) {
        if let Some(row) = &row {
            self.workers.saw(row);
        }
        // The next look may be for the work, so the instance keeps its slot or its place.
        if !matches!(action, Action::Claim | Action::FireTimer | Action::Converge) {
            self.workers.forget_claim(key, &mut self.queue);
        }
        match (action, row) {
            (Action::WaitUntil(until), _) => self.wait_until(key, until),
            (Action::CancelWorker, _) => self.workers.cancel_outdated(key),
            (Action::FireTimer, Some(row)) => {
                let Some(driver) = self.workers.driver(key).cloned() else { return };
                self.queue.start(key.clone(), step::fire_timer(self.engine.clone(), driver, *row));
            }
            (Action::Converge, Some(row)) => {
                let Some(driver) = self.workers.driver(key).cloned() else { return };
                let (engine, limits) = (self.engine.clone(), self.workers.limits(&row));
                self.queue.start(key.clone(), async move {
                    StepResult::Stored(converge(&engine, &*driver, &row, limits).await)
                });
            }
            (Action::Claim, Some(row)) => self.claim(*row),
            (Action::ReleaseClaim, Some(row)) => {
                let release = Release { retry: None, ..release(&row, Duration::ZERO, Attempts::Keep, None) };
                self.store(key.clone(), Change::Release(release));
            }
            (Action::HandOver, Some(row)) => {
                self.store(key.clone(), Change::Release(release(&row, Duration::ZERO, Attempts::Keep, None)));
            }
            (Action::LeaveUnknown, Some(row)) => self.leave_unknown(*row),
            // Without a row, nothing is due.
            (Action::Rest, _) | (_, None) => {}
        }
    }

    fn claim(&mut self, row: Row) {
        let me = self.lease.owner();
        match self.workers.admit(&row, me, self.lease.can_claim(), &mut self.queue) {
            Admission::Claim => {
                let Some(driver) = self.workers.driver(&row.key) else { return };
                let (engine, graph, timeline) = (self.engine.clone(), driver.graph(), self.lease.timeline());
                self.queue.start(row.key.clone(), step::claim(engine, graph, row, me.to_owned(), timeline));
            }
            Admission::NoSlot => {
                // Its timer and its desired state do not wait for a slot.
                if let Some(at) = row.timer_at.into_iter().chain(row.desired_at).min() {
                    self.queue.notify_at(row.key.clone(), at);
                }
                // Another process may have a slot for it.
                if row.owner.as_deref() == Some(me) {
                    let free = release(&row, Duration::ZERO, Attempts::Keep, None);
                    self.store(row.key, Change::Release(free));
                }
            }
            Admission::ShuttingDown => {}
            Admission::NoLease => self.lease.hold_back(row.key),
            Admission::Unstarted => self.return_claim(row, "claim released: no worker was started for it"),
            Admission::Exhausted => self.store_failure(row, WorkError::from(Claim::CRASH)),
        }
    }

    fn on_claimed(&mut self, key: Key, timeline: LeaseTimeline, row: Option<Box<Row>>) {
        match row {
            Some(row) if self.workers.has_lost_slot(&key) => {
                self.return_claim(
                    *row,
                    "claim released: the lease of its slot over all processes could not be renewed",
                );
            }
            Some(row) if self.lease.covers(timeline) => self.start_worker(*row),
            // Another process may have taken the row over already.
            Some(row) => self.return_claim(*row, "claim released: the lease may have expired meanwhile"),
            None => {
                self.workers.forget_claim(&key, &mut self.queue);
                self.queue.notify(key);
            }
        }
    }

    fn start_worker(&mut self, row: Row) {
        if let Some(attempt) = self.workers.start(row, &mut self.queue) {
            // Any change since the claim has notified us already, or will.
            self.follow_up(&attempt.row, Some(Visit::of(&attempt.row)));
        }
    }

    fn on_worker_ended(&mut self, ended: EndedWorker) {
        let WorkerEnd { attempt, next, outcome } = self.workers.on_ended(ended, &mut self.queue);
        let row = &attempt.row;
        // The worker's own commit does not notify this loop.
        self.notify_waiters(&row.key);
        match next {
            AfterWorker::StoreFailure(error) => self.store_failure(row.clone(), error),
            AfterWorker::GiveBack => {
                if let Some(step) = self.workers.give_attempt_back(attempt.clone()) {
                    self.queue.start(row.key.clone(), step);
                }
            }
            AfterWorker::Continue(left) => self.follow_up(&left, None),
            AfterWorker::Look => self.queue.notify(row.key.clone()),
        }
        // Last, because a metrics recorder may panic.
        if let Some(outcome) = outcome {
            metrics::worked(&row.key.machine, &row.state, outcome, attempt.signals.elapsed());
        }
    }

    /// Acts on `row`, as a change of this process has just left it; looks at it only where something is due now.
    fn follow_up(&mut self, row: &Row, running: Option<Visit>) {
        let Some(driver) = self.workers.driver(&row.key) else { return };
        let row = &older::present(&self.engine.migrations, driver.graph(), row.clone());
        if self.waits.is_new(driver.graph(), row) {
            return self.queue.notify(row.key.clone());
        }
        // The owner is this process, or there is none.
        match decide(row, step::kind(driver.graph(), row), running, false, self.engine.now()) {
            Action::Rest => {}
            Action::WaitUntil(until) => self.wait_until(&row.key, until),
            _ => self.queue.notify(row.key.clone()),
        }
    }

    /// Leaves a row that this code does not know as it is, and releases it for a process that does.
    fn leave_unknown(&mut self, row: Row) {
        if let Some(driver) = self.workers.driver(&row.key) {
            self.engine.unknown.report_row(&row, driver.graph());
        }
        if row.owner.as_deref() == Some(self.lease.owner()) {
            let now = self.engine.now();
            let retry = row.retry_at.map(|at| at.duration_since(now).unwrap_or_default());
            let release = Release { retry, ..release(&row, Duration::ZERO, Attempts::Keep, None) };
            self.store(row.key, Change::Release(release));
        }
    }

    /// What is due after the next scan is left to the scan, so that resting instances take no memory.
    fn wait_until(&mut self, key: &Key, until: SystemTime) {
        if until.duration_since(self.engine.now()).unwrap_or_default() <= self.poll_interval {
            self.queue.notify_at(key.clone(), until);
        }
    }

    fn return_claim(&mut self, row: Row, why: &str) {
        let change = self.workers.return_claim(&row, why, &mut self.queue);
        self.store(row.key, change);
    }

    fn store_failure(&mut self, row: Row, error: WorkError) {
        let key = row.key.clone();
        if let Some(step) = self.workers.store_failure(row, error) {
            self.queue.start(key, step);
        }
    }

    fn store(&mut self, key: Key, change: Change) {
        self.queue.start(key, step::store(self.engine.clone(), change));
    }
}

fn visits(held: &[Held]) -> HashMap<Key, Visit> {
    held.iter().map(|held| (held.key.clone(), Visit::held(held))).collect()
}
