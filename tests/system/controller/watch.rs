//! Workers that are silent, late, or block their thread.

use super::*;
use fsm_runtime::{HowStopped, Policy, WorkerPhase, WorkerStatus};

fn beats(within: Duration) -> impl FnOnce(Builder) -> Builder {
    let policy = Policy::new().heartbeat(within).backoff(SECOND, SECOND);
    move |builder| builder.policy::<job::Running>(policy)
}

#[tokio::test]
async fn h1_a_silent_worker_fails_and_a_beating_one_runs_on() {
    let mut world = World::with(beats(SECOND * 10)).await;
    let mut call = world.running("a").await;
    for n in 0..5 {
        world.clock.advance(Duration::from_millis(9_998));
        world.barrier(&format!("other-{n}")).await;
        assert!(!call.signals.is_cancelled(), "not before it is due");
        call.signals.heartbeat();
        // The pending check comes after the beat: it is less late than a blocked executor.
        world.clock.advance(Duration::from_millis(1));
        world.barrier(&format!("another-{n}")).await;
    }
    world.clock.advance(Duration::from_millis(9_999));
    call.cancelled().await;
    drop(call);
    let row = world.row("a", |row| row.error.is_some()).await;
    assert_eq!(row.error.as_deref(), Some("missed heartbeat: no beat for 10.0s"));
    assert_eq!((row.attempt, row.version, row.owner), (1, 2, None), "it counts as an attempt and a retry is planned");
    world.clock.advance(SECOND);
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), next.attempt), ("a", 2));
    world.calls.most_at_once();
}

#[tokio::test]
async fn h1_a_silent_worker_is_aborted_after_its_grace_period() {
    let mut world = World::with(beats(SECOND * 10)).await;
    let cancelled = world.running("a").await.tell_and_watch(Do::Hang);
    world.clock.advance(SECOND * 10);
    cancelled.await;
    world.clock.advance(SECOND * 4);
    world.barrier("other").await;
    assert_eq!(world.calls.running_now(), 1, "it is in its grace period");
    world.clock.advance(SECOND);
    let row = world.row("a", |row| row.error.is_some()).await;
    assert_eq!(row.error.as_deref(), Some("missed heartbeat: no beat for 10.0s"));
    assert_eq!((row.attempt, world.calls.running_now()), (1, 0));
}

#[tokio::test]
async fn h1_missed_heartbeats_are_counted_up_to_the_limit() {
    let policy = Policy::new().heartbeat(SECOND).max_attempts(2).backoff(Duration::ZERO, Duration::ZERO);
    let mut world = World::with(|builder| builder.policy::<job::Running>(policy)).await;
    world.running("a").await.tell(Do::Hang);
    world.clock.advance(SECOND);
    world.barrier("other").await;
    world.clock.advance(SECOND * 5);
    let mut second = world.calls.next().await;
    assert_eq!((second.id.as_str(), second.attempt), ("a", 2));
    world.clock.advance(SECOND);
    second.cancelled().await;
    drop(second);
    let row = world.row("a", |row| row.parked.is_some()).await;
    let why = "2 attempts failed, the last with: missed heartbeat: no beat for 1.0s";
    assert_eq!(row.parked.as_deref(), Some(why));
}

#[tokio::test]
async fn h1_in_the_grace_period_events_count_and_requeues_do_not() {
    let mut world = World::with(beats(SECOND * 10)).await;
    let done = world.running("done").await.tell_and_watch(Do::FinishWhenCancelled(7));
    let again = world.running("again").await.tell_and_watch(Do::AgainWhenCancelled(SECOND));
    world.clock.advance(SECOND * 10);
    done.await;
    again.await;
    world.jobs.wait_for("done", job::State::Finished, PATIENCE).await.unwrap();
    let row = world.row("again", |row| row.error.is_some()).await;
    assert_eq!((row.attempt, row.error.as_deref()), (1, Some("missed heartbeat: no beat for 10.0s")));
}

#[tokio::test]
async fn h1_an_attempt_past_its_timeout_fails_despite_beats() {
    let policy = Policy::new().attempt_timeout(SECOND * 60).heartbeat(SECOND * 50);
    let mut world = World::with(|builder| builder.policy::<job::Running>(policy)).await;
    let mut call = world.running("a").await;
    world.clock.advance(SECOND * 40);
    call.signals.heartbeat();
    world.clock.advance(Duration::from_millis(19_999));
    world.barrier("other").await;
    assert!(!call.signals.is_cancelled());
    world.clock.advance(Duration::from_millis(1));
    call.cancelled().await;
    drop(call);
    let row = world.row("a", |row| row.error.is_some()).await;
    assert_eq!((row.attempt, row.error.as_deref()), (1, Some("attempt timed out after 60.0s")));
}

#[tokio::test]
async fn h1_a_returned_worker_is_not_watched_while_being_stored() {
    let mut world = World::with(beats(SECOND * 10)).await;
    let call = world.running("a").await;
    let path = world.dir.path().join("jobs.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    call.tell(Do::Finish(7));
    // The worker has ended, its result is not stored yet.
    while world.calls.running_now() > 0 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(SECOND * 30);
    other.execute_batch("ROLLBACK").unwrap();
    // In small steps, so that the state's timer of one hour takes minutes.
    let end = async {
        loop {
            world.clock.advance(Duration::from_millis(10));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        finished = world.jobs.wait_for("a", job::State::Finished, HOUR) => drop(finished.unwrap()),
        () = end => unreachable!(),
    }
    assert_eq!(world.history("a").await.len(), 3);
}

/// Advances the clock until the instance is in `phase`, and returns its status.
async fn shown(world: &World, id: &str, phase: WorkerPhase) -> WorkerStatus {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let status = world.runtime.status();
        if let Some(worker) = status.workers.iter().find(|worker| &*worker.key.id == id && worker.phase == phase) {
            return worker.clone();
        }
        assert!(std::time::Instant::now() < deadline, "{status}");
        world.clock.advance(SECOND);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h3_a_blocking_worker_is_listed_and_fenced() {
    let mut world = World::with(|builder| beats(SECOND * 10)(builder).max_concurrency(2)).await;
    let (unblock, until) = std::sync::mpsc::channel();
    world.running("stuck").await.tell(Do::BlockAndFinish(until, 7));
    let leaked = shown(&world, "stuck", WorkerPhase::Leaked).await;
    assert_eq!((leaked.state.as_str(), leaked.version, leaked.attempt), ("Running", 2, 1));
    assert!(leaked.last_beat.is_some_and(|beat| beat >= SECOND * 20), "{leaked:?}");
    // The remaining slot is still used; the instance waits.
    for id in ["b", "c"] {
        world.barrier(id).await;
    }
    assert_eq!(world.row("stuck", |_| true).await.attempt, 1);
    assert!(world.calls.is_empty());
    drop(unblock);
    let row = world.row("stuck", |row| row.error.is_some()).await;
    // The length depends on how far the clock had moved before the check.
    let error = row.error.as_deref().unwrap();
    assert!(error.starts_with("missed heartbeat: no beat for "), "{error}");
    assert_eq!((row.state.as_str(), row.version, row.owner), ("Running", 2, None), "its result came too late");
    // It has ended, and both slots are free.
    let next = loop {
        world.clock.advance(SECOND);
        if let Ok(call) = tokio::time::timeout(Duration::from_millis(1), world.calls.next()).await {
            break call;
        }
    };
    assert_eq!((next.id.as_str(), next.attempt), ("stuck", 2));
    world.running("d").await.tell(Do::Finish(1));
    world.jobs.wait_for("d", job::State::Finished, PATIENCE).await.unwrap();
    assert_eq!(world.calls.most_at_once(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h3_the_next_worker_waits_for_a_leaked_one() {
    let mut world = World::new().await;
    let (unblock, until) = std::sync::mpsc::channel();
    world.running("a").await.tell(Do::Block(until));
    world.jobs.fire("a", job::event::Cancel).await.unwrap();
    shown(&world, "a", WorkerPhase::Leaked).await;
    world.barrier("other").await;
    assert!(world.calls.is_empty(), "its next state's worker does not start beside it");
    drop(unblock);
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), next.state), ("a", job::State::Cancelling));
    world.calls.most_at_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn h3_a_shutdown_names_a_leaked_worker_and_returns() {
    let mut world = World::new().await;
    let (unblock, until) = std::sync::mpsc::channel();
    world.running("a").await.tell(Do::Block(until));
    world.jobs.fire("a", job::event::Cancel).await.unwrap();
    shown(&world, "a", WorkerPhase::Leaked).await;
    // The clock is stopped: the shutdown waits for nothing else.
    let report = tokio::time::timeout(PATIENCE, world.runtime.shutdown(HOUR)).await.expect("it returns");
    let stopped: Vec<_> =
        report.stopped.iter().map(|worker| (&*worker.key.id, worker.state.as_str(), worker.how)).collect();
    assert_eq!(stopped, [("a", "Running", HowStopped::Leaked)]);
    drop(unblock);
}

#[tokio::test]
async fn status_lists_running_and_waiting_instances() {
    let mut world = World::with(|builder| builder.max_concurrency(1)).await;
    assert_eq!(world.runtime.status().to_string(), "0 running, 0 waiting, 0 leaked; machines: Job\n");
    world.running("a").await.tell(Do::FailFor(SECOND));
    world.row("a", |row| row.error.is_some()).await;
    world.clock.advance(SECOND);
    let call = world.calls.next().await;
    world.jobs.create("b", queued()).await.unwrap().cancel().await.unwrap();
    shown(&world, "b", WorkerPhase::Waiting).await;
    let before = world.runtime.status().workers;
    world.clock.advance(SECOND * 3);
    call.signals.heartbeat();
    let status = world.runtime.status();
    let [a, b] = status.workers.as_slice() else { panic!("{status}") };
    assert_eq!((&*a.key.id, a.state.as_str(), a.phase), ("a", "Running", WorkerPhase::Running));
    assert_eq!((a.version, a.attempt, a.fence), (2, 2, call.fence));
    assert_eq!((a.age, a.last_beat), (before[0].age + SECOND * 3, Some(Duration::ZERO)));
    assert_eq!(a.last_error.as_deref(), Some("not now"));
    assert_eq!((&*b.key.id, b.state.as_str(), b.phase), ("b", "Cancelling", WorkerPhase::Waiting));
    assert_eq!((b.age, b.last_beat, b.attempt), (before[1].age + SECOND * 3, None, 0));
    let shown = status.to_string();
    assert!(shown.starts_with("1 running, 1 waiting, 0 leaked; machines: Job\n"), "{shown}");
    assert!(shown.contains("running    Job/a") && shown.contains("waiting    Job/b"), "{shown}");
    assert!(shown.contains("  not now\n"), "{shown}");
    call.tell(Do::Finish(1));
    world.calls.next().await.tell(Do::Finish(1));
    world.jobs.wait_for("b", job::State::Cancelled, PATIENCE).await.unwrap();
    world.barrier("c").await;
    assert!(world.runtime.status().workers.iter().all(|worker| &*worker.key.id == "c"));
}
