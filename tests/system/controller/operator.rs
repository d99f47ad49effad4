//! Commands of an operator: parked instances, releases, overrides.

use super::{HOUR, PATIENCE, SECOND, World};
use crate::job::{Do, Job, job, queued};
use crate::with;
use fsm_runtime::{
    HistoryQuery, ListQuery, Runtime, TransitionError,
    store::{HistoryKind, Row, Store, sqlite::Sqlite},
};
use std::time::Duration;

fn failed(reason: &str) -> job::Failed {
    job::Failed { name: "n".into(), reason: reason.into() }
}

async fn park(world: &mut World, id: &str) -> Row {
    world.running(id).await.tell(Do::Permanent("no such thing"));
    world.row(id, |row| row.parked.is_some()).await
}

#[tokio::test]
async fn c9_parked_instances_are_listed_with_cause_and_attempts() {
    let mut world = World::new().await;
    for n in 0..3 {
        park(&mut world, &format!("{n:03}")).await;
    }
    let page = world.jobs.rows(&ListQuery::all().parked()).await.unwrap();
    assert_eq!((page.items.len(), page.next), (3, None));
    for row in &page.items {
        assert_eq!(row.parked.as_deref(), Some("permanent error: no such thing"));
        assert_eq!((row.state.as_str(), row.attempt), ("Running", 1));
        assert_eq!(row.parked_at, Some(world.clock.clock().now()));
    }
    world.jobs.unpark("001").await.unwrap();
    let first = world.jobs.rows(&ListQuery::all().parked().limit(1)).await.unwrap();
    let rest = world.jobs.rows(&ListQuery::all().parked().after(first.next.unwrap())).await.unwrap();
    let ids = first.items.iter().chain(&rest.items).map(|row| &*row.key.id);
    assert_eq!((ids.collect::<Vec<_>>(), rest.next), (vec!["000", "002"], None));
    assert_eq!(world.row("001", |row| row.parked.is_none()).await.parked_at, None);
}

#[tokio::test]
async fn c9_the_history_names_the_actor_of_a_release() {
    let mut world = World::new().await;
    park(&mut world, "a").await;
    world.jobs.with_actor("ada").unpark("a").await.unwrap();
    let call = world.calls.next().await;
    assert_eq!(call.attempt, 1);
    let note = world.jobs.history("a", &HistoryQuery::new().newest_first().limit(1)).await.unwrap().items.remove(0);
    assert_eq!((note.kind, note.event.as_deref()), (HistoryKind::Note, Some("released")));
    assert_eq!((note.cause.as_str(), note.actor.as_deref()), ("operator", Some("ada")));
}

#[tokio::test]
async fn c9_an_operator_moves_a_parked_instance() {
    let mut world = World::new().await;
    let seen = park(&mut world, "a").await;
    let moved = world
        .jobs
        .with_actor("ada")
        .move_to(&seen, failed("a manual start does not count"), "ticket 4711")
        .await
        .unwrap();
    assert_eq!((moved.version(), moved.reason.as_str()), (3, "a manual start does not count"));
    let row = world.row("a", |_| true).await;
    assert_eq!((row.state.as_str(), row.version, row.entered, row.attempt), ("Failed", 3, 3, 0));
    assert_eq!((&row.parked, row.parked_at, &row.error, row.wake_at()), (&None, None, &None, None));
    let entry = world.jobs.history("a", &HistoryQuery::new().newest_first().limit(1)).await.unwrap().items.remove(0);
    assert_eq!(entry.kind, HistoryKind::Override);
    assert_eq!((entry.from.as_deref(), entry.to.as_str(), entry.version), (Some("Running"), "Failed", 3));
    assert_eq!((entry.actor.as_deref(), entry.payload.as_deref()), (Some("ada"), Some("ticket 4711")));
    assert_eq!((entry.cause.as_str(), entry.data.as_deref()), ("operator", Some(row.data.as_str())));
    // The record is valid: the next transition starts from it.
    moved.retry().await.unwrap();
    assert_eq!(world.calls.next().await.attempt, 1);
}

#[tokio::test]
async fn c3_an_override_into_the_same_state_starts_a_new_worker() {
    let mut world = World::new().await;
    let mut old = world.running("a").await;
    let seen = world.row("a", |_| true).await;
    world.clock.advance(SECOND);
    let jobs = world.jobs.with_actor("ada");
    let record = jobs.move_to(&seen, job::Running { name: "other".into() }, "it hangs").await.unwrap();
    old.cancelled().await;
    drop(old);
    let next = world.calls.next().await;
    assert_eq!((next.state, next.version, next.attempt), (job::State::Running, 3, 1));
    let row = world.row("a", |_| true).await;
    assert_eq!(row.timer_at, Some(world.clock.clock().now() + HOUR), "its timer is restarted");
    assert_eq!(record.name, "other");
    next.tell(Do::Finish(1));
    let _ = world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    world.calls.most_at_once();
}

#[tokio::test]
async fn an_override_leaves_an_end_state_and_starts_work() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Finish(1));
    let _ = world.jobs.wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let seen = world.row("a", |_| true).await;
    let jobs = world.jobs.with_actor("ada");
    let _ = jobs.move_to(&seen, job::Running { name: "n".into() }, "the result was wrong").await.unwrap();
    assert_eq!(world.calls.next().await.version, 4);
}

#[tokio::test]
async fn an_override_of_a_changed_row_is_a_conflict() {
    let world = World::new().await;
    let _ = world.jobs.create("a", queued()).await.unwrap();
    let seen = world.row("a", |_| true).await;
    let _ = world.jobs.fire("a", job::event::Start).await.unwrap();
    let jobs = world.jobs.with_actor("ada");
    match jobs.move_to(&seen, failed("late"), "why not").await.map(drop) {
        Err(TransitionError::Conflict(now)) => assert_eq!((now.state(), now.version()), (job::State::Running, 2)),
        other => panic!("{other:?}"),
    }
    jobs.purge("a").await.unwrap();
    let gone = jobs.move_to(&seen, failed("late"), "why not").await.map(drop);
    assert!(matches!(gone, Err(TransitionError::NotFound { .. })), "{gone:?}");
    // Another incarnation of the id is another instance at any version.
    let _ = jobs.create("a", queued()).await.unwrap();
    let other_life = jobs.move_to(&seen, failed("late"), "why not").await.map(drop);
    assert!(matches!(other_life, Err(TransitionError::Conflict(_))), "{other_life:?}");
}

#[tokio::test]
async fn an_override_without_a_name_or_a_reason_is_refused() {
    let world = World::new().await;
    let _ = world.jobs.create("a", queued()).await.unwrap();
    let seen = world.row("a", |_| true).await;
    let refusal = |moved: Result<job::Record<job::Failed>, fsm_runtime::TransitionError<Job>>| {
        moved.map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(world.jobs.move_to(&seen, failed("x"), "ticket 4711").await),
        "Job `a` was not moved: an override needs an actor: call `machines.with_actor(…)` first"
    );
    assert_eq!(
        refusal(world.jobs.with_actor("ada").move_to(&seen, failed("x"), " ").await),
        "Job `a` was not moved: an override needs a reason, and `why` is empty"
    );
    let foreign = with(seen, |row| row.key = fsm_runtime::store::Key::new("Other", "a"));
    assert_eq!(
        refusal(world.jobs.with_actor("ada").move_to(&foreign, failed("x"), "ticket 4711").await),
        "Other `a` was not moved: it is an instance of another machine"
    );
    let newer = with(world.row("a", |_| true).await, |row| row.schema = 2);
    assert_eq!(
        refusal(world.jobs.with_actor("ada").move_to(&newer, failed("x"), "ticket 4711").await),
        "Job `a` was written under schema version 2, and this code declares version 1; run the newer release, which can read it"
    );
    assert_eq!(world.history("a").await.len(), 1);
}

#[tokio::test]
async fn an_unreadable_row_can_be_moved_to_a_known_state() {
    let world = World::new().await;
    let _ = world.jobs.create("a", queued()).await.unwrap();
    world.runtime.shutdown(SECOND).await;
    let path = world.dir.path().join("jobs.db");
    let sql = "UPDATE fsm_instances SET state = 'Dreaming', data = '[]'";
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    let jobs = client.machines::<Job>().with_actor("ada");
    assert!(jobs.get("a").await.is_err());
    let seen = jobs.row("a").await.unwrap();
    let _ = jobs.move_to(&seen, failed("it was dreaming"), "the state is gone").await.unwrap();
    assert_eq!(jobs.get("a").await.unwrap().state(), job::State::Failed);
}

#[tokio::test]
async fn c19_a_hold_stops_work_until_it_ends() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let ada = world.jobs.with_actor("ada");
    ada.hold("a", "ticket 4711").await.unwrap();
    call.cancelled().await;
    drop(call);
    let held = world.row("a", |row| row.owner.is_none()).await;
    assert_eq!((held.hold.as_deref(), held.attempt, held.version), (Some("ticket 4711"), 0, 2));
    let listed = world.jobs.rows(&ListQuery::all().held()).await.unwrap().items;
    assert_eq!(listed, [held]);
    let error = world.jobs.wait_for("a", job::State::Finished, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.contains("its work is held (ticket 4711); call `unhold`"), "{error}");
    // Events go on, and the hold stays.
    ada.fire("a", job::event::Cancel).await.unwrap();
    world.clock.advance(HOUR);
    world.barrier("b").await;
    assert_eq!(world.jobs.row("a").await.unwrap().hold.as_deref(), Some("ticket 4711"));
    ada.unhold("a").await.unwrap();
    ada.unhold("a").await.unwrap();
    let call = world.calls.next().await;
    assert_eq!((call.id.as_str(), call.state, call.attempt), ("a", job::State::Cancelling, 1));
    let by_ada = world.jobs.history("a", &HistoryQuery::new().by_operators()).await.unwrap().items;
    let notes: Vec<_> = by_ada.iter().map(|note| (note.event.as_deref().unwrap(), note.actor.as_deref())).collect();
    assert_eq!(notes, [("held", Some("ada")), ("hold ended", Some("ada"))]);
}

#[tokio::test]
async fn c19_failing_work_is_listed_with_both_errors() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Fail("jammed"));
    let first = world.row("a", |row| row.error.is_some()).await;
    world.clock.advance(SECOND);
    world.calls.next().await.tell(Do::Fail("rusty"));
    let last = world.row("a", |row| row.error.as_deref() == Some("rusty")).await;
    assert_eq!((last.first_error, last.first_error_at), (Some("jammed".to_owned()), first.error_at));
    assert_eq!(last.error_at, Some(world.clock.clock().now()));
    let listed = world.jobs.rows(&ListQuery::all().backing_off()).await.unwrap().items;
    assert_eq!(listed.iter().map(|row| (&*row.key.id, row.attempt)).collect::<Vec<_>>(), [("a", 2)]);
}

#[tokio::test]
async fn c19_a_purge_with_an_actor_is_in_the_log() {
    let world = World::new().await;
    for id in ["a", "b"] {
        world.jobs.create(id, queued()).await.unwrap();
    }
    world.jobs.purge("a").await.unwrap();
    world.jobs.with_actor("ada").purge("b").await.unwrap();
    let store = Sqlite::open(world.dir.path().join("jobs.db")).await.unwrap();
    let log = store.operations(u64::MAX, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    let purge = &log[0].operation;
    assert_eq!((purge.what.as_str(), purge.id.as_deref(), purge.machine.as_deref()), ("purge", Some("b"), Some("Job")));
    assert_eq!(purge.origin.actor.as_deref(), Some("ada"));
}
