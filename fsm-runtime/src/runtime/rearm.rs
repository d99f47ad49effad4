//! Arming existing rows at the start: a new declaration may add `work` or an `after` to a state that rows are in.

use super::StartError;
use crate::{
    engine::Engine,
    machine::older::{self, each_row, moved_by_steps},
    store::{Arm, Change, Filter, InUse, Row},
};
use fsm_core::{Graph, StateKind};
use serde_json::Value;
use std::time::Duration;

/// How many rows are read and armed in one transaction.
const PAGE: usize = 256;

/// Work or a timer that a state has now and had not before.
#[derive(Debug, PartialEq, Eq)]
struct Gain {
    state: &'static str,
    work: bool,
    timer: Option<Duration>,
}

/// Arms the rows in states that had no work or no timer in the last controller's declaration.
///
/// If it is interrupted, the next start does it again, because the new declaration is stored after it. Rows that are armed already
/// are skipped.
pub(crate) async fn arm(engine: &Engine, graph: &'static Graph) -> Result<(), StartError> {
    let machine = graph.machine;
    let Some(last) = engine.store.definition(machine.to_owned()).await? else { return Ok(()) };
    if last.fingerprint == graph.fingerprint() && last.graph == graph.json().to_string() {
        return Ok(());
    }
    // If the last declaration cannot be read, every row is read.
    let last_graph = serde_json::from_str(&last.graph).unwrap_or_default();
    let gains = gains(&last_graph, graph);
    arm_moved(engine, graph, &last_graph).await?;
    if gains.is_empty() {
        return Ok(());
    }
    if !engine.store.lists_by_state().await? {
        return Err(StartError::CannotArm { machine, states: gains.iter().map(|gain| gain.state).collect() });
    }
    for gain in gains {
        let armed = arm_state(engine, graph, &gain).await?;
        if armed > 0 {
            tracing::info!(
                %machine, state = gain.state, work = gain.work, timer = ?gain.timer, rows = armed,
                "rows that were in the state before it got work or a timer were armed"
            );
        }
    }
    Ok(())
}

/// Arms the rows of older schema versions in states that are not declared any more: a migration brings them to a state that may have
/// work, or a timer that their own had not.
async fn arm_moved(engine: &Engine, graph: &'static Graph, last: &Value) -> Result<(), StartError> {
    let had_timer = |state: &str| {
        let states = last["states"].as_array().into_iter().flatten();
        states.into_iter().any(|it| it["name"] == *state && !it["timer"].is_null())
    };
    let in_use = engine.store.states_in_use(graph.machine.to_owned()).await?;
    for InUse { state, schema, .. } in in_use.iter().filter(|it| moved_by_steps(graph, &it.state, it.schema)) {
        let timer = !had_timer(state);
        let mut armed: Vec<Change> = Vec::new();
        let arm = |row: Row| {
            let now = older::present(&engine.migrations, graph, row.clone());
            armed.extend(older::arming(graph, &row, &now, timer).map(Change::Arm));
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
            timer: state.timer.map(|timer| timer.after).filter(|_| had_not(&|it| !it["timer"].is_null())),
        }
    });
    gains.filter(|gain| gain.work || gain.timer.is_some()).collect()
}

async fn arm_state(engine: &Engine, graph: &Graph, gain: &Gain) -> Result<usize, StartError> {
    let mut filter = Filter {
        machine: graph.machine.to_owned(),
        id_prefix: None,
        states: Some(graph.stored_names(gain.state).map(str::to_owned).collect()),
        entered_before: None,
        only: None,
        newest_first: false,
        after: None,
        limit: PAGE,
    };
    let mut armed = 0;
    loop {
        let page = engine.store.list(filter.clone()).await?;
        let lacking = page.items.into_iter().filter(|row| row.schema <= graph.version && lacks(row, gain));
        let changes: Vec<_> = lacking.map(|row| Change::Arm(arm_row(row, gain)).into()).collect();
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

fn lacks(row: &Row, gain: &Gain) -> bool {
    let work = gain.work && row.retry_at.is_none() && row.owner.is_none() && row.parked.is_none();
    work || gain.timer.is_some() && row.timer_at.is_none()
}

fn arm_row(row: Row, gain: &Gain) -> Arm {
    let reason = match (gain.work, gain.timer) {
        (true, Some(_)) => "the state has work and a timer now",
        (true, None) => "the state has work now",
        (false, _) => "the state has a timer now",
    };
    let Row { key, incarnation, version, .. } = row;
    Arm { key, incarnation, version, work: gain.work, timer: gain.timer, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_core::{StateInfo, TimerInfo};
    use serde_json::json;

    const HOUR: Duration = Duration::from_hours(1);
    static GRAPH: Graph = Graph::new("M").with_states(&[
        StateInfo::new("Rest").with_initial(true),
        StateInfo::new("Work").with_kind(StateKind::Work).with_was(&["Idle"]),
        StateInfo::new("Timed").with_timer(TimerInfo::new(HOUR, "e")),
    ]);

    fn gain(state: &'static str, work: bool, timer: Option<Duration>) -> Gain {
        Gain { state, work, timer }
    }

    #[test]
    fn states_that_became_work_or_got_a_timer_are_gains() {
        let same = serde_json::from_str(&GRAPH.json().to_string()).unwrap();
        assert_eq!(gains(&same, &GRAPH), []);
        let state = |name: &str, kind: &str| json!({ "name": name, "kind": kind, "timer": null });
        let before = json!({ "states": [state("Rest", "work"), state("Work", "rest"), state("Timed", "rest")] });
        assert_eq!(gains(&before, &GRAPH), [gain("Work", true, None), gain("Timed", false, Some(HOUR))]);
        let renamed = json!({ "states": [state("Idle", "rest")] });
        assert_eq!(gains(&renamed, &GRAPH), [gain("Work", true, None)], "a state that is new has no rows");
        assert_eq!(gains(&json!({}), &GRAPH).len(), 2, "an unreadable declaration");
    }
}
