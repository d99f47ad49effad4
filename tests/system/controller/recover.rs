//! Panics of the controller's loop: it continues with its workers, or gives up and frees its work. The panic comes from the
//! `tracing` subscriber, which is foreign code inside the loop.

use super::{HOUR, SECOND, World, start};
use crate::job::{Do, job, queued};
use fsm_runtime::{IdleError, Runtime, TaskPhase, TaskStatus};
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};

/// Panics at the next events with this text, a given number of times.
#[derive(Clone, Default)]
struct Tripwire(Arc<Mutex<(&'static str, u32)>>);

impl Tripwire {
    fn lay(&self, phrase: &'static str, times: u32) {
        *self.0.lock().unwrap() = (phrase, times);
    }

    /// How many panics are left.
    fn left(&self) -> u32 {
        self.0.lock().unwrap().1
    }

    /// Applies to this thread until the guard is dropped.
    fn set(&self) -> (DefaultGuard, tracing::Dispatch) {
        // With a single subscriber, `tracing` asks the first thread that meets an event and caches the answer for all threads;
        // the threads of other tests have no subscriber.
        let another = tracing::Dispatch::new(Self::default());
        (tracing::subscriber::set_default(self.clone()), another)
    }
}

impl Visit for &Tripwire {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut wire = self.0.lock().unwrap();
        if field.name() == "message" && wire.1 > 0 && format!("{value:?}").contains(wire.0) {
            wire.1 -= 1;
            drop(wire);
            panic!("tripped");
        }
    }
}

impl Subscriber for Tripwire {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("fsm_runtime")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn the_loop(runtime: &Runtime) -> TaskStatus {
    runtime.status().tasks.into_iter().find(|part| part.name == "controller").unwrap()
}

#[tokio::test]
async fn a_loop_continues_with_its_workers_after_a_panic() {
    let wire = Tripwire::default();
    let _set = wire.set();
    let mut world = World::new().await;
    let a = world.running("a").await;
    assert_eq!((the_loop(&world.runtime).phase, the_loop(&world.runtime).restarts), (TaskPhase::Running, 0));
    // The loop panics between the claim and the start of the worker.
    wire.lay("worker starts", 1);
    let b = world.running("b").await;
    assert_eq!((wire.left(), b.attempt), (0, 1), "claimed again, without counting an attempt");
    let TaskStatus { phase, restarts, last_error, .. } = the_loop(&world.runtime);
    assert_eq!((phase, restarts, last_error.as_deref()), (TaskPhase::Running, 1, Some("panicked: tripped")));
    let shown = world.runtime.status().to_string();
    let line = "task `controller`: running, restarts: 1, last error: panicked: tripped";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("running")).count(), 2, "{shown}");
    // The other worker still runs, once.
    a.tell(Do::Finish(1));
    b.tell(Do::Finish(2));
    assert_eq!(world.runtime.run_until_idle().await.unwrap(), None);
    assert_eq!(
        world.history("a").await,
        ["1: created -> Queued (caller)", "2: start -> Running (caller)", "3: finish -> Finished (worker)"]
    );
    assert_eq!(world.jobs.get("b").await.unwrap().state(), job::State::Finished);
    assert_eq!(world.calls.most_at_once(), 2);
    assert_eq!(world.runtime.shutdown(HOUR).await, fsm_runtime::Shutdown::default());
}

/// A panic at each event of the loop while a worker runs: the worker ends, and the next one starts.
#[tokio::test]
async fn a_panic_anywhere_in_the_loop_keeps_one_worker_each() {
    let wire = Tripwire::default();
    let _set = wire.set();
    let policy = fsm_runtime::Policy::new().attempt_timeout(HOUR / 2);
    let limited = |builder: fsm_runtime::Builder| {
        builder.max_concurrency(1).backoff(Duration::ZERO, Duration::ZERO).policy::<job::Running>(policy)
    };
    let mut world = World::with(limited).await;
    for (n, phrase) in
        ["is overdue", "did not end within its grace", "worker starts", "has moved on"].into_iter().enumerate()
    {
        let id = format!("job-{n}");
        world.running(&id).await.tell(Do::Hang);
        let waiting = format!("waiting-{n}");
        world.jobs.create(&waiting, queued()).await.unwrap().start().await.unwrap();
        wire.lay(phrase, 1);
        if phrase == "has moved on" {
            world.jobs.fire(&id, job::event::Cancel).await.unwrap();
        } else {
            world.clock.advance(HOUR / 2);
        }
        // Longer than the grace period, with fewer panics in ten seconds than the limit.
        let clock = world.clock.clone();
        let passing = async move {
            loop {
                clock.advance(SECOND);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let both = async {
            for _ in 0..2 {
                world.calls.next().await.tell(Do::Finish(1));
            }
        };
        tokio::select! {
            () = both => {}
            () = passing => {}
        }
        world.clock.advance(SECOND * 11);
        world.runtime.run_until_idle().await.unwrap();
        assert_eq!(wire.left(), 0, "`{phrase}` was logged");
        assert_eq!(the_loop(&world.runtime).restarts, u64::try_from(n).unwrap() + 1);
        assert_eq!(world.calls.most_at_once(), 1, "the limit");
    }
}

#[tokio::test]
async fn a_loop_that_gives_up_frees_its_work_for_others() {
    let wire = Tripwire::default();
    let _set = wire.set();
    let mut world = World::new().await;
    let mut a = world.running("a").await;
    let runtime = world.runtime.clone();
    let idle = tokio::spawn(async move { runtime.run_until_idle().await });
    tokio::task::yield_now().await;
    wire.lay("worker starts", u32::MAX);
    world.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    a.cancelled().await;
    drop(a);
    let report = world.runtime.ended().await;
    let why = report.failed.as_deref().unwrap();
    assert_eq!(why, "gave up after 6 failures; child `controller` failed last: panicked: tripped");
    assert_eq!(report.stopped.iter().map(|worker| &*worker.key.id).collect::<Vec<_>>(), ["a"]);
    assert_eq!(the_loop(&world.runtime).phase, TaskPhase::Failed);
    assert_eq!(world.runtime.shutdown(HOUR).await, report, "it returns the same report");
    for waited in [idle.await.unwrap(), world.runtime.run_until_idle().await] {
        assert!(matches!(&waited, Err(IdleError::Failed(text)) if text == why), "{waited:?}");
    }
    assert!(world.runtime.nodes().await.unwrap().iter().all(|lease| !lease.live), "its lease has ended");
    // The handles still work, and another process takes the work.
    world.jobs.create("c", queued()).await.unwrap().start().await.unwrap();
    wire.lay("", 0);
    let (_other, mut calls) = start(&world.dir.path().join("jobs.db"), &world.clock, |builder| builder).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..3 {
        taken.push(calls.next().await.id);
    }
    taken.sort();
    assert_eq!(taken, ["a", "b", "c"]);
}
