//! Owns the controller's loop: who is looked at, who runs, who is to stop. One task; everything slow runs beside it.

use super::{
    Board, Drivers, Settings,
    decide::{Plan, Stay, plan, plan_without_row},
    discovery,
    lease::{Standing, peers, timeline::Tenure},
    queue::{Agenda, delay_queue::Schedule, in_flight::Busy},
    workers::{Running, panic_text, run::release, slots::Slots},
};
use crate::{
    engine::{Engine, background::Parts},
    machine::knows,
    store::{Attempts, Change, Disarm, Due, Key, Release, Renewal, Row, Scope, StoreError, Verdict, shortened},
    supervisor::Supervisor,
    worker::signals::Stage,
};
use fsm_core::{Graph, StateKind};
use std::{
    collections::{HashMap, HashSet},
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

/// The parts that find work beside the loop.
pub(super) const SCAN: &str = "scan";
pub(super) const OTHERS: &str = "others";
/// Looks and claims under way at once: more would only queue for the store.
const STEPS: usize = 128;
/// When an instance is looked at again whose look failed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What became of a step that runs beside the loop.
pub(super) enum Step {
    /// The row as it was seen, if there is one, and what is to be done about it.
    Looked(Result<(Plan, Option<Box<Row>>), StoreError>),
    /// The claimed row; `None` where somebody was faster.
    Claimed(Tenure, Result<Option<Box<Row>>, StoreError>),
    /// The row's data is not what its state should have; said once.
    Unreadable(Box<Row>, String),
    /// A timer's event, a release, a result: whatever it was, the row is worth another look.
    Stored(Result<(), StoreError>),
}

pub(super) struct Run {
    pub(super) engine: Arc<Engine>,
    pub(super) drivers: Drivers,
    pub(super) settings: Settings,
    /// This process, as its lease has it.
    pub(super) me: Renewal,
    pub(super) tenure: Tenure,
    /// When the watchdog's last renewal was asked for.
    pub(super) renewed: watch::Receiver<Duration>,
    pub(super) standing: Standing,
    /// When to look at each instance.
    pub(super) agenda: Agenda,
    /// When to check each running worker next.
    pub(super) checks: Schedule,
    pub(super) slots: HashMap<&'static str, Slots>,
    pub(super) steps: JoinSet<Step>,
    pub(super) stepping: HashMap<Id, Key>,
    pub(super) busy: Busy,
    /// Each gives the row as its result left it.
    pub(super) workers: JoinSet<Option<Box<Row>>>,
    pub(super) working: HashMap<Id, Key>,
    pub(super) running: HashMap<Key, Running>,
    /// Claims that were asked for and of which no worker has begun: each as its row was before.
    pub(super) unbegun: HashMap<Key, Stay>,
    /// Rows that cannot be read and were reported, each once.
    pub(super) reported: HashSet<(Key, u64)>,
    pub(super) draining: CancellationToken,
    pub(super) giving_up: CancellationToken,
    /// Claims that came back after the stop began.
    pub(super) unused: Vec<Row>,
    /// What is shown of all this.
    pub(super) board: Arc<Board>,
}

impl Run {
    pub(super) fn new(
        engine: Arc<Engine>,
        drivers: Drivers,
        settings: Settings,
        me: Renewal,
        renewed: watch::Receiver<Duration>,
        board: Arc<Board>,
    ) -> Self {
        let tenure = Tenure { renewed: *renewed.borrow(), ttl: me.ttl, grace: settings.limits.grace };
        let slots = |machine| Slots::new(settings.concurrency, settings.policies.slots(machine));
        let slots = drivers.keys().map(|machine| (*machine, slots(*machine))).collect();
        Self {
            engine,
            drivers,
            settings,
            me,
            tenure,
            renewed,
            standing: Standing::default(),
            agenda: Agenda::default(),
            checks: Schedule::default(),
            slots,
            steps: JoinSet::new(),
            stepping: HashMap::new(),
            busy: Busy::default(),
            workers: JoinSet::new(),
            working: HashMap::new(),
            running: HashMap::new(),
            unbegun: HashMap::new(),
            reported: HashSet::new(),
            draining: CancellationToken::new(),
            giving_up: CancellationToken::new(),
            unused: Vec::new(),
            board,
        }
    }

    /// Runs until `halt`; what is under way then is for [`stop`](Self::stop) to end.
    pub(super) async fn turn_until(&mut self, halt: CancellationToken, scope: Scope) {
        let (found, mut due) = mpsc::channel(2);
        // It asks the store, which need not answer.
        let parts = tokio::select! {
            parts = self.parts(scope, found) => parts,
            () = halt.cancelled() => return,
        };
        let engine = self.engine.clone();
        loop {
            self.begin_steps();
            self.check_workers();
            self.keep_to_the_lease();
            self.answer_idle();
            let next = self.agenda.next().filter(|_| self.steps.len() < STEPS);
            let next = next.into_iter().chain(self.checks.next()).chain(self.lease_changes()).min();
            let pause = next.map(|at| at.saturating_sub(engine.clock.elapsed()));
            tokio::select! {
                () = halt.cancelled() => break,
                Some(ended) = self.workers.join_next_with_id() => self.worker_ended(ended),
                Some(ended) = self.steps.join_next_with_id() => self.step_ended(ended),
                keys = engine.notifier.next() => keys.into_iter().for_each(|key| self.look_now(key)),
                Some(page) = due.recv(), if !self.agenda.is_full() => self.plan_due(page),
                Ok(()) = self.renewed.changed() => self.lease_renewed(),
                answer = self.standing.answered() => self.asked(answer),
                () = engine.clock.sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
        drop(due);
        if let Some(parts) = parts {
            parts.shutdown(Duration::ZERO).await;
        }
    }

    /// Starts what finds work beside the loop: the scan, and the watch over other processes.
    async fn parts(&self, scope: Scope, found: mpsc::Sender<Vec<Due>>) -> Option<Supervisor> {
        let (engine, me, interval) = (self.engine.clone(), self.me.owner.clone(), self.settings.scan);
        let left = Arc::new(Notify::new());
        // Before the first scan: that finds what was given back until then, and who leaves later is missed.
        let known = peers::alive(&engine, &me).await.unwrap_or_default();
        let others = {
            let (engine, me, left) = (engine.clone(), me.clone(), left.clone());
            move |_| peers::watch(engine.clone(), me.clone(), known.clone(), left.clone())
        };
        let scan =
            move |_| discovery::scan(engine.clone(), scope.clone(), me.clone(), interval, left.clone(), found.clone());
        let started =
            Parts::new(&self.engine.clock, &self.engine.health).with(SCAN, scan).with(OTHERS, others).start().await;
        started.inspect_err(|error| tracing::error!(%error, "due work is not scanned for")).ok()
    }

    pub(super) fn look_now(&mut self, key: Key) {
        if self.drivers.contains_key(&*key.machine) {
            self.agenda.tell(key, self.engine.clock.elapsed());
        }
    }

    pub(super) fn look_at(&mut self, key: Key, at: SystemTime) {
        let at = self.in_clock(at);
        self.agenda.tell(key, at);
    }

    /// The same time by the monotonic clock; now, where it is over.
    fn in_clock(&self, at: SystemTime) -> Duration {
        let delay = at.duration_since(self.engine.clock.now()).unwrap_or_default();
        self.engine.clock.elapsed().saturating_add(delay)
    }

    fn look_after(&mut self, key: Key, delay: Duration) {
        self.agenda.tell(key, self.engine.clock.elapsed().saturating_add(delay));
    }

    /// What waits for a slot is looked at when it gets one.
    ///
    /// An empty page is the end of a scan: then what runs is looked at, for a word that was lost.
    fn plan_due(&mut self, page: Vec<Due>) {
        if page.is_empty() {
            let running: Vec<Key> = self.running.keys().cloned().collect();
            for key in running {
                self.look_now(key);
            }
        }
        for Due { key, at } in page {
            if !self.slots.get(&*key.machine).is_some_and(|slots| slots.is_waiting(&key)) {
                let at = self.in_clock(at);
                self.agenda.find(key, at);
            }
        }
    }

    /// Begins the looks that are due: one at a time for each instance.
    fn begin_steps(&mut self) {
        while self.steps.len() < STEPS {
            let Some(key) = self.agenda.pop(self.engine.clock.elapsed()) else {
                return;
            };
            if self.busy.waits(&key) {
                continue;
            }
            let Some(driver) = self.drivers.get(&*key.machine) else {
                continue;
            };
            let (engine, graph, me) = (self.engine.clone(), driver.graph(), self.me.owner.clone());
            let running = self.running.get(&key).map(|running| Stay::of(&running.attempt.row));
            let shards = self.settings.shards.clone();
            self.step(key.clone(), async move { Step::Looked(look(&engine, graph, &me, shards, key, running).await) });
        }
    }

    pub(super) fn step(&mut self, key: Key, step: impl Future<Output = Step> + Send + 'static) {
        let id = self.steps.spawn(step).id();
        self.stepping.insert(id, key.clone());
        self.busy.begin(key);
    }

    fn step_ended(&mut self, ended: Result<(Id, Step), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(key) = self.stepping.remove(&id) else { return };
        let again = self.busy.end(&key);
        match ended.map(|(_, step)| step) {
            Ok(Step::Looked(Ok((plan, row)))) => self.carry_out(&key, plan, row),
            Ok(Step::Claimed(tenure, Ok(Some(row)))) if self.is_covered(tenure) => self.start_worker(*row),
            Ok(Step::Claimed(_, Ok(Some(row)))) => {
                // Somebody else may have taken the row over already.
                self.give_claim_back(*row, "a claim took longer than the lease: it is given back");
            }
            Ok(Step::Claimed(_, Ok(None))) => {
                self.unbegun.remove(&key);
                self.free_slot(&key);
                self.look_now(key.clone());
            }
            Ok(Step::Unreadable(row, error)) => {
                self.free_slot(&key);
                if self.reported.insert((key.clone(), row.version)) {
                    tracing::error!(
                        machine = %key.machine, id = %key.id.escape_debug(), state = %row.state, version = row.version, %error,
                        "the timer is due, and the row cannot be read; it is left as it is"
                    );
                }
            }
            Ok(Step::Stored(Ok(()))) => self.look_now(key.clone()),
            Ok(Step::Looked(Err(error)) | Step::Claimed(_, Err(error)) | Step::Stored(Err(error))) => {
                // The scan says once that the store is away; here it would be said for each row.
                tracing::debug!(machine = %key.machine, id = %key.id.escape_debug(), %error, "the store did not answer; looking again");
                self.free_slot(&key);
                self.look_after(key.clone(), LOOK_AGAIN);
            }
            Err(failed) => {
                let error = panic_text(failed);
                tracing::error!(machine = %key.machine, id = %key.id.escape_debug(), %error, "a look at the instance failed");
                self.free_slot(&key);
                self.look_after(key.clone(), self.settings.scan);
            }
        }
        if again {
            self.look_now(key);
        }
    }

    fn carry_out(&mut self, key: &Key, plan: Plan, row: Option<Box<Row>>) {
        // A timer's event may come to nothing; whoever waits keeps its place then.
        if !matches!(plan, Plan::Claim | Plan::Fire | Plan::Pursue) {
            self.free_slot(key);
            self.unbegun.remove(key);
        }
        match (plan, row) {
            (Plan::Wait(until), _) => self.wait(key, until),
            (Plan::Cancel, _) => self.cancel(key),
            (Plan::Fire, Some(row)) => self.fire_timer(*row),
            (Plan::Pursue, Some(row)) => self.pursue(*row),
            (Plan::Claim, Some(row)) => self.claim(*row),
            (Plan::Disown, Some(row)) => {
                let release =
                    Change::Release(Release { retry: None, ..release(&row, Duration::ZERO, Attempts::Keep, None) });
                self.store_change(key.clone(), release);
            }
            (Plan::Unknown, Some(row)) => self.leave_alone(*row),
            // Where there is no row, nothing is due.
            (Plan::Rest, _) | (_, None) => {}
        }
    }

    /// What follows from `row`, which a change of this process has just left like this: without a look, where nothing is due now.
    pub(super) fn go_on(&mut self, row: &Row, running: Option<Stay>) {
        let Some(driver) = self.drivers.get(&*row.key.machine) else { return };
        // Its owner is this process, or nobody.
        match plan(row, kind(driver.graph(), row), running, false, self.engine.clock.now()) {
            Plan::Rest => {}
            Plan::Wait(until) => self.wait(&row.key, until),
            _ => self.look_now(row.key.clone()),
        }
    }

    /// A row that this code does not know is left as it is; where an event came while this process had it, it is given up, for
    /// one that knows it.
    fn leave_alone(&mut self, row: Row) {
        if let Some(driver) = self.drivers.get(&*row.key.machine) {
            self.engine.unknown.report_row(&row, driver.graph());
        }
        if row.owner.as_ref() == Some(&self.me.owner) {
            let now = self.engine.clock.now();
            let retry = row.retry_at.map(|at| at.duration_since(now).unwrap_or_default());
            let release = Release { retry, ..release(&row, Duration::ZERO, Attempts::Keep, None) };
            self.store_change(row.key, Change::Release(release));
        }
    }

    /// What is due after the next scan is left to it, so that resting instances take no memory.
    fn wait(&mut self, key: &Key, until: SystemTime) {
        if until.duration_since(self.engine.clock.now()).unwrap_or_default() <= self.settings.scan {
            self.look_at(key.clone(), until);
        }
    }

    fn fire_timer(&mut self, row: Row) {
        let Some(driver) = self.drivers.get(&*row.key.machine).cloned() else { return };
        let engine = self.engine.clone();
        self.step(row.key.clone(), async move {
            let change = match driver.timer(&engine.migrations, &row) {
                Ok(change) => change,
                // Code that can read the row may come: its timer stays.
                Err(error) => return Step::Unreadable(Box::new(row), error),
            };
            let dropped = matches!(change, Change::Disarm(_));
            let mut verdict = engine.commit(change).await;
            if !dropped && let Ok(Some(reason)) = verdict.as_ref().map(Verdict::refusal) {
                // It would be refused at every look.
                let Row { key, incarnation, version, .. } = row.clone();
                let reason = shortened(format!("the store refused the timer's event: {reason}"));
                tracing::error!(
                    machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version, %reason,
                    "timer dropped"
                );
                verdict = engine.commit(Change::Disarm(Disarm { key, incarnation, version, reason })).await;
            }
            Step::Stored(verdict.map(|verdict| match verdict {
                Verdict::Committed { .. } if dropped => {
                    tracing::warn!(
                        machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
                        attempt = row.attempt, "timer dropped: its event was refused"
                    );
                }
                Verdict::Committed { .. } => {
                    tracing::info!(
                        machine = %row.key.machine, id = %row.key.id.escape_debug(), state = %row.state, version = row.version,
                        attempt = row.attempt, "timer fired"
                    );
                }
                // Something else moved the instance at the same time: the timer was of a stay that is over.
                _ => {}
            }))
        });
    }

    pub(super) fn store_change(&mut self, key: Key, change: Change) {
        let engine = self.engine.clone();
        self.step(key, async move { Step::Stored(engine.commit(change).await.map(drop)) });
    }

    /// What `stop` waits for: one end, or one check.
    pub(super) async fn next_end(&mut self) {
        self.check_workers();
        self.keep_to_the_lease();
        let next = self.checks.next().into_iter().chain(self.lease_changes()).min();
        let pause = next.map(|at| at.saturating_sub(self.engine.clock.elapsed()));
        tokio::select! {
            Some(ended) = self.workers.join_next_with_id() => self.worker_ended(ended),
            Some(ended) = self.steps.join_next_with_id() => self.step_ended(ended),
            Ok(()) = self.renewed.changed() => self.lease_renewed(),
            answer = self.standing.answered() => self.asked(answer),
            () = self.engine.clock.sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
    }

    /// Nothing is under way, but for what has leaked.
    pub(super) fn is_idle(&self) -> bool {
        let leaked = |running: &Running| running.attempt.signals.stage() == Stage::Leaked;
        self.steps.is_empty() && self.workers.len() == self.running.len() && self.running.values().all(leaked)
    }

    /// No more claims; long-lived workers learn of it.
    pub(super) fn drain(&self) {
        self.draining.cancel();
    }

    pub(super) fn give_up_storing(&self) {
        self.giving_up.cancel();
    }
}

async fn look(
    engine: &Engine,
    graph: &Graph,
    me: &str,
    shards: RangeInclusive<u16>,
    key: Key,
    running: Option<Stay>,
) -> Result<(Plan, Option<Box<Row>>), StoreError> {
    let Some(row) = engine.asked("get", engine.store.get(key)).await? else {
        return Ok((plan_without_row(running), None));
    };
    if !shards.contains(&row.shard) {
        return Ok((Plan::Rest, None));
    }
    let elsewhere = match row.owner.as_deref().filter(|owner| *owner != me) {
        Some(owner) => peers::lives(engine, owner).await?,
        None => false,
    };
    let plan = plan(&row, kind(graph, &row), running, elsewhere, engine.clock.now());
    Ok((plan, Some(Box::new(row))))
}

/// The kind of the state that `row` stands in; `None` where this code does not know the row.
fn kind(graph: &Graph, row: &Row) -> Option<StateKind> {
    let state = graph.state_was(&row.state).filter(|_| knows(graph, &row.state, row.schema));
    state.map(|state| state.kind)
}
