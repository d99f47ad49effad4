//! One worker for each visit to a state, started at once and ended before the next one starts.

use super::{PATIENCE, SECOND, World, start};
use crate::job::{Do, Job, job, queued};
use fsm_runtime::{Runtime, clock::ManualClock, store::sqlite::Sqlite};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

#[tokio::test]
async fn c2_an_event_starts_the_worker_and_its_result_is_committed() {
    let mut world = World::new().await;
    let call = world.running("a").await;
    assert_eq!((call.attempt, call.version), (1, 2));
    assert!(call.fence > 0);
    call.tell(Do::Finish(7));
    world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let job::AnyRecord::Finished(finished) = world.jobs.get("a").await.unwrap() else { panic!() };
    assert_eq!((finished.result, finished.version()), (7, 3));
    assert_eq!(
        world.history("a").await,
        ["1: created -> Queued (caller)", "2: start -> Running (caller)", "3: finish -> Finished (worker)"]
    );
    assert_eq!(world.row("a", |_| true).await.owner, None);
}

#[tokio::test]
async fn c2_a_lost_notification_is_made_good_by_the_next_scan() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).clock(clock.clock()).start().await.unwrap();
    let jobs = client.machines::<Job>();
    let _ = jobs.create("a", queued()).await.unwrap();
    let _ = jobs.create("before", queued()).await.unwrap().start().await.unwrap();
    let (_runtime, mut calls) = start(&path, &clock, |builder| builder).await.unwrap();
    assert_eq!(calls.next().await.id, "before", "the first scan is over");
    // Written directly: without a notification and not in the history.
    let sql = "UPDATE fsm_instances SET state = 'Running', version = 2, entered = 2, retry_at = updated WHERE id = 'a'";
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    clock.advance(Duration::from_millis(4_999));
    let _ = jobs.create("notified", queued()).await.unwrap().start().await.unwrap();
    assert_eq!(calls.next().await.id, "notified");
    assert!(calls.is_empty(), "the other one had no notification");
    clock.advance(Duration::from_millis(1));
    let call = calls.next().await;
    assert_eq!((call.id.as_str(), call.version), ("a", 2));
}

#[tokio::test]
async fn c3_the_same_visit_keeps_its_worker() {
    let mut world = World::new().await;
    let call = world.running("a").await;
    let row = world.row("a", |_| true).await;
    for n in 0..5 {
        // Each scan ends with a look at every running instance.
        world.clock.advance(SECOND * 5);
        world.barrier(&format!("other-{n}")).await;
    }
    assert!(!call.signals.is_cancelled() && world.calls.is_empty());
    let now = world.row("a", |_| true).await;
    assert_eq!((now.fence, now.attempt, &now.owner), (row.fence, row.attempt, &row.owner), "and not claimed again");
    call.tell(Do::Finish(1));
    world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    assert_eq!(world.calls.most_at_once(), 2);
}

#[tokio::test]
async fn c3_the_next_worker_waits_for_the_cancelled_one() {
    let mut world = World::new().await;
    let mut old = world.running("a").await;
    let job::AnyRecord::Running(running) = world.jobs.get("a").await.unwrap() else { panic!() };
    let cancelling = running.cancel().await.unwrap();
    assert_eq!(cancelling.version(), 3);
    old.cancelled().await;
    drop(old);
    let next = world.calls.next().await;
    assert_eq!((next.state, next.version, next.attempt), (job::State::Cancelling, 3, 1));
    next.tell(Do::Finish(0));
    world.jobs.wait_for("a", job::State::Cancelled, PATIENCE).await.unwrap();
    assert_eq!(world.calls.most_at_once(), 1);
}

#[tokio::test]
async fn c3_a_worker_is_aborted_after_its_grace_period() {
    let mut world = World::new().await;
    let cancelled = world.running("b").await.tell_and_watch(Do::Hang);
    world.jobs.fire("b", job::event::Cancel).await.unwrap();
    cancelled.await;
    world.clock.advance(SECOND * 4);
    world.barrier("other").await;
    assert_eq!(world.calls.running_now(), 1, "the old worker has not ended");
    world.clock.advance(SECOND);
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), next.state), ("b", job::State::Cancelling));
    next.tell(Do::Finish(0));
    world.jobs.wait_for("b", job::State::Cancelled, PATIENCE).await.unwrap();
    world.calls.most_at_once();
}

#[tokio::test]
async fn c3_a_self_transition_starts_a_new_worker() {
    let mut world = World::new().await;
    let mut old = world.running("a").await;
    let old_key = old.key.clone();
    world.jobs.fire("a", job::event::Restart).await.unwrap();
    old.cancelled().await;
    drop(old);
    let next = world.calls.next().await;
    assert_eq!((next.state, next.version, next.attempt), (job::State::Running, 3, 1));
    assert_ne!(next.key, old_key);
    world.calls.most_at_once();
}

#[tokio::test]
async fn c4_a_result_after_the_instance_moved_on_is_refused() {
    let mut world = World::new().await;
    let (go, when) = tokio::sync::oneshot::channel();
    let old = world.running("a").await;
    old.tell(Do::FinishWhen(when, 7));
    world.jobs.fire("a", job::event::Cancel).await.unwrap();
    world.barrier("other").await;
    go.send(()).unwrap();
    let next = world.calls.next().await;
    assert_eq!(next.state, job::State::Cancelling);
    next.tell(Do::Finish(0));
    world.jobs.wait_for("a", job::State::Cancelled, PATIENCE).await.unwrap();
    assert_eq!(
        world.history("a").await,
        [
            "1: created -> Queued (caller)",
            "2: start -> Running (caller)",
            "3: cancel -> Cancelling (caller)",
            "4: cleaned -> Cancelled (worker)"
        ]
    );
}

#[tokio::test]
async fn c3_an_event_from_another_process_stops_the_worker() {
    let mut world = World::new().await;
    let mut old = world.running("a").await;
    let store = Sqlite::open(world.dir.path().join("jobs.db")).await.unwrap();
    let client = Runtime::builder(store).clock(world.clock.clock()).start().await.unwrap();
    let jobs = client.machines::<Job>();
    jobs.fire("a", job::event::Cancel).await.unwrap();
    old.cancelled().await;
    drop(old);
    let next = world.calls.next().await;
    assert_eq!(next.state, job::State::Cancelling);
    next.tell(Do::Finish(0));
    jobs.wait_for("a", job::State::Cancelled, PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_many_triggers_start_one_worker() {
    let mut world = World::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        world.jobs.create(&format!("{n}"), queued()).await.unwrap().start().await.unwrap();
        let (jobs, clock) = (world.jobs.clone(), world.clock.clone());
        tasks.spawn(async move {
            for _ in 0..10 {
                clock.advance(Duration::from_millis(100));
                jobs.fire(&format!("{n}"), job::event::Restart).await.unwrap();
            }
            jobs.fire(&format!("{n}"), job::event::Cancel).await.unwrap();
        });
    }
    let mut ended = 0;
    while ended < 50 {
        let call = world.calls.next().await;
        if call.state == job::State::Cancelling {
            call.tell(Do::Finish(0));
            ended += 1;
        }
    }
    tasks.join_all().await;
    for n in 0..50 {
        world.jobs.wait_for(&n.to_string(), job::State::Cancelled, PATIENCE).await.unwrap();
    }
    world.calls.most_at_once();
}

#[tokio::test]
async fn c2_an_event_reaches_the_worker_after_its_caller_is_dropped() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let job::AnyRecord::Running(running) = world.jobs.get("a").await.unwrap() else { panic!() };
    // Polled once, so that the call is sent, and dropped.
    let mut cancelling = running.cancel().into_future();
    tokio::select! {
        biased;
        _ = &mut cancelling => {}
        () = std::future::ready(()) => {}
    }
    drop(cancelling);
    call.cancelled().await;
    drop(call);
    world.calls.next().await.tell(Do::Finish(0));
    let _ = world.jobs.wait_for("a", job::State::Cancelled, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_purge_by_another_process_stops_the_worker() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let store = Sqlite::open(world.dir.path().join("jobs.db")).await.unwrap();
    let client = Runtime::builder(store).clock(world.clock.clock()).start().await.unwrap();
    client.machines::<Job>().purge("a").await.unwrap();
    world.clock.advance(SECOND * 5);
    call.cancelled().await;
}
