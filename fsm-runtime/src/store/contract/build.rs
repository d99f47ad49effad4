//! Changes with defaults, and short forms of calls, for the promises.

use crate::store::{
    Attempts, Cause, Change, Claim, Create, Entering, Group, HistoryQuery, Key, Origin, Release, Row, Store, Timer,
    TimerDue, Transition, Verdict,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

const NOW: Duration = Duration::from_secs(1_700_000_000);

pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

pub(super) fn later(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

/// A text that cannot be compressed, the same each time.
pub(super) fn random_text(bytes: usize) -> String {
    let mut random = fastrand::Rng::with_seed(7);
    (0..bytes).map(|_| random.alphanumeric()).collect()
}

pub(super) fn key(id: &str) -> Key {
    Key::new("Door", id)
}

pub(super) fn entering(state: &str) -> Entering {
    Entering {
        state: state.into(),
        data: "{\"n\":1}".into(),
        context: None,
        schema: 1,
        timers: Vec::new(),
        work: false,
        remove: false,
    }
}

/// The timers of a state with one, which fires `tick` after `seconds`.
pub(super) fn tick(seconds: u64) -> Vec<Timer> {
    vec![timer("tick", TimerDue::After(Duration::from_secs(seconds)))]
}

pub(super) fn timer(event: &str, due: TimerDue) -> Timer {
    Timer { event: event.to_owned(), due }
}

pub(super) fn create(id: &str, into: Entering) -> Create {
    Create {
        key: key(id),
        incarnation: Uuid::now_v7(),
        into,
        cause: Cause::Caller,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

pub(super) fn fire(row: &Row, event: &str, to: &str) -> Transition {
    Transition {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: None,
        from: row.state.clone(),
        event: event.into(),
        payload: "null".into(),
        into: entering(to),
        internal: false,
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: None,
        origin: Origin::default(),
    }
}

pub(super) fn claim(row: &Row) -> Claim {
    Claim {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: "me".into(),
    }
}

pub(super) fn release(row: &Row) -> Release {
    Release {
        key: row.key.clone(),
        incarnation: row.incarnation,
        version: row.version,
        fence: row.fence,
        owner: row.owner.clone(),
        retry: Some(Duration::ZERO),
        attempts: Attempts::Keep,
        error: None,
        parked: None,
        note: None,
    }
}

pub(super) async fn verdict(store: &Arc<dyn Store>, changes: Vec<Change>) -> Verdict {
    let mut verdicts = store.commit(vec![Group { changes }], now()).await.unwrap();
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0)
}

pub(super) async fn committed(store: &Arc<dyn Store>, change: Change) -> Row {
    match verdict(store, vec![change]).await {
        Verdict::Committed { mut rows } => rows.remove(0),
        other => panic!("expected a commit, found {other:?}"),
    }
}

pub(super) async fn get(store: &Arc<dyn Store>, id: &str) -> Row {
    store.get(key(id)).await.unwrap().unwrap()
}

pub(super) async fn history(store: &Arc<dyn Store>, id: &str) -> Vec<(u64, Option<String>, Option<String>, String)> {
    let query = HistoryQuery { key: Some(key(id)), by_operators: false, after: 0, newest_first: false, limit: 100 };
    let entries = store.history(query).await.unwrap();
    entries.into_iter().map(|entry| (entry.version, entry.from, entry.event, entry.to)).collect()
}
