//! The steps that run beside the loop, each in a task of its own, and their results.

use super::{
    decide::{Action, Visit, decide, decide_elsewhere, decide_without_row},
    driver::Driver,
    lease::{peers, timeline::LeaseTimeline},
};
use crate::{
    engine::Engine,
    log::log_row,
    machine::{knows, older},
    metrics,
    store::{Buckets, Change, Claim, Disarm, Key, Row, StoreError, Verdict, bucket, shortened},
};
use fsm_core::{Graph, StateKind};
use std::{sync::Arc, time::Duration};

/// The result of a step.
pub(super) enum StepResult {
    /// The action that the instance needs, and its row if it exists.
    Looked(Result<(Action, Option<Box<Row>>), StoreError>),
    /// The claimed row and the lease it was claimed under; `None` where the row had changed.
    Claimed(LeaseTimeline, Result<Option<Box<Row>>, StoreError>),
    /// The row cannot be decoded, so that its timer cannot fire.
    Unreadable(Box<Row>, String),
    /// The timer is not due yet, by the store's clock: until then.
    Early(Duration),
    /// A change was committed or found outdated. In either case the row is looked at again.
    Stored(Result<(), StoreError>),
}

/// Reads the row of `key` and decides what to do about it.
pub(super) async fn look(
    engine: &Engine,
    graph: &Graph,
    me: &str,
    buckets: Buckets,
    key: Key,
    running: Option<Visit>,
) -> Result<(Action, Option<Box<Row>>), StoreError> {
    let Some(row) = engine.asked("get", engine.store.get(key)).await? else {
        return Ok((decide_without_row(running), None));
    };
    let row = older::present(&engine.migrations, graph, row);
    if !buckets.contains(bucket(row.shard)) {
        let action = decide_elsewhere(&row, kind(graph, &row), running, row.owner.as_deref() == Some(me));
        return Ok((action, Some(Box::new(row))));
    }
    let elsewhere = match row.owner.as_deref().filter(|owner| *owner != me) {
        Some(owner) => peers::is_live(engine, owner).await?,
        None => false,
    };
    let action = decide(&row, kind(graph, &row), running, elsewhere, engine.now());
    Ok((action, Some(Box::new(row))))
}

/// The kind of the row's state; `None` where this code does not know the state or the schema.
pub(super) fn kind(graph: &Graph, row: &Row) -> Option<StateKind> {
    let state = graph.state_was(&row.state).filter(|_| knows(graph, &row.state, row.schema));
    state.map(|state| state.kind)
}

/// Claims `row` for `owner`, under the lease that `timeline` describes.
pub(super) async fn claim(
    engine: Arc<Engine>,
    graph: &'static Graph,
    row: Row,
    owner: String,
    timeline: LeaseTimeline,
) -> StepResult {
    let Row { key, incarnation, version, fence, retry_at: due, .. } = row;
    let claim = Claim { key: key.clone(), incarnation, version, fence, owner };
    // Not published as a change: only this controller acts on it.
    let claims = vec![Change::Claim(claim).into()];
    let verdicts = engine.asked("commit", engine.store.commit(claims, engine.now())).await;
    let claimed = verdicts.map(|mut verdicts| match verdicts.pop() {
        Some(Verdict::Committed { mut rows }) => {
            // All holders of the row share one key while the worker runs.
            let row = Row { key, ..older::present(&engine.migrations, graph, rows.pop()?) };
            metrics::claimed(&row.key.machine, &row.state, due, engine.now());
            Some(Box::new(row))
        }
        _ => None,
    });
    StepResult::Claimed(timeline, claimed)
}

/// Fires the timer of `row`, or drops it where its event is refused.
pub(super) async fn fire_timer(engine: Arc<Engine>, driver: Arc<dyn Driver>, row: Row) -> StepResult {
    let change = match driver.timer(&engine.migrations, &row) {
        Ok(change) => change,
        // The timer stays for code that can decode the row.
        Err(error) => return StepResult::Unreadable(Box::new(row), error),
    };
    let dropped = matches!(change, Change::Disarm(Disarm { .. }));
    let mut result = engine.commit(change).await;
    if !dropped && let Ok(Some(reason)) = result.as_ref().map(Verdict::refusal) {
        // The store would refuse the event at every look.
        let Row { key, incarnation, version, timer_at: not_before, .. } = row.clone();
        let reason = shortened(format!("the store refused the timer's event: {reason}"));
        log_row!(error, row, %reason, "timer dropped");
        result = engine.commit(Change::Disarm(Disarm { key, incarnation, version, not_before, reason })).await;
    }
    if let (Ok(Verdict::TooEarly { now, .. }), Some(timer_at)) = (&result, row.timer_at) {
        // A timer is due at once where the store's clock has reached it meanwhile.
        return StepResult::Early(timer_at.duration_since(*now).unwrap_or_default());
    }
    StepResult::Stored(result.map(|verdict| match verdict {
        Verdict::Committed { .. } if dropped => log_row!(warn, row, "timer dropped: its event was refused"),
        Verdict::Committed { .. } => log_row!(info, row, "timer fired"),
        // The instance has moved on, which ended the timer.
        _ => {}
    }))
}

/// Commits `change`.
pub(super) async fn store(engine: Arc<Engine>, change: Change) -> StepResult {
    StepResult::Stored(engine.commit(change).await.map(drop))
}
