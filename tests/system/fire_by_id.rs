//! Events that are fired by id: under contention, with optional keys, and what was made under a key.

use super::job::{Job, job, queued};
use fsm_runtime::{Machines, Runtime, TransitionError, prelude::*};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeSet};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// A list that is appended to.
#[derive(StateMachine)]
#[fsm(initial = List, durable, derive(Serialize, Deserialize))]
enum List {
    /// It is open.
    #[on(push { number: u32 } => List, with = push)]
    #[on(close => Closed)]
    List { numbers: Vec<u32> },
    /// It is closed.
    #[state(end)]
    Closed,
}

fn push(mut list: list::List, list::event::Push { number }: list::event::Push) -> list::List {
    list.numbers.push(number);
    list
}

async fn numbers(lists: &Machines<List>) -> Vec<u32> {
    let list::AnyRecord::List(list) = lists.get("a").await.unwrap() else { panic!("it is closed") };
    list.numbers.clone()
}

/// A runtime on a handle of its own, as another process has.
async fn runtime(dir: &TempDir) -> Runtime {
    Runtime::builder(Sqlite::open(dir.path().join("lists.db")).await.unwrap()).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn x2_simultaneous_events_by_id_are_all_made() {
    let dir = TempDir::new().unwrap();
    let runtime = runtime(&dir).await;
    let jobs = runtime.machines::<Job>();
    jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..200 {
        callers.spawn(jobs.fire("a", job::event::Restart));
    }
    let versions: BTreeSet<u64> = callers.join_all().await.into_iter().map(|made| made.unwrap().version()).collect();
    assert_eq!(versions, (3..203).collect());
}

#[tokio::test]
async fn x2_events_by_id_are_made_in_the_order_of_their_calls() {
    let dir = TempDir::new().unwrap();
    let runtime = runtime(&dir).await;
    let lists = runtime.machines::<List>();
    lists.create("a", list::List { numbers: Vec::new() }).await.unwrap();
    // The executor of one thread polls tasks first in the order in which they were spawned.
    let calls = (0..30).map(|number| tokio::spawn(lists.fire("a", list::event::Push { number })));
    for made in calls.collect::<Vec<_>>() {
        made.await.unwrap().unwrap();
    }
    assert_eq!(numbers(&lists).await, (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn x2_events_by_id_of_two_runtimes_are_all_made() {
    let dir = TempDir::new().unwrap();
    let runtimes = [runtime(&dir).await, runtime(&dir).await];
    let lists = runtimes[0].machines::<List>();
    lists.create("a", list::List { numbers: Vec::new() }).await.unwrap();
    let mut callers = JoinSet::new();
    for number in 0..60 {
        let lists = runtimes[number as usize % 2].machines::<List>();
        callers.spawn(lists.fire_with_key("a", list::event::Push { number }, format!("k{number}")));
    }
    for made in callers.join_all().await {
        made.unwrap();
    }
    let mut made = numbers(&lists).await;
    made.sort_unstable();
    assert_eq!(made, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dropped_call_leaves_its_turn_to_the_next() {
    let dir = TempDir::new().unwrap();
    let runtime = runtime(&dir).await;
    let lists = runtime.machines::<List>();
    lists.create("a", list::List { numbers: Vec::new() }).await.unwrap();
    for number in 0..20 {
        let call = lists.fire("a", list::event::Push { number });
        tokio::select! {
            biased;
            _ = call => {}
            () = tokio::task::yield_now() => {}
        }
    }
    lists.fire("a", list::event::Push { number: 100 }).await.unwrap();
    let numbers = numbers(&lists).await;
    assert!(numbers.contains(&100), "{numbers:?}");
}

#[tokio::test]
async fn every_change_takes_an_optional_key() {
    let dir = TempDir::new().unwrap();
    let runtime = runtime(&dir).await;
    let jobs = runtime.machines::<Job>();
    let none = None::<&str>;
    jobs.create_with_key("a", queued(), none).await.unwrap();
    let exists = jobs.create_with_key("a", queued(), none).await.unwrap_err();
    assert!(matches!(exists, TransitionError::Exists(_)), "{exists}");
    let b = jobs.create_with_key("b", queued(), Some("c")).await.unwrap();
    assert_eq!(jobs.create_with_key("b", queued(), Some(Cow::from("c"))).await.unwrap().version(), 1);
    assert_eq!(b.with_key(Some(String::from("s"))).start().await.unwrap().version(), 2);
    let text = String::from("s");
    assert_eq!(jobs.fire_with_key("b", job::event::Start, &text).await.unwrap().version(), 2);
    assert_eq!(jobs.fire_with_key("b", job::event::Start, Some(text)).await.unwrap().version(), 2);
    for version in [3, 4] {
        assert_eq!(jobs.fire_with_key("b", job::event::Restart, none).await.unwrap().version(), version);
    }
    let job::AnyRecord::Queued(a) = jobs.get("a").await.unwrap() else { panic!() };
    a.with_key("s").with_key(none).start().await.unwrap();
    assert!(jobs.find_by_key("a", "s").await.unwrap().is_none());
}

#[tokio::test]
async fn find_by_key_returns_the_record_after_that_change() {
    let dir = TempDir::new().unwrap();
    let runtime = runtime(&dir).await;
    let jobs = runtime.machines::<Job>();
    assert!(jobs.find_by_key("a", "k").await.unwrap().is_none());
    jobs.create("a", queued()).await.unwrap();
    jobs.fire_with_key("a", job::event::Start, "k").await.unwrap();
    jobs.fire("a", job::event::Cancel).await.unwrap();
    let found = jobs.find_by_key("a", "k").await.unwrap().unwrap();
    assert_eq!((found.version(), found.state()), (2, job::State::Running));
    let job::AnyRecord::Running(stale) = found else { panic!() };
    assert!(matches!(stale.restart().await.unwrap_err(), TransitionError::Conflict(_)));
    assert!(jobs.find_by_key("a", "other").await.unwrap().is_none());
}

/// As a request handler: with a borrow of a local variable, and with clones.
async fn retries(lists: Machines<List>, numbers: Vec<u32>) -> Result<u64, TransitionError<List>> {
    let borrowed = &numbers;
    lists
        .retry("a", 3, async |record| match record {
            list::AnyRecord::List(list) => Ok(list.push(borrowed[0]).await?.version()),
            list::AnyRecord::Closed(closed) => Ok(closed.version()),
        })
        .await?;
    lists
        .retry("a", 3, |record| {
            let numbers = numbers.clone();
            async move {
                match record {
                    list::AnyRecord::List(list) => Ok(list.push(numbers[1]).await?.version()),
                    list::AnyRecord::Closed(closed) => Ok(closed.version()),
                }
            }
        })
        .await
}

#[tokio::test]
async fn a_retry_with_captures_can_be_spawned() {
    let dir = TempDir::new().unwrap();
    let runtime = runtime(&dir).await;
    let lists = runtime.machines::<List>();
    lists.create("a", list::List { numbers: Vec::new() }).await.unwrap();
    assert_eq!(tokio::spawn(retries(lists.clone(), vec![7, 8])).await.unwrap().unwrap(), 3);
    assert_eq!(numbers(&lists).await, [7, 8]);
}
