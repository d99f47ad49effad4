//! What has become of the rows of a snapshot: pure, from the file and the declaration.

use fsm_core::Name as _;
use serde_json::{Map, Value};

use super::file::{File, Row};
use crate::Durable;

pub(super) enum Outcome {
    /// The file is as it should be.
    Holds,
    /// Rows like its samples are read; this is what the file should be.
    Drifted(File),
    /// They are not: what breaks, and what to declare.
    Broken(Vec<String>),
}

pub(super) fn compare<M: Durable>(stored: &File, declared: File) -> Outcome {
    let (machine, version) = (M::GRAPH.machine, u64::from(M::GRAPH.version));
    let mut problems = Vec::new();
    let (was, found) = stored.of();
    if was != Some(machine) {
        let was = was.unwrap_or("another machine");
        problems.push(format!(
            "rows are stored under `{was}`, and the enum is called `{machine}`: give it its name back, or, for a machine of \
             its own, a file of its own"
        ));
        return Outcome::Broken(problems);
    }
    let found = found.unwrap_or(0);
    if found > version {
        problems.push(format!(
            "rows have version {found}, and the code declares {version}: `#[fsm(version = {found})]`, or higher"
        ));
        return Outcome::Broken(problems);
    }
    if found < version {
        // What becomes of its rows is up to the declared migrations.
        return Outcome::Drifted(declared);
    }
    problems.extend(removed(stored, M::GRAPH));
    problems.extend(stored.rows.iter().filter_map(|row| unread::<M>(row, version)));
    if !problems.is_empty() {
        return Outcome::Broken(problems);
    }
    let next = keep_old_shapes(stored, declared);
    if *stored == next { Outcome::Holds } else { Outcome::Drifted(next) }
}

/// The states that no present state was, by the graph: a state has samples, but the graph is what says so.
fn removed(stored: &File, graph: &'static fsm_core::Graph) -> Vec<String> {
    let states = stored.graph["states"].as_array().into_iter().flatten();
    let names = states.filter_map(|state| state["name"].as_str());
    let gone = names.filter(|name| graph.state_was(name).is_none());
    let remedy = |name| {
        format!(
            "state `{name}` is gone, and rows in it have none: `#[state(was = \"{name}\")]` on the state that they are in now, \
             or `#[fsm(version = {})]` and a migration",
            graph.version + 1
        )
    };
    gone.map(remedy).collect()
}

/// Why a sample is not read. Those of removed states are told of already.
fn unread<M: Durable>(row: &Row, version: u64) -> Option<String> {
    let info = M::GRAPH.state_was(&row.state)?;
    let state = M::State::ALL.iter().find(|state| state.as_str() == info.name)?;
    let error = M::decode(*state, &row.data.to_string()).err()?;
    Some(format!(
        "a row in `{}` is not read any more: {error}; `#[serde(default)]` or `#[serde(alias = \"…\")]` on the field, or \
         `#[fsm(version = {})]` and a migration\n  the row: {}",
        row.state,
        version + 1,
        row.data
    ))
}

/// Today's samples, and after them those of the file that look otherwise: rows like them can still be stored.
fn keep_old_shapes(stored: &File, mut declared: File) -> File {
    let seen =
        |rows: &[Row], old: &Row| rows.iter().any(|row| row.state == old.state && shape(&row.data) == shape(&old.data));
    for old in &stored.rows {
        if !seen(&declared.rows, old) {
            let after = declared.rows.iter().rposition(|row| row.state == old.state);
            declared.rows.insert(after.map_or(declared.rows.len(), |index| index + 1), old.clone());
        }
    }
    declared
}

/// The value with its texts and numbers left out.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => "a boolean".into(),
        Value::Number(_) => "a number".into(),
        Value::String(_) => "a text".into(),
        Value::Array(items) => {
            let mut shapes: Vec<_> = items.iter().map(shape).collect();
            shapes.dedup();
            Value::Array(shapes)
        }
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect::<Map<_, _>>().into()
        }
    }
}
