//! History: origins, both directions, subscribers, retention, purging, removal, and reuse of ids.

use super::job::{Job, job, queued};
use fsm_runtime::{
    ErrorKind, HistoryQuery, ListQuery, Machines, ReadError, Retention, Runtime, StartError, StartPosition,
    SubscribeError, TransitionError,
    clock::ManualClock,
    prelude::*,
    store::{MAX_KEY_BYTES, sqlite::Sqlite},
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_hours(24);

async fn client(store: &Sqlite) -> (Runtime, Machines<Job>) {
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let jobs = runtime.machines();
    (runtime, jobs)
}

#[tokio::test]
async fn the_history_holds_actor_and_trace() {
    let (_runtime, jobs) = client(&Sqlite::in_memory().unwrap()).await;
    let ada = jobs.with_actor("ada").with_trace_id("trace-1");
    let running = ada.create("a", queued()).await.unwrap().start().await.unwrap();
    running.fail("disk".into()).await.unwrap();
    jobs.fire("a", job::event::Retry).await.unwrap();
    let origins: Vec<_> = jobs
        .history("a", &HistoryQuery::new().limit(10))
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|e| (e.actor, e.trace))
        .collect();
    let ada = (Some("ada".to_owned()), Some("trace-1".to_owned()));
    assert_eq!(origins, [ada.clone(), ada.clone(), ada, (None, None)]);
}

#[tokio::test]
async fn history_is_read_in_both_directions() {
    let (_runtime, jobs) = client(&Sqlite::in_memory().unwrap()).await;
    jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    for _ in 0..5 {
        jobs.fire("a", job::event::Restart).await.unwrap();
    }
    let versions =
        |entries: Vec<fsm_runtime::store::HistoryEntry>| entries.iter().map(|e| e.version).collect::<Vec<_>>();
    assert_eq!(versions(jobs.history("a", &HistoryQuery::new().limit(3)).await.unwrap().items), [1, 2, 3]);
    let newest = jobs.history("a", &HistoryQuery::new().newest_first().limit(3)).await.unwrap().items;
    let last = newest.last().unwrap().sequence;
    assert_eq!(versions(newest), [7, 6, 5]);
    assert_eq!(
        versions(jobs.history("a", &HistoryQuery::new().newest_first().after(last).limit(10)).await.unwrap().items),
        [4, 3, 2, 1]
    );
}

#[tokio::test]
async fn a_subscriber_resumes_where_it_stopped() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    let (runtime, jobs) = client(&Sqlite::open(&path).await.unwrap()).await;
    jobs.create("a", queued()).await.unwrap();
    let mut changes = runtime.subscribe("mail", StartPosition::Oldest).await.unwrap();
    let first = changes.next().await.unwrap().unwrap();
    assert_eq!((&*first.key.id, first.version, first.to.as_str()), ("a", 1, "Queued"));
    changes.ack(first.sequence).await.unwrap();
    // Not acknowledged: it is delivered again.
    jobs.fire("a", job::event::Start).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().version, 2);
    drop(changes);
    let mut changes = runtime.subscribe("mail", StartPosition::Newest).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().version, 2, "a known subscriber resumes at its position");
    // It waits for new changes, those of another process too.
    let other = Sqlite::open(&path).await.unwrap();
    let waiting = tokio::spawn(async move { changes.next().await.unwrap().unwrap().version });
    let (_other_runtime, other_jobs) = client(&other).await;
    other_jobs.fire("a", job::event::Restart).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), 3);
    let mut new = runtime.subscribe("other", StartPosition::Newest).await.unwrap();
    for still_to_come in [4, u64::MAX] {
        let ahead = new.ack(still_to_come).await.unwrap_err();
        assert!(matches!(ahead, SubscribeError::Ahead { newest: 3, .. }), "{ahead}");
    }
    jobs.fire("a", job::event::Restart).await.unwrap();
    assert_eq!(new.next().await.unwrap().unwrap().version, 4);
}

#[tokio::test]
async fn the_name_of_a_subscriber_is_checked() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    for (name, expected) in [
        ("n".repeat(MAX_KEY_BYTES + 1), "the name of a subscriber is longer than 1,024 bytes"),
        ("a\0b".to_owned(), "the name of a subscriber must not contain NUL"),
    ] {
        let error = runtime.subscribe(&name, StartPosition::Oldest).await.unwrap_err();
        assert!(matches!(error, SubscribeError::InvalidName { .. }), "{error}");
        assert_eq!((error.to_string().as_str(), error.kind()), (expected, ErrorKind::Invalid));
    }
    assert!(runtime.subscribe(&"n".repeat(MAX_KEY_BYTES), StartPosition::Oldest).await.is_ok());
}

#[tokio::test]
async fn a_subscriber_behind_the_pruned_history_gets_an_error() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + DAY * 1_000);
    let retention = Retention::default().history(DAY * 10).keys(DAY * 5).ended(DAY * 2);
    let store = Sqlite::in_memory().unwrap();
    let builder = Runtime::builder(store.clone()).clock(clock.clock()).retention(retention);
    let runtime = builder.machine::<Job, _>(super::job::puppets().0).start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    let mut slow = runtime.subscribe("slow", StartPosition::Oldest).await.unwrap();
    let old = jobs.create_with_key("old", queued(), "k").await.unwrap();
    jobs.create("ended", queued()).await.unwrap().start().await.unwrap();
    let job::AnyRecord::Running(running) = jobs.get("ended").await.unwrap() else { panic!() };
    running.finish(1).await.unwrap();

    let is_gone = async || matches!(jobs.get("ended").await, Err(ReadError::NotFound { .. }));
    clock.advance(DAY * 3);
    poll(&clock, "the ended row is forgotten", is_gone).await;
    assert_eq!(
        jobs.history("ended", &HistoryQuery::new().limit(10)).await.unwrap().items.len(),
        3,
        "its history is kept"
    );
    assert_eq!(jobs.create_with_key("old", queued(), "k").await.unwrap().version(), 1, "its key is kept");

    clock.advance(DAY * 3);
    poll(&clock, "the key is forgotten", async || {
        matches!(jobs.create_with_key("old", queued(), "k").await, Err(TransitionError::Exists(_)))
    })
    .await;
    clock.advance(DAY * 6);
    poll(&clock, "the history is forgotten", async || {
        jobs.history("ended", &HistoryQuery::new().limit(10)).await.unwrap().items.is_empty()
    })
    .await;
    assert_eq!(old.start().await.unwrap().version(), 2, "the row is kept");
    let gap = slow.next().await.unwrap_err();
    assert!(matches!(gap, SubscribeError::Gap { after: 0, pruned: 4, .. }), "{gap:?}");
    slow.skip_gap().await.unwrap();
    assert_eq!(slow.next().await.unwrap().unwrap().version, 2);
}

/// Advances minute by minute until `condition` holds: pruning runs in batches.
async fn poll(clock: &ManualClock, what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(std::time::Instant::now() < deadline, "{what}");
        clock.advance(Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn keys_must_be_pruned_before_their_history() {
    let start = async |retention| Runtime::builder(Sqlite::in_memory().unwrap()).retention(retention).start().await;
    let error = start(Retention::default().history(DAY)).await.unwrap_err();
    assert!(matches!(error, StartError::Setting { setting: "retention", .. }), "{error}");
    start(Retention::default().history(DAY).keys(DAY * 2)).await.unwrap_err();
    start(Retention::default().history(DAY).keys(DAY)).await.unwrap();
    start(Retention::default().keys(DAY)).await.unwrap();
}

#[tokio::test]
async fn x8_a_purged_id_created_again_is_another_instance() {
    let (_runtime, jobs) = client(&Sqlite::in_memory().unwrap()).await;
    let old = jobs.create("a", queued()).await.unwrap();
    let job::AnyRecord::Queued(keyed) = jobs.get("a").await.unwrap() else { panic!() };
    jobs.purge("a").await.unwrap();
    assert!(matches!(jobs.get("a").await.unwrap_err(), ReadError::NotFound { .. }));
    assert!(jobs.history("a", &HistoryQuery::new().limit(10)).await.unwrap().items.is_empty());
    assert!(matches!(jobs.purge("a").await.unwrap_err(), TransitionError::NotFound { .. }));
    let new = jobs.create("a", queued()).await.unwrap();
    assert_eq!(old.version(), new.version());
    assert!(matches!(old.start().await.unwrap_err(), TransitionError::Conflict(_)), "an old record changes nothing");
    assert!(matches!(keyed.with_key("k").start().await.unwrap_err(), TransitionError::Conflict(_)));
    assert_eq!(new.start().await.unwrap().version(), 2);
}

/// A ticket that is removed once it was used.
#[derive(StateMachine)]
#[fsm(initial = Valid, durable, derive(Serialize, Deserialize))]
enum Ticket {
    /// It can be used.
    #[on(use_up => Used)]
    Valid,
    /// Used.
    #[state(end, remove)]
    Used,
}

#[tokio::test]
async fn a_state_marked_remove_removes_the_row_and_keeps_its_history() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let tickets = runtime.machines::<Ticket>();
    let used = tickets.create("t", ticket::Valid).await.unwrap().use_up().await.unwrap();
    assert_eq!((used.version(), used.state()), (2, ticket::State::Used));
    assert!(matches!(tickets.get("t").await.unwrap_err(), ReadError::NotFound { .. }));
    assert_eq!(tickets.history("t", &HistoryQuery::new().limit(10)).await.unwrap().items.len(), 2);
    let again = tickets.create("t", ticket::Valid).await.unwrap();
    assert_eq!(again.version(), 1);
    let lives = tickets.history("t", &HistoryQuery::new().limit(10)).await.unwrap().items;
    assert_ne!(lives[0].incarnation, lives[2].incarnation);
}

#[tokio::test]
async fn a_purge_deletes_the_history_of_a_removed_row() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let tickets = runtime.machines::<Ticket>();
    tickets.create_with_key("t", ticket::Valid, "k").await.unwrap().use_up().await.unwrap();
    tickets.purge("t").await.unwrap();
    assert!(tickets.history("t", &HistoryQuery::new().limit(10)).await.unwrap().items.is_empty());
    assert!(matches!(tickets.purge("t").await.unwrap_err(), TransitionError::NotFound { .. }), "nothing is left of it");
    assert_eq!(tickets.create_with_key("t", ticket::Valid, "k").await.unwrap().version(), 1, "its key is free");
    assert!(tickets.get("t").await.is_ok());
}

#[tokio::test]
async fn x3_a_key_answers_after_its_row_was_removed() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let tickets = runtime.machines::<Ticket>();
    tickets.create_with_key("t", ticket::Valid, "creation").await.unwrap();
    let Ok(Some(held)) = tickets.get_in::<ticket::Valid>("t").await else { panic!() };
    tickets.fire_with_key("t", ticket::event::UseUp, "k").await.unwrap();
    assert!(matches!(tickets.get("t").await.unwrap_err(), ReadError::NotFound { .. }));

    let again = tickets.fire_with_key("t", ticket::event::UseUp, "k").await.unwrap();
    assert_eq!((again.version(), again.state()), (2, ticket::State::Used));
    let again = held.with_key("k").use_up().await.unwrap();
    assert_eq!(again.version(), 2);
    let again = tickets.create_with_key("t", ticket::Valid, "creation").await.unwrap();
    assert_eq!(again.version(), 1, "it is a new instance");
    let reused = tickets.create_with_key("t", ticket::Valid, "k").await.unwrap_err();
    assert!(matches!(reused, TransitionError::KeyReused { .. }), "{reused}");
    let missing = tickets.fire_with_key("t", ticket::event::UseUp, "other").await.unwrap_err();
    assert!(matches!(missing, TransitionError::NotFound { .. }), "{missing}");
    assert_eq!(tickets.history("t", &HistoryQuery::new().limit(10)).await.unwrap().items.len(), 2);

    // The key belongs to the former incarnation.
    tickets.create("t", ticket::Valid).await.unwrap();
    tickets.fire_with_key("t", ticket::event::UseUp, "k").await.unwrap();
    assert_eq!(tickets.history("t", &HistoryQuery::new().limit(10)).await.unwrap().items.len(), 4);
}

#[tokio::test]
async fn create_many_creates_each_on_its_own() {
    let (_runtime, jobs) = client(&Sqlite::in_memory().unwrap()).await;
    jobs.create("0007", queued()).await.unwrap();
    let mut all: Vec<(String, job::Queued)> = (0..1_000).map(|n| (format!("{n:04}"), queued())).collect();
    all.push((String::new(), queued()));
    let made = jobs.create_many(all).await;
    assert_eq!(made.len(), 1_001);
    assert!(matches!(made[7], Err(TransitionError::Exists(_))));
    assert!(matches!(made[1_000], Err(TransitionError::InvalidId { .. })));
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 999);
    assert_eq!(made[999].as_ref().unwrap().id(), "0999");
    let counts = jobs.count().await.unwrap();
    assert_eq!((counts.len(), counts[0].state, counts[0].instances), (1, Some(job::State::Queued), 1_000));
}

#[tokio::test]
async fn the_oldest_in_a_state_are_listed_first() {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + DAY);
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).clock(clock.clock()).start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    for id in ["c", "a", "b", "d"] {
        jobs.create(id, queued()).await.unwrap();
        clock.advance(DAY);
    }
    let ids = async |listing: ListQuery<job::State>| {
        let page = jobs.list(&listing).await.unwrap();
        (page.items.iter().map(|job| job.as_ref().unwrap().id().to_owned()).collect::<Vec<_>>().concat(), page.next)
    };
    let (first, next) = ids(ListQuery::in_state(job::State::Queued).limit(3)).await;
    assert_eq!(first, "cab");
    assert_eq!(ids(ListQuery::in_state(job::State::Queued).after(next.unwrap())).await, ("d".into(), None));
    let before = SystemTime::UNIX_EPOCH + DAY * 3;
    assert_eq!(ids(ListQuery::in_state(job::State::Queued).entered_before(before)).await.0, "ca");
    jobs.fire("a", job::event::Start).await.unwrap();
    assert_eq!(ids(ListQuery::all().entered_before(before)).await.0, "c", "in every state");
    assert_eq!(
        ids(ListQuery::all().limit(0)).await,
        ("a".into(), ids(ListQuery::all().limit(1)).await.1),
        "an empty page continues where it began"
    );
    let error = jobs.list(&ListQuery::in_state(job::State::Queued).after("nonsense")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`nonsense` is not a cursor of this list; pass `Page::next` of the page before, which must be of the same machine with the \
         same filter"
    );
}
