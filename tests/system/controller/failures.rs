//! Work that fails: when it is tried again, and when it is given up.

use super::{HOUR, PATIENCE, SECOND, World, start};
use crate::job::{Do, Job, job, queued};
use fsm_runtime::store::{Change, Claim, Row, Store, sqlite::Sqlite};
use std::time::Duration;

#[tokio::test]
async fn a_failed_attempt_is_tried_again_after_its_delay_and_not_before() {
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
            // A backoff of nothing at all is possible: "a" may come again.
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
    // Longer than the state's timer, which is no help.
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
async fn c10_a_panic_is_an_error_like_any_other_to_the_policy() {
    let mut world = World::with(|builder| builder.max_attempts(2).backoff(SECOND * 9, SECOND * 9)).await;
    world.running("a").await.tell(Do::Panic("boom"));
    let row = world.row("a", |row| row.error.is_some()).await;
    let now = world.clock.clock().now();
    assert!(row.retry_at.is_some_and(|at| at >= now && at <= now + SECOND * 9), "it backs off: {row:?}");
    world.clock.advance(SECOND * 9);
    let call = world.calls.next().await;
    assert_eq!(call.attempt, 2);
    call.tell(Do::Panic("bang"));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("2 attempts failed, the last with: panicked: bang"));
}

#[tokio::test]
async fn c8_attempts_outlive_the_process_and_are_counted_at_the_claim() {
    let mut world = World::with(|builder| builder.backoff(Duration::ZERO, Duration::ZERO)).await;
    let mut call = world.running("a").await;
    for attempt in 1..=2 {
        assert_eq!((call.attempt, world.row("a", |_| true).await.attempt), (attempt, attempt), "while it runs");
        call.tell(Do::Fail("no"));
        call = world.calls.next().await;
    }
    // Not tried again before this process has stopped.
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
async fn c8_processes_that_are_killed_use_up_the_attempts() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::FailFor(SECOND));
    world.row("a", |row| row.error.is_some()).await;
    world.runtime.shutdown(Duration::ZERO).await;
    // As if the claim were another process's, which was killed.
    let path = world.dir.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let Row { key, incarnation, version, fence, .. } = world.jobs.row("a").await.unwrap();
    let claim = Claim { key, incarnation, version, fence, owner: "dead".into() };
    store.commit(vec![Change::Claim(claim).into()], world.clock.clock().now()).await.unwrap();
    let (_runtime, calls) = start(&path, &world.clock, |builder| builder.max_attempts(2)).await.unwrap();
    let row = world.row("a", |row| row.parked.is_some()).await;
    let why = format!("2 attempts failed, the last with: {}", Claim::CRASH);
    assert_eq!((row.parked, row.attempt, row.owner), (Some(why), 2, None));
    assert!(calls.is_empty(), "there is no third");
}

#[tokio::test]
async fn c9_ten_attempts_are_the_limit_where_none_is_set() {
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
async fn c9_past_the_limit_it_is_parked_visibly_and_released_by_hand() {
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
    assert!(world.calls.is_empty(), "parked is parked");
    world.jobs.release("a").await.unwrap();
    let call = world.calls.next().await;
    assert_eq!((call.id.as_str(), call.attempt), ("a", 1));
    call.tell(Do::Finish(1));
    world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let history = world.history("a").await;
    assert_eq!(history[2..4], ["2: parked (worker)", "2: released (operator)"]);
}

#[tokio::test]
async fn c9_past_the_limit_the_state_s_exhausted_event_is_fired() {
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
async fn c10_a_permanent_error_is_not_tried_again() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Permanent("no such thing"));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("permanent error: no such thing"));
    assert_eq!((row.attempt, row.wake_at()), (1, row.timer_at));
}

#[tokio::test]
async fn c8b_again_keeps_the_state_frees_the_slot_and_is_no_attempt() {
    let mut world = World::with(|builder| builder.max_concurrency(1)).await;
    world.running("a").await.tell(Do::Again(SECOND * 3));
    for _ in 0..3 {
        let row = world.row("a", |row| row.retry_at.is_some()).await;
        assert_eq!((row.attempt, row.version, row.error), (0, 2, None));
        world.clock.advance(SECOND * 2);
        world.barrier(&format!("other-{}", row.fence)).await;
        assert!(world.calls.is_empty(), "not before its time");
        world.clock.advance(SECOND);
        let call = world.calls.next().await;
        assert_eq!((call.id.as_str(), call.attempt), ("a", 1));
        call.tell(Do::Again(SECOND * 3));
    }
    assert_eq!(world.history("a").await.len(), 2);
}

#[tokio::test]
async fn x4_a_result_that_the_store_refuses_parks_the_instance_with_the_reason() {
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
async fn who_waits_in_vain_is_told_how_the_work_goes() {
    let mut world = World::with(|builder| builder.max_attempts(2)).await;
    let jobs = world.jobs.clone();
    let told = async |id: &str| jobs.wait_for(id, job::State::Finished, Duration::ZERO).await.unwrap_err().to_string();
    let a = world.running("a").await;
    let stands = "Job `a` did not reach `Finished` within 0ns; it is in `Running`, version 2";
    assert_eq!(told("a").await, format!("{stands}: attempt 1 is under way"));
    a.tell(Do::FailFor(SECOND * 10));
    world.row("a", |row| row.error.is_some()).await;
    assert_eq!(told("a").await, format!("{stands}: attempt 1 failed with: not now; the next one begins in 10.0s"));
    world.clock.advance(SECOND * 10);
    world.calls.next().await.tell(Do::Fail("no"));
    world.row("a", |row| row.parked.is_some()).await;
    let parked =
        "its work is parked (2 attempts failed, the last with: no); an event moves it, or `release` has it go on";
    assert_eq!(told("a").await, format!("{stands}: {parked}"));
    world.running("b").await.tell(Do::Again(SECOND));
    world.row("b", |row| row.owner.is_none()).await;
    assert!(told("b").await.ends_with("version 2: its worker runs again in 1.0s"));
    // Nobody else has the machine.
    world.runtime.shutdown(HOUR).await;
    world.jobs.create("c", queued()).await.unwrap().start().await.unwrap();
    let nobody = "its work is due and nobody is at it; some runtime has to have `Job` registered (`Builder::machine`), and there \
                  `status()` lists what waits for a slot";
    assert!(told("c").await.ends_with(nobody));
}
