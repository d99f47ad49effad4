//! A store moves from SQLite to PostgreSQL.

#![cfg(server)]

use fsm_runtime::{
    ErrorKind, Runtime, StartPosition,
    prelude::*,
    store::{
        Attempts, Cause, Change, Claim, Create, Definition, Entering, Filter, Group, HistoryEntry, HistoryQuery, Hold,
        KeptResult, Key, NewEphemeral, NewResult, Note, Operation, OperationEntry, Origin, Process, Prune, Purge,
        Release, Row, SaveCheckpoint, SetDesiredState, Store, StoreError, Timer, TimerDue, Transition, Verdict,
        copy::{CopyError, CopyProgress},
        postgres::Postgres,
        sqlite::Sqlite,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    future::Future,
    time::{Duration, SystemTime},
};
use tests_postgres::{Proxy, Server};
use tokio::sync::mpsc;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn now() -> SystemTime {
    SystemTime::now()
}

fn origin() -> Origin {
    Origin { actor: Some("ada".to_owned()), trace: Some("4bf9".to_owned()) }
}

fn entering(state: &str) -> Entering {
    Entering {
        state: state.into(),
        data: "{\"b\":2,\"a\":\"\\u0000 ü\"}".into(),
        context: Some("[1]".into()),
        schema: 3,
        timers: Vec::new(),
        work: false,
        remove: false,
    }
}

fn create(id: &str, into: Entering) -> Change {
    Change::Create(Create {
        key: Key::new("Door", id),
        incarnation: Uuid::now_v7(),
        into,
        cause: Cause::Caller,
        idempotency_key: Some(format!("create {id}")),
        origin: origin(),
    })
}

fn fire(row: &Row, to: Entering) -> Transition {
    Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state.clone(),
        event: "go".into(),
        payload: "{\"x\":1}".into(),
        into: to,
        internal: false,
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: Some("go".to_owned()),
        origin: origin(),
    }
}

fn claim(row: &Row, owner: &str) -> Change {
    let Row { key, incarnation, version, fence, .. } = row.clone();
    Change::Claim(Claim { key, incarnation, version, fence, owner: owner.to_owned() })
}

fn release(row: &Row, parked: Option<&str>, error: &str) -> Change {
    Change::Release(Release {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: row.owner.clone(),
        retry: parked.is_none().then_some(Duration::from_hours(1)),
        attempts: Attempts::Keep,
        error: Some(error.to_owned()),
        parked: parked.map(str::to_owned),
        note: parked.map(|text| Note {
            about: "parked",
            text: text.to_owned(),
            cause: Cause::Worker,
            origin: origin(),
        }),
    })
}

async fn committed(store: &impl Store, change: Change) -> Row {
    match store.commit(vec![Group::from(change)], now()).await.unwrap().remove(0) {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("{other:?}"),
    }
}

/// Fills a store with everything that one can hold, on several pages. Returns the late worker's row.
async fn fill(store: &Sqlite) -> Row {
    let many = (0..1_100).map(|n| Group::from(create(&format!("many-{n:04}"), entering("Closed"))));
    store.commit(many.collect(), now()).await.unwrap();
    let work = || Entering { work: true, ..entering("Opening") };
    let timers = vec![
        Timer { event: "tick".to_owned(), due: TimerDue::After(Duration::from_hours(2)) },
        Timer { event: "end".to_owned(), due: TimerDue::After(Duration::from_hours(48)) },
    ];
    let row = committed(store, create("timers", Entering { timers, ..entering("Open") })).await;
    let desired = SetDesiredState {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        seen: None,
        desired: Some("{\"goal\":\"Closed\"}".to_owned()),
        desired_by: Some("ada".to_owned()),
        due: Some(Duration::from_mins(1)),
        note: None,
    };
    let row = committed(store, Change::SetDesiredState(desired)).await;
    let (key, incarnation, version) = (row.key.clone(), row.incarnation, row.version);
    let hold = Hold { key, incarnation, version, seen: None, hold: Some("audit".to_owned()), note: None };
    committed(store, Change::Hold(hold)).await;

    let row = committed(store, create("parked", work())).await;
    let row = committed(store, claim(&row, "one")).await;
    committed(store, release(&row, Some("no more attempts"), "refused")).await;
    let row = committed(store, create("failing", work())).await;
    let row = committed(store, claim(&row, "one")).await;
    committed(store, release(&row, None, "refused")).await;

    let row = committed(store, create("claimed", work())).await;
    let row = committed(store, claim(&row, "killed")).await;
    let Row { key, incarnation, version, fence, .. } = row.clone();
    let checkpoint = SaveCheckpoint { key, incarnation, version, fence, checkpoint: "{\"page\":7}".to_owned() };
    let claimed = committed(store, Change::SaveCheckpoint(checkpoint)).await;

    let row = committed(store, create("moved", entering("Closed"))).await;
    committed(store, Change::Transition(fire(&row, entering("Open")))).await;
    let row = committed(store, create("removed", entering("Closed"))).await;
    let end = Entering { remove: true, ..entering("Gone") };
    committed(store, Change::Transition(fire(&row, end))).await;
    let row = committed(store, create("purged", entering("Closed"))).await;
    let (key, incarnation, version) = (row.key.clone(), row.incarnation, row.version);
    let purge = Purge { key, incarnation, version, origin: origin(), why: Some("asked for".to_owned()) };
    committed(store, Change::Purge(purge)).await;

    // The oldest entries are pruned, with their keys.
    for prune in [
        Prune { keys_before: Some(now()), ..Prune::default() },
        Prune { history_before: Some(now()), ..Prune::default() },
    ] {
        assert_eq!(store.prune(Prune { limit: 10, ..prune }).await.unwrap(), 10);
    }
    store.save_position("audit".to_owned(), 600).await.unwrap();
    store.save_position("mail".to_owned(), 1_101).await.unwrap();
    let graph = |version| Definition {
        machine: "Door".to_owned(),
        version,
        fingerprint: u64::MAX - u64::from(version),
        graph: "{\"format\":1}".to_owned(),
        controller: version == 2,
    };
    store.define(vec![graph(2), graph(3)], now()).await.unwrap();
    let mut operation = Operation::new("retry", origin());
    operation.why = Some("a test".to_owned());
    store.log_operation(operation, now()).await.unwrap();

    keep_results(store).await;
    claimed
}

/// Results that are kept, a result whose time is over, and an entry under a lease.
async fn keep_results(store: &Sqlite) {
    let entries = store.ephemerals().unwrap();
    let enter = |name: &str| NewEphemeral {
        kind: "once",
        name: name.to_owned(),
        id: name.to_owned(),
        holder: "one".to_owned(),
        value: None,
        ttl: PATIENCE,
    };
    let result = |name: &str, ttl| NewResult {
        entry: name.to_owned(),
        arguments: Some("[42]".to_owned()),
        outcome: "\"receipt\"".to_owned(),
        failed: name == "refused",
        ttl,
    };
    for name in ["charge", "refused"] {
        entries.enter(enter(name), now()).await.unwrap();
        assert!(entries.keep_result(result(name, Duration::from_hours(1)), now()).await.unwrap());
    }
    let before = now() - Duration::from_mins(1);
    entries.enter(enter("over"), before).await.unwrap();
    assert!(entries.keep_result(result("over", Duration::from_secs(1)), before).await.unwrap());
    entries.enter(enter("entered"), before).await.unwrap();
}

/// Everything that a store shows.
struct Contents {
    rows: Vec<Row>,
    history: Vec<HistoryEntry>,
    /// The sequence of the entry under each idempotency key of the history.
    keys: Vec<Option<u64>>,
    last: u64,
    pruned: u64,
    positions: Vec<Option<u64>>,
    definitions: Vec<Definition>,
    operations: Vec<OperationEntry>,
    results: Vec<Option<KeptResult>>,
}

impl Contents {
    /// Compares part by part, so that a failure is short.
    fn expect(&self, before: &Self) {
        let rows = self.rows.iter().zip(&before.rows).find(|(after, before)| after != before);
        let history = self.history.iter().zip(&before.history).find(|(after, before)| after != before);
        assert!(rows.is_none() && history.is_none(), "{rows:?} {history:?}");
        assert_eq!((self.rows.len(), self.history.len()), (before.rows.len(), before.history.len()));
        let rest =
            |it: &Self| (it.last, it.pruned, it.positions.clone(), it.definitions.clone(), it.operations.clone());
        assert_eq!(rest(self), rest(before));
        assert_eq!(self.results, before.results);
        assert!(self.keys == before.keys, "the keys differ");
    }

    async fn of(store: &impl Store) -> Self {
        let mut rows = Vec::new();
        let mut filter = Filter::new("Door");
        loop {
            let page = store.list(filter.clone()).await.unwrap();
            rows.extend(page.items);
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        let history = store.history(HistoryQuery::new().limit(100_000)).await.unwrap();
        let mut keys = Vec::new();
        for entry in &history {
            let Some(key) = entry.idempotency_key.clone() else { continue };
            keys.push(store.find_by_idempotency_key(entry.key.clone(), key).await.unwrap().map(|entry| entry.sequence));
        }
        let mut positions = Vec::new();
        for name in ["audit", "mail", "nobody"] {
            positions.push(store.subscriber_position(name.to_owned()).await.unwrap());
        }
        let mut results = Vec::new();
        for name in ["charge", "refused", "over"] {
            results.push(store.ephemerals().unwrap().result("once", name.to_owned(), now()).await.unwrap());
        }
        Self {
            rows,
            history,
            keys,
            last: store.last_sequence().await.unwrap(),
            pruned: store.pruned_through().await.unwrap(),
            positions,
            definitions: store.definitions().await.unwrap(),
            operations: store.operations(u64::MAX, 100).await.unwrap(),
            results,
        }
    }
}

async fn source(folder: &tempfile::TempDir) -> Sqlite {
    Sqlite::open(folder.path().join("doors.db")).await.unwrap()
}

async fn target() -> Postgres {
    Postgres::options(Server::shared().url()).schema(Server::shared().new_schema()).open().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_in_a_store_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (source(&folder).await, target().await);
    let late = fill(&source).await;
    let before = Contents::of(&source).await;
    assert!(before.rows.len() > 1_100 && before.history.len() > 1_050 && before.pruned > 0 && !before.keys.is_empty());

    let mut steps: Vec<CopyProgress> = Vec::new();
    let copied = source.copy_to(&target, |progress| steps.push(*progress)).await.unwrap();
    assert_eq!((copied.instances, copied.history), (before.rows.len() as u64, before.history.len() as u64));
    assert_eq!((copied.subscribers, copied.definitions, copied.operations, copied.results), (2, 2, 2, 2));
    assert!(before.results[1].as_ref().is_some_and(|kept| kept.failed), "{:?}", before.results);
    let entered = target.ephemerals().unwrap().entries("once", None, None, 10, now()).await.unwrap();
    assert_eq!(entered, [], "entries under leases are not copied");
    assert!(steps.len() > 6, "{steps:?}");
    let last = steps.last().unwrap();
    assert_eq!((last.copied, last.of), (copied, copied));
    assert_eq!(last.to_string(), format!("{0} of {0} rows copied (100 %)", copied.total()));
    Contents::of(&target).await.expect(&before);

    // Numbers go on after the old ones, and fences above them.
    let row = target.get(Key::new("Door", "moved")).await.unwrap().unwrap();
    let again =
        target.commit(vec![Group::from(Change::Transition(fire(&row, entering("Closed"))))], now()).await.unwrap();
    assert!(matches!(&again[..], [Verdict::Duplicate { .. }]), "{again:?}");
    let next =
        committed(&target, Change::Transition(Transition { idempotency_key: None, ..fire(&row, entering("Closed")) }))
            .await;
    assert_eq!(next.version, row.version + 1);
    assert_eq!(target.last_sequence().await.unwrap(), before.last + 1);
    let log = Operation::new("retry", origin());
    assert_eq!(target.log_operation(log, now()).await.unwrap(), before.operations[0].sequence + 1);
    let row = target.get(late.key.clone()).await.unwrap().unwrap();
    let claimed = committed(&target, claim(&row, "new")).await;
    assert!(claimed.fence > late.fence + 1_000, "{} after {}", claimed.fence, late.fence);

    // A late worker can commit neither here nor there.
    let result = Change::Transition(Transition { fence: Some(late.fence), ..fire(&late, entering("Open")) });
    let verdict = target.commit(vec![Group::from(result.clone())], now()).await.unwrap().remove(0);
    assert!(matches!(verdict, Verdict::Fenced { .. }), "{verdict:?}");
    let refused = source.commit(vec![Group::from(result)], now()).await.unwrap_err();
    let StoreError::ReadOnly { cause, .. } = &refused else { panic!("{refused:?}") };
    assert!(
        cause.starts_with("its contents were moved to PostgreSQL at 127.0.0.1, database `postgres`, schema `fsm_"),
        "{cause}"
    );
}

/// Every write to the file fails, also through handles that are open, and reads go on. A restored copy takes writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_store_takes_no_more_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (source(&folder).await, target().await);
    let client = Sqlite::open(folder.path().join("doors.db")).await.unwrap();
    let row = committed(&source, create("a", entering("Closed"))).await;
    source.copy_to(&target, |_| ()).await.unwrap();
    for store in [&source, &client] {
        let process = Process::new("late", "late");
        let errors = [
            store.commit(vec![Group::from(create("b", entering("Closed")))], now()).await.unwrap_err(),
            store.commit(vec![Group::from(claim(&row, "late"))], now()).await.unwrap_err(),
            store.take_lease(process, PATIENCE, now()).await.unwrap_err(),
            store.save_position("late".to_owned(), 1).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        }
        assert_eq!(store.get(row.key.clone()).await.unwrap().as_ref(), Some(&row));
    }
    let restored = folder.path().join("restored.db");
    Sqlite::restore(folder.path().join("doors.db"), &restored).await.unwrap();
    committed(&Sqlite::open(restored).await.unwrap(), create("b", entering("Closed"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_in_use_is_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (source(&folder).await, target().await);
    let runtime = Runtime::builder(source.clone()).machine::<Job, _>(workers()).node("n1").start().await.unwrap();
    let error = source.copy_to(&target, |_| ()).await.unwrap_err();
    assert!(matches!(&error, CopyError::SourceInUse { processes, .. } if processes.len() == 1), "{error:?}");
    assert!(error.to_string().contains("on `n1`; stop them with `Runtime::shutdown`"), "{error}");
    assert!(error.is_retryable());
    runtime.shutdown(PATIENCE).await;
    source.copy_to(&target, |_| ()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_in_use_is_not_filled() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (source(&folder).await, target().await);
    committed(&source, create("a", entering("Closed"))).await;
    let row = committed(&target, create("b", entering("Closed"))).await;
    let error = source.copy_to(&target, |_| ()).await.unwrap_err();
    assert!(
        matches!(&error, CopyError::NotEmpty { found, .. } if *found == ["instances", "history", "idempotency keys"]),
        "{error}"
    );
    assert!(error.to_string().contains("`DROP SCHEMA \"fsm_"), "{error}");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::AlreadyExists, false));
    assert_eq!(target.list(Filter::new("Door")).await.unwrap().items, [row]);
    committed(&source, create("c", entering("Closed"))).await;
}

/// A text that PostgreSQL cannot store keeps nothing else from being copied; a key is an error that names the instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_with_nul_are_copied_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (source(&folder).await, target().await);
    let row = committed(&source, create("a", Entering { work: true, ..entering("Opening") })).await;
    let row = committed(&source, claim(&row, "one")).await;
    committed(&source, release(&row, Some("gave\0up"), "bad\0byte")).await;
    source.copy_to(&target, |_| ()).await.unwrap();
    let row = target.get(row.key).await.unwrap().unwrap();
    assert_eq!((row.error.as_deref(), row.parked.as_deref()), (Some("bad\u{fffd}byte"), Some("gave\u{fffd}up")));

    let source = Sqlite::in_memory().unwrap();
    committed(&source, create("a\0b", entering("Closed"))).await;
    let target = self::target().await;
    let error = source.copy_to(&target, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("Door `a\\0b` cannot be copied"), "{error}");
    assert!(target.list(Filter::new("Door")).await.unwrap().items.is_empty());
}

/// All or nothing: a copy whose connection breaks can be made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_breaks_off_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target, server) = (source(&folder).await, target().await, Server::shared());
    fill(&source).await;
    let proxy = Proxy::start(server.port()).await;
    let through =
        Postgres::options(server.url_at(proxy.port())).schema(server.new_schema()).timeout(Duration::from_secs(1));
    let through = through.open().await.unwrap();
    let error = source
        .copy_to(&through, |progress| {
            if progress.copied.history > 0 {
                proxy.cut_off();
            }
        })
        .await
        .unwrap_err();
    assert!(matches!(error, CopyError::Target(StoreError::Unreachable { .. })), "{error:?}");
    // A copy that is dropped ends, too.
    let (began, mut has_begun) = mpsc::unbounded_channel();
    let copy = source.copy_to(&target, |_| began.send(()).unwrap_or_default());
    tokio::select! {
        biased;
        _ = has_begun.recv() => {}
        copied = copy => panic!("{copied:?}"),
    }
    committed(&source, create("not closed", entering("Closed"))).await;
    let before = Contents::of(&source).await;
    source.copy_to(&target, |_| ()).await.unwrap();
    Contents::of(&target).await.expect(&before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_commit_is_not_answered_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (source, server) = (source(&folder).await, Server::shared());
    committed(&source, create("a", entering("Closed"))).await;
    let before = Contents::of(&source).await;
    let proxy = Proxy::start(server.port()).await;
    let target = Postgres::options(server.url_at(proxy.port())).schema(server.new_schema()).open().await.unwrap();
    proxy.cut_next_commit();
    source.copy_to(&target, |_| ()).await.unwrap();
    assert_eq!(proxy.cut(), 1);
    Contents::of(&target).await.expect(&before);
}

#[cfg(pooler)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_copied_through_a_pooler() {
    let folder = tempfile::tempdir().unwrap();
    let (source, server) = (source(&folder).await, Server::shared());
    fill(&source).await;
    let before = Contents::of(&source).await;
    let options = Postgres::options(tests_postgres::Pooler::shared().url()).pooled(true).schema(server.new_schema());
    let target = options.open().await.unwrap();
    source.copy_to(&target, |_| ()).await.unwrap();
    Contents::of(&target).await.expect(&before);
}

/// A job.
#[derive(StateMachine)]
#[fsm(initial = Queued, durable, derive(Serialize, Deserialize))]
enum Job {
    /// Not started.
    #[on(start => Running)]
    Queued,
    /// A worker works on it.
    #[state(work)]
    #[on(finish => Resting)]
    Running,
    /// A timer runs.
    #[after("1s", wake)]
    #[on(wake => Finished)]
    Resting,
    /// The end.
    #[on(again => Queued)]
    Finished,
}

struct Workers {
    fences: mpsc::UnboundedSender<u64>,
    /// The worker of a process that is killed before it ends.
    hangs: bool,
}

fn workers() -> Workers {
    Workers { fences: mpsc::unbounded_channel().0, hangs: false }
}

impl job::Workers for Workers {
    async fn running(&self, task: job::Task<job::Running>) -> Outcome<job::Running> {
        let _ = self.fences.send(task.fence());
        if self.hangs {
            task.cancelled().await;
            return Err("cancelled".into());
        }
        task.finish()
    }
}

/// The program goes on with the copy as after a restart: work, timers, idempotent requests, subscriptions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_goes_on_with_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (source(&folder).await, target().await);
    let (fences, mut started) = mpsc::unbounded_channel();
    let old =
        Runtime::builder(source.clone()).machine::<Job, _>(Workers { fences, hangs: true }).start().await.unwrap();
    let jobs = old.machines::<Job>();
    jobs.create("a", job::Queued).await.unwrap().start().await.unwrap();
    let fence = soon("the worker", started.recv()).await.unwrap();
    let mut subscription = old.subscribe("audit", StartPosition::Oldest).await.unwrap();
    let entry = soon("an entry", subscription.next()).await.unwrap().unwrap();
    subscription.ack(entry.sequence).await.unwrap();
    drop(subscription);
    old.shutdown(Duration::ZERO).await;
    source.copy_to(&target, |_| ()).await.unwrap();

    let (fences, mut started) = mpsc::unbounded_channel();
    let new = Runtime::builder(target).machine::<Job, _>(Workers { fences, hangs: false }).start().await.unwrap();
    let jobs = new.machines::<Job>();
    assert!(soon("the worker", started.recv()).await.unwrap() > fence);
    let finished = soon("the end", jobs.wait_for("a", job::State::Finished, PATIENCE)).await.unwrap();
    assert_eq!(finished.version(), 4, "started, finished by the worker, woken by the timer");
    let mut subscription = new.subscribe("audit", StartPosition::Oldest).await.unwrap();
    for version in 2..=4 {
        let entry = soon("an entry", subscription.next()).await.unwrap().unwrap();
        assert_eq!((&*entry.key.id, entry.version), ("a", version));
    }
    new.shutdown(PATIENCE).await;
    let error =
        Runtime::builder(source).machine::<Job, _>(workers()).start().await.err().map(|error| error.to_string());
    assert!(error.as_ref().is_some_and(|error| error.contains("its contents were moved to PostgreSQL")), "{error:?}");
}
