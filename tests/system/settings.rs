//! Settings that are out of range are errors before anything runs, and the longest ones that are in range work.

use super::{
    controller::{SECOND, start},
    job::{Job, job, puppets, queued},
};
use fsm_runtime::{
    Builder, ClaimsQuery, ErrorKind, ListQuery, Policy, Retention, Runtime, StartError,
    clock::ManualClock,
    store::{
        StoreError,
        sqlite::{OpenError, Sqlite},
    },
};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const YEAR: Duration = Duration::from_hours(366 * 24);

type Set = fn(Builder, Duration) -> Builder;

/// Each setting that is a duration.
const DURATIONS: [(&str, Set); 10] = [
    ("`poll_interval`", |builder, long| builder.poll_interval(long)),
    ("`lease_ttl`", |builder, long| builder.lease_ttl(long)),
    ("`grace_period`", |builder, long| builder.grace_period(long)),
    ("`backoff`", |builder, long| builder.backoff(long, long)),
    ("`retention`", |builder, long| builder.retention(Retention::default().ended(long))),
    ("`retention`", |builder, long| builder.retention(Retention::default().history(long).keys(long))),
    ("`heartbeat`", |builder, long| builder.policy::<job::Running>(Policy::new().heartbeat(long))),
    ("`attempt_timeout`", |builder, long| builder.policy::<job::Running>(Policy::new().attempt_timeout(long))),
    ("`grace_period`", |builder, long| builder.policy::<job::Running>(Policy::new().grace_period(long))),
    ("`backoff`", |builder, long| builder.policy::<job::Running>(Policy::new().backoff(long, long))),
];

#[tokio::test]
async fn x11_a_duration_near_the_maximum_is_an_error_of_the_start() {
    for (setting, set) in DURATIONS {
        for long in [Duration::MAX, Duration::MAX / 2, Duration::from_secs(u64::MAX), YEAR * 100_001] {
            let builder = Runtime::builder(Sqlite::in_memory().unwrap()).machine::<Job, _>(puppets().0);
            let error = set(builder, long).start().await.map(drop).unwrap_err();
            assert!(matches!(error, StartError::Setting { .. } | StartError::Policy { .. }), "{setting}: {error:?}");
            let text = error.to_string();
            assert!(text.contains(setting) && text.contains("longer than 100,000 years"), "{setting}: {text}");
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }
}

#[tokio::test]
async fn x11_the_longest_durations_work() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    let clock = ManualClock::new(SystemTime::now());
    let all = |builder| DURATIONS[..6].iter().fold(builder, |builder, (_, set)| set(builder, YEAR * 100_000));
    let policy = Policy::new()
        .heartbeat(YEAR * 100_000)
        .attempt_timeout(YEAR * 100_000)
        .grace_period(YEAR * 100_000)
        .backoff(YEAR * 100_000, YEAR * 100_000);
    let (runtime, mut calls) =
        start(&path, &clock, |builder| all(builder).policy::<job::Running>(policy)).await.unwrap();
    let jobs = runtime.machines::<Job>();
    jobs.create("a", queued()).await.unwrap().start().await.unwrap();
    calls.next().await.tell(super::job::Do::Fail("the reason"));
    while jobs.row("a").await.unwrap().error.is_none() {
        tokio::task::yield_now().await;
    }
    clock.advance(SECOND);
    runtime.shutdown(Duration::MAX).await;
}

#[tokio::test]
async fn x11_store_options_out_of_range_are_errors() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("jobs.db");
    for (options, expected) in [
        (Sqlite::options().busy_timeout(Duration::MAX), "busy_timeout"),
        (Sqlite::options().max_value_bytes(0), "max_value_bytes"),
        (Sqlite::options().max_value_bytes(usize::MAX), "max_value_bytes"),
    ] {
        let error = options.open(&path).await.map(drop).unwrap_err();
        assert!(matches!(error, OpenError::Option { option, .. } if option == expected), "{error:?}");
        assert!(error.to_string().starts_with(&format!("`Sqlite::options().{expected}(…)`: ")), "{error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!path.exists(), "nothing was made");
    }
    let longest = Sqlite::options().busy_timeout(YEAR * 100_000).max_value_bytes(256 << 20);
    drop(longest.open(&path).await.unwrap());
    drop(Sqlite::options().busy_timeout(Duration::ZERO).open(&path).await.unwrap());
}

#[tokio::test]
async fn x12_a_cursor_of_another_list_is_an_error() {
    let store = Sqlite::in_memory().unwrap();
    let runtime = Runtime::builder(store).start().await.unwrap();
    let jobs = runtime.machines::<Job>();
    for id in ["a", "b"] {
        jobs.create(id, queued()).await.unwrap();
    }
    let soon = SystemTime::now() + YEAR;
    let lists = || {
        [
            ListQuery::all(),
            ListQuery::in_state(job::State::Queued),
            ListQuery::in_state(job::State::Queued).entered_before(soon),
            ListQuery::all().entered_before(soon),
        ]
    };
    let refused = |error: StoreError, cursor: &str| {
        assert!(matches!(&error, StoreError::Cursor { cursor: found } if found == cursor), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    };
    for (place, list) in lists().into_iter().enumerate() {
        let next = jobs.rows(&list.limit(1)).await.unwrap().next.unwrap();
        for (other, list) in lists().into_iter().enumerate() {
            let page = jobs.rows(&list.after(&*next)).await;
            if place == other {
                assert_eq!(&*page.unwrap().items[0].key.id, "b");
            } else {
                refused(page.unwrap_err(), &next);
            }
        }
        refused(jobs.rows(&ListQuery::in_state(job::State::Running).after(&*next)).await.unwrap_err(), &next);
        refused(jobs.rows(&ListQuery::all().parked().after(&*next)).await.unwrap_err(), &next);
        refused(jobs.claims(&ClaimsQuery::all().after(&*next)).await.unwrap_err(), &next);
        let other = runtime.machines::<other::Other>();
        refused(other.rows(&ListQuery::all().after(&*next)).await.unwrap_err(), &next);
    }
    for cursor in ["", "a", ".", "no list.a"] {
        refused(jobs.rows(&ListQuery::all().after(cursor)).await.unwrap_err(), cursor);
    }
    // A time that moves on from page to page.
    let next = jobs.rows(&ListQuery::all().entered_before(soon).limit(1)).await.unwrap().next.unwrap();
    let later = ListQuery::all().entered_before(soon + SECOND).after(next);
    assert_eq!(jobs.rows(&later).await.unwrap().items.len(), 1);
}

mod other {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// Another machine.
    #[derive(StateMachine)]
    #[fsm(initial = Idle, durable, derive(Serialize, Deserialize))]
    pub(super) enum Other {
        /// Waits.
        #[on(stop => Gone)]
        Idle,
        /// Has ended.
        #[state(end)]
        Gone,
    }
}
