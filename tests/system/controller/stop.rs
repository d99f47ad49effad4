//! How work ends with its process, and how the next process takes it up.

use super::{HOUR, SECOND, World, start};
use crate::job::{Do, job};
use fsm_runtime::{
    Cut, CutHow,
    store::{Change, Claim, Row, Store, sqlite::Sqlite},
};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn c5_work_that_a_dead_process_held_is_taken_up_and_the_attempt_counts() {
    let mut world = World::new().await;
    let call = world.running("a").await;
    let row = world.row("a", |_| true).await;
    // As if the claim were another process's, which is gone.
    world.runtime.shutdown(Duration::ZERO).await;
    drop(call);
    let path = world.dir.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let row = Row { fence: store.get(row.key.clone()).await.unwrap().unwrap().fence, ..row };
    let claim = Claim {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: "dead".into(),
    };
    store.commit(vec![Change::Claim(claim).into()], SystemTime::now()).await.unwrap();
    let (_runtime, mut calls) = start(&path, &world.clock, |b| b).await.unwrap();
    let call = calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("a", 2));
    assert!(call.fence > row.fence + 1);
}

#[tokio::test]
async fn c8_a_graceful_stop_gives_the_attempt_back() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(Duration::ZERO).await });
    call.draining().await;
    call.cancelled().await;
    drop(call);
    let report = stopping.await.unwrap();
    assert_eq!(cut(&report.cut), [("a", "Running", CutHow::Cancelled)]);
    assert_eq!(world.jobs.row("a").await.unwrap().attempt, 0);
    let (_runtime, mut calls) = start(&world.dir.path().join("jobs.db"), &world.clock, |b| b).await.unwrap();
    assert_eq!(calls.next().await.attempt, 1);
}

fn cut(cut: &[Cut]) -> Vec<(&str, &str, CutHow)> {
    cut.iter().map(|cut| (&*cut.key.id, cut.state.as_str(), cut.how)).collect()
}

#[tokio::test]
async fn c12_a_worker_may_finish_before_the_deadline() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(HOUR).await });
    call.draining().await;
    call.tell(Do::Finish(7));
    let report = stopping.await.unwrap();
    assert!(report.cut.is_empty(), "{report:?}");
    assert_eq!(world.jobs.get("a").await.unwrap().state(), job::State::Finished);
    assert_eq!(world.runtime.shutdown(HOUR).await, report, "a second stop answers the same");
}

#[tokio::test]
async fn c12_what_does_not_end_is_aborted_and_reported() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Hang);
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(SECOND).await });
    while !stopping.is_finished() {
        world.clock.advance(SECOND);
        tokio::task::yield_now().await;
    }
    assert_eq!(cut(&stopping.await.unwrap().cut), [("a", "Running", CutHow::Aborted)]);
    let row = world.jobs.row("a").await.unwrap();
    assert_eq!((row.owner, row.attempt, row.retry_at.is_some()), (None, 0, true));
    assert_eq!(world.calls.running_now(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h3_a_worker_that_blocks_its_thread_is_named_and_the_stop_ends_all_the_same() {
    let mut world = World::new().await;
    let (unblock, until) = std::sync::mpsc::channel();
    world.running("a").await.tell(Do::Block(until));
    world.barrier("other").await;
    let runtime = world.runtime.clone();
    let stopping = tokio::spawn(async move { runtime.shutdown(SECOND).await });
    while !stopping.is_finished() {
        world.clock.advance(SECOND);
        tokio::task::yield_now().await;
    }
    assert_eq!(cut(&stopping.await.unwrap().cut), [("a", "Running", CutHow::Leaked)]);
    drop(unblock);
}
