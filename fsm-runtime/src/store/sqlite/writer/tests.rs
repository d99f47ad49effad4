//! What the writer serves when: how long a batch is kept waiting, and what goes before everything.

use super::*;
use crate::store::{Attempts, Key, Purge, Release, sqlite::schema};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};
use uuid::Uuid;

fn writer() -> Writer {
    let connection = Connection::open_in_memory().unwrap();
    schema::prepare(&connection, Path::new(":memory:"), None).unwrap();
    Writer::start(connection, Path::new(":memory:").into()).unwrap()
}

/// The thread does nothing until the returned sender is dropped.
fn hold(writer: &Writer) -> mpsc::Sender<()> {
    let (go, held) = mpsc::channel::<()>();
    // An error is that it is dropped: the word to go.
    let wait = move |_: &Connection| while held.recv().is_ok() {};
    writer.send((Job::Run(Box::new(wait)), None)).unwrap();
    go
}

fn nobody() -> Key {
    Key::new("Door", "nobody")
}

#[tokio::test]
async fn a_batch_waits_for_a_few_other_jobs_and_no_more() {
    let writer = writer();
    let go = hold(&writer);
    let purge = Purge { key: nobody(), incarnation: Uuid::nil(), version: 1 };
    let (reply, answer) = oneshot::channel();
    let commit = Commit { groups: vec![Change::Purge(purge).into()], now: SystemTime::now(), reply };
    writer.send((Job::Commit(commit), None)).unwrap();
    // One job after the other looks whether the commit is answered.
    let answered = Arc::new(Mutex::new(Vec::new()));
    let answer = Arc::new(Mutex::new(answer));
    for _ in 0..100 {
        let (answer, answered) = (answer.clone(), answered.clone());
        let look = move |_: &Connection| {
            let answer = answer.lock().unwrap().try_recv().is_ok();
            answered.lock().unwrap().push(answer);
        };
        writer.send((Job::Run(Box::new(look)), None)).unwrap();
    }
    drop(go);
    writer.run(|_| Ok(())).await.unwrap();
    let waited = answered.lock().unwrap().iter().position(|answered| *answered).expect("it is answered among them");
    assert!((1..=thread::OTHERS).contains(&waited), "{waited} of 100 were before it");
}

#[tokio::test]
async fn what_is_urgent_needs_no_place_in_a_full_queue_and_is_served_before_it() {
    let writer = Arc::new(writer());
    let go = hold(&writer);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = order.clone();
        move |_: &Connection| {
            order.lock().unwrap().push(what);
            Ok(())
        }
    };
    let mut ordinary = tokio::task::JoinSet::new();
    for _ in 0..QUEUE + 10 {
        let (writer, job) = (writer.clone(), note("ordinary"));
        ordinary.spawn(async move { writer.run(job).await });
    }
    while writer.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let release = Release {
        key: nobody(),
        incarnation: Uuid::nil(),
        version: 1,
        fence: 1,
        owner: None,
        retry: None,
        attempts: Attempts::Keep,
        error: None,
        parked: None,
        note: None,
    };
    let mut renewed = pin!(writer.run_first(note("urgent")));
    let mut given_back = pin!(writer.commit(vec![Change::Release(release).into()], SystemTime::now()));
    // Asked for once, each has all that it needs.
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(renewed.as_mut().poll(&mut cx), Poll::Pending));
    assert!(matches!(given_back.as_mut().poll(&mut cx), Poll::Pending));
    assert_eq!(writer.urgent.lock().unwrap().len(), 2, "both are on their way");
    drop(go);
    renewed.await.unwrap();
    let verdicts = given_back.await.unwrap();
    assert!(matches!(verdicts[..], [Verdict::Conflict { .. }]), "{verdicts:?}");
    for done in ordinary.join_all().await {
        done.unwrap();
    }
    let order = order.lock().unwrap();
    assert_eq!((order[0], order.len()), ("urgent", QUEUE + 11));
}
