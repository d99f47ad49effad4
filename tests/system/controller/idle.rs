//! `run_until_idle`, on which tests of users' machines are built.

use super::{HOUR, PATIENCE, SECOND, World, start};
use crate::job::{Do, Job, job, queued};
use fsm_runtime::{Runtime, WorkerPhase, store::sqlite::Sqlite};
use std::time::Duration;

#[tokio::test]
async fn idle_waits_for_running_work_and_reports_the_next_due() {
    let mut world = World::new().await;
    assert_eq!(world.runtime.run_until_idle().await.unwrap(), None);
    let call = world.running("a").await;
    let runtime = world.runtime.clone();
    let idle = tokio::spawn(async move { runtime.run_until_idle().await.unwrap() });
    world.barrier("other").await;
    assert!(!idle.is_finished(), "a worker runs");
    let now = world.clock.clock().now();
    call.tell(Do::FailFor(SECOND * 90));
    assert_eq!(idle.await.unwrap(), Some(now + SECOND * 90), "the retry, before the timer");
    let row = world.row("a", |_| true).await;
    assert_eq!((row.attempt, row.error.as_deref()), (1, Some("not now")), "the failure is stored");
    world.clock.advance_to(now + SECOND * 90);
    world.calls.next().await.tell(Do::FailFor(HOUR * 2));
    assert_eq!(world.runtime.run_until_idle().await.unwrap(), Some(now + HOUR), "the timer, before the retry");
    world.clock.advance_to(now + HOUR);
    assert_eq!(world.runtime.run_until_idle().await.unwrap(), None);
    assert_eq!(world.jobs.get("a").await.unwrap().state(), job::State::Failed);
    world.clock.advance_to(now);
    assert_eq!(world.clock.clock().now(), now + HOUR, "time does not go back");
}

#[tokio::test]
async fn idle_finds_unnotified_work_and_skips_unreadable_rows() {
    let mut world = World::new().await;
    world.running("good").await.tell(Do::FailFor(HOUR * 10));
    world.running("bad").await.tell(Do::FailFor(HOUR * 10));
    world.runtime.run_until_idle().await.unwrap();
    // Written directly, without a notification: due timers, one of an unreadable row.
    let sql = "UPDATE fsm_instances SET timer_at = 0; UPDATE fsm_instances SET data = '{}' WHERE id = 'bad'";
    rusqlite::Connection::open(world.dir.path().join("jobs.db")).unwrap().execute_batch(sql).unwrap();
    let next = world.runtime.run_until_idle().await.unwrap();
    assert_eq!(next, None, "the bad one's retry is behind its timer");
    assert_eq!(world.jobs.get("good").await.unwrap().state(), job::State::Failed);
    assert_eq!(world.row("bad", |_| true).await.state, "Running");
}

#[tokio::test]
async fn c6_an_unreadable_row_takes_no_slot() {
    let mut world = World::with(|builder| builder.max_concurrency(1)).await;
    let first = world.running("first").await;
    for id in ["bad", "good"] {
        world.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        while !world.runtime.status().workers.iter().any(|it| &*it.key.id == id && it.phase == WorkerPhase::Waiting) {
            assert!(std::time::Instant::now() < deadline, "`{id}` waits for the slot");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let sql = "UPDATE fsm_instances SET timer_at = 0, data = '{}' WHERE id = 'bad'";
    rusqlite::Connection::open(world.dir.path().join("jobs.db")).unwrap().execute_batch(sql).unwrap();
    first.tell(Do::Finish(1));
    assert_eq!(world.calls.next().await.id, "good");
}

#[tokio::test]
async fn clients_and_stopped_runtimes_are_idle_at_once() {
    let mut world = World::new().await;
    let path = world.dir.path().join("jobs.db");
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    let _call = world.running("a").await;
    assert_eq!(client.run_until_idle().await.unwrap(), None);
    let runtime = world.runtime.clone();
    let idle = tokio::spawn(async move { runtime.run_until_idle().await.unwrap() });
    world.runtime.shutdown(Duration::ZERO).await;
    // Answered when the claim is released: the row is now due for the next process.
    assert_eq!(idle.await.unwrap(), None);
    assert_eq!(world.runtime.run_until_idle().await.unwrap(), None);
    let (runtime, mut calls) = start(&path, &world.clock, |builder| builder).await.unwrap();
    calls.next().await.tell(Do::Finish(1));
    assert_eq!(runtime.run_until_idle().await.unwrap(), None);
    let _ = runtime.machines::<Job>().wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let _ = runtime.machines::<Job>().create("b", queued()).await.unwrap();
    assert_eq!(runtime.run_until_idle().await.unwrap(), None, "a state without work is never due");
}
