//! Owns what is shown of running work: who is at what, since when, and how it goes; readable from any thread, whatever the
//! controller's loop is at.

use crate::worker::Attempt;
use crate::{
    clock::Clock,
    engine::{
        background::TaskStatus,
        store_health::{SLOW, StoreCall},
    },
    metrics,
    store::{Key, Row},
    sync::Mutex,
    worker::signals::{Signals, Stage},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, MutexGuard},
    time::Duration,
};

/// What a runtime's own process is at: its workers, the instances that wait for one, and the parts of the runtime itself.
/// From [`Runtime::status`](crate::Runtime::status).
///
/// Its `Display` is a table for operators.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// The machines whose instances this process works on, by name; none for a plain client.
    pub machines: Vec<&'static str>,
    /// Ordered by key.
    pub workers: Vec<WorkerStatus>,
    /// How the runtime's own parts fare, by name.
    pub parts: Vec<TaskStatus>,
    /// What the store has been asked and has not answered yet: changes by anybody, and what the runtime's own parts read; the longest
    /// first.
    pub calls: Vec<StoreCall>,
}

/// One worker, or one instance that waits for its worker's turn.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// The instance.
    pub key: Key,
    /// The state that the work is for.
    pub state: String,
    /// The instance's version.
    pub version: u64,
    /// Which attempt it is; for one that waits, how many there were.
    pub attempt: u32,
    /// The fence of its claim; for one that waits, of the one before.
    pub fence: u64,
    /// How far it is.
    pub phase: WorkerPhase,
    /// How long it has run, or waited.
    pub age: Duration,
    /// How long ago it beat, or began where it never did; `None` for one that waits.
    pub last_beat: Option<Duration>,
    /// What the attempt before failed with, if one did.
    pub last_error: Option<String>,
}

/// How far a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerPhase {
    /// Its work is due, and all slots are taken.
    Waiting,
    /// It is at work.
    Running,
    /// It was told to end, and has its grace.
    Cancelling,
    /// It was aborted, and is not gone yet.
    Aborting,
    /// It was aborted and still runs, because it blocks its thread. Such work belongs in `spawn_blocking`.
    Leaked,
    /// It has returned, and its result is being stored.
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
    /// How many workers are in `phase`.
    #[must_use]
    pub fn count(&self, phase: WorkerPhase) -> usize {
        self.workers.iter().filter(|worker| worker.phase == phase).count()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, leaked) = (self.count(WorkerPhase::Waiting), self.count(WorkerPhase::Leaked));
        write!(f, "{} at work, {waiting} waiting, {leaked} leaked; ", self.workers.len() - waiting)?;
        if self.machines.is_empty() {
            writeln!(f, "a client: no machine is registered, and nothing is worked on here")?;
        } else {
            writeln!(f, "machines: {}", self.machines.join(", "))?;
        }
        if let Some(StoreCall { call, age }) = self.calls.first().filter(|call| call.age >= SLOW) {
            writeln!(
                f,
                "the store has not answered `{call}` for {age:.1?}; calls that wait for it: {}",
                self.calls.len()
            )?;
        }
        // Of those that never failed there is nothing to say.
        for TaskStatus { name, phase, restarts, last_error, trouble, round } in &self.parts {
            if let Some(trouble) = trouble {
                writeln!(f, "part `{name}`: {trouble}")?;
            }
            if let Some(round) = round.filter(|round| *round >= SLOW) {
                writeln!(
                    f,
                    "part `{name}`: it has not come round for {round:.1?}: something that it calls blocks its thread"
                )?;
            }
            if let Some(error) = last_error {
                writeln!(f, "part `{name}`: {phase}, restarted {restarts} times, the last failure: {error}")?;
            }
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
            let WorkerStatus { key, state, version, attempt, phase, age, last_beat, last_error, .. } = worker;
            let instance = format!("{}/{}", key.machine, key.id);
            let beat = last_beat.map(|beat| format!("{beat:.1?}")).unwrap_or_default();
            let age = format!("{age:.1?}");
            let line = format!("{phase:<10} {instance:<24} {state:<16} {version:>7} {attempt:>7} {age:>8} {beat:>8}");
            writeln!(f, "{}", format!("{line}  {}", last_error.as_deref().unwrap_or_default()).trim_end())?;
        }
        Ok(())
    }
}

/// Who works and who waits, as the loop last said.
#[derive(Default)]
pub(crate) struct Board(Mutex<HashMap<Key, Post>>);

/// What is shown of one.
#[derive(Clone)]
enum Post {
    Waits(Arc<Waiting>),
    Runs(Arc<Attempt>),
}

/// Without the row's data: many may wait.
struct Waiting {
    state: String,
    version: u64,
    attempt: u32,
    fence: u64,
    error: Option<String>,
    since: Duration,
}

impl Board {
    /// Work on `row` waits for a slot; what waited before has done so since then.
    pub(crate) fn waits(&self, row: &Row, now: Duration) {
        let since = match self.posts().get(&row.key) {
            Some(Post::Waits(waiting)) => waiting.since,
            Some(Post::Runs(_)) | None => now,
        };
        let Row { state, version, attempt, fence, error, .. } = row;
        let (state, error) = (state.clone(), error.clone());
        let waiting = Waiting { state, version: *version, attempt: *attempt, fence: *fence, error, since };
        self.put(&row.key, Post::Waits(Arc::new(waiting)));
    }

    /// A worker runs.
    pub(crate) fn runs(&self, attempt: &Arc<Attempt>) {
        self.put(&attempt.row.key, Post::Runs(attempt.clone()));
    }

    /// Nobody works for `key`, or waits for that.
    pub(crate) fn gone(&self, key: &Key) {
        if let Some(post) = self.posts().remove(key) {
            post.count(&key.machine, -1.0);
        }
    }

    /// Of those that are not among `known` nothing is known any more.
    pub(crate) fn keep(&self, known: impl Fn(&Key) -> bool) {
        let strangers: Vec<(Key, Post)> = self.posts().extract_if(|key, _| !known(key)).collect();
        // Only then is a recorder of metrics told, which may panic.
        for (key, post) in strangers {
            post.count(&key.machine, -1.0);
        }
    }

    pub(crate) fn read(&self, clock: &Clock) -> Vec<WorkerStatus> {
        // The lock is held for as long as it takes to copy the keys.
        let posts: Vec<(Key, Post)> = self.posts().iter().map(|(key, post)| (key.clone(), post.clone())).collect();
        let now = clock.elapsed();
        let mut workers: Vec<WorkerStatus> = posts.into_iter().map(|(key, post)| post.show(key, now)).collect();
        workers.sort_by(|a, b| a.key.cmp(&b.key));
        workers
    }

    fn put(&self, key: &Key, post: Post) {
        post.count(&key.machine, 1.0);
        if let Some(before) = self.posts().insert(key.clone(), post) {
            before.count(&key.machine, -1.0);
        }
    }

    fn posts(&self) -> MutexGuard<'_, HashMap<Key, Post>> {
        self.0.lock()
    }
}

impl Post {
    fn count(&self, machine: &str, change: f64) {
        metrics::workers(machine, if matches!(self, Self::Runs(_)) { "running" } else { "waiting" }, change);
    }

    fn show(&self, key: Key, now: Duration) -> WorkerStatus {
        match self {
            Self::Waits(waiting) => WorkerStatus {
                key,
                state: waiting.state.clone(),
                version: waiting.version,
                attempt: waiting.attempt,
                fence: waiting.fence,
                phase: WorkerPhase::Waiting,
                age: now.saturating_sub(waiting.since),
                last_beat: None,
                last_error: waiting.error.clone(),
            },
            Self::Runs(attempt) => {
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
