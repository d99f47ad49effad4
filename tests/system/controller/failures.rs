//! Failed attempts: when work is retried, and when it is parked.

use super::{HOUR, PATIENCE, SECOND, World, start};
use crate::job::{Do, Job, job, queued};
use fsm_runtime::store::{Change, Claim, Row, Store, sqlite::Sqlite};
use std::time::Duration;

#[tokio::test]
async fn a_failed_attempt_is_retried_after_its_delay() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::FailFor(SECOND * 10));
    let row = world.row("a", |row| row.error.is_some()).await;
    assert_eq!((row.error.as_deref(), row.attempt, row.owner), (Some("not now"), 1, None));
    assert_eq!(row.retry_at, Some(world.clock.clock().now() + SECOND * 10));
    world.clock.advance(SECOND * 9);
    world.barrier("other").await;
    assert!(world.calls.is_empty());
    world.clock.advance(SECOND);
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), next.attempt, next.version), ("a", 2, 2));
}

#[tokio::test]
async fn c6_a_failing_instance_backs_off_alone() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Fail("no"));
    let row = world.row("a", |row| row.error.is_some()).await;
    let now = world.clock.clock().now();
    assert!(row.retry_at.is_some_and(|at| at >= now && at <= now + SECOND), "{row:?}");
    for id in ["b", "c", "d"] {
        let call = loop {
            // The random backoff may be zero: "a" may run again.
            let call =
                if world.jobs.row(id).await.is_err() { world.running(id).await } else { world.calls.next().await };
            if call.id == id {
                break call;
            }
            call.tell(Do::Fail("no"));
        };
        call.tell(Do::Finish(1));
        world.jobs.wait_for(id, job::State::Finished, PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn c7_an_event_cuts_a_backoff_short() {
    let mut world = World::new().await;
    // Longer than the state's timer.
    world.running("a").await.tell(Do::FailFor(HOUR * 2));
    world.row("a", |row| row.error.is_some()).await;
    world.jobs.fire("a", job::event::Restart).await.unwrap();
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), next.attempt, next.version), ("a", 1, 3));
}

#[tokio::test]
async fn s13_a_panic_is_an_error_with_its_message() {
    let mut world = World::new().await;
    for (id, what, text) in [
        ("a", Do::Panic("boom"), "panicked: boom"),
        ("b", Do::PanicWithString("bang".into()), "panicked: bang"),
        ("c", Do::PanicWithNumber(7), "panicked: 7 (a payload of type u8)"),
    ] {
        let mut call = world.running(id).await;
        call.key.clear();
        call.tell(what);
        let row = world.row(id, |row| row.error.is_some()).await;
        assert_eq!((row.error.as_deref(), row.attempt), (Some(text), 1));
        world.jobs.fire(id, job::event::Cancel).await.unwrap();
        loop {
            // The backoff may be over before the event.
            let call = world.calls.next().await;
            if call.state == job::State::Cancelling {
                call.tell(Do::Finish(0));
                break;
            }
        }
    }
}

#[tokio::test]
async fn c10_a_panic_is_retried_as_any_other_error() {
    let mut world = World::with(|builder| builder.max_attempts(2).backoff(SECOND * 9, SECOND * 9)).await;
    world.running("a").await.tell(Do::Panic("boom"));
    let row = world.row("a", |row| row.error.is_some()).await;
    let now = world.clock.clock().now();
    assert!(row.retry_at.is_some_and(|at| at >= now && at <= now + SECOND * 9), "a retry is planned: {row:?}");
    world.clock.advance(SECOND * 9);
    let call = world.calls.next().await;
    assert_eq!(call.attempt, 2);
    call.tell(Do::Panic("bang"));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("2 attempts failed, the last with: panicked: bang"));
}

#[tokio::test]
async fn c8_attempts_survive_the_process_and_count_at_the_claim() {
    let mut world = World::with(|builder| builder.backoff(Duration::ZERO, Duration::ZERO)).await;
    let mut call = world.running("a").await;
    for attempt in 1..=2 {
        assert_eq!((call.attempt, world.row("a", |_| true).await.attempt), (attempt, attempt), "while it runs");
        call.tell(Do::Fail("no"));
        call = world.calls.next().await;
    }
    // No retry before this process has stopped.
    call.tell(Do::FailFor(SECOND));
    world.row("a", |row| row.attempt == 3 && row.owner.is_none()).await;
    world.runtime.shutdown(Duration::ZERO).await;
    world.clock.advance(SECOND);
    let (runtime, mut calls) = start(&world.dir.path().join("jobs.db"), &world.clock, |b| b).await.unwrap();
    let call = calls.next().await;
    assert_eq!(call.attempt, 4);
    call.tell(Do::FailFor(HOUR));
    world.row("a", |row| row.owner.is_none()).await;
    assert_eq!(runtime.machines::<Job>().row("a").await.unwrap().attempt, 4);
}

#[tokio::test]
async fn c8_a_killed_process_uses_up_an_attempt() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::FailFor(SECOND));
    world.row("a", |row| row.error.is_some()).await;
    world.runtime.shutdown(Duration::ZERO).await;
    // As if a killed process held the claim.
    let path = world.dir.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let Row { key, incarnation, version, fence, .. } = world.jobs.row("a").await.unwrap();
    let claim = Claim { key, incarnation, version, fence, owner: "dead".into() };
    store.commit(vec![Change::Claim(claim).into()], world.clock.clock().now()).await.unwrap();
    let (_runtime, calls) = start(&path, &world.clock, |builder| builder.max_attempts(2)).await.unwrap();
    let row = world.row("a", |row| row.parked.is_some()).await;
    let why = format!("2 attempts failed, the last with: {}", Claim::CRASH);
    assert_eq!((row.parked, row.attempt, row.owner), (Some(why), 2, None));
    assert!(calls.is_empty(), "there is no third attempt");
}

#[tokio::test]
async fn c9_the_default_limit_is_ten_attempts() {
    let mut world = World::with(|builder| builder.backoff(Duration::ZERO, Duration::ZERO)).await;
    let mut call = world.running("a").await;
    for attempt in 1..10 {
        assert_eq!(call.attempt, attempt);
        call.tell(Do::Fail("no"));
        call = world.calls.next().await;
    }
    call.tell(Do::Fail("no"));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("10 attempts failed, the last with: no"));
}

#[tokio::test]
async fn c9_past_the_limit_an_instance_is_parked_until_released() {
    let mut world = World::with(|builder| builder.max_attempts(3).backoff(SECOND, SECOND)).await;
    world.running("a").await.tell(Do::Fail("no"));
    for attempt in 2..=3 {
        world.row("a", |row| row.retry_at.is_some() && row.attempt == attempt - 1).await;
        world.clock.advance(SECOND);
        let call = world.calls.next().await;
        assert_eq!(call.attempt, attempt);
        call.tell(Do::Fail("no"));
    }
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("3 attempts failed, the last with: no"));
    world.clock.advance(HOUR / 2);
    world.barrier("other").await;
    assert!(world.calls.is_empty(), "a parked instance has no worker");
    world.jobs.unpark("a").await.unwrap();
    let call = world.calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("a", 1));
    call.tell(Do::Finish(1));
    world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let history = world.history("a").await;
    assert_eq!(history[2..4], ["2: parked (worker)", "2: released (operator)"]);
}

#[tokio::test]
async fn c9_past_the_limit_the_exhausted_event_fires() {
    let mut world = World::with(|builder| builder.max_attempts(2).backoff(SECOND, SECOND)).await;
    world.jobs.create("a", queued()).await.unwrap().cancel().await.unwrap();
    for attempt in 1..=2 {
        let call = world.calls.next().await;
        assert_eq!((call.state, call.attempt), (job::State::Cancelling, attempt));
        call.tell(Do::Fail("stuck"));
        if attempt == 1 {
            world.row("a", |row| row.error.is_some()).await;
            world.clock.advance(SECOND);
        }
    }
    world.jobs.wait_for("a", job::State::Failed, PATIENCE).await.unwrap();
    let job::AnyRecord::Failed(failed) = world.jobs.get("a").await.unwrap() else { panic!() };
    assert_eq!(failed.reason, "stuck");
    assert_eq!(world.history("a").await[2], "3: unclean -> Failed (worker)");
}

#[tokio::test]
async fn c9_an_exhausted_event_that_panics_parks_the_instance() {
    let mut world = World::with(|builder| builder.max_attempts(1)).await;
    world.jobs.create("a", queued()).await.unwrap().cancel().await.unwrap();
    world.calls.next().await.tell(Do::Fail("unspeakable"));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(
        row.parked.as_deref(),
        Some(
            "1 attempts failed, the last with: unspeakable; the state's `exhausted` event could not be fired: it panicked"
        )
    );
    assert_eq!((row.state.as_str(), row.version, row.owner, row.retry_at), ("Cancelling", 2, None, None));
    world.barrier("other").await;
    assert!(world.calls.is_empty());
}

#[tokio::test]
async fn c10_a_permanent_error_is_not_retried() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Permanent("no such thing"));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("permanent error: no such thing"));
    assert_eq!((row.attempt, row.wake_at()), (1, row.timer_at));
}

#[tokio::test]
async fn c8b_a_requeue_keeps_the_state_and_frees_the_slot() {
    let mut world = World::with(|builder| builder.max_concurrency(1)).await;
    world.running("a").await.tell(Do::Again(SECOND * 3));
    for _ in 0..3 {
        let row = world.row("a", |row| row.retry_at.is_some()).await;
        assert_eq!((row.attempt, row.version, row.error), (0, 2, None));
        world.clock.advance(SECOND * 2);
        world.barrier(&format!("other-{}", row.fence)).await;
        assert!(world.calls.is_empty(), "not before it is due");
        world.clock.advance(SECOND);
        let call = world.calls.next().await;
        assert_eq!((call.id.as_str(), call.attempt), ("a", 1));
        call.tell(Do::Again(SECOND * 3));
    }
    assert_eq!(world.history("a").await.len(), 2);
}

#[tokio::test]
async fn x4_a_result_refused_by_the_store_parks_the_instance() {
    let mut world = World::new().await;
    let call = world.running("a").await;
    let sql = "CREATE TRIGGER no BEFORE UPDATE ON fsm_instances WHEN NEW.state = 'Finished'
               BEGIN SELECT RAISE(ABORT, 'not on my watch'); END";
    rusqlite::Connection::open(world.dir.path().join("jobs.db")).unwrap().execute_batch(sql).unwrap();
    call.tell(Do::Finish(1));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("permanent error: the store refused the result: not on my watch"));
    assert_eq!((row.version, row.attempt, row.owner), (2, 1, None));
    assert!(world.calls.is_empty());
}

#[tokio::test]
async fn a_wait_that_times_out_reports_the_work() {
    let mut world = World::with(|builder| builder.max_attempts(2)).await;
    let jobs = world.jobs.clone();
    let report =
        async |id: &str| jobs.wait_for(id, job::State::Finished, Duration::ZERO).await.unwrap_err().to_string();
    let a = world.running("a").await;
    let state = "Job `a` did not reach `Finished` within 0ns; it is in `Running`, version 2";
    assert_eq!(report("a").await, format!("{state}: attempt 1 is under way"));
    a.tell(Do::FailFor(SECOND * 10));
    world.row("a", |row| row.error.is_some()).await;
    assert_eq!(report("a").await, format!("{state}: attempt 1 failed with: not now; the next one begins in 10.0s"));
    world.clock.advance(SECOND * 10);
    world.calls.next().await.tell(Do::Fail("no"));
    world.row("a", |row| row.parked.is_some()).await;
    let parked =
        "its work is parked (2 attempts failed, the last with: no); fire an event that moves it, or call `unpark`";
    assert_eq!(report("a").await, format!("{state}: {parked}"));
    world.running("b").await.tell(Do::Again(SECOND));
    world.row("b", |row| row.owner.is_none()).await;
    assert!(report("b").await.ends_with("version 2: its worker runs again in 1.0s"));
    // No other program has the machine.
    world.runtime.shutdown(HOUR).await;
    world.jobs.create("c", queued()).await.unwrap().start().await.unwrap();
    let idle = "its work is due and no process has claimed it; register `Job` with a runtime (`Builder::machine`), and see \
                `Runtime::status` there for instances that wait for a slot";
    assert!(report("c").await.ends_with(idle));
}
