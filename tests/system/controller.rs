//! The controller as its users see it: who is worked on, when, by how many; on a clock that stands still.

use super::job::{Call, Calls, Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{
    Builder, Cut, CutHow, Failure, Machines, Runtime, StartError,
    clock::ManualClock,
    store::{Change, Claim, HistoryKind, Key, Row, Store, sqlite::Sqlite},
};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
/// For what happens without any time passing on the manual clock: never waited for in full.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) jobs: Machines<Job>,
    pub(crate) calls: Calls,
    pub(crate) clock: ManualClock,
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = ManualClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let (runtime, calls) = start(&dir.path().join("jobs.db"), &clock, configure).await.unwrap();
        let jobs = runtime.machines();
        Self { runtime, jobs, calls, clock, dir }
    }

    /// A job that is running, and its worker.
    pub(crate) async fn running(&mut self, id: &str) -> Call {
        self.jobs.create(id, queued()).await.unwrap().start().await.unwrap();
        let call = self.calls.next().await;
        assert_eq!((call.id.as_str(), call.state), (id, job::State::Running));
        call
    }

    /// The row, once it is as it should be.
    pub(crate) async fn row(&self, id: &str, right: impl Fn(&Row) -> bool) -> Row {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let row = self.jobs.row(id).await.unwrap();
            if right(&row) {
                return row;
            }
            assert!(std::time::Instant::now() < deadline, "it stays {row:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Runs another instance from start to end. What the controller had to do before that is done then.
    pub(crate) async fn barrier(&mut self, id: &str) {
        let call = self.running(id).await;
        call.tell(Do::Finish(0));
        self.jobs.wait_for(id, job::State::Finished, PATIENCE).await.unwrap();
    }

    pub(crate) async fn history(&self, id: &str) -> Vec<String> {
        let entries = self.jobs.history(id, 0, 100).await.unwrap();
        let line = |e: &fsm_runtime::store::HistoryEntry| match e.kind {
            HistoryKind::Note => format!("{}: {} ({})", e.version, e.event.as_deref().unwrap(), e.cause),
            _ => format!("{}: {} -> {} ({})", e.version, e.event.as_deref().unwrap_or("born"), e.to, e.cause),
        };
        entries.iter().map(line).collect()
    }
}

pub(crate) async fn start(
    path: &Path,
    clock: &ManualClock,
    configure: impl FnOnce(Builder) -> Builder,
) -> Result<(Runtime, Calls), StartError> {
    let (workers, calls) = puppets();
    let builder = Runtime::builder(Sqlite::open(path).await.unwrap()).machine::<Job, Puppets>(workers);
    Ok((configure(builder.clock(clock.clock())).start().await?, calls))
}

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
        ["1: born -> Queued (caller)", "2: start -> Running (caller)", "3: finish -> Finished (worker)"]
    );
    assert_eq!(world.row("a", |_| true).await.owner, None);
}

#[tokio::test]
async fn c3_the_old_worker_is_cancelled_and_waited_for_before_the_next_starts() {
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
async fn c3_a_worker_that_ignores_its_cancellation_is_aborted_after_its_grace_and_not_before() {
    let mut world = World::new().await;
    let cancelled = world.running("b").await.tell_and_watch(Do::Hang);
    world.jobs.fire("b", job::event::Cancel).await.unwrap();
    cancelled.await;
    world.clock.advance(SECOND * 4);
    world.barrier("other").await;
    assert_eq!(world.calls.running_now(), 1, "the old worker is still there");
    world.clock.advance(SECOND);
    let next = world.calls.next().await;
    assert_eq!((next.id.as_str(), next.state), ("b", job::State::Cancelling));
    next.tell(Do::Finish(0));
    world.jobs.wait_for("b", job::State::Cancelled, PATIENCE).await.unwrap();
    world.calls.most_at_once();
}

#[tokio::test]
async fn c3_a_self_transition_is_a_new_stay_with_a_new_worker() {
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
async fn c4_a_result_that_comes_after_the_instance_has_moved_on_changes_nothing() {
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
            "1: born -> Queued (caller)",
            "2: start -> Running (caller)",
            "3: cancel -> Cancelling (caller)",
            "4: cleaned -> Cancelled (worker)"
        ]
    );
}

#[tokio::test]
async fn c3_an_event_from_another_process_stops_the_worker_too() {
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
    world.running("a").await.tell(Do::FailFor(HOUR / 2));
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
async fn c9_past_the_limit_it_is_parked_visibly_and_released_by_hand() {
    let mut world = World::with(|builder| builder.attempts(3).backoff(SECOND, SECOND)).await;
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
    let mut world = World::with(|builder| builder.attempts(2).backoff(SECOND, SECOND)).await;
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
async fn c10_a_permanent_error_is_not_tried_again() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::Permanent("no such thing"));
    let row = world.row("a", |row| row.parked.is_some()).await;
    assert_eq!(row.parked.as_deref(), Some("permanent error: no such thing"));
    assert_eq!((row.attempt, row.wake_at()), (1, row.timer_at));
}

#[tokio::test]
async fn c8b_again_keeps_the_state_and_is_no_attempt() {
    let mut world = World::new().await;
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
async fn t1_a_timer_fires_once_and_not_before_its_time() {
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
async fn t1_a_timer_fires_though_the_process_was_down_at_that_time() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::FailFor(HOUR * 5));
    world.row("a", |row| row.error.is_some()).await;
    world.runtime.shutdown(Duration::ZERO).await;
    world.clock.advance(HOUR * 2);
    let (runtime, _calls) = start(&world.dir.path().join("jobs.db"), &world.clock, |b| b).await.unwrap();
    runtime.machines::<Job>().wait_for("a", job::State::Failed, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn c6_with_one_slot_each_gets_its_turn() {
    let mut world = World::with(|builder| builder.workers_at_once(1)).await;
    for n in 0..40 {
        world.jobs.create(&format!("{n:02}"), queued()).await.unwrap().start().await.unwrap();
    }
    let mut done = Vec::new();
    for _ in 0..40 {
        let call = world.calls.next().await;
        assert!(world.calls.is_empty());
        done.push(call.id.clone());
        call.tell(Do::Finish(1));
    }
    world.jobs.wait_for(done.last().unwrap(), job::State::Finished, PATIENCE).await.unwrap();
    assert_eq!(world.calls.most_at_once(), 1);
    done.sort();
    done.dedup();
    assert_eq!(done.len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_many_triggers_are_one_worker() {
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

#[tokio::test]
async fn a_second_controller_is_refused_by_name_and_clients_are_not() {
    let world = World::new().await;
    let path = world.dir.path().join("jobs.db");
    match start(&path, &world.clock, |b| b).await.map(drop) {
        Err(error @ StartError::Control(_)) => {
            let holder = format!("process {}", std::process::id());
            assert!(error.to_string().contains(&holder), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let client = Runtime::builder(Sqlite::open(&path).await.unwrap()).start().await.unwrap();
    client.machines::<Job>().create("a", queued()).await.unwrap();
    world.runtime.shutdown(Duration::ZERO).await;
    start(&path, &world.clock, |b| b).await.unwrap();
}

#[tokio::test]
async fn c11_rows_that_the_code_does_not_know_refuse_the_start() {
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
        "rows of `Job` stand in states that its declaration does not know: `Dreaming` (Job `a`, for one); if a state \
         was renamed, add `#[state(was = \"…\")]` to its variant; if it was removed, move these instances on first; \
         if a newer release wrote them, `Builder::tolerate_unknown` leaves them to it"
    );
    let error = client.machines::<Job>().get("a").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Job `a` stands in state `Dreaming`, which is not declared (declared: Queued, Running, Failed, Cancelling, \
         Finished, Cancelled); if the state was renamed, add `#[state(was = \"Dreaming\")]` to its variant"
    );

    sql("UPDATE fsm_instances SET state = 'Queued', schema = 2; \
         INSERT INTO fsm_machines VALUES ('Job', 2, 0, '{}', 0)");
    let error = start(&path, &clock, |b| b).await.map(drop).unwrap_err();
    assert!(matches!(error, StartError::Newer { found: 2, known: 1, .. }), "{error:?}");
    let error = client.machines::<Job>().fire("a", job::event::Start).await.unwrap_err();
    assert!(matches!(error, Failure::Row(fsm_runtime::RowError::Newer { .. })), "{error:?}");

    sql("UPDATE fsm_instances SET schema = 1, data = '{\"nome\":1}'; DELETE FROM fsm_machines");
    let error = client.machines::<Job>().get("a").await.unwrap_err().to_string();
    assert!(error.starts_with("the stored data of Job `a` is not that of state `Queued` ("), "{error}");
}

#[tokio::test]
async fn c11_machines_of_others_are_left_alone() {
    let world = World::new().await;
    let sql =
        "INSERT INTO fsm_instances (machine, id, incarnation, state, version, entered, schema, data, retry_at, owner,
                   fence, attempt, shard, created, updated)
               VALUES ('Foreign', 'x', zeroblob(16), 'Odd', 1, 1, 9, '{}', 0, 'somebody', 1, 1, 0, 0, 0)";
    let path = world.dir.path().join("jobs.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    world.runtime.shutdown(Duration::ZERO).await;
    let (runtime, mut calls) = start(&path, &world.clock, |b| b).await.unwrap();
    runtime.machines::<Job>().create("a", queued()).await.unwrap().start().await.unwrap();
    calls.next().await.tell(Do::Finish(1));
    runtime.machines::<Job>().wait_for("a", job::State::Finished, PATIENCE).await.unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    let foreign = store.get(Key::new("Foreign", "x")).await.unwrap().unwrap();
    assert_eq!((foreign.owner.as_deref(), foreign.version, foreign.fence), (Some("somebody"), 1, 1));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let builder = || Runtime::builder(Sqlite::in_memory().unwrap()).machine::<Job, _>(puppets().0);
    for (builder, said) in [
        (builder().scan_every(Duration::ZERO), "`scan_every`: an interval of zero would scan without end"),
        (builder().attempts(0), "`attempts`: without an attempt no work would ever be done"),
        (builder().workers_at_once(0), "`workers_at_once`: without a slot no work would ever be done"),
        (builder().backoff(HOUR, SECOND), "`backoff`: the first wait cannot be longer than the longest"),
        (
            builder().machine::<Job, _>(puppets().0),
            "a machine called `Job` is registered twice; rows are told apart by that name",
        ),
    ] {
        assert_eq!(builder.start().await.unwrap_err().to_string(), said);
    }
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
async fn c2_an_event_whose_caller_gave_up_reaches_the_worker_all_the_same() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let job::AnyRecord::Running(running) = world.jobs.get("a").await.unwrap() else { panic!() };
    // Polled once, so that it is on its way, and dropped.
    let mut cancelling = Box::pin(running.cancel());
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
async fn a_purge_by_another_process_stops_the_worker_within_a_scan() {
    let mut world = World::new().await;
    let mut call = world.running("a").await;
    let store = Sqlite::open(world.dir.path().join("jobs.db")).await.unwrap();
    let client = Runtime::builder(store).clock(world.clock.clock()).start().await.unwrap();
    client.machines::<Job>().purge("a").await.unwrap();
    world.clock.advance(SECOND * 5);
    call.cancelled().await;
}

#[tokio::test]
async fn t1_the_timer_of_an_instance_that_waits_for_a_slot_fires() {
    let mut world = World::with(|builder| builder.workers_at_once(1).grace(HOUR * 1_000)).await;
    world.running("busy").await.tell(Do::Hang);
    world.jobs.create("waiting", queued()).await.unwrap().start().await.unwrap();
    // The clock moves by the hour here, so the patience is in hours too.
    let both = world.jobs.wait_for("waiting", job::State::Failed, HOUR * 100);
    let advancing = async {
        for _ in 0..2_000 {
            world.clock.advance(SECOND * 5);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        failed = both => assert_eq!(failed.unwrap().state(), job::State::Failed),
        () = advancing => panic!("its time was up long ago"),
    }
}

#[tokio::test]
async fn a_timer_whose_row_cannot_be_read_is_left_for_code_that_can() {
    let mut world = World::new().await;
    world.running("a").await.tell(Do::FailFor(HOUR * 10));
    let row = world.row("a", |row| row.error.is_some()).await;
    let path = world.dir.path().join("jobs.db");
    let sql = |text: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(text).unwrap();
    sql("UPDATE fsm_instances SET data = '{}'");
    world.clock.advance(HOUR * 2);
    world.barrier("other").await;
    assert_eq!(world.row("a", |_| true).await.timer_at, row.timer_at);
    sql("UPDATE fsm_instances SET data = '{\"name\":\"n\"}' WHERE id = 'a'");
    world.clock.advance(SECOND * 5);
    let _ = world.jobs.wait_for("a", job::State::Failed, PATIENCE).await.unwrap();
}
