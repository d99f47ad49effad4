//! Timers: fired once, in the visit that armed them, not before they are due.

use super::{HOUR, PATIENCE, SECOND, World, start};
use crate::job::{Do, Job, job, queued};
use fsm_runtime::{TransitionError, store::HistoryQuery};
use std::time::Duration;
use tokio::task::JoinSet;

#[tokio::test]
async fn t1_a_timer_fires_once_when_due() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    world.clock.advance(Duration::from_secs(3_599));
    world.barrier("other").await;
    assert_eq!(world.jobs.get("a").await.unwrap().state(), job::State::Running);
    world.clock.advance(SECOND);
    call.cancelled().await;
    world.jobs.wait_for("a", job::State::Failed, PATIENCE).await.unwrap();
    let job::AnyRecord::Failed(failed) = world.jobs.get("a").await.unwrap() else { panic!() };
    assert_eq!(failed.reason, "too slow");
    assert_eq!(world.history("a").await[2], "3: fail -> Failed (timer)");
    drop(call);
    world.clock.advance(HOUR * 10);
    world.barrier("another").await;
    assert_eq!(world.history("a").await.len(), 3);
}

#[tokio::test]
async fn t1_leaving_the_state_cancels_its_timer() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Finish(1));
    world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    world.clock.advance(HOUR * 2);
    world.barrier("other").await;
    assert_eq!(world.history("a").await.len(), 3);
}

#[tokio::test]
async fn t1_a_timer_fires_after_the_process_was_down() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::FailFor(HOUR * 5));
    world.row("a", |row| row.error.is_some()).await;
    world.runtime.shutdown(Duration::ZERO).await;
    world.clock.advance(HOUR * 2);
    let (runtime, _calls) = start(&world.dir.path().join("jobs.db"), &world.clock, |b| b).await.unwrap();
    runtime.machines::<Job>().wait_for("a", job::State::Failed, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn t1_a_timer_fires_while_its_instance_waits_for_a_slot() {
    let mut world = World::with(|builder| builder.max_concurrency(1).grace_period(HOUR * 1_000)).await;
    world.running("busy").await.tell(Do::Hang);
    world.jobs.create("waiting", queued()).await.unwrap().start().await.unwrap();
    world.clock.advance(HOUR);
    world.row("waiting", |row| row.state == "Failed").await;
    assert_eq!(world.calls.running_now(), 1, "the slot was in use all the time");
}

#[tokio::test]
async fn a_timer_whose_data_is_too_large_is_dropped() {
    let mut world = World::new().await;
    // `Running` fits, and `Failed` has a reason more.
    let name = "x".repeat((1 << 20) - r#"{"name":""}"#.len());
    world.jobs.create("a", job::Queued { name }).await.unwrap().start().await.unwrap();
    world.calls.next().await.tell(Do::FailFor(HOUR * 10));
    world.row("a", |row| row.error.is_some()).await;
    world.clock.advance(HOUR);
    let row = world.row("a", |row| row.timer_at.is_none()).await;
    assert_eq!(row.state, "Running");
    let history = world.jobs.history("a", &HistoryQuery::new().limit(100)).await.unwrap().items;
    let said = history.last().and_then(|last| last.payload.clone()).unwrap_or_default();
    assert!(said.contains("the data has 1048596 bytes"), "{said}");
}

#[tokio::test]
async fn the_timer_of_an_unreadable_row_is_kept() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::FailFor(HOUR * 10));
    let row = world.row("a", |row| row.error.is_some()).await;
    // The look after the failure is over, before the row is made unreadable.
    world.barrier("before").await;
    let path = world.dir.path().join("jobs.db");
    let sql = |text: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(text).unwrap();
    sql("UPDATE fsm_instances SET data = '{}' WHERE id = 'a'");
    world.clock.advance(HOUR * 2);
    world.barrier("other").await;
    let now = world.row("a", |_| true).await;
    assert_eq!(now.timer_at, row.timer_at, "{now:?} {:?}", world.history("a").await);
    sql("UPDATE fsm_instances SET data = '{\"name\":\"n\"}' WHERE id = 'a'");
    world.clock.advance(SECOND * 5);
    let _ = world.jobs.wait_for("a", job::State::Failed, PATIENCE).await.unwrap();
}

/// Starts jobs, fires `event` at each from its own task while the timers become due, and returns the result of each
/// event by the job's id.
async fn race<F>(world: &World, event: impl Fn(job::Record<job::Running>) -> F) -> Vec<(String, bool)>
where
    F: Future<Output = Result<u64, fsm_runtime::TransitionError<Job>>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut records = Vec::new();
    for n in 0..200 {
        let id = format!("{n:03}");
        records.push((id.clone(), world.jobs.create(&id, queued()).await.unwrap().start().await.unwrap()));
    }
    for (n, (id, record)) in records.into_iter().enumerate() {
        if n == 100 {
            world.clock.advance(HOUR);
        }
        let fired = event(record);
        tasks.spawn(async move {
            match fired.await {
                Ok(version) => {
                    assert_eq!(version, 3);
                    (id, true)
                }
                Err(TransitionError::Conflict(now)) => {
                    assert_eq!((now.state(), now.version()), (job::State::Failed, 3));
                    (id, false)
                }
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    let mut outcomes = tasks.join_all().await;
    outcomes.sort();
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t2_one_of_a_timer_and_an_event_wins() {
    let mut world = World::with(|builder| builder.max_concurrency(1_000)).await;
    let outcomes = race(&world, |running| async { Ok(running.cancel().await?.version()) }).await;
    // The workers end, and pending timers are done.
    while !world.calls.is_empty() {
        drop(world.calls.next().await);
    }
    world.clock.advance(SECOND * 5);
    for (id, won) in &outcomes {
        let history = world.history(id).await;
        let third = if *won { "3: cancel -> Cancelling (caller)" } else { "3: fail -> Failed (timer)" };
        let moves: Vec<&String> = history.iter().filter(|line| line.contains("->")).collect();
        assert_eq!(moves[2], third, "{id}: {history:?}");
        assert!(!moves[3..].iter().any(|line| line.contains("(timer)")), "{id}: {history:?}");
    }
    println!("{} of {} by the event", outcomes.iter().filter(|(_, won)| *won).count(), outcomes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c14_a_timer_does_not_fire_in_a_later_visit() {
    let world = World::with(|builder| builder.max_concurrency(1_000)).await;
    // Into the same state with the same timer: the timer of the previous visit must not fire in this one.
    let outcomes = race(&world, |running| async { Ok(running.restart().await?.version()) }).await;
    let now = world.clock.clock().now();
    // The next scan finds everything that is due.
    world.clock.advance(SECOND * 5);
    for (id, _) in outcomes.into_iter().filter(|(_, won)| *won) {
        let history = world.jobs.history(&id, &fsm_runtime::HistoryQuery::new().limit(100)).await.unwrap().items;
        let restarted = history.iter().find(|entry| entry.event.as_deref() == Some("restart")).unwrap();
        // A visit that began before the clock moved has reached its own timer.
        if restarted.at == now {
            assert_eq!(history.last().map(|entry| entry.version), Some(3), "{id}: {history:?}");
            assert_eq!(world.row(&id, |_| true).await.timer_at, Some(now + HOUR), "{id}");
        }
    }
}
