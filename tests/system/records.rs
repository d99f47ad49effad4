//! Typed records: transitions, conflicts, refusals, lists, histories, waiting.

use super::job::{Job, job, queued};
use fsm_runtime::{HistoryQuery, ListQuery, Machines, ReadError, Runtime, TransitionError, WaitError, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

async fn client() -> (Runtime, Machines<Job>) {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let jobs = runtime.machines();
    (runtime, jobs)
}

#[tokio::test]
async fn a_record_moves_from_state_to_state() {
    let (_runtime, jobs) = client().await;
    let queued = jobs.create("a", queued()).await.unwrap();
    assert_eq!((queued.id(), queued.version(), queued.state()), ("a", 1, job::State::Queued));
    assert_eq!(queued.name, "n");
    let running = queued.start().await.unwrap();
    let failed = running.fail("disk".into()).await.unwrap();
    assert_eq!((failed.reason.as_str(), failed.name.as_str(), failed.version()), ("disk", "n", 3));
    let running = failed.fire(job::event::Retry).await.unwrap();
    assert_eq!(running.version(), 4);
    assert!(!format!("{running:?}").contains("\"n\""), "data is never printed: {running:?}");
}

#[tokio::test]
async fn a_conflict_carries_the_current_record() {
    let (_runtime, jobs) = client().await;
    let mine = jobs.create("a", queued()).await.unwrap();
    let job::AnyRecord::Queued(other) = jobs.get("a").await.unwrap() else { panic!() };
    other.start().await.unwrap();
    let failure = mine.cancel().await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Job `a` was changed by another caller: it is in `Running`, version 2 now; match on `Conflict::current` and decide again"
    );
    let TransitionError::Conflict(conflict) = failure else { panic!() };
    assert_eq!((conflict.state(), conflict.version()), (job::State::Running, 2));
    let job::AnyRecord::Running(running) = conflict.into_current() else { panic!() };
    running.cancel().await.unwrap();
}

#[tokio::test]
async fn creating_an_existing_id_returns_its_record() {
    let (_runtime, jobs) = client().await;
    jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let failure = jobs.create("a", queued()).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Job `a` exists already: it is in `Running`, version 2; use the record in the error, or another id"
    );
    assert_eq!(failure.into_record().unwrap().state(), job::State::Running);
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_with_both_sizes() {
    let (_runtime, jobs) = client().await;
    let name = "x".repeat(1 << 20);
    let error = jobs.create("a", job::Queued { name }).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the data of Job `a` has 1048587 bytes, and the store takes up to 1048576; keep it elsewhere and store where it is, or \
         raise the limit of the store (`max_value_bytes`)"
    );
    let running = jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let error = running.fail("x".repeat(1 << 20)).await.unwrap_err();
    assert!(matches!(error, TransitionError::TooLarge { what: "data", .. }), "{error}");
    assert_eq!(jobs.get("a").await.unwrap().version(), 2);
}

#[tokio::test]
async fn invalid_ids_are_refused() {
    let (_runtime, jobs) = client().await;
    let refusal = async |id: &str| jobs.create(id, queued()).await.unwrap_err().to_string();
    assert_eq!(refusal("").await, "an instance's id cannot be empty");
    assert_eq!(refusal(&"x".repeat(513)).await, "an instance's id can have 512 bytes at most, and this one has 513");
    assert!(refusal("a\0b").await.starts_with("an instance's id cannot hold a NUL"));
    jobs.create(&"x".repeat(512), queued()).await.unwrap();
}

#[tokio::test]
async fn a_missing_instance_is_not_found() {
    let (_runtime, jobs) = client().await;
    assert!(matches!(jobs.get("a").await.unwrap_err(), ReadError::NotFound { .. }));
    let failure = jobs.fire("a", job::event::Start).await.unwrap_err();
    assert!(matches!(failure, TransitionError::NotFound { .. }), "{failure:?}");
    assert!(jobs.history("a", &HistoryQuery::new().limit(10)).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn an_event_by_id_is_checked_against_the_state() {
    let (_runtime, jobs) = client().await;
    jobs.create("a", queued()).await.unwrap();
    let failure = jobs.fire("a", job::event::Cleaned).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "`cleaned` is not accepted in state `Queued` of Job `a`, which accepts `start`, `cancel`"
    );
    assert_eq!(failure.into_record().unwrap().version(), 1);
    let event: job::Event = job::event::Start.into();
    assert_eq!(jobs.fire("a", event).await.unwrap().state(), job::State::Running);
}

#[tokio::test]
async fn a_refusing_guard_returns_the_record_unchanged() {
    let (_runtime, jobs) = client().await;
    let running = jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let failed = running.fail(String::new()).await.unwrap();
    let failure = failed.reopen().await.unwrap_err();
    assert_eq!(failure.to_string(), "`reopen` was refused in state `Failed` of Job `a`: no reason was given");
    let Some(job::AnyRecord::Failed(failed)) = failure.into_record() else { panic!() };
    assert_eq!(failed.version(), 3);
    assert_eq!(failed.would_accept(&job::event::Reopen).unwrap_err().as_str(), "no reason was given");
    let any = jobs.get("a").await.unwrap();
    let refusal = any.would_accept(&job::event::Reopen.into()).unwrap_err();
    assert_eq!((refusal.state, refusal.reason.unwrap().as_str()), (job::State::Failed, "no reason was given"));
    assert!(matches!(jobs.fire("a", job::event::Reopen).await.unwrap_err(), TransitionError::Refused { .. }));
    failed.retry().await.unwrap().fail("disk".into()).await.unwrap().reopen().await.unwrap();
}

#[tokio::test]
async fn x3_a_key_returns_the_first_result() {
    let (_runtime, jobs) = client().await;
    let first = jobs.create_with_key("a", queued(), "c").await.unwrap();
    assert_eq!(jobs.create_with_key("a", queued(), "c").await.unwrap().version(), 1);
    let job::AnyRecord::Queued(again) = jobs.get("a").await.unwrap() else { panic!() };
    let running = first.with_key("s").start().await.unwrap();
    running.fail("disk".into()).await.unwrap();
    let replayed = again.with_key("s").start().await.unwrap();
    assert_eq!((replayed.version(), replayed.state()), (2, job::State::Running));
    assert!(matches!(replayed.fail("late".into()).await.unwrap_err(), TransitionError::Conflict(_)));
    assert_eq!(jobs.history("a", &HistoryQuery::new().limit(10)).await.unwrap().items.len(), 3);
    let other = job::Queued { name: "m".into() };
    let failure = jobs.create_with_key("a", other, "c").await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the idempotency key `c` of Job `a` was used before, for its creation with other data; use a new key for a new \
         request"
    );
}

/// A shelf with room for one item.
#[derive(StateMachine)]
#[fsm(initial = Shelf, durable, derive(Serialize, Deserialize))]
enum Shelf {
    /// Items can be put on it.
    #[on(put { labels: HashMap<u8, String> } => Shelf, guard = has_room, with = put)]
    #[on(clear => Cleared)]
    Shelf { things: u8 },
    /// It was removed.
    #[state(end)]
    Cleared,
}

fn has_room(shelf: &shelf::Shelf, _: &shelf::event::Put) -> Result<(), &'static str> {
    if shelf.things == 0 { Ok(()) } else { Err("it is full") }
}

fn put(mut shelf: shelf::Shelf, _: shelf::event::Put) -> shelf::Shelf {
    shelf.things += 1;
    shelf
}

/// A map, whose entries are serialized in any order.
fn labels(of: u8) -> HashMap<u8, String> {
    (0..of).map(|n| (n, n.to_string())).collect()
}

#[tokio::test]
async fn x3_a_key_is_checked_before_guards_for_any_map_order() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let shelves = runtime.machines::<Shelf>();
    shelves.create("a", shelf::Shelf { things: 0 }).await.unwrap();
    let again = async |key: &str, labels| {
        let shelf::AnyRecord::Shelf(shelf) = shelves.get("a").await.unwrap() else { panic!() };
        shelf.with_key(key).put(labels).await
    };
    assert_eq!(again("k", labels(32)).await.unwrap().version(), 2);
    assert_eq!(again("k", labels(32)).await.unwrap().version(), 2, "the key's own change filled the shelf");
    let by_id = shelves.fire_with_key("a", shelf::event::Put { labels: labels(32) }, "k").await.unwrap();
    assert_eq!(by_id.version(), 2);
    assert!(matches!(again("k", labels(31)).await.unwrap_err(), TransitionError::KeyReused { .. }));
    let refused = again("new", labels(32)).await.unwrap_err();
    assert_eq!(refused.to_string(), "`put` was refused in state `Shelf` of Shelf `a`: it is full");
    assert_eq!(refused.into_record().unwrap().version(), 2);

    // A record of another incarnation: the key belongs to that one.
    let shelf::AnyRecord::Shelf(former) = shelves.get("a").await.unwrap() else { panic!() };
    shelves.purge("a").await.unwrap();
    shelves.create("a", shelf::Shelf { things: 0 }).await.unwrap();
    assert_eq!(again("k", labels(32)).await.unwrap().version(), 2);
    assert!(matches!(former.with_key("k").put(labels(32)).await.unwrap_err(), TransitionError::Refused { .. }));
}

#[tokio::test]
async fn lists_are_typed_and_paged() {
    let (_runtime, jobs) = client().await;
    for n in 0..5 {
        let queued = jobs.create(&n.to_string(), queued()).await.unwrap();
        if n % 2 == 0 {
            queued.start().await.unwrap();
        }
    }
    let page = jobs.list(&ListQuery::in_state(job::State::Running).limit(2)).await.unwrap();
    assert_eq!(page.items.iter().map(|job| job.as_ref().unwrap().id()).collect::<Vec<_>>(), ["0", "2"]);
    let rest = jobs.list(&ListQuery::in_state(job::State::Running).limit(2).after(page.next.unwrap())).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (1, None));
    assert_eq!(jobs.list(&ListQuery::all().limit(10)).await.unwrap().items.len(), 5);
}

#[tokio::test]
async fn a_wait_ends_in_the_state_or_reports_the_present_one() {
    let (_runtime, jobs) = client().await;
    let queued = jobs.create("a", queued()).await.unwrap();
    let error = jobs.wait_for("a", job::State::Running, Duration::from_millis(5)).await.unwrap_err();
    assert_eq!(error.to_string(), "Job `a` did not reach `Running` within 5ms; it is in `Queued`, version 1");
    assert!(matches!(error, WaitError::Timeout { .. }));
    let waiting = {
        let jobs = jobs.clone();
        tokio::spawn(async move { jobs.wait_for("a", job::State::Running, Duration::from_secs(20)).await })
    };
    queued.start().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().version(), 2);
}

#[tokio::test]
async fn the_history_lists_every_change() {
    let (_runtime, jobs) = client().await;
    let running = jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    running.fail("disk".into()).await.unwrap();
    let history = jobs.history("a", &HistoryQuery::new().limit(10)).await.unwrap().items;
    let last = history.last().unwrap();
    assert_eq!(
        (last.version, last.from.as_deref(), last.event.as_deref(), last.to.as_str()),
        (3, Some("Running"), Some("fail"), "Failed")
    );
    assert_eq!(last.payload.as_deref(), Some("{\"reason\":\"disk\"}"));
    assert_eq!(last.data.as_deref(), Some("{\"name\":\"n\",\"reason\":\"disk\"}"));
    let after = jobs.history("a", &HistoryQuery::new().after(history[0].sequence).limit(1)).await.unwrap().items;
    assert_eq!(after, history[1..2]);
}

#[tokio::test]
async fn x3_an_event_by_id_with_a_key_fires_once() {
    let (_runtime, jobs) = client().await;
    jobs.create("a", queued()).await.unwrap();
    assert_eq!(jobs.fire_with_key("a", job::event::Start, "k").await.unwrap().version(), 2);
    jobs.fire("a", job::event::Cancel).await.unwrap();
    let again = jobs.fire_with_key("a", job::event::Start, "k").await.unwrap();
    assert_eq!((again.version(), again.state()), (2, job::State::Running), "`start` is no longer accepted");
    let other = jobs.fire_with_key("a", job::event::Cleaned, "k").await.unwrap_err();
    assert!(matches!(other, TransitionError::KeyReused { .. }), "{other:?}");
    assert_eq!(jobs.get("a").await.unwrap().version(), 3);
}

#[tokio::test]
async fn a_retry_gives_up_with_the_last_conflict() {
    let (_runtime, jobs) = client().await;
    jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let disturb = async || jobs.fire("a", job::event::Restart).await.map(drop);
    let calls = AtomicU32::new(0);
    let version = jobs
        .retry("a", 5, async |record| {
            let job::AnyRecord::Running(running) = record else { panic!() };
            if calls.fetch_add(1, Ordering::Relaxed) < 2 {
                disturb().await?;
            }
            Ok(running.cancel().await?.version())
        })
        .await
        .unwrap();
    assert_eq!((calls.into_inner(), version), (3, 5));
    jobs.create("b", queued()).await.unwrap();
    let calls = AtomicU32::new(0);
    let failure = jobs
        .retry("b", 3, async |record| {
            calls.fetch_add(1, Ordering::Relaxed);
            let job::AnyRecord::Queued(queued) = record else {
                return Err(jobs.fire("b", job::event::Start).await.unwrap_err());
            };
            let job::AnyRecord::Queued(other) = jobs.get("b").await? else { panic!() };
            other.start().await?.fail("x".into()).await?.reopen().await?;
            queued.start().await.map(drop)
        })
        .await
        .unwrap_err();
    assert!(matches!(failure, TransitionError::Conflict(_)), "{failure:?}");
    assert_eq!(calls.into_inner(), 3);
}
