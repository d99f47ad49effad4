//! The compatibility check at the start: whether the stored rows can be read.

use super::StartError;
use crate::{
    controller::Driver,
    machine::{
        Migrations, Unknown, knows,
        older::{self, each_row, moved_by_steps},
    },
    store::{Count, InUse, Key, Row, Store, StoreError},
};
use fsm_core::Graph;

/// Rows of a registered machine that this code does not know and leaves unchanged: of a state that is not declared, or of a newer
/// schema version. From [`Runtime::unknown_rows`](crate::Runtime::unknown_rows).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownRows {
    /// The machine.
    pub machine: &'static str,
    /// The state, as stored.
    pub state: String,
    /// The schema version under which the rows were written.
    pub schema: u32,
    /// How many there are.
    pub rows: u64,
}

/// How many rows an error names.
const NAMED: usize = 10;

/// Whether every row of the machine can be read with this graph. Unknown rows are only reported if they are tolerated.
pub(crate) async fn check(
    store: &dyn Store,
    migrations: &Migrations,
    driver: &dyn Driver,
    unknown: &Unknown,
) -> Result<(), StartError> {
    let graph = driver.graph();
    let in_use = store.states_in_use(graph.machine.to_owned()).await?;
    if let Some(refusal) = refusal(&in_use, migrations, graph, unknown.is_tolerated()) {
        return Err(refusal);
    }
    for InUse { state, schema, example } in in_use.iter().filter(|it| !knows(graph, &it.state, it.schema)) {
        if !moved_by_steps(graph, state, *schema) {
            unknown.report(example, state, *schema, graph);
        } else if !unknown.is_tolerated() {
            migratable(store, migrations, driver, state, *schema).await?;
        }
    }
    Ok(())
}

/// Whether the steps bring every row in `state`, which is not declared any more, to a declared state.
async fn migratable(
    store: &dyn Store,
    migrations: &Migrations,
    driver: &dyn Driver,
    state: &str,
    schema: u32,
) -> Result<(), StartError> {
    let (machine, known) = (driver.graph().machine, driver.graph().version);
    let mut rows: Vec<(Key, String)> = Vec::new();
    let read = |row: Row| {
        rows.extend(driver.unreadable(migrations, &row).map(|why| (row.key, why)));
        rows.len() < NAMED
    };
    each_row(store, machine, state, schema, read).await?;
    if rows.is_empty() { Ok(()) } else { Err(StartError::Unmigrated { machine, known, rows }) }
}

/// Why the rows cannot be read, the first that applies: a missing migration, a newer schema version, an unknown state. Names all rows of
/// the kind.
fn refusal(in_use: &[InUse], migrations: &Migrations, graph: &'static Graph, tolerant: bool) -> Option<StartError> {
    let (machine, known) = (graph.machine, graph.version);
    let those = |wanted: &dyn Fn(u32) -> bool| -> Vec<InUse> {
        in_use.iter().filter(|it| wanted(it.schema)).cloned().collect()
    };
    let stuck = those(&|schema| migrations.missing(machine, schema, known).next().is_some());
    if let Some(oldest) = stuck.iter().map(|it| it.schema).min() {
        let missing = migrations.missing(machine, oldest, known).collect();
        return Some(StartError::NoMigration { machine, known, missing, rows: stuck });
    }
    if tolerant {
        return None;
    }
    let newer = those(&|schema| schema > known);
    if !newer.is_empty() {
        return Some(StartError::Newer { machine, known, rows: newer });
    }
    let mut states: Vec<(String, Key)> = Vec::new();
    // The rows of older versions are migrated one by one.
    let unknown = |it: &&InUse| graph.state_was(&it.state).is_none() && it.schema >= known;
    for InUse { state, example, .. } in in_use.iter().filter(unknown) {
        if states.last().is_none_or(|(last, _)| last != state) {
            states.push((state.clone(), example.clone()));
        }
    }
    if states.is_empty() { None } else { Some(StartError::UnknownStates { machine, states }) }
}

/// The rows of the machine that this code does not know, counted.
pub(crate) async fn unknown_rows(
    store: &dyn Store,
    migrations: &Migrations,
    graph: &'static Graph,
) -> Result<Vec<UnknownRows>, StoreError> {
    let machine = graph.machine;
    let counts = older::counts(store, migrations, graph).await?.into_iter();
    let unknown = counts.filter(|(known, _)| known.is_none());
    Ok(unknown.map(|(_, Count { state, schema, rows })| UnknownRows { machine, state, schema, rows }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsm_core::StateInfo;

    static GRAPH: Graph =
        Graph::new("M").with_version(2).with_states(&[StateInfo::new("A").with_initial(true).with_was(&["Old"])]);

    fn rows(state: &str, schema: u32) -> InUse {
        InUse { state: state.into(), schema, example: Key::new("M", format!("{state}{schema}")) }
    }

    fn migrations() -> Migrations {
        let mut migrations = Migrations::default();
        assert!(migrations.declare("M", 1, Ok));
        migrations
    }

    #[test]
    fn known_rows_pass_the_start_checks() {
        let in_use = [rows("A", 1), rows("A", 2), rows("Old", 2)];
        assert!(refusal(&in_use, &migrations(), &GRAPH, false).is_none());
    }

    #[test]
    fn each_unknown_state_is_listed_once() {
        let in_use = [rows("A", 2), rows("W", 1), rows("X", 1), rows("X", 2), rows("Y", 2)];
        let Some(StartError::UnknownStates { states, .. }) = refusal(&in_use, &migrations(), &GRAPH, false) else {
            panic!()
        };
        assert_eq!(states, [("X".into(), Key::new("M", "X2")), ("Y".into(), Key::new("M", "Y2"))]);
    }

    #[test]
    fn unknown_rows_are_tolerated_and_missing_migrations_are_not() {
        let newer = [rows("A", 3), rows("X", 2)];
        let Some(StartError::Newer { known: 2, rows: found, .. }) = refusal(&newer, &migrations(), &GRAPH, false)
        else {
            panic!()
        };
        assert_eq!(found, newer[..1]);
        assert!(refusal(&newer, &migrations(), &GRAPH, true).is_none());
        let older = [rows("A", 0), rows("B", 1), rows("A", 2)];
        let Some(StartError::NoMigration { missing, rows: found, .. }) =
            refusal(&older, &Migrations::default(), &GRAPH, true)
        else {
            panic!()
        };
        assert_eq!((missing, &found[..]), (vec![0, 1], &older[..2]));
        let Some(StartError::NoMigration { missing, rows: found, .. }) = refusal(&older, &migrations(), &GRAPH, true)
        else {
            panic!()
        };
        assert_eq!((missing, &found[..]), (vec![0], &older[..1]), "the others have their steps");
    }
}
