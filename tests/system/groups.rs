//! Groups: changes of several instances and the caller's own SQL, applied all or none.

use super::job::{Job, job, queued};
use fsm_runtime::{
    ErrorKind, GroupError, Machines, Runtime, TransitionError,
    store::sqlite::{SqlValue, Sqlite},
};
use tempfile::TempDir;

async fn world() -> (TempDir, Sqlite, Runtime, Machines<Job>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mails (text TEXT UNIQUE)").unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let jobs = runtime.machines();
    (dir, store, runtime, jobs)
}

async fn mails(store: &Sqlite, runtime: &Runtime) -> Vec<Vec<SqlValue>> {
    let (_, rows) =
        runtime.group().commit_with(store, |sql| Ok(sql.query("SELECT text FROM mails", &[])?)).await.unwrap();
    rows.unwrap()
}

#[tokio::test]
async fn a_group_is_applied_whole() {
    let (_dir, _store, runtime, jobs) = world().await;
    let a = jobs.create("a", queued()).await.unwrap();
    let mut group = runtime.group();
    let running = group.add(a.start());
    let created = group.add(jobs.create("b", queued()));
    let mut done = group.commit().await.unwrap();
    assert_eq!(done.take(running).unwrap().version(), 2);
    assert_eq!(done.take(created).unwrap().id(), "b");
}

#[tokio::test]
async fn one_conflict_fails_the_group() {
    let (_dir, _store, runtime, jobs) = world().await;
    let (a, b) = (jobs.create("a", queued()).await.unwrap(), jobs.create("b", queued()).await.unwrap());
    jobs.fire("b", job::event::Start).await.unwrap();
    let mut group = runtime.group();
    group.add(a.start());
    group.add(b.start());
    let failure = group.commit().await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "change 1 of the group failed, so no change was made: Job `b` was changed by another caller: it is in `Running`, \
         version 2 now; match on `Conflict::current` and decide again"
    );
    let GroupError::Change { change: 1, kind: ErrorKind::Conflict, cause } = failure else { panic!() };
    assert!(matches!(*cause.downcast::<fsm_runtime::TransitionError<Job>>().unwrap(), TransitionError::Conflict(_)));
    assert_eq!(jobs.get("a").await.unwrap().version(), 1);
}

#[tokio::test]
async fn one_refusing_guard_fails_the_group() {
    let (_dir, _store, runtime, jobs) = world().await;
    let failed = jobs.create("a", queued()).await.unwrap().start().await.unwrap().fail(String::new()).await.unwrap();
    let mut group = runtime.group();
    group.add(jobs.create("b", queued()));
    group.add(failed.reopen());
    let failure = group.commit().await.unwrap_err().to_string();
    assert_eq!(
        failure,
        "change 1 of the group failed, so no change was made: `reopen` was refused in state `Failed` of Job `a`: no reason was given"
    );
    assert!(jobs.get("b").await.is_err());
}

#[tokio::test]
async fn x9_a_retried_group_with_its_key_is_made_once() {
    let (_dir, store, runtime, jobs) = world().await;
    let running = jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    running.fail("disk".into()).await.unwrap();
    let again = async || {
        let job::AnyRecord::Failed(failed) = jobs.get("a").await.unwrap() else { panic!() };
        let mut group = runtime.group();
        let reopened = group.add(failed.with_key("k").reopen());
        group.add(jobs.create("b", queued()));
        let mail = |sql: &fsm_runtime::store::sqlite::Sql<'_>| Ok(sql.execute("INSERT INTO mails VALUES ('b')", &[])?);
        let (mut done, mails) = group.commit_with(&store, mail).await.unwrap();
        (done.take(reopened).unwrap().version(), mails, done.is_repeated())
    };
    assert_eq!(again().await, (4, Some(1), false));
    jobs.fire("a", job::event::Start).await.unwrap();
    jobs.fire("a", job::event::Fail { reason: "net".into() }).await.unwrap();
    assert_eq!(again().await, (4, None, true));
    // The guard would now refuse.
    jobs.fire("a", job::event::Retry).await.unwrap();
    jobs.fire("a", job::event::Fail { reason: String::new() }).await.unwrap();
    assert_eq!(again().await, (4, None, true));
    assert_eq!(mails(&store, &runtime).await, [[SqlValue::from("b")]]);
}

#[tokio::test]
async fn statements_of_the_caller_share_the_transaction() {
    let (_dir, store, runtime, jobs) = world().await;
    let a = jobs.create("a", queued()).await.unwrap();
    let mut group = runtime.group();
    let running = group.add(a.start());
    let mail = |sql: &fsm_runtime::store::sqlite::Sql<'_>| {
        Ok(sql.execute("INSERT INTO mails VALUES (?1)", &["a has started".into()])?)
    };
    let (mut done, changed) = group.commit_with(&store, mail).await.unwrap();
    assert_eq!((done.take(running).unwrap().version(), changed), (2, Some(1)));
    assert_eq!(mails(&store, &runtime).await, [[SqlValue::from("a has started")]]);

    // A conflict undoes the statements; an error of the statements undoes the changes.
    let stale = jobs.get("a").await.unwrap();
    jobs.fire("a", job::event::Restart).await.unwrap();
    let job::AnyRecord::Running(stale) = stale else { panic!() };
    let mut group = runtime.group();
    group.add(stale.cancel());
    let other = |sql: &fsm_runtime::store::sqlite::Sql<'_>| Ok(sql.execute("INSERT INTO mails VALUES ('b')", &[])?);
    assert!(matches!(group.commit_with(&store, other).await.unwrap_err(), GroupError::Change { change: 0, .. }));
    let job::AnyRecord::Running(fresh) = jobs.get("a").await.unwrap() else { panic!() };
    let mut group = runtime.group();
    group.add(fresh.cancel());
    let failure = group.commit_with(&store, mail).await.unwrap_err().to_string();
    assert!(failure.contains("UNIQUE constraint failed: mails.text"), "{failure}");
    assert_eq!(mails(&store, &runtime).await.len(), 1);
    assert_eq!(jobs.get("a").await.unwrap().version(), 3);
}

#[tokio::test]
async fn statements_can_neither_commit_nor_stop_the_writer() {
    let (_dir, store, runtime, jobs) = world().await;
    let failure = runtime.group().commit_with(&store, |sql| Ok(sql.execute("COMMIT", &[])?)).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the statements of the group failed, so nothing was changed: `COMMIT` is not allowed in the statements of a \
         group: the store begins and ends the transaction, and owns the connection and its settings"
    );
    let failure = runtime.group().commit_with(&store, |_| -> Result<(), _> { panic!("oops") }).await.unwrap_err();
    assert!(failure.to_string().contains("the statements panicked: oops"), "{failure}");
    jobs.create("a", queued()).await.unwrap();
}

#[tokio::test]
async fn a_deferred_constraint_undoes_the_group() {
    let (_dir, store, runtime, jobs) = world().await;
    let tables =
        "CREATE TABLE parts (id INTEGER PRIMARY KEY, whole INTEGER REFERENCES parts DEFERRABLE INITIALLY DEFERRED)";
    runtime.group().commit_with(&store, move |sql| Ok(sql.execute(tables, &[])?)).await.unwrap();
    let a = jobs.create("a", queued()).await.unwrap();
    let mut group = runtime.group();
    group.add(a.start());
    let orphan = "INSERT INTO parts VALUES (1, 2)";
    let error = group.commit_with(&store, move |sql| Ok(sql.execute(orphan, &[])?)).await.unwrap_err();
    assert!(matches!(error, GroupError::Statements(_)), "{error}");
    assert!(error.to_string().contains("FOREIGN KEY constraint failed"), "{error}");
    assert_eq!(jobs.get("a").await.unwrap().version(), 1);
}

#[tokio::test]
async fn an_empty_group_is_an_error() {
    let (_dir, _store, runtime, _jobs) = world().await;
    let empty = runtime.group().commit().await.unwrap_err();
    assert!(matches!(empty, GroupError::Empty), "{empty:?}");
}

#[tokio::test]
async fn statements_for_another_store_are_refused() {
    let (_dir, _store, runtime, jobs) = world().await;
    let (_other_dir, other, ..) = world().await;
    let mut group = runtime.group();
    group.add(jobs.create("a", queued()));
    let refused = group.commit_with(&other, |_| Ok(())).await.unwrap_err();
    assert!(matches!(refused, GroupError::OtherStore), "{refused:?}");
    assert!(jobs.get("a").await.is_err());
}
