//! Promises of a store that counts by a clock of its own. The callers' clocks are wrong by years in these.

use super::build::{claim, committed, create, entering, fire, get, later, timer};
use crate::store::{
    Cause, Change, Claim, Disarm, Entering, Lapsed, Process, Renewal, Renewed, Row, Store, Timer, TimerDue, Transition,
    Verdict,
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

const HOUR: Duration = Duration::from_hours(1);
/// The clock of a caller that is far behind, and of one that is far ahead.
const BEHIND: SystemTime = SystemTime::UNIX_EPOCH;

fn ahead() -> SystemTime {
    later(10_000_000_000)
}

/// The timers of a state with one, which fires `tick`.
fn tick(after: Duration) -> Vec<Timer> {
    vec![timer("tick", TimerDue::After(after))]
}

async fn take(store: &Arc<dyn Store>, owner: &str) -> Renewed {
    store.take_lease(Process::new(owner, owner), HOUR, BEHIND).await.unwrap()
}

/// The store's time.
async fn now(store: &Arc<dyn Store>) -> SystemTime {
    let renewal = Renewal { owner: "unknown".into(), ttl: HOUR, leaving: false };
    match store.renew_lease(renewal, BEHIND).await.unwrap() {
        Err(Lapsed { now, .. }) => now,
        Ok(renewed) => panic!("a lease that was never taken was renewed: {renewed:?}"),
    }
}

async fn at(store: &Arc<dyn Store>, change: Change, at: SystemTime) -> Verdict {
    store.commit(vec![change.into()], at).await.unwrap().remove(0)
}

/// The answer to a request for a lease has the store's time.
pub async fn l7_a_lease_is_answered_with_the_stores_time(store: &Arc<dyn Store>) {
    let first = now(store).await;
    assert!(first > BEHIND + HOUR && first < ahead() - HOUR, "not a caller's time: {first:?}");
    let taken = take(store, "a").await;
    let renewal = Renewal { owner: "a".into(), ttl: 2 * HOUR, leaving: false };
    let renewed = store.renew_lease(renewal, ahead()).await.unwrap().unwrap();
    assert!(first <= taken.now && taken.now <= renewed.now && renewed.now <= now(store).await);
    assert_eq!((taken.until, renewed.until), (taken.now + HOUR, renewed.now + 2 * HOUR));
}

/// A lease lives by the store's clock, whatever the clocks of those are that ask for its rows.
pub async fn l7_a_lease_lives_by_the_stores_clock(store: &Arc<dyn Store>) {
    take(store, "a").await;
    let created = committed(store, Change::Create(create("1", entering("Opening")))).await;
    let held = committed(store, Change::Claim(Claim { owner: "a".into(), ..claim(&created) })).await;
    for clock in [BEHIND, ahead()] {
        let verdict = at(store, Change::Claim(Claim { owner: "b".into(), ..claim(&held) }), clock).await;
        assert!(matches!(verdict, Verdict::Fenced { .. }), "{verdict:?}");
        assert_eq!(store.orphaned(vec!["Door".into()].into(), None, 10, clock).await.unwrap(), []);
        assert!(store.leases(clock).await.unwrap()[0].live);
    }
    store.end_leases(vec!["a".into()], ahead()).await.unwrap();
    assert_eq!(
        store.orphaned(vec!["Door".into()].into(), None, 10, BEHIND).await.unwrap(),
        std::slice::from_ref(&held.key)
    );
    let verdict = at(store, Change::Claim(Claim { owner: "b".into(), ..claim(&held) }), BEHIND).await;
    assert!(matches!(verdict, Verdict::Committed { .. }), "{verdict:?}");
}

/// Times of rows and of history entries are the store's.
pub async fn l7_rows_have_the_stores_time(store: &Arc<dyn Store>) {
    let into = Entering { timers: tick(HOUR), work: true, ..entering("Opening") };
    for (id, clock) in [("behind", BEHIND), ("ahead", ahead())] {
        let before = now(store).await;
        assert!(matches!(at(store, Change::Create(create(id, into.clone())), clock).await, Verdict::Committed { .. }));
        let (row, after) = (get(store, id).await, now(store).await);
        assert!(
            before <= row.created && row.created <= after,
            "{:?} is not within {before:?} and {after:?}",
            row.created
        );
        assert_eq!((row.retry_at, row.timer_at), (Some(row.created), Some(row.created + HOUR)));
    }
    let due = store.due(vec!["Door".into()].into(), now(store).await, None, 10).await.unwrap();
    assert_eq!(due.iter().map(|due| &*due.key.id).collect::<Vec<_>>(), ["behind", "ahead"]);
}

/// A timer fires by the store's clock: a caller whose clock is ahead is too early.
pub async fn l7_a_timer_waits_for_the_stores_clock(store: &Arc<dyn Store>) {
    let timed = |after| Entering { timers: tick(after), ..entering("Open") };
    let row = committed(store, Change::Create(create("a", timed(HOUR)))).await;
    let fires = |row: &Row| {
        Change::Transition(Transition { cause: Cause::Timer, not_before: row.timer_at, ..fire(row, "tick", "Shut") })
    };
    let Row { key, incarnation, version, timer_at: not_before, .. } = row.clone();
    let (event, reason) = ("tick".into(), "a guard refused".into());
    let drops = Change::Disarm(Disarm { key, incarnation, version, timer: event, not_before, reason });
    for change in [fires(&row), drops] {
        let before = now(store).await;
        let verdict = at(store, change, ahead()).await;
        let Verdict::TooEarly { change: 0, now: found } = verdict else { panic!("{verdict:?}") };
        assert!(before <= found && found <= now(store).await, "{found:?}");
    }
    assert_eq!(get(store, "a").await, row);
    let due = committed(store, Change::Create(create("b", timed(Duration::ZERO)))).await;
    let verdict = at(store, fires(&due), BEHIND).await;
    assert!(matches!(verdict, Verdict::Committed { .. }), "{verdict:?}");
}
