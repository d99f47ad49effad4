//! The runtime's supervised background tasks and their health.

use crate::{
    clock::Clock,
    panics,
    supervisor::{Child, ChildContext, Restarts, Supervisor, SupervisorBuilder, SupervisorStartError},
    sync::Mutex,
};
use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::pin,
    sync::{Arc, MutexGuard},
    time::Duration,
};

/// The upper bound of the restart delay.
const MAX_RESTART_DELAY: Duration = Duration::from_mins(1);

/// The status of a background task of a runtime. From [`Status::tasks`](crate::Status::tasks).
///
/// `controller` runs the workers; `scan` finds due work; `peers` watches other processes; `members` reads a list of nodes again; `follow` reads their changes; `watchdog`
/// renews the lease; `retention` prunes old data; `waits`, where a machine waits for others, looks for changes of those that were missed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskStatus {
    /// The name of the task.
    pub name: &'static str,
    /// Its phase.
    pub phase: TaskPhase,
    /// How often it was restarted after a failure.
    pub restarts: u64,
    /// Its last failure, if any.
    pub last_error: Option<String>,
    /// Why it cannot do its work at the moment, if it cannot.
    pub degraded: Option<String>,
    /// The duration of its current poll; `None` while it waits. A poll is short: if it takes seconds, something blocks its thread.
    pub poll_time: Option<Duration>,
}

/// The phase of a background task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskPhase {
    /// It is running.
    Running,
    /// It has failed and is about to be restarted.
    Restarting,
    /// It has completed.
    Done,
    /// It failed too often and is not restarted.
    Failed,
}

impl fmt::Display for TaskPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Done => "done",
            Self::Failed => "FAILED",
        })
    }
}

/// The health of all background tasks, readable from any thread.
pub(crate) struct HealthRegistry {
    clock: Clock,
    tasks: Mutex<BTreeMap<&'static str, TaskStatus>>,
    /// The start of the current poll of each task that is in one.
    polls: Mutex<BTreeMap<&'static str, Duration>>,
}

impl HealthRegistry {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, tasks: Mutex::default(), polls: Mutex::default() }
    }

    pub(crate) fn read(&self) -> Vec<TaskStatus> {
        let (polls, now) = (self.polls().clone(), self.clock.elapsed());
        let poll_time = |task: &TaskStatus| polls.get(task.name).map(|since| now.saturating_sub(*since));
        self.tasks().values().map(|task| TaskStatus { poll_time: poll_time(task), ..task.clone() }).collect()
    }

    /// The task with the longest current poll, and its duration.
    pub(crate) fn longest_poll(&self) -> Option<(&'static str, Duration)> {
        let now = self.clock.elapsed();
        let (name, since) =
            self.polls().iter().min_by_key(|(_, since)| **since).map(|(name, since)| (*name, *since))?;
        Some((name, now.saturating_sub(since)))
    }

    /// Wraps `future` so that each poll is recorded under `name`.
    async fn timed_polls<F: Future>(&self, name: &'static str, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.polls().insert(name, self.clock.elapsed());
            let polled = future.as_mut().poll(cx);
            self.polls().remove(name);
            polled
        })
        .await
    }

    /// Marks the task as degraded until it recovers.
    pub(crate) fn degrade(&self, name: &'static str, reason: String) {
        if let Some(task) = self.tasks().get_mut(name) {
            task.degraded = Some(reason);
        }
    }

    /// Marks the task as able to do its work again.
    pub(crate) fn recover(&self, name: &'static str) {
        if let Some(task) = self.tasks().get_mut(name) {
            task.degraded = None;
        }
    }

    /// Marks the task as running. After a failure, this counts as a restart.
    pub(crate) fn running(&self, name: &'static str) {
        let mut tasks = self.tasks();
        let phase = TaskPhase::Running;
        let initial = TaskStatus { name, phase, restarts: 0, last_error: None, degraded: None, poll_time: None };
        let task = tasks.entry(name).or_insert(initial);
        if task.phase == TaskPhase::Restarting {
            task.restarts += 1;
        }
        task.phase = TaskPhase::Running;
        task.degraded = None;
    }

    /// Marks the task as failed with `error`, and about to be restarted.
    pub(crate) fn restarting(&self, name: &'static str, error: String) {
        self.set_phase(name, TaskPhase::Restarting, Some(error));
    }

    /// Marks the task as failed. It is not restarted.
    pub(crate) fn failed(&self, name: &'static str) {
        self.set_phase(name, TaskPhase::Failed, None);
    }

    /// Marks the tasks as done, except those that have failed.
    pub(crate) fn done(&self, names: &[&'static str]) {
        for task in self.tasks().values_mut().filter(|task| names.contains(&task.name)) {
            if task.phase != TaskPhase::Failed {
                task.phase = TaskPhase::Done;
            }
        }
    }

    fn set_phase(&self, name: &'static str, phase: TaskPhase, error: Option<String>) {
        if let Some(task) = self.tasks().get_mut(name) {
            task.phase = phase;
            task.last_error = error.or(task.last_error.take());
        }
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<&'static str, TaskStatus>> {
        self.tasks.lock()
    }

    fn polls(&self) -> MutexGuard<'_, BTreeMap<&'static str, Duration>> {
        self.polls.lock()
    }
}

/// A background task as a child of a supervisor. Only a panic is a failure.
pub(crate) fn child<F>(
    health: &Arc<HealthRegistry>,
    name: &'static str,
    run: impl Fn(ChildContext) -> F + Send + Sync + 'static,
) -> Child
where
    F: Future<Output = ()> + Send + 'static,
{
    let (run, health) = (Arc::new(run), health.clone());
    let child = Child::new(name, move |context| {
        let (run, health) = (run.clone(), health.clone());
        async move {
            health.running(name);
            let run = panics::caught(async { run(context).await });
            if let Err(panic) = health.timed_polls(name, run).await {
                health.restarting(name, format!("panicked: {}", panics::text(&*panic)));
                resume_unwind(panic);
            }
            health.set_phase(name, TaskPhase::Done, None);
            Ok(())
        }
    });
    child.transient()
}

/// The supervisor of the tasks that are restarted without limit, with growing delays. Dropping its handle stops them.
pub(crate) struct BackgroundTasks(SupervisorBuilder, Arc<HealthRegistry>);

impl BackgroundTasks {
    pub(crate) fn new(clock: &Clock, health: &Arc<HealthRegistry>) -> Self {
        let restarts = Restarts::Backoff {
            first: Duration::from_secs(1),
            longest: MAX_RESTART_DELAY,
            // Never give up: without such a task, instances would wait forever.
            limit: u32::MAX,
            reset_after: MAX_RESTART_DELAY,
        };
        Self(Supervisor::builder().clock(clock.clone()).restarts(restarts), health.clone())
    }

    /// Adds a task.
    pub(crate) fn with<F>(self, name: &'static str, run: impl Fn(ChildContext) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self(builder, health) = self;
        Self(builder.child(child(&health, name, run).abort_on_shutdown()), health)
    }

    /// Starts all tasks.
    pub(crate) async fn start(self) -> Result<Supervisor, SupervisorStartError> {
        self.0.start().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::SystemTime,
    };

    #[tokio::test]
    async fn s3_a_task_is_restarted_after_a_panic_not_after_its_end() {
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        let (panics, ends) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let counts = (panics.clone(), ends.clone());
        let panicking = move |_| {
            let run = counts.0.fetch_add(1, Ordering::Relaxed);
            async move { assert!(run >= 20, "it panics twenty times") }
        };
        let ending = move |_| {
            counts.1.fetch_add(1, Ordering::Relaxed);
            async {}
        };
        let health = Arc::new(HealthRegistry::new(manual.clock()));
        let tasks = BackgroundTasks::new(&manual.clock(), &health)
            .with("panicking", panicking)
            .with("ending", ending)
            .start()
            .await
            .unwrap();
        let restarted = async {
            while panics.load(Ordering::Relaxed) < 21 {
                manual.advance(Duration::from_secs(1));
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), restarted).await.expect("it is restarted without limit");
        assert_eq!(ends.load(Ordering::Relaxed), 1);
        let seen: Vec<_> = health.read().into_iter().map(|task| (task.name, task.restarts, task.last_error)).collect();
        let last_error = Some("panicked: it panics twenty times".to_owned());
        assert_eq!(seen, [("ending", 0, None), ("panicking", 20, last_error)]);
        tasks.shutdown(Duration::ZERO).await;
    }

    /// A waiting task is not in a poll.
    #[tokio::test]
    async fn a_task_that_blocks_its_thread_is_shown_as_busy() {
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        let health = Arc::new(HealthRegistry::new(manual.clock()));
        let seen = (health.clone(), manual.clone());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let task = health.timed_polls("slow", async move {
            receiver.await.unwrap();
            seen.1.advance(Duration::from_secs(7));
            seen.0.longest_poll()
        });
        tokio::pin!(task);
        tokio::select! { biased; _ = &mut task => unreachable!(), () = std::future::ready(()) => {} }
        manual.advance(Duration::from_secs(3));
        assert_eq!(health.longest_poll(), None, "it waits");
        sender.send(()).unwrap();
        assert_eq!(task.await, Some(("slow", Duration::from_secs(7))));
        assert_eq!(health.longest_poll(), None);
    }
}
