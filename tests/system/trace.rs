//! Events in `tracing`: instance, state, version and attempt, and never users' data.

use super::{
    controller::{PATIENCE, SECOND, World, start},
    job::{Do, job},
};
use fsm_runtime::store::{Change, Claim, Row, Store, sqlite::Sqlite};
use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// A value in data, payloads and keys only.
const SECRET: &str = "s3cr3t";

/// The end of a line of an event outside of any span.
const OUTSIDE: &str = " (outside of any span)";

/// One line for each event and span: level, names and values of fields.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Lines {
    fn keep(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        // Events of other crates.
        if metadata.target().starts_with("fsm_runtime") {
            let mut line = Line(metadata.level().to_string());
            record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }

    /// The first line with this text.
    fn line_with(&self, what: &str) -> String {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .find(|line| line.contains(what))
            .unwrap_or_else(|| panic!("not logged: `{what}`: {lines:#?}"))
            .clone()
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.keep(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        self.keep(event.metadata(), |line| {
            event.record(line);
            if event.is_root() {
                line.0.push_str(OUTSIDE);
            }
        });
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn each_conflict_retry_and_takeover_is_one_trace_event() {
    let lines = Lines::default();
    // With a single subscriber, `tracing` asks the first thread that meets an event and caches the answer for all threads;
    // the threads of other tests have no subscriber.
    let _another = tracing::Dispatch::new(Lines::default());
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut world = World::with(|builder| builder.max_attempts(2).backoff(SECOND, SECOND)).await;
    let queued = || job::Queued { name: SECRET.into() };

    // A conflict, and a reused key.
    let first = world.jobs.create("a", queued()).await.unwrap();
    let job::AnyRecord::Queued(second) = world.jobs.get("a").await.unwrap() else { panic!() };
    first.with_key(SECRET).start().await.unwrap();
    second.start().await.unwrap_err();
    let job::AnyRecord::Running(running) = world.jobs.get("a").await.unwrap() else { panic!() };
    running.with_key(SECRET).finish(7).await.unwrap_err();

    // A retry, and parking.
    for attempt in 1..=2 {
        let call = world.calls.next().await;
        assert_eq!(call.attempt, attempt);
        call.tell(Do::Fail("the reason"));
        if attempt == 1 {
            world.row("a", |row| row.error.is_some()).await;
            world.clock.advance(SECOND);
        }
    }
    world.row("a", |row| row.parked.is_some()).await;
    world.jobs.fire("a", job::event::Fail { reason: SECRET.into() }).await.unwrap();

    // A worker whose instance moves on, and one that ignores cancellation.
    world.jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    let cancelled = world.calls.next().await.tell_and_watch(Do::Hang);
    world.jobs.fire("b", job::event::Cancel).await.unwrap();
    cancelled.await;
    world.clock.advance(SECOND * 5);
    world.calls.next().await.tell(Do::Finish(0));
    world.jobs.wait_for("b", job::State::Cancelled, PATIENCE).await.unwrap();

    // A guard that refuses with a reason.
    world.jobs.create("d", queued()).await.unwrap().start().await.unwrap();
    drop(world.calls.next().await);
    world.jobs.fire("d", job::event::Fail { reason: String::new() }).await.unwrap();
    let job::AnyRecord::Failed(failed) = world.jobs.get("d").await.unwrap() else { panic!() };
    failed.reopen().await.unwrap_err();

    // An event that the state does not declare, fired by name.
    world.jobs.fire("d", job::event::Finish { result: 7 }).await.unwrap_err();

    // A takeover.
    world.jobs.create("c", queued()).await.unwrap().start().await.unwrap();
    let call = world.calls.next().await;
    world.runtime.shutdown(Duration::ZERO).await;
    drop(call);
    let path = world.dir.path().join("jobs.db");
    let store = Sqlite::open(&path).await.unwrap();
    let Row { key, incarnation, version, fence, .. } = world.jobs.row("c").await.unwrap();
    let claim = Claim { key, incarnation, version, fence, owner: "dead".into() };
    store.commit(vec![Change::Claim(claim).into()], world.clock.clock().now()).await.unwrap();
    let (_runtime, mut calls) = start(&path, &world.clock, |b| b).await.unwrap();
    calls.next().await.tell(Do::Finish(7));
    world.jobs.wait_for("c", job::State::Finished, PATIENCE).await.unwrap();

    for (what, fields) in [
        ("conflict: another change was first", ["id=a", "state=Running", "version=2", "attempt="]),
        (
            "refused: the idempotency key was used for another request",
            ["id=a", "state=Running", "version=2", "machine=Job"],
        ),
        ("work failed", ["id=a", "state=Running", "version=2", "attempt=1"]),
        ("parked: no more work", ["id=a", "state=Running", "version=2", "attempt=2"]),
        ("the instance has moved on", ["id=b", "state=Running", "version=2", "attempt=1"]),
        ("refused by a guard", ["id=d", "state=Failed", "version=3", "event=reopen"]),
        ("refused: the state does not declare the event", ["id=d", "state=Failed", "version=3", "event=finish"]),
        ("did not end within its grace period: aborted", ["id=b", "state=Running", "version=2", "attempt=1"]),
        ("the shutdown stopped a worker", ["id=c", "state=Running", "machine=Job", "how=Cancelled"]),
        ("taken over from a process that has ended", ["id=c", "state=Running", "version=2", "attempt=1"]),
    ] {
        let line = lines.line_with(what);
        let words: BTreeSet<&str> = line.split(' ').collect();
        for field in fields {
            let there = words.iter().any(|word| *word == field || field.ends_with('=') && word.starts_with(field));
            assert!(there && line.contains("machine=Job"), "no `{field}` in: {line}");
        }
        let all = lines.0.lock().unwrap();
        let of_this = all.iter().filter(|other| **other == line).count();
        assert_eq!(of_this, 1, "logged more than once: {line}");
    }
    for line in lines.0.lock().unwrap().iter() {
        assert!(!line.contains(SECRET), "users' data in the log: {line}");
        assert!(!line.contains("Job `") && !line.contains("state `"), "named in a field and in the text: {line}");
    }
    // The span of the attempt has the same fields.
    for what in ["work failed", "parked: no more work"] {
        assert!(lines.line_with(what).ends_with(OUTSIDE), "{}", lines.line_with(what));
    }
    // A mistake of the client, and not of this process.
    assert!(lines.line_with("the idempotency key was used for another request").starts_with("DEBUG"));
}

/// An error's text names the instance and its state; the event has fields for them.
#[tokio::test]
async fn an_error_text_does_not_repeat_the_fields() {
    let lines = Lines::default();
    let _another = tracing::Dispatch::new(Lines::default());
    let _guard = tracing::subscriber::set_default(lines.clone());
    let world = World::new().await;
    world.jobs.create("a", job::Queued { name: "name".into() }).await.unwrap();
    let other = rusqlite::Connection::open(world.dir.path().join("jobs.db")).unwrap();
    other.execute_batch("UPDATE fsm_instances SET desired = 'nonsense', desired_at = 1").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !lines.0.lock().unwrap().iter().any(|line| line.contains("the stored desired state cannot be read")) {
        assert!(Instant::now() < deadline, "{:#?}", lines.0.lock().unwrap());
        world.clock.advance(SECOND);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let line = lines.line_with("the stored desired state cannot be read");
    assert!(line.contains("machine=Job id=a state=Queued"), "{line}");
    assert!(line.contains("the stored desired state of the instance cannot be read"), "{line}");
    assert!(!line.contains("Job `"), "{line}");
}

#[tokio::test]
async fn an_id_with_a_newline_never_breaks_a_line() {
    let lines = Lines::default();
    let _another = tracing::Dispatch::new(Lines::default());
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut world = World::with(|builder| builder.max_attempts(2).backoff(SECOND, SECOND)).await;
    let id = "a\nERROR forged";
    let first = world.jobs.create(id, job::Queued { name: "name".into() }).await.unwrap();
    let job::AnyRecord::Queued(second) = world.jobs.get(id).await.unwrap() else { panic!() };
    first.start().await.unwrap();
    let conflict = second.start().await.unwrap_err();
    for attempt in 1..=2 {
        world.calls.next().await.tell(Do::Fail("the reason"));
        if attempt == 1 {
            world.row(id, |row| row.error.is_some()).await;
            world.clock.advance(SECOND);
        }
    }
    world.row(id, |row| row.parked.is_some()).await;
    world.jobs.fire(id, job::event::Fail { reason: String::new() }).await.unwrap();
    let job::AnyRecord::Failed(failed) = world.jobs.get(id).await.unwrap() else { panic!() };
    let shown = format!("{conflict} {conflict:?} {failed:?}");
    let refused = failed.reopen().await.unwrap_err();
    let undeclared = world.jobs.fire(id, job::event::Finish { result: 7 }).await.unwrap_err();
    assert!(!format!("{shown} {refused} {undeclared}").contains('\n'), "{shown} {refused} {undeclared}");
    let lines = lines.0.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains(r"id=a\nERROR forged")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains('\n')), "{lines:#?}");
}

/// Every result waits, and the outage is reported once.
#[tokio::test]
async fn c17_an_outage_is_reported_once_and_keeps_every_result() {
    let lines = Lines::default();
    let _another = tracing::Dispatch::new(Lines::default());
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut world = World::new().await;
    let ids = ["a", "b", "c", "d"];
    let mut calls = Vec::new();
    for id in ids {
        calls.push(world.running(id).await);
    }
    let other = rusqlite::Connection::open(world.dir.path().join("jobs.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Results of all kinds: an event, a failure, a checkpoint.
    let [a, b, c, d] = calls.try_into().ok().unwrap();
    a.tell(Do::Finish(7));
    b.tell(Do::Finish(8));
    c.tell(Do::Fail("the reason"));
    d.tell(Do::Checkpoint(3, Box::new(Do::Finish(9))));
    let count = |what: &str| lines.0.lock().unwrap().iter().filter(|line| line.contains(what)).count();
    let until_count = async |what: &str, times: usize| {
        let deadline = Instant::now() + PATIENCE;
        while count(what) < times {
            assert!(Instant::now() < deadline, "`{what}` is not logged {times} times: {:#?}", lines.0.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Longer than the busy timeout of the store: each call was tried once.
    until_count("result could not be stored", ids.len()).await;
    // And probably again: a second report would come at a lower rate.
    world.clock.advance(SECOND * 5);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    for id in ids {
        let row = world.jobs.row(id).await.unwrap();
        assert_eq!((row.state.as_str(), row.version), ("Running", 2), "no part of it is stored");
    }
    assert_eq!(count("the store is available again"), 0);
    other.execute_batch("ROLLBACK").unwrap();
    let stored = async {
        for id in ["a", "b", "d"] {
            world.row(id, |row| row.state == "Finished").await;
        }
        world.row("c", |row| row.error.is_some()).await;
        until_count("the store is available again", 1).await;
    };
    let advancing = async {
        loop {
            world.clock.advance(SECOND / 10);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = stored => {}
        () = advancing => unreachable!(),
    }
    for id in ["a", "b", "d"] {
        assert_eq!(world.history(id).await.len(), 3);
    }
    let all = lines.0.lock().unwrap().clone();
    let of_results: Vec<_> = all.iter().filter(|line| line.contains("the store is unavailable")).collect();
    assert_eq!(of_results.len(), 1, "one for the outage: {of_results:#?}");
    assert!(of_results[0].starts_with("ERROR") && of_results[0].contains(" machine=Job id="), "{of_results:?}");
    let back: Vec<_> = all.iter().filter(|line| line.contains("the store is available again")).collect();
    assert!(back.len() == 1 && back[0].contains(&format!("results={}", ids.len())), "{back:?}");
}
