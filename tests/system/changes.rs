//! Streams of changes: unnamed and named, typed and untyped.

use super::job::{Job, job, queued};
use fsm_runtime::{
    ChangeStream, Changed, ChangesQuery, ErrorKind, Machines, Runtime, StartPosition, SubscribeError,
    prelude::*,
    store::{Prune, Store as _},
};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(20);

async fn client<M: fsm_runtime::Durable>(store: &Sqlite) -> (Runtime, Machines<M>) {
    let runtime = Runtime::builder(store.clone()).start().await.unwrap();
    let machines = runtime.machines();
    (runtime, machines)
}

async fn next<M: fsm_runtime::Durable>(changes: &mut ChangeStream<M>) -> Changed<M> {
    tokio::time::timeout(TIMEOUT, changes.next()).await.expect("a change in time").unwrap().expect("a change")
}

#[tokio::test]
async fn a_stream_of_one_instance_is_typed_and_sees_other_processes() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    let (_runtime, jobs) = client::<Job>(&Sqlite::open(&path).await.unwrap()).await;
    let (_other, others) = client::<Job>(&Sqlite::open(&path).await.unwrap()).await;
    jobs.create("a", queued()).await.unwrap();
    let mut changes = jobs.changes(&ChangesQuery::of("a")).await.unwrap();
    others.create("b", queued()).await.unwrap();
    others.with_actor("ada").fire("a", job::event::Start).await.unwrap();
    let change = next(&mut changes).await;
    assert_eq!((change.id(), change.version()), ("a", 2), "neither its creation nor `b`");
    assert_eq!(change.from(), Some(job::State::Queued));
    assert_eq!(change.event(), Some(job::EventKind::Start));
    assert_eq!(change.state(), Some(job::State::Running));
    assert_eq!(change.entry().actor.as_deref(), Some("ada"));
    let Some(job::AnyRecord::Running(running)) = change.record().unwrap() else { panic!("the record as it was then") };
    running.fail("disk".into()).await.unwrap();
    let failed = next(&mut changes).await;
    assert_eq!((failed.state(), failed.sequence()), (Some(job::State::Failed), changes.position()));

    let mut again = jobs.changes(&ChangesQuery::of("a").after(change.sequence())).await.unwrap();
    assert_eq!(next(&mut again).await.sequence(), failed.sequence(), "from a sequence");
    let mut all = jobs.changes(&ChangesQuery::all().from_oldest()).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let change = next(&mut all).await;
        seen.push((change.id().to_owned(), change.version()));
    }
    assert_eq!(seen, [("a".to_owned(), 1), ("b".to_owned(), 1), ("a".to_owned(), 2), ("a".to_owned(), 3)]);
}

#[tokio::test]
async fn a_stream_has_only_its_own_machine() {
    let store = Sqlite::in_memory().unwrap();
    let (runtime, jobs) = client::<Job>(&store).await;
    let mut changes = jobs.changes(&ChangesQuery::all()).await.unwrap();
    runtime.machines::<Order>().create("o", order::Open).await.unwrap();
    jobs.create("a", queued()).await.unwrap();
    assert_eq!(next(&mut changes).await.id(), "a");
}

#[derive(StateMachine)]
#[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
enum Order {
    #[on(pay => Paid)]
    Open,
    #[state(end)]
    Paid,
}

#[tokio::test]
async fn a_shutdown_ends_waiting_streams() {
    let (runtime, jobs) = client::<Job>(&Sqlite::in_memory().unwrap()).await;
    jobs.create("a", queued()).await.unwrap();
    let mut waiting = jobs.changes(&ChangesQuery::of("a")).await.unwrap();
    let mut named = runtime.subscribe("mail", fsm_runtime::StartPosition::Newest).await.unwrap();
    let streams = tokio::spawn(async move { (waiting.next().await.unwrap().is_none(), named.next().await.unwrap()) });
    runtime.shutdown(Duration::ZERO).await;
    let (ended, entry) = tokio::time::timeout(TIMEOUT, streams).await.expect("they end").unwrap();
    assert!(ended && entry.is_none());

    // The last handle of a runtime ends them too.
    let (runtime, jobs) = client::<Job>(&Sqlite::in_memory().unwrap()).await;
    let mut waiting = jobs.changes(&ChangesQuery::all()).await.unwrap();
    let stream = tokio::spawn(async move { waiting.next().await.unwrap().is_none() });
    drop(runtime);
    assert!(tokio::time::timeout(TIMEOUT, stream).await.expect("it ends").unwrap());
}

#[tokio::test]
async fn pruning_other_instances_is_not_a_gap() {
    let store = Sqlite::in_memory().unwrap();
    let (_runtime, jobs) = client::<Job>(&store).await;
    jobs.create("a", queued()).await.unwrap();
    let mut changes = jobs.changes(&ChangesQuery::of("a")).await.unwrap();
    let mut behind = jobs.changes(&ChangesQuery::of("a")).await.unwrap();
    jobs.create("b", queued()).await.unwrap().start().await.unwrap();
    let newest = store.last_sequence().await.unwrap();
    let deadline = Instant::now() + TIMEOUT;
    while changes.position() < newest {
        assert!(Instant::now() < deadline, "the position moves on");
        let waited = tokio::time::timeout(Duration::from_millis(20), changes.next()).await;
        assert!(waited.is_err(), "there is no change of `a`");
    }
    let prune = Prune { history_before: Some(SystemTime::now() + TIMEOUT), limit: 100, ..Prune::default() };
    assert_eq!(store.prune(prune).await.unwrap(), 3);
    jobs.fire("a", job::event::Start).await.unwrap();
    assert_eq!(next(&mut changes).await.version(), 2);
    let gap = behind.next().await.unwrap_err();
    assert!(matches!(gap, SubscribeError::Gap { name: None, after: 1, pruned: 3 }), "{gap}");
    assert_eq!((gap.kind(), gap.is_retryable()), (ErrorKind::NotFound, false));
    behind.skip_gap().await.unwrap();
    assert_eq!(next(&mut behind).await.version(), 2);
}

#[tokio::test]
async fn changes_are_streams_of_the_futures_crates() {
    let store = Sqlite::in_memory().unwrap();
    let (runtime, jobs) = client::<Job>(&store).await;
    jobs.create("a", queued()).await.unwrap();
    let all = jobs.changes(&ChangesQuery::all().from_oldest()).await.unwrap().into_stream();
    let mut states = all.map_ok(|change| change.state().unwrap());
    let mut entries = runtime.changes(StartPosition::After(1)).await.unwrap().into_stream();
    runtime.machines::<Order>().create("o", order::Open).await.unwrap();
    jobs.fire("a", job::event::Start).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(states.next().await.unwrap().unwrap());
    }
    assert_eq!(seen, [job::State::Queued, job::State::Running], "only this machine");
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(entries.next().await.unwrap().unwrap().key.to_string());
    }
    assert_eq!(seen, ["Order `o`", "Job `a`"], "all machines, after the first change");

    // A waiting stream ends at the shutdown, and stays ended.
    let streams = tokio::spawn(async move {
        let ended = (states.next().await.is_none(), entries.next().await.is_none());
        (ended, states.next().await.is_none())
    });
    runtime.shutdown(Duration::ZERO).await;
    assert_eq!(tokio::time::timeout(TIMEOUT, streams).await.expect("they end").unwrap(), ((true, true), true));
}

#[tokio::test]
async fn a_stream_goes_on_behind_a_gap() {
    let store = Sqlite::in_memory().unwrap();
    let (runtime, jobs) = client::<Job>(&store).await;
    let mut entries = runtime.changes(StartPosition::Oldest).await.unwrap();
    jobs.create("a", queued()).await.unwrap();
    let mut behind = runtime.changes(StartPosition::After(0)).await.unwrap().into_stream();
    let prune = Prune { history_before: Some(SystemTime::now() + TIMEOUT), limit: 100, ..Prune::default() };
    assert_eq!(store.prune(prune).await.unwrap(), 1);
    jobs.fire("a", job::event::Start).await.unwrap();
    let gap = behind.next().await.unwrap().unwrap_err();
    assert!(matches!(gap, SubscribeError::Gap { name: None, after: 0, pruned: 1 }), "{gap}");
    assert_eq!(behind.next().await.unwrap().unwrap().version, 2);
    assert!(matches!(entries.next().await.unwrap_err(), SubscribeError::Gap { .. }));
    assert_eq!(entries.skip_gap().await.unwrap(), 1);
    assert_eq!(entries.next().await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn an_unsubscribed_name_has_no_position() {
    let store = Sqlite::in_memory().unwrap();
    let (runtime, jobs) = client::<Job>(&store).await;
    jobs.create("a", queued()).await.unwrap();
    jobs.create("b", queued()).await.unwrap();
    let mut changes = runtime.subscribe("mail", StartPosition::After(1)).await.unwrap();
    let entry = changes.next().await.unwrap().unwrap();
    assert_eq!(&*entry.key.id, "b", "behind the given change");
    changes.ack(entry.sequence).await.unwrap();
    drop(changes);
    assert!(runtime.unsubscribe("mail").await.unwrap());
    assert!(!runtime.unsubscribe("mail").await.unwrap(), "it is not known any more");
    let mut again = runtime.subscribe("mail", StartPosition::Oldest).await.unwrap();
    assert_eq!(&*again.next().await.unwrap().unwrap().key.id, "a", "it begins as a new one");
}

/// The first release of a machine, and the next one, which renames a state in its migration.
mod first {
    use super::{Deserialize, Serialize, StateMachine};

    #[derive(StateMachine)]
    #[fsm(initial = Draft, durable, derive(Serialize, Deserialize))]
    pub(super) enum Letter {
        #[on(post { stamp: u32 } => Sent, with = post)]
        Draft { euros: u32 },
        #[state(end)]
        Sent { euros: u32 },
    }

    fn post(
        letter::Draft { euros }: letter::Draft,
        letter::event::Post { stamp }: letter::event::Post,
    ) -> letter::Sent {
        letter::Sent { euros: euros + stamp }
    }
}

mod second {
    use super::{Deserialize, Serialize, StateMachine};

    #[derive(StateMachine)]
    #[fsm(initial = Draft, version = 2, durable, derive(Serialize, Deserialize))]
    pub(super) enum Letter {
        #[on(post { stamp: u32 } => Posted, with = post)]
        Draft { cents: u32 },
        #[state(end)]
        Posted { cents: u32 },
    }

    fn post(
        letter::Draft { cents }: letter::Draft,
        letter::event::Post { stamp }: letter::event::Post,
    ) -> letter::Posted {
        letter::Posted { cents: cents + stamp * 100 }
    }
}

#[tokio::test]
async fn entries_are_decoded_through_the_migrations() {
    use first::letter as old;
    use second::{Letter, letter};
    let store = Sqlite::in_memory().unwrap();
    let (_old, letters) = client::<first::Letter>(&store).await;
    letters.create("a", old::Draft { euros: 3 }).await.unwrap().post(1).await.unwrap();

    let builder = Runtime::builder(store).migrate::<Letter>(1, |mut old| {
        if old.state == "Sent" {
            old.state = "Posted".into();
        }
        let euros = old.data["euros"].as_u64().unwrap_or_default();
        old.data = serde_json::json!({ "cents": euros * 100 });
        Ok(old)
    });
    let runtime = builder.start().await.unwrap();
    let letters = runtime.machines::<Letter>();
    let mut changes = runtime.subscribe("mail", StartPosition::Oldest).await.unwrap();
    let created = letters.change(changes.next().await.unwrap().unwrap()).unwrap();
    assert_eq!(
        (created.state(), created.from(), created.payload().unwrap().is_none()),
        (Some(letter::State::Draft), None, true)
    );
    let entry = changes.next().await.unwrap().unwrap();
    assert!(runtime.machines::<Order>().change(entry.clone()).is_none(), "it is of another machine");
    let posted = letters.change(entry).unwrap();
    assert_eq!((posted.from(), posted.state()), (Some(letter::State::Draft), Some(letter::State::Posted)));
    let Some(letter::Event::Post(event)) = posted.payload().unwrap() else { panic!("the event with its payload") };
    assert_eq!(event.stamp, 1);
    let Some(letter::AnyRecord::Posted(record)) = posted.record().unwrap() else { panic!("the record") };
    assert_eq!(record.cents, 400);
    assert!(letters.has_passed("a", letter::State::Posted).await.unwrap());
}
