//! Arming existing rows at the start: a new declaration may add `work` or an `after` to a state that rows are in.

use super::StartError;
use crate::{
    controller::Driver,
    engine::Engine,
    machine::{
        older::{self, each_row, moved_by_steps},
        timers,
    },
    store::{Arm, Change, Filter, InUse, Row, Timer},
};
use fsm_core::{Graph, StateKind};
use serde_json::Value;

/// How many rows are read and armed in one transaction.
const PAGE: usize = 256;

/// Work, or the events of timers, that a state has now and had not before.
#[derive(Debug, PartialEq, Eq)]
struct Gain {
    state: &'static str,
    work: bool,
    timers: Vec<&'static str>,
}

/// Arms the rows in states that had no work or no timer in the last controller's declaration.
///
/// If it is interrupted, the next start does it again, because the new declaration is stored after it. Rows that are armed already
/// are skipped.
pub(crate) async fn arm(engine: &Engine, driver: &dyn Driver) -> Result<(), StartError> {
    let graph = driver.graph();
    let machine = graph.machine;
    let Some(last) = engine.store.definition(machine.to_owned()).await? else { return Ok(()) };
    if last.fingerprint == graph.fingerprint() && last.graph == graph.json().to_string() {
        return Ok(());
    }
    // If the last declaration cannot be read, every row is read.
    let last_graph = serde_json::from_str(&last.graph).unwrap_or_default();
    let gains = gains(&last_graph, graph);
    arm_moved(engine, driver, &last_graph).await?;
    if gains.is_empty() {
        return Ok(());
    }
    if !engine.store.lists_by_state().await? {
        return Err(StartError::CannotArm { machine, states: gains.iter().map(|gain| gain.state).collect() });
    }
    for gain in gains {
        let armed = arm_state(engine, driver, &gain).await?;
        if armed > 0 {
            tracing::info!(
                %machine, state = gain.state, work = gain.work, timers = ?gain.timers, rows = armed,
                "scheduled the work and timers that the new declaration adds to existing rows"
            );
        }
    }
    Ok(())
}

/// Arms the rows of older schema versions in states that are not declared any more: a migration brings them to a state that may have
/// work, or a timer that their own had not.
async fn arm_moved(engine: &Engine, driver: &dyn Driver, last: &Value) -> Result<(), StartError> {
    let graph = driver.graph();
    let had_timer = |state: &str, event: &str| {
        let states = last["states"].as_array().into_iter().flatten();
        states.into_iter().any(|it| it["name"] == *state && has_timer(it, event))
    };
    let in_use = engine.store.states_in_use(graph.machine.to_owned()).await?;
    for InUse { state, schema, .. } in in_use.iter().filter(|it| moved_by_steps(graph, &it.state, it.schema)) {
        let mut armed: Vec<Change> = Vec::new();
        let arm = |row: Row| {
            let now = older::present(&engine.migrations, graph, row.clone());
            let timers = timers::missing(&row, driver.timers(engine, &row), |event| !had_timer(state, event));
            armed.extend(older::arming(graph, &row, &now, timers).map(Change::Arm));
            true
        };
        each_row(&*engine.store, graph.machine, state, *schema, arm).await?;
        for page in armed.chunks(PAGE) {
            engine.store.commit(page.iter().cloned().map(Into::into).collect(), engine.now()).await?;
        }
        if !armed.is_empty() {
            tracing::info!(
                machine = %graph.machine, %state, rows = armed.len(),
                "rows that a migration moves to another state were armed"
            );
        }
    }
    Ok(())
}

/// A new state has no gain: no row is in it.
fn gains(last: &Value, graph: &'static Graph) -> Vec<Gain> {
    let before = |state| -> Vec<&Value> {
        let names: Vec<&str> = graph.stored_names(state).collect();
        let states = last["states"].as_array().into_iter().flatten();
        states.filter(|it| it["name"].as_str().is_some_and(|name| names.contains(&name))).collect()
    };
    let readable = last["states"].is_array();
    let gains = graph.states.iter().map(|state| {
        let before = before(state.name);
        let had_not = |what: &dyn Fn(&Value) -> bool| !readable || before.iter().any(|it| !what(it));
        Gain {
            state: state.name,
            work: state.kind == StateKind::Work && had_not(&|it| it["kind"] == "work"),
            timers: state
                .timers
                .iter()
                .map(|timer| timer.event)
                .filter(|event| had_not(&|it| has_timer(it, event)))
                .collect(),
        }
    });
    gains.filter(|gain| gain.work || !gain.timers.is_empty()).collect()
}

/// Whether the state of a stored declaration has a timer that fires `event`.
fn has_timer(state: &Value, event: &str) -> bool {
    state["timers"].as_array().into_iter().flatten().any(|timer| timer["event"] == *event)
}

async fn arm_state(engine: &Engine, driver: &dyn Driver, gain: &Gain) -> Result<usize, StartError> {
    let graph = driver.graph();
    let mut filter = Filter {
        states: Some(graph.stored_names(gain.state).map(str::to_owned).collect()),
        limit: PAGE,
        ..Filter::new(graph.machine)
    };
    let mut armed = 0;
    loop {
        let page = engine.store.list(filter.clone()).await?;
        let known = page.items.into_iter().filter(|row| row.schema <= graph.version);
        let armed_rows = known.filter_map(|row| {
            let all = if gain.timers.is_empty() { Vec::new() } else { driver.timers(engine, &row) };
            let timers = timers::missing(&row, all, |event| gain.timers.contains(&event));
            arm_row(row, gain, timers)
        });
        let changes: Vec<_> = armed_rows.map(|arm| Change::Arm(arm).into()).collect();
        armed += changes.len();
        if !changes.is_empty() {
            // A row that was changed meanwhile entered its state under the new declaration.
            engine.store.commit(changes, engine.now()).await?;
        }
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok(armed);
        }
    }
}

/// What the row lacks; `None` if nothing.
fn arm_row(row: Row, gain: &Gain, timers: Vec<Timer>) -> Option<Arm> {
    let work = gain.work && row.retry_at.is_none() && row.owner.is_none() && row.parked.is_none();
    let reason = match (gain.work, gain.timers.len()) {
        (true, 0) => "the state has work now",
        (true, 1) => "the state has work and a timer now",
        (true, _) => "the state has work and timers now",
        (false, 1) => "the state has a timer now",
        (false, _) => "the state has timers now",
    };
    let Row { key, incarnation, version, .. } = row;
    let arm = Arm { key, incarnation, version, work: gain.work, timers, reason: reason.to_owned() };
    (work || !arm.timers.is_empty()).then_some(arm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_core::{StateInfo, TimerInfo};
    use serde_json::json;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_hours(1);
    static GRAPH: Graph = Graph::new("M").with_states(&[
        StateInfo::new("Rest").with_initial(true),
        StateInfo::new("Work").with_kind(StateKind::Work).with_was(&["Idle"]),
        StateInfo::new("Timed").with_timers(&[TimerInfo::new(HOUR, "e"), TimerInfo::at("until", "f")]),
    ]);

    fn gain(state: &'static str, work: bool, timers: &[&'static str]) -> Gain {
        Gain { state, work, timers: timers.to_vec() }
    }

    #[test]
    fn states_that_became_work_or_got_a_timer_are_gains() {
        let same = serde_json::from_str(&GRAPH.json().to_string()).unwrap();
        assert_eq!(gains(&same, &GRAPH), []);
        let state = |name: &str, kind: &str| json!({ "name": name, "kind": kind, "timers": [{ "event": "f" }] });
        let before = json!({ "states": [state("Rest", "work"), state("Work", "rest"), state("Timed", "rest")] });
        assert_eq!(gains(&before, &GRAPH), [gain("Work", true, &[]), gain("Timed", false, &["e"])]);
        let renamed = json!({ "states": [state("Idle", "rest")] });
        assert_eq!(gains(&renamed, &GRAPH), [gain("Work", true, &[])], "a state that is new has no rows");
        assert_eq!(gains(&json!({}), &GRAPH).len(), 2, "an unreadable declaration");
    }
}
