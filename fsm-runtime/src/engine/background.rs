//! The runtime's supervised background tasks and their health.

use crate::{
    clock::Clock,
    panics,
    supervisor::{Child, Context, Restarts, Supervisor, SupervisorBuilder, SupervisorStartError},
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
/// `controller` runs the workers; `scan` finds due work; `peers` watches other processes; `follow` reads their changes; `watchdog`
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
    GivenUp,
}

impl fmt::Display for TaskPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Done => "done",
            Self::GivenUp => "GIVEN UP",
        })
    }
}

/// The health of all background tasks, readable from any thread.
pub(crate) struct HealthRegistry {
    clock: Clock,
    parts: Mutex<BTreeMap<&'static str, TaskStatus>>,
    /// The start of the current poll of each task that is in one.
    polls: Mutex<BTreeMap<&'static str, Duration>>,
}

impl HealthRegistry {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, parts: Mutex::default(), polls: Mutex::default() }
    }

    pub(crate) fn read(&self) -> Vec<TaskStatus> {
        let (polls, now) = (self.polls().clone(), self.clock.elapsed());
        let poll_time = |part: &TaskStatus| polls.get(part.name).map(|since| now.saturating_sub(*since));
        self.parts().values().map(|part| TaskStatus { poll_time: poll_time(part), ..part.clone() }).collect()
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
        if let Some(part) = self.parts().get_mut(name) {
            part.degraded = Some(reason);
        }
    }

    pub(crate) fn recover(&self, name: &'static str) {
        if let Some(part) = self.parts().get_mut(name) {
            part.degraded = None;
        }
    }

    pub(crate) fn runs(&self, name: &'static str) {
        let mut parts = self.parts();
        let phase = TaskPhase::Running;
        let initial = TaskStatus { name, phase, restarts: 0, last_error: None, degraded: None, poll_time: None };
        let part = parts.entry(name).or_insert(initial);
        if part.phase == TaskPhase::Restarting {
            part.restarts += 1;
        }
        part.phase = TaskPhase::Running;
        part.degraded = None;
    }

    pub(crate) fn failed(&self, name: &'static str, error: String) {
        self.ends(name, TaskPhase::Restarting, Some(error));
    }

    pub(crate) fn gave_up(&self, name: &'static str) {
        self.ends(name, TaskPhase::GivenUp, None);
    }

    /// Marks the work as over.
    pub(crate) fn end(&self, names: &[&'static str]) {
        for part in self.parts().values_mut().filter(|part| names.contains(&part.name)) {
            if part.phase != TaskPhase::GivenUp {
                part.phase = TaskPhase::Done;
            }
        }
    }

    fn ends(&self, name: &'static str, phase: TaskPhase, error: Option<String>) {
        if let Some(part) = self.parts().get_mut(name) {
            part.phase = phase;
            part.last_error = error.or(part.last_error.take());
        }
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<&'static str, TaskStatus>> {
        self.parts.lock()
    }

    fn polls(&self) -> MutexGuard<'_, BTreeMap<&'static str, Duration>> {
        self.polls.lock()
    }
}

/// A background task as a child of a supervisor. Only a panic is a failure.
pub(crate) fn part<F>(
    health: &Arc<HealthRegistry>,
    name: &'static str,
    run: impl Fn(Context) -> F + Send + Sync + 'static,
) -> Child
where
    F: Future<Output = ()> + Send + 'static,
{
    let (run, health) = (Arc::new(run), health.clone());
    let child = Child::new(name, move |context| {
        let (run, health) = (run.clone(), health.clone());
        async move {
            health.runs(name);
            let run = panics::caught(async { run(context).await });
            if let Err(panic) = health.timed_polls(name, run).await {
                health.failed(name, format!("panicked: {}", panics::text(&*panic)));
                resume_unwind(panic);
            }
            health.ends(name, TaskPhase::Done, None);
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
    pub(crate) fn with<F>(self, name: &'static str, run: impl Fn(Context) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self(builder, health) = self;
        Self(builder.child(part(&health, name, run).abort_on_shutdown()), health)
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
        let parts = BackgroundTasks::new(&manual.clock(), &health)
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
        let seen: Vec<_> = health.read().into_iter().map(|part| (part.name, part.restarts, part.last_error)).collect();
        let last_error = Some("panicked: it panics twenty times".to_owned());
        assert_eq!(seen, [("ending", 0, None), ("panicking", 20, last_error)]);
        parts.shutdown(Duration::ZERO).await;
    }

    /// A waiting task is not in a poll.
    #[tokio::test]
    async fn a_task_that_blocks_its_thread_is_shown_as_busy() {
        let manual = ManualClock::new(SystemTime::UNIX_EPOCH);
        let health = Arc::new(HealthRegistry::new(manual.clock()));
        let seen = (health.clone(), manual.clone());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let part = health.timed_polls("slow", async move {
            receiver.await.unwrap();
            seen.1.advance(Duration::from_secs(7));
            seen.0.longest_poll()
        });
        tokio::pin!(part);
        tokio::select! { biased; _ = &mut part => unreachable!(), () = std::future::ready(()) => {} }
        manual.advance(Duration::from_secs(3));
        assert_eq!(health.longest_poll(), None, "it waits");
        sender.send(()).unwrap();
        assert_eq!(part.await, Some(("slow", Duration::from_secs(7))));
        assert_eq!(health.longest_poll(), None);
    }
}
