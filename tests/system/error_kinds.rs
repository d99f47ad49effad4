//! `kind()` and `is_retryable()` of each error.

use super::job::{Job, job, queued};
use fsm_runtime::{
    ErrorKind, GroupError, ReadError, RowError, Runtime, StartError, SubscribeError, TransitionError, WaitError,
    prelude::*,
    store::{Key, StoreError, sqlite::OpenError},
};
use std::time::Duration;

fn store_errors() -> Vec<(StoreError, ErrorKind, bool)> {
    let (store, cause) = (String::from("a.db"), String::from("why"));
    let waited = Duration::from_secs(2);
    vec![
        (StoreError::Indeterminate { store: store.clone(), cause: cause.clone() }, ErrorKind::Unavailable, false),
        (StoreError::Busy { store: store.clone(), waited, holder: None }, ErrorKind::Unavailable, true),
        (StoreError::Full { store: store.clone() }, ErrorKind::Unavailable, true),
        (StoreError::ReadOnly { store: store.clone(), cause: "read-only".to_owned() }, ErrorKind::Unavailable, true),
        (StoreError::Moved { store: store.clone() }, ErrorKind::Unavailable, true),
        (StoreError::Damaged { store: store.clone(), cause: cause.clone() }, ErrorKind::Internal, false),
        (StoreError::Cursor { cursor: cause.clone() }, ErrorKind::Invalid, false),
        (StoreError::NoStateIndex { store: store.clone(), remedy: "build it" }, ErrorKind::Internal, false),
        (StoreError::Unreachable { store: store.clone(), cause: cause.clone() }, ErrorKind::Unavailable, true),
        (StoreError::Forbidden { store: store.clone(), cause: cause.clone() }, ErrorKind::Internal, false),
        (StoreError::Closed { store: store.clone() }, ErrorKind::Unavailable, false),
        (StoreError::Failed { store, cause }, ErrorKind::Unavailable, true),
    ]
}

#[test]
fn every_error_keeps_the_kind_of_its_store_error() {
    for (error, kind, retryable) in store_errors() {
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error}");
        let read = ReadError::Store(error.clone());
        assert_eq!((read.kind(), read.is_retryable()), (kind, retryable), "{read}");
        let waited = WaitError::Read(read);
        assert_eq!((waited.kind(), waited.is_retryable()), (kind, retryable), "{waited}");
        let moved = TransitionError::<Job>::Store(error.clone());
        assert_eq!((moved.kind(), moved.is_retryable()), (kind, retryable), "{moved}");
        let group = GroupError::Store(error.clone());
        assert_eq!((group.kind(), group.is_retryable()), (kind, retryable), "{group}");
        let subscribed = SubscribeError::Store(error.clone());
        assert_eq!((subscribed.kind(), subscribed.is_retryable()), (kind, retryable), "{subscribed}");
        let started = StartError::Store(error);
        assert_eq!((started.kind(), started.is_retryable()), (kind, retryable), "{started}");
    }
}

#[test]
fn errors_without_a_store_error_have_a_kind() {
    let key = || Key::new("Job", "a");
    let row = || RowError::Newer { key: key(), found: 2, known: 1 };
    assert_eq!((row().kind(), row().is_retryable()), (ErrorKind::Internal, false));
    assert_eq!(ReadError::NotFound { key: key() }.kind(), ErrorKind::NotFound);
    assert_eq!(ReadError::Row(row()).kind(), ErrorKind::Internal);
    assert_eq!(WaitError::NoDesiredState { key: key() }.kind(), ErrorKind::NotFound);
    assert_eq!(GroupError::Empty.kind(), ErrorKind::Invalid);
    let ahead = SubscribeError::Ahead { name: "mail".into(), sequence: 9, newest: 1 };
    assert_eq!(ahead.kind(), ErrorKind::Invalid);
    assert_eq!(StartError::MachineTwice { machine: "Job" }.kind(), ErrorKind::Invalid);
    let busy = OpenError::Busy { file: "a.db".into(), waited: Duration::ZERO, holder: None };
    assert_eq!((busy.kind(), busy.is_retryable()), (ErrorKind::Unavailable, true));
    let unstorable = TransitionError::<Job>::Unstorable { key: key(), reason: "a constraint".into() };
    assert_eq!((unstorable.kind(), unstorable.is_retryable()), (ErrorKind::Invalid, false));
    let contended = TransitionError::<Job>::Contended { key: key(), event: job::EventKind::Start };
    assert_eq!((contended.kind(), contended.is_retryable()), (ErrorKind::Conflict, true));
    assert_eq!(
        contended.to_string(),
        "`start` was not fired on Job `a`: too many callers change it at the same time; retry later, and reduce the number of concurrent \
         callers"
    );
    assert_eq!(TransitionError::<Job>::Row(row()).kind(), ErrorKind::Internal);
    assert_eq!(TransitionError::<Job>::Override { key: key(), why: "no actor" }.kind(), ErrorKind::Invalid);
    assert_eq!(format!("{:>10}", ErrorKind::Refused), "   refused");
}

#[tokio::test]
async fn errors_have_the_documented_kind() {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    let kind = |error: TransitionError<Job>| (error.kind(), error.is_retryable());
    assert_eq!(kind(jobs.create("", queued()).await.unwrap_err()), (ErrorKind::Invalid, false));
    let stale = jobs.create("a", queued()).await.unwrap();
    assert_eq!(kind(jobs.create("a", queued()).await.unwrap_err()), (ErrorKind::AlreadyExists, false));
    assert_eq!(kind(jobs.fire("b", job::event::Start).await.unwrap_err()), (ErrorKind::NotFound, false));
    assert_eq!(kind(jobs.fire("a", job::event::Retry).await.unwrap_err()), (ErrorKind::NotAccepted, false));
    jobs.fire_with_key("a", job::event::Start, "k").await.unwrap();
    let reused = jobs.fire_with_key("a", job::event::Restart, "k").await.unwrap_err();
    assert_eq!(kind(reused), (ErrorKind::KeyReused, false));
    assert_eq!(kind(stale.start().await.unwrap_err()), (ErrorKind::Conflict, true));
    jobs.fire("a", job::event::Fail { reason: String::new() }).await.unwrap();
    assert_eq!(kind(jobs.fire("a", job::event::Reopen).await.unwrap_err()), (ErrorKind::Refused, false));
    let late = jobs.wait_for("a", job::State::Finished, Duration::ZERO).await.unwrap_err();
    assert_eq!((late.kind(), late.is_retryable()), (ErrorKind::Timeout, true));
    let mut group = runtime.group();
    group.add(jobs.create("a", queued()));
    let failed = group.commit().await.unwrap_err();
    assert_eq!((failed.kind(), failed.is_retryable()), (ErrorKind::AlreadyExists, false));
}
