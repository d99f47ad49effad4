//! The step that checks what an instance waits for: reads it, decides, and fires the event or parks the instance.

use super::{
    super::{decide::Action, driver::Driver, step::StepResult, workers::run::release},
    AwaitedMachines,
    decide::{Awaited, Decision, Now, Wait, decide, holds},
    index::Watched,
    ring::ring,
};
use crate::{
    engine::{Engine, instance_history::NewestFirst},
    log::{log_row, unnamed},
    machine::older,
    metrics,
    store::{
        Attempts, Cause, Change, HistoryEntry, HistoryKind, HistoryQuery, Key, Note, Origin, Release, Row, StoreError,
        Verdict, shortened,
    },
};
use fsm_core::{Graph, StateKind};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// The most history entries of an awaited instance that are read: a state that was left again is found among so many changes.
const PASSED: usize = 256;
/// The beginning of the reasons for which waiting instances are parked.
const REASON: &str = "waits: ";

/// The result of a check.
pub(in crate::controller) enum Checked {
    /// Nothing was changed: the action of the look follows.
    Unchanged(Action, Box<Row>),
    /// A change was committed or found outdated. The row is looked at again.
    Stored,
}

/// Checks what the instance waits for. `action` is what else it needs.
pub(in crate::controller) async fn check(
    engine: Arc<Engine>,
    driver: Arc<dyn Driver>,
    machines: Arc<AwaitedMachines>,
    action: Action,
    watched: Watched,
) -> StepResult {
    let Watched { row, waits } = watched;
    let checked = async {
        let stored = match decided(&engine, &machines, &row, &waits).await? {
            Decision::Fire(place) => fire(&engine, &*driver, &row, &waits, place).await?,
            Decision::Keep => unpark(&engine, &row).await?,
            Decision::Stuck(why) => park(&engine, driver.graph(), &row, why).await?,
        };
        Ok(if stored { Checked::Stored } else { Checked::Unchanged(action, row) })
    };
    StepResult::Checked(checked.await)
}

async fn decided(
    engine: &Engine,
    machines: &AwaitedMachines,
    row: &Row,
    waits: &[Wait],
) -> Result<Decision, StoreError> {
    let graphs = &machines.graphs;
    let mut found: HashMap<Key, Awaited> = HashMap::new();
    for key in waits.iter().flat_map(|wait| &wait.keys) {
        if !found.contains_key(key) {
            let graph = graphs.get(&*key.machine).copied();
            found.insert(key.clone(), Awaited { now: now(engine, graph, key).await?, passed: Vec::new() });
        }
    }
    if let Some(place) = holds(waits, &found, false) {
        return Ok(Decision::Fire(place));
    }
    if let Some(since) = begin(engine, row).await? {
        for (key, awaited) in &mut found {
            if let Some(graph) = graphs.get(&*key.machine) {
                awaited.passed = passed(engine, graph, key, since).await?;
            }
        }
    }
    match decide(waits, &found, graphs) {
        Decision::Keep => Ok(ring(engine, machines, row, waits).await?.map_or(Decision::Keep, Decision::Stuck)),
        decision => Ok(decision),
    }
}

/// Where the instance `key` is.
async fn now(engine: &Engine, graph: Option<&'static Graph>, key: &Key) -> Result<Now, StoreError> {
    if let Some(row) = engine.asked("get", engine.store.get(key.clone())).await? {
        let state = graph.and_then(|graph| older::state(&engine.migrations, graph, &row));
        return Ok(state.map_or(Now::Unknown, Now::In));
    }
    let mut pages = NewestFirst::new(engine, key);
    while let Some(page) = pages.next().await? {
        if let Some(last) = page.iter().find(|entry| entry.kind != HistoryKind::Note) {
            let state = graph.and_then(|graph| graph.state_was(&last.to));
            return Ok(state.map_or(Now::Missing, |state| Now::RemovedIn(state.name)));
        }
    }
    Ok(Now::Missing)
}

/// The sequence of the entry with which the wait of `row` began; `None` where it was pruned.
async fn begin(engine: &Engine, row: &Row) -> Result<Option<u64>, StoreError> {
    let mut pages = NewestFirst::new(engine, &row.key);
    while let Some(page) = pages.next().await? {
        let entered = |it: &&HistoryEntry| it.kind != HistoryKind::Note && it.version == row.entered;
        let own = |it: &&HistoryEntry| it.incarnation == row.incarnation;
        if let Some(entry) = page.iter().filter(own).find(entered) {
            return Ok(Some(entry.sequence));
        }
        if page.iter().any(|it| it.incarnation != row.incarnation || it.version < row.entered) {
            break;
        }
    }
    Ok(None)
}

/// The states that `key` has entered after the history entry `since`, as far as its last entries tell.
async fn passed(engine: &Engine, graph: &Graph, key: &Key, since: u64) -> Result<Vec<&'static str>, StoreError> {
    let query = HistoryQuery {
        key: Some(key.clone()),
        by_operators: false,
        after: u64::MAX,
        newest_first: true,
        limit: PASSED,
    };
    let page = engine.asked("history", engine.store.history(query)).await?;
    let later = page.into_iter().filter(|it| it.sequence > since && it.kind != HistoryKind::Note);
    Ok(later.filter_map(|it| graph.state_was(&it.to)).map(|state| state.name).collect())
}

/// Fires the event of the wait at `place`; where it is refused, parks the instance. Returns whether something was stored.
async fn fire(
    engine: &Arc<Engine>,
    driver: &dyn Driver,
    row: &Row,
    waits: &[Wait],
    place: usize,
) -> Result<bool, StoreError> {
    let event = waits.get(place).map_or("", |wait| wait.info.event);
    // User code may panic; the instance must still be checked later.
    let made = catch_unwind(AssertUnwindSafe(|| driver.wait_event(engine, row, place)));
    let refused = match made.unwrap_or_else(|_| Err("it panicked".to_owned())) {
        Ok(transition) => {
            let verdict = engine.commit(Change::Transition(transition)).await?;
            if let Verdict::Committed { .. } = verdict {
                log_row!(info, row, %event, "wait fulfilled: event fired");
            }
            match verdict.refusal() {
                Some(reason) => format!("the store refused it: {reason}"),
                // Committed, or another change came first.
                None => return Ok(true),
            }
        }
        Err(refused) => refused,
    };
    park(engine, driver.graph(), row, format!("`{event}` could not be fired: {refused}")).await
}

/// Parks an instance whose waits cannot end, so that it is listed with the reason. It is still checked, and its event is fired if it can
/// be, after all. An instance in a `work` state is moved on by its worker. Returns whether something was stored.
async fn park(engine: &Arc<Engine>, graph: &Graph, row: &Row, why: String) -> Result<bool, StoreError> {
    let reason = shortened(format!("{REASON}{why}"));
    let is_work = graph.state_was(&row.state).is_some_and(|state| state.kind == StateKind::Work);
    // The owner of the row may still have a worker of the former state.
    if is_work || row.owner.is_some() || row.parked.as_ref() == Some(&reason) {
        return Ok(false);
    }
    let named = unnamed(&row.key, &row.state, &reason);
    log_row!(error, row, reason = %named, "parked: no wait of the instance can end");
    metrics::parked(&row.key.machine, &row.state);
    store(
        engine,
        row,
        Some(reason.clone()),
        Note { about: "parked", text: reason, cause: Cause::Wait, origin: Origin::default() },
    )
    .await
}

/// Unparks an instance that was parked because of its waits, if one can end again: the other instance was created or moved by an
/// operator. Returns whether something was stored.
async fn unpark(engine: &Arc<Engine>, row: &Row) -> Result<bool, StoreError> {
    if row.owner.is_some() || !row.parked.as_ref().is_some_and(|reason| reason.starts_with(REASON)) {
        return Ok(false);
    }
    let text = "a wait of the instance can end again".to_owned();
    store(engine, row, None, Note { about: "released", text, cause: Cause::Wait, origin: Origin::default() }).await
}

async fn store(engine: &Arc<Engine>, row: &Row, parked: Option<String>, note: Note) -> Result<bool, StoreError> {
    let change =
        Release { retry: None, parked, note: Some(note), ..release(row, Duration::ZERO, Attempts::Keep, None) };
    engine.commit(Change::Release(change)).await?;
    Ok(true)
}
