//! Owns what is held against the declarations at start: whether what is stored can be read, and what is left alone.

use crate::{
    records::Migrations,
    runtime::StartError,
    store::{Count, InUse, Key, Row, Store, StoreError},
};
use fsm_core::Graph;
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// Rows of a registered machine which this code does not know, and therefore leaves as they are: those of one state that
/// is not declared, or of a newer schema version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftAlone {
    /// The machine.
    pub machine: &'static str,
    /// The state, as stored.
    pub state: String,
    /// The schema version under which the rows were written.
    pub schema: u32,
    /// How many there are.
    pub rows: u64,
}

/// Whether code with this graph knows what stands in `state` under schema version `schema`.
pub(crate) fn knows(graph: &Graph, state: &str, schema: u32) -> bool {
    schema <= graph.version && graph.state_was(state).is_some()
}

/// Whether every row of the machine can be read with this graph. With `tolerant`, what it does not know is reported instead.
pub(crate) async fn check(
    store: &dyn Store,
    migrations: &Migrations,
    graph: &'static Graph,
    unknown: &Unknown,
) -> Result<(), StartError> {
    let in_use = store.in_use(graph.machine.to_owned()).await?;
    if let Some(refusal) = refusal(&in_use, migrations, graph, unknown.tolerant) {
        return Err(refusal);
    }
    for InUse { state, schema, example } in in_use.iter().filter(|it| !knows(graph, &it.state, it.schema)) {
        unknown.report(example, state, *schema, graph);
    }
    Ok(())
}

/// What is wrong with the rows that stand there: what cannot be brought up to date, then what is newer, then the unknown states; all of the kind.
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
    for InUse { state, example, .. } in in_use.iter().filter(|it| graph.state_was(&it.state).is_none()) {
        if states.last().is_none_or(|(last, _)| last != state) {
            states.push((state.clone(), example.clone()));
        }
    }
    if states.is_empty() { None } else { Some(StartError::UnknownStates { machine, states }) }
}

/// What of the machine's rows this code does not know, counted.
pub(crate) async fn left_alone(store: &dyn Store, graph: &'static Graph) -> Result<Vec<LeftAlone>, StoreError> {
    let machine = graph.machine;
    let counts = store.count(machine.to_owned()).await?.into_iter();
    let unknown = counts.filter(|count| !knows(graph, &count.state, count.schema));
    Ok(unknown.map(|Count { state, schema, rows }| LeftAlone { machine, state, schema, rows }).collect())
}

/// What was met that this code does not know, each state and schema version reported once.
pub(crate) struct Unknown {
    tolerant: bool,
    reported: Mutex<HashSet<(String, String, u32)>>,
}

impl Unknown {
    pub(crate) fn new(tolerant: bool) -> Self {
        Self { tolerant, reported: Mutex::default() }
    }

    /// Whether lists leave out what this code does not know.
    pub(crate) fn is_tolerated(&self) -> bool {
        self.tolerant
    }

    pub(crate) fn report_row(&self, row: &Row, graph: &Graph) {
        self.report(&row.key, &row.state, row.schema, graph);
    }

    fn report(&self, example: &Key, state: &str, schema: u32, graph: &Graph) {
        let (machine, known) = (&*example.machine, graph.version);
        let new = self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert((
            machine.to_owned(),
            state.to_owned(),
            schema,
        ));
        if new {
            tracing::warn!(
                %machine, %state, schema, known_schema = known, id = %example.id,
                "rows that this code does not know are left as they are; `Runtime::left_alone` counts them"
            );
        }
    }
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
    fn what_is_known_is_no_reason_to_refuse() {
        let in_use = [rows("A", 1), rows("A", 2), rows("Old", 2)];
        assert!(refusal(&in_use, &migrations(), &GRAPH, false).is_none());
    }

    #[test]
    fn all_unknown_states_are_named_once_each() {
        let in_use = [rows("A", 2), rows("X", 1), rows("X", 2), rows("Y", 2)];
        let Some(StartError::UnknownStates { states, .. }) = refusal(&in_use, &migrations(), &GRAPH, false) else {
            panic!()
        };
        assert_eq!(states, [("X".into(), Key::new("M", "X1")), ("Y".into(), Key::new("M", "Y2"))]);
    }

    #[test]
    fn what_is_newer_or_unknown_can_be_tolerated_and_a_missing_migration_cannot() {
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
