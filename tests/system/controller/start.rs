//! Refused starts, and rows of other programs.

use super::{HOUR, PATIENCE, SECOND, World, start};
use crate::job::{Do, Job, job, puppets, queued};
use fsm_runtime::{
    Runtime, StartError, TransitionError,
    clock::ManualClock,
    store::{Key, Store, sqlite::Sqlite},
};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

#[tokio::test]
async fn c11_unknown_rows_refuse_the_start() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    client.machines::<Job>().create("a", queued()).await.unwrap();
    let sql = |text: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(text).unwrap();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH);

    sql("UPDATE fsm_instances SET state = 'Dreaming'");
    let error = start(&path, &clock, |b| b).await.map(drop).unwrap_err();
    assert!(matches!(error, StartError::UnknownStates { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "rows of `Job` are in states that are not declared: `Dreaming` (for example Job `a`); if a state \
         was renamed, add `#[state(was = \"…\")]` to its variant; if it was removed, move these instances to another state \
         first; if a newer release wrote them, `Builder::tolerate_unknown` ignores them"
    );
    let error = client.machines::<Job>().get("a").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Job `a` is in state `Dreaming`, which is not declared (declared: Queued, Running, Failed, Cancelling, \
         Finished, Cancelled); if the state was renamed, add `#[state(was = \"Dreaming\")]` to its variant"
    );

    sql("UPDATE fsm_instances SET state = 'Queued', schema = 2");
    let error = start(&path, &clock, |b| b).await.map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rows of `Job` were written under newer schema versions than 1, which this code declares: `Queued` under version 2 (for example Job \
         `a`); run the newer release, or ignore such rows with `Builder::tolerate_unknown`"
    );
    let error = client.machines::<Job>().fire("a", job::event::Start).await.unwrap_err();
    assert!(matches!(error, TransitionError::Row(fsm_runtime::RowError::Newer { .. })), "{error:?}");

    sql("UPDATE fsm_instances SET schema = 1, data = '{\"nome\":1}'");
    let error = client.machines::<Job>().get("a").await.unwrap_err().to_string();
    assert!(error.starts_with("the stored data of Job `a` cannot be read as state `Queued` ("), "{error}");
}

#[tokio::test]
async fn c11_machines_of_other_programs_are_left_untouched() {
    let world = World::new().await;
    let sql =
        "INSERT INTO fsm_instances (machine, id, incarnation, state, version, entered, schema, data, retry_at, owner,
                   fence, attempt, shard, created, updated)
               VALUES ('Foreign', 'x', zeroblob(16), 'Odd', 1, 1, 9, '{}', 0, 'other', 1, 1, 0, 0, 0)";
    let path = world.dir.path().join("jobs.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    world.runtime.shutdown(Duration::ZERO).await;
    let (runtime, mut calls) = start(&path, &world.clock, |b| b).await.unwrap();
    runtime.machines::<Job>().create("a", queued()).await.unwrap().start().await.unwrap();
    calls.next().await.tell(Do::Finish(1));
    runtime.machines::<Job>().wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let foreign = store.get(Key::new("Foreign", "x")).await.unwrap().unwrap();
    assert_eq!((foreign.owner.as_deref(), foreign.version, foreign.fence), (Some("other"), 1, 1));
}

#[tokio::test]
async fn invalid_settings_are_refused() {
    let builder = || Runtime::builder(Sqlite::in_memory().unwrap()).machine::<Job, _>(puppets().0);
    for (builder, expected) in [
        (builder().poll_interval(Duration::ZERO), "`poll_interval`: must be longer than zero"),
        (builder().max_attempts(0), "`max_attempts`: must be at least 1"),
        (builder().max_concurrency(0), "`max_concurrency`: must be at least 1"),
        (builder().lease_ttl(Duration::ZERO), "`lease_ttl`: must be at least 100 ms, so that the lease can be renewed"),
        (builder().backoff(HOUR, SECOND), "`backoff`: the first wait cannot be longer than the longest"),
        (
            builder().machine::<Job, _>(puppets().0),
            "a machine called `Job` is registered twice; rows are identified by that name",
        ),
    ] {
        assert_eq!(builder.start().await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn c13_no_worker_runs_before_the_start_checks_pass() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    let jobs = client.machines::<Job>();
    // One has due work, one a due timer, and a third is in an unknown state.
    for id in ["work", "timer", "unknown"] {
        jobs.create(id, queued()).await.unwrap().start().await.unwrap();
    }
    let sql = |text: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(text).unwrap();
    sql("UPDATE fsm_instances SET timer_at = 1 WHERE id = 'timer'");
    sql("UPDATE fsm_instances SET state = 'Dreaming' WHERE id = 'unknown'");
    let before = (jobs.row("work").await.unwrap(), jobs.row("timer").await.unwrap());
    let (workers, mut calls) = puppets();
    let builder = Runtime::builder(Sqlite::open(&path).await.unwrap());
    let error = builder.machine::<Job, _>(workers).start().await.map(drop).unwrap_err();
    assert!(matches!(error, StartError::UnknownStates { .. }), "{error:?}");
    // The workers were dropped by the refused start: their channel is closed and unused.
    assert!(calls.is_over().await);
    assert_eq!((jobs.row("work").await.unwrap(), jobs.row("timer").await.unwrap()), before);
}
