//! The steps that run beside the loop, each in a task of its own, and their results.

use super::{
    decide::{Action, Visit, decide, decide_elsewhere, decide_without_row},
    driver::Driver,
    lease::{peers, timeline::LeaseTimeline},
    waits::{Checked, Wait},
};
use crate::{
    engine::Engine,
    log::{log_key, log_row},
    machine::{knows, older},
    metrics,
    store::{Change, Claim, Disarm, Key, Row, StoreError, Verdict, shortened},
};
use fsm_core::{Graph, StateKind};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The result of a step.
pub(super) enum StepResult {
    /// What the instance needs.
    Looked(Result<Look, StoreError>),
    /// What the instance waits for was checked.
    Checked(Result<Checked, StoreError>),
    /// The claimed row and the lease it was claimed under; `None` where the row had changed.
    Claimed(LeaseTimeline, Result<Option<Box<Row>>, StoreError>),
    /// The row cannot be decoded, so that its timer cannot fire.
    Unreadable(Box<Row>, String),
    /// The timer is not due yet, by the store's clock: until then.
    Early(Duration),
    /// A change was committed or found outdated. In either case the row is looked at again.
    Stored(Result<(), StoreError>),
}

/// The result of a look.
pub(super) struct Look {
    /// The action that the instance needs.
    pub(super) action: Action,
    /// Its row, if it exists.
    pub(super) row: Option<Box<Row>>,
    /// What its state waits for, `None` where it waits for nothing; an error where the row cannot be decoded.
    pub(super) waits: Option<Result<Vec<Wait>, String>>,
}

impl Look {
    fn without_row(action: Action) -> Self {
        Self { action, row: None, waits: None }
    }
}

/// Whether this process works on an instance.
#[derive(Clone, Copy)]
pub(super) enum Share {
    /// It does.
    Own,
    /// It does if the instance is overdue by at least this time: another process should have worked on it.
    Overdue(Duration),
    /// Another process does.
    Other,
}

impl Share {
    fn has(self, row: &Row, now: SystemTime) -> bool {
        match self {
            Self::Own => true,
            Self::Overdue(patience) => {
                row.wake_at().is_some_and(|at| now.duration_since(at).is_ok_and(|late| late >= patience))
            }
            Self::Other => false,
        }
    }
}

/// Reads the row of `key` and decides what to do about it.
pub(super) async fn look(
    engine: &Engine,
    driver: &dyn Driver,
    me: &str,
    share: Share,
    key: Key,
    running: Option<Visit>,
) -> Result<Look, StoreError> {
    let graph = driver.graph();
    let Some(row) = engine.asked("get", engine.store.get(key)).await? else {
        return Ok(Look::without_row(decide_without_row(running)));
    };
    let row = older::present(&engine.migrations, graph, row);
    if !share.has(&row, engine.now()) {
        let action = decide_elsewhere(&row, kind(graph, &row), running, row.owner.as_deref() == Some(me));
        return Ok(Look { action, row: Some(Box::new(row)), waits: None });
    }
    let elsewhere = match row.owner.as_deref().filter(|owner| *owner != me) {
        Some(owner) => peers::is_live(engine, owner).await?,
        None => false,
    };
    let action = decide(&row, kind(graph, &row), running, elsewhere, engine.now());
    let waits = kind(graph, &row).is_some() && graph.state_was(&row.state).is_some_and(|state| !state.waits.is_empty());
    let waits = waits.then(|| driver.waits(engine, &row));
    Ok(Look { action, row: Some(Box::new(row)), waits })
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
    let claim = Claim { key: key.clone(), incarnation, version, fence, owner: owner.clone() };
    // Not published as a change: only this controller acts on it.
    let claims = vec![Change::Claim(claim).into()];
    let verdicts = engine.asked("commit", engine.store.commit(claims, engine.now())).await;
    let claimed = verdicts.and_then(|mut verdicts| match verdicts.pop() {
        // A row of another owner is not this process's to work on, or to release.
        Some(Verdict::Committed { mut rows }) => {
            Ok(rows.pop().filter(|row| row.owner.as_deref() == Some(&*owner)).map(|row| {
                // All holders of the row share one key while the worker runs.
                let row = Row { key, ..older::present(&engine.migrations, graph, row) };
                metrics::claimed(&row.key.machine, &row.state, due, engine.now());
                Box::new(row)
            }))
        }
        // By a constraint or a trigger of somebody else: another claim at once would be refused, too.
        Some(verdict) => match verdict.refusal() {
            Some(cause) => {
                log_key!(warn, key, %cause, "the store refused the claim; it is tried again");
                Err(StoreError::Failed { store: "the store".to_owned(), cause })
            }
            None => Ok(None),
        },
        None => Ok(None),
    });
    StepResult::Claimed(timeline, claimed)
}

/// Fires the timer of `row` that is due first, or drops it where its event is refused.
pub(super) async fn fire_timer(engine: Arc<Engine>, driver: Arc<dyn Driver>, row: Row) -> StepResult {
    let change = match driver.timer(&engine, &row) {
        Ok(change) => change,
        // The timer stays for code that can decode the row.
        Err(error) => return StepResult::Unreadable(Box::new(row), error),
    };
    let (timer, dropped) = match &change {
        Change::Transition(transition) => (transition.event.clone(), false),
        Change::Disarm(disarm) => (disarm.timer.clone(), true),
        _ => (String::new(), false),
    };
    let mut result = engine.commit(change).await;
    if !dropped && let Ok(Some(reason)) = result.as_ref().map(Verdict::refusal) {
        // The store would refuse the event at every look.
        let Row { key, incarnation, version, timer_at: not_before, .. } = row.clone();
        let reason = shortened(format!("the store refused the timer's event: {reason}"));
        log_row!(error, row, %reason, event = %timer, "timer dropped");
        let timer = timer.clone();
        result = engine.commit(Change::Disarm(Disarm { key, incarnation, version, timer, not_before, reason })).await;
    }
    if let (Ok(Verdict::TooEarly { now, .. }), Some(timer_at)) = (&result, row.timer_at) {
        // A timer is due at once where the store's clock has reached it meanwhile.
        return StepResult::Early(timer_at.duration_since(*now).unwrap_or_default());
    }
    StepResult::Stored(result.map(|verdict| match verdict {
        Verdict::Committed { .. } if dropped => {
            log_row!(warn, row, event = %timer, "timer dropped: its event was refused");
        }
        Verdict::Committed { .. } => log_row!(info, row, event = %timer, "timer fired"),
        // The instance has moved on, which ended the timer.
        _ => {}
    }))
}

/// Commits `change`.
pub(super) async fn store(engine: Arc<Engine>, change: Change) -> StepResult {
    StepResult::Stored(engine.commit(change).await.map(drop))
}
