//! The status of a runtime: its workers, its background tasks and its store calls. Readable from any thread, even while the
//! controller's loop is blocked.

use crate::{
    breaker::{BreakerStatus, Circuit},
    clock::Clock,
    engine::{
        background::TaskStatus,
        held_back::{HeldBack, WaitsFor},
        store_health::{SLOW, StoreCall},
    },
    log::Escaped,
    metrics,
    store::{Buckets, Key, Row},
    sync::Mutex,
    worker::{
        Attempt,
        signals::{Signals, Stage},
    },
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, MutexGuard},
    time::Duration,
};

/// A snapshot of what a runtime does in this process, returned by [`Runtime::status`](crate::Runtime::status).
///
/// `Display` prints a table for operators.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// The names of the registered machines; empty for a client.
    pub machines: Vec<&'static str>,
    /// The running workers, and the instances that wait for a slot, ordered by key.
    pub workers: Vec<WorkerStatus>,
    /// The runtime's background tasks, ordered by name.
    pub tasks: Vec<TaskStatus>,
    /// The store calls that are not answered yet, the longest first.
    pub calls: Vec<StoreCall>,
    /// The circuit breakers of the policies, ordered by name.
    pub breakers: Vec<BreakerStatus>,
}

/// A running worker, or an instance that waits for a slot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// The instance.
    pub key: Key,
    /// The state whose work it is.
    pub state: String,
    /// The version of the instance.
    pub version: u64,
    /// The number of the attempt; while waiting, the number of attempts so far.
    pub attempt: u32,
    /// The fencing token of the claim; while waiting, that of the last claim.
    pub fence: u64,
    /// The phase of the worker.
    pub phase: WorkerPhase,
    /// The time since the worker started, or since the instance waits.
    pub age: Duration,
    /// The time since the last heartbeat, or since the start without one; `None` while waiting.
    pub last_beat: Option<Duration>,
    /// What the instance waits for; `None` while a worker runs.
    pub waits_for: Option<WaitsFor>,
    /// The error of the last failed attempt.
    pub last_error: Option<String>,
}

/// The phase of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerPhase {
    /// The work is due, and waits for a slot, for a slot over all processes, for its rate, or for a circuit breaker.
    Waiting,
    /// The worker runs.
    Running,
    /// The worker is cancelled, and has its grace period to return.
    Cancelling,
    /// The worker is aborted, and has not ended yet.
    Aborting,
    /// The worker is aborted and still runs, because it blocks its thread. Move blocking code to `spawn_blocking`.
    Leaked,
    /// The worker has returned, and its result is being stored.
    Storing,
}

impl fmt::Display for WorkerPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Aborting => "aborting",
            Self::Leaked => "LEAKED",
            Self::Storing => "storing",
        })
    }
}

impl Status {
    /// The number of workers in `phase`.
    #[must_use]
    pub fn count(&self, phase: WorkerPhase) -> usize {
        self.workers.iter().filter(|worker| worker.phase == phase).count()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, leaked) = (self.count(WorkerPhase::Waiting), self.count(WorkerPhase::Leaked));
        write!(f, "{} running, {waiting} waiting, {leaked} leaked; ", self.workers.len() - waiting)?;
        if self.machines.is_empty() {
            writeln!(f, "client: no machine is registered, no work is done here")?;
        } else {
            writeln!(f, "machines: {}", self.machines.join(", "))?;
        }
        if let Some(StoreCall { call, age }) = self.calls.first().filter(|call| call.age >= SLOW) {
            writeln!(f, "the store has not answered `{call}` for {age:.1?}; open calls: {}", self.calls.len())?;
        }
        for TaskStatus { name, phase, restarts, last_error, degraded, poll_time } in &self.tasks {
            if let Some(reason) = degraded {
                writeln!(f, "task `{name}`: {reason}")?;
            }
            if let Some(poll_time) = poll_time.filter(|time| *time >= SLOW) {
                writeln!(f, "task `{name}`: blocked for {poll_time:.1?}: something that it calls blocks its thread")?;
            }
            if let Some(error) = last_error {
                writeln!(f, "task `{name}`: {phase}, restarts: {restarts}, last error: {error}")?;
            }
        }
        for breaker in self.breakers.iter().filter(|breaker| breaker.circuit != Circuit::Closed) {
            writeln!(f, "{breaker}")?;
        }
        if self.workers.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "{:<10} {:<24} {:<16} {:>7} {:>7} {:>8} {:>8}  LAST ERROR",
            "PHASE", "INSTANCE", "STATE", "VERSION", "ATTEMPT", "AGE", "BEAT"
        )?;
        for worker in &self.workers {
            let WorkerStatus { key, state, version, attempt, phase, age, last_beat, waits_for, last_error, .. } =
                worker;
            let instance = format!("{}/{}", key.machine, Escaped(&key.id));
            let beat = last_beat.map(|beat| format!("{beat:.1?}")).unwrap_or_default();
            let age = format!("{age:.1?}");
            let line = format!("{phase:<10} {instance:<24} {state:<16} {version:>7} {attempt:>7} {age:>8} {beat:>8}");
            let why = waits_for.as_ref().filter(|what| **what != WaitsFor::Slot).map(|what| format!("{what}; "));
            let note = format!("{}{}", why.unwrap_or_default(), last_error.as_deref().unwrap_or_default());
            writeln!(f, "{}", format!("{line}  {note}").trim_end_matches([' ', ';']))?;
        }
        Ok(())
    }
}

/// The running workers and waiting instances, as the loop last recorded them.
#[derive(Default)]
pub(crate) struct WorkerRegistry(Mutex<HashMap<Key, Entry>>);

/// One worker or waiting instance.
#[derive(Clone)]
enum Entry {
    Waiting(Arc<Waiting>),
    Running(Arc<Attempt>),
}

/// A waiting instance, without its data: many may wait.
struct Waiting {
    state: String,
    version: u64,
    attempt: u32,
    fence: u64,
    error: Option<String>,
    since: Duration,
    held_back: Arc<HeldBack>,
}

impl WorkerRegistry {
    /// Records that work on `row` waits for what `held_back` shows. The time of an earlier wait is kept.
    pub(crate) fn set_waiting(&self, row: &Row, now: Duration, held_back: Arc<HeldBack>) {
        let since = match self.entries().get(&row.key) {
            Some(Entry::Waiting(waiting)) => waiting.since,
            Some(Entry::Running(_)) | None => now,
        };
        let Row { state, version, attempt, fence, error, .. } = row;
        let (state, error) = (state.clone(), error.clone());
        let waiting = Waiting { state, version: *version, attempt: *attempt, fence: *fence, error, since, held_back };
        self.put(&row.key, Entry::Waiting(Arc::new(waiting)));
    }

    /// Records that a worker runs.
    pub(crate) fn set_running(&self, attempt: &Arc<Attempt>) {
        self.put(&attempt.row.key, Entry::Running(attempt.clone()));
    }

    /// Removes the entry of `key`.
    pub(crate) fn remove(&self, key: &Key) {
        if let Some(entry) = self.entries().remove(key) {
            entry.count(&key.machine, -1.0);
        }
    }

    /// Drops entries that are not `known`.
    pub(crate) fn retain(&self, known: impl Fn(&Key) -> bool) {
        let dropped: Vec<(Key, Entry)> = self.entries().extract_if(|key, _| !known(key)).collect();
        // Outside the lock, because a metrics recorder may panic.
        for (key, entry) in dropped {
            entry.count(&key.machine, -1.0);
        }
    }

    /// The buckets of the instances.
    pub(crate) fn buckets(&self) -> Buckets {
        self.entries().keys().map(Key::bucket).collect()
    }

    pub(crate) fn read(&self, clock: &Clock) -> Vec<WorkerStatus> {
        // The lock is held only while the entries are copied.
        let entries: Vec<(Key, Entry)> =
            self.entries().iter().map(|(key, entry)| (key.clone(), entry.clone())).collect();
        let now = clock.elapsed();
        let mut workers: Vec<WorkerStatus> = entries.into_iter().map(|(key, entry)| entry.show(key, now)).collect();
        workers.sort_by(|a, b| a.key.cmp(&b.key));
        workers
    }

    fn put(&self, key: &Key, entry: Entry) {
        entry.count(&key.machine, 1.0);
        if let Some(before) = self.entries().insert(key.clone(), entry) {
            before.count(&key.machine, -1.0);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock()
    }
}

impl Entry {
    fn count(&self, machine: &str, change: f64) {
        metrics::workers(machine, if matches!(self, Self::Running(_)) { "running" } else { "waiting" }, change);
    }

    fn show(&self, key: Key, now: Duration) -> WorkerStatus {
        match self {
            Self::Waiting(waiting) => WorkerStatus {
                key,
                state: waiting.state.clone(),
                version: waiting.version,
                attempt: waiting.attempt,
                fence: waiting.fence,
                phase: WorkerPhase::Waiting,
                age: now.saturating_sub(waiting.since),
                last_beat: None,
                waits_for: Some(waiting.held_back.show(now)),
                last_error: waiting.error.clone(),
            },
            Self::Running(attempt) => {
                let Attempt { row, signals, .. } = &**attempt;
                WorkerStatus {
                    key,
                    state: row.state.clone(),
                    version: row.version,
                    attempt: row.attempt,
                    fence: row.fence,
                    phase: phase(signals),
                    age: now.saturating_sub(signals.began()),
                    last_beat: Some(now.saturating_sub(signals.last_beat())),
                    waits_for: None,
                    last_error: row.error.clone(),
                }
            }
        }
    }
}

fn phase(signals: &Signals) -> WorkerPhase {
    match signals.stage() {
        Stage::Working if signals.is_cancelled() => WorkerPhase::Cancelling,
        Stage::Working => WorkerPhase::Running,
        Stage::Returned => WorkerPhase::Storing,
        Stage::Abandoned => WorkerPhase::Aborting,
        Stage::Leaked => WorkerPhase::Leaked,
    }
}
