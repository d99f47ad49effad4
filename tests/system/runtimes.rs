//! Several runtimes on one store object. Their clock stands still, so that no scan and no timeout can help.

use super::job::{Do, Job, Puppets, job, puppets, queued};
use fsm_runtime::{Builder, ChangesQuery, Machines, Runtime, StartPosition, clock::ManualClock, prelude::*};
use std::{
    future::Future,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_hours(1);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

fn builder(store: &Sqlite, clock: &ManualClock) -> Builder {
    Runtime::builder(store.clone()).clock(clock.clock()).lease_ttl(HOUR)
}

async fn hear_each_other(store: Sqlite) {
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + HOUR);
    let client = builder(&store, &clock).start().await.unwrap();
    let (workers, mut calls) = puppets();
    let worker = builder(&store, &clock).machine::<Job, Puppets>(workers).start().await.unwrap();
    let (jobs, theirs): (Machines<Job>, Machines<Job>) = (client.machines(), worker.machines());
    let mut subscriptions = [
        client.subscribe("client", StartPosition::Oldest).await.unwrap(),
        worker.subscribe("worker", StartPosition::Oldest).await.unwrap(),
    ];
    let mut streams =
        [jobs.changes(&ChangesQuery::of("a")).await.unwrap(), theirs.changes(&ChangesQuery::of("a")).await.unwrap()];

    // The client's commit starts the work, and the worker's commit ends the client's wait.
    jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let call = soon("the work", calls.next()).await;
    let waits = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.wait_for("a", job::State::Finished, HOUR).await.map(|job| job.version()) }
    });
    call.tell(Do::Finish(7));
    assert_eq!(soon("the wait", waits).await.unwrap().unwrap(), 3);

    // An event through the runtime of the worker ends a wait of the client.
    jobs.create("b", queued()).await.unwrap();
    let wait = jobs.wait_for("b", job::State::Running, HOUR);
    let (running, _) = soon("the event", async { tokio::join!(wait, theirs.fire("b", job::event::Start)) }).await;
    assert_eq!(running.unwrap().state(), job::State::Running);

    for subscription in &mut subscriptions {
        let mut seen = Vec::new();
        for _ in 0..5 {
            let entry = soon("an entry", subscription.next()).await.unwrap().unwrap();
            seen.push(format!("{} {}", entry.key.id, entry.to));
        }
        assert_eq!(seen, ["a Queued", "a Running", "a Finished", "b Queued", "b Running"]);
    }
    for stream in &mut streams {
        for state in [job::State::Queued, job::State::Running, job::State::Finished] {
            assert_eq!(soon("a change", stream.next()).await.unwrap().unwrap().state(), Some(state));
        }
    }
    // A stream that already waits is notified too.
    let [mut of_client, mut of_worker] = subscriptions;
    let waiting = async { tokio::join!(of_client.next(), of_worker.next(), jobs.create("c", queued())) };
    let (by_client, by_worker, created) = soon("the waiting subscriptions", waiting).await;
    created.unwrap();
    assert_eq!(&*by_client.unwrap().unwrap().key.id, "c");
    assert_eq!(&*by_worker.unwrap().unwrap().key.id, "c");
}

#[tokio::test]
async fn x6_runtimes_on_a_store_in_memory_see_each_other() {
    hear_each_other(Sqlite::in_memory().unwrap()).await;
}

#[tokio::test]
async fn x6_runtimes_on_clones_of_a_file_see_each_other() {
    let dir = TempDir::new().unwrap();
    hear_each_other(Sqlite::open(dir.path().join("jobs.db")).await.unwrap()).await;
}

#[tokio::test]
async fn x6_groups_with_statements_reach_the_other_runtime() {
    let store = Sqlite::in_memory().unwrap();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + HOUR);
    let (workers, mut calls) = puppets();
    let _worker = builder(&store, &clock).machine::<Job, Puppets>(workers).start().await.unwrap();
    let client = builder(&store, &clock).start().await.unwrap();
    let job = client.machines::<Job>().create("a", queued()).await.unwrap();
    let mut group = client.group();
    group.add(job.start());
    group.commit_with(&store, |_| Ok(())).await.unwrap();
    soon("the work", calls.next()).await.tell(Do::Finish(1));
}

/// Its claims are released by commits, which the other one is notified of.
#[tokio::test]
async fn x6_a_runtime_takes_over_what_another_gives_back() {
    let store = Sqlite::in_memory().unwrap();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + HOUR);
    let (workers, mut first_calls) = puppets();
    let first = builder(&store, &clock).machine::<Job, Puppets>(workers).start().await.unwrap();
    first.machines::<Job>().create("a", queued()).await.unwrap().start().await.unwrap();
    let call = soon("the work", first_calls.next()).await;
    let (workers, mut second_calls) = puppets();
    let second = builder(&store, &clock).machine::<Job, Puppets>(workers).start().await.unwrap();
    call.tell(Do::AgainWhenCancelled(Duration::ZERO));
    let _ = first.shutdown(Duration::ZERO).await;
    soon("the work again", second_calls.next()).await.tell(Do::Finish(1));
    soon("the end", second.machines::<Job>().wait_for("a", job::State::Finished, HOUR)).await.unwrap();
}

#[tokio::test]
async fn c12_streams_and_servers_stop_when_the_shutdown_begins() {
    let store = Sqlite::in_memory().unwrap();
    let clock = ManualClock::new(SystemTime::UNIX_EPOCH + HOUR);
    let (workers, mut calls) = puppets();
    let runtime = builder(&store, &clock).machine::<Job, Puppets>(workers).start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let call = soon("the work", calls.next()).await;
    let (stopping, mut streams) =
        (tokio::spawn(runtime.stopping()), runtime.changes(StartPosition::Newest).await.unwrap());
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    let shutdown = tokio::spawn(async move { runtime.shutdown(HOUR).await });
    soon("the signal", stopping).await.unwrap();
    assert!(soon("the stream", streams.next()).await.unwrap().is_none());
    assert!(!shutdown.is_finished(), "a worker runs");
    call.tell(Do::Finish(1));
    assert!(soon("the end", shutdown).await.unwrap().failed.is_none());

    let runtime = builder(&store, &clock).start().await.unwrap();
    let stopping = runtime.stopping();
    drop(runtime);
    soon("the signal of the last handle", stopping).await;
}
