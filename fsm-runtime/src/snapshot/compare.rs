//! Compares a snapshot with the declaration. Pure.

use std::fmt;

use fsm_core::Name as _;
use serde_json::{Map, Value};

use super::file::{File, Row};
use crate::{
    codec::CodecError,
    machine::{MigrateError, Migrations},
    records::Durable,
    store::Key,
};

pub(super) enum Outcome {
    /// The file is up to date.
    Holds,
    /// The code can read all samples, but the file differs from this one.
    Drifted(File),
    /// The code cannot read some samples. Contains the changes and what to declare.
    Broken(Vec<String>),
}

pub(super) fn compare<M: Durable>(stored: &File, declared: File, steps: &Migrations) -> Outcome {
    let (machine, version) = (M::GRAPH.machine, M::GRAPH.version);
    let (was, found) = stored.of();
    if was != Some(machine) {
        let was = was.unwrap_or("another machine");
        return Outcome::Broken(vec![format!(
            "rows are stored as `{was}`, but the enum is named `{machine}`: rename it to `{was}`, or use another file for a new \
             machine"
        )]);
    }
    let found = found.unwrap_or(0);
    if found > version {
        return Outcome::Broken(vec![format!(
            "rows have version {found}, but the declaration has version {version}: set `#[fsm(version = {found})]` or higher"
        )]);
    }
    let mut problems = if found == version { removed(stored, M::GRAPH) } else { Vec::new() };
    problems.extend(if found == version { left_history(stored, M::GRAPH) } else { Vec::new() });
    let rows = stored.rows.iter().map(|row| Row { version: Some(row.version.unwrap_or(found)), ..row.clone() });
    let rows: Vec<_> = rows.collect();
    problems.extend(rows.iter().filter_map(|row| unread::<M>(row, steps)));
    problems.dedup();
    if !problems.is_empty() {
        return Outcome::Broken(problems);
    }
    let next = keep_old_shapes(rows, declared, version);
    if *stored == next { Outcome::Holds } else { Outcome::Drifted(next) }
}

/// The states of the stored graph that the declaration does not have, by name or by `was`.
fn removed(stored: &File, graph: &'static fsm_core::Graph) -> Vec<String> {
    let states = stored.graph["states"].as_array().into_iter().flatten();
    let names = states.filter_map(|state| state["name"].as_str());
    let gone = names.filter(|name| graph.state_was(name).is_none());
    let remedy = |name| {
        format!(
            "state `{name}` was removed, but rows can still be in it: add `#[state(was = \"{name}\")]` to the state that replaces \
             it, or set `#[fsm(version = {})]` and add a migration",
            graph.version + 1
        )
    };
    gone.map(remedy).collect()
}

/// The states of the stored graph that a history can no longer be.
fn left_history(stored: &File, graph: &'static fsm_core::Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for transition in stored.graph["transitions"].as_array().into_iter().flatten() {
        let Some(superstate) = transition["history"]["group"].as_str() else { continue };
        let is_of = |history: fsm_core::HistoryInfo| history.group == superstate;
        let now = graph.transitions.iter().find(|transition| transition.history.is_some_and(is_of));
        let Some(now) = now.map(|transition| transition.to) else { continue };
        let were = transition["to"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // A state that was removed is reported already.
        let gone = were.filter(|name| graph.state_was(name).is_some_and(|state| !now.contains(&state.name)));
        let remedy = |name| {
            format!(
                "state `{name}` is no longer in the history of `{superstate}`, but rows can still hold it there: keep it in \
                 `{superstate}`, or set `#[fsm(version = {})]` and add a migration",
                graph.version + 1
            )
        };
        problems.extend(gone.map(remedy));
    }
    problems
}

/// Why the code cannot read a sample. `removed` reports the samples of removed states.
fn unread<M: Durable>(row: &Row, steps: &Migrations) -> Option<String> {
    let present = M::GRAPH.version;
    let version = row.version.unwrap_or(present);
    if version < present {
        return unmigrated::<M>(row, version, steps);
    }
    let error = decode::<M>(&row.state, &row.data, &row.context)?.err()?;
    Some(format!(
        "a row in `{}` cannot be read: {error}; add `#[serde(default)]` or `#[serde(alias = \"…\")]` to the field, or set \
         `#[fsm(version = {})]` and add a migration\n  row: {}",
        row.state,
        present + 1,
        Shown(&row.data, &row.context)
    ))
}

/// Why a sample of an earlier version cannot be migrated or read.
fn unmigrated<M: Durable>(row: &Row, version: u32, steps: &Migrations) -> Option<String> {
    let key = Key::new(M::GRAPH.machine, "a sample");
    let Row { state, data, context, .. } = row;
    let shown = Shown(data, context);
    let migrated = match steps.apply(&key, version, M::GRAPH.version, state, &data.to_string(), &context.to_string()) {
        Ok(migrated) => migrated,
        Err(MigrateError::NoStep { found, missing, .. }) => {
            return Some(format!(
                "rows of version {found} need a migration from version {missing}: add it with `Builder::migrate`, and to this \
                 test, `migrations {{ {missing} => step }}` before the samples"
            ));
        }
        Err(MigrateError::Step { from, cause, .. }) => {
            return Some(format!(
                "the migration from version {from} failed for a row in `{state}`: {cause}\n  row: {shown}"
            ));
        }
    };
    let why = match decode::<M>(&migrated.state, &migrated.data, &migrated.context) {
        None => format!("`{}` is not a state of version {}", migrated.state, M::GRAPH.version),
        Some(Err(error)) => error.to_string(),
        Some(Ok(())) => return None,
    };
    Some(format!(
        "a row of version {version} in `{state}` cannot be read after its migration: {why}; fix the migration\n  row: {shown}\n  \
         migrated to `{}`: {}",
        migrated.state,
        Shown(&migrated.data, &migrated.context)
    ))
}

/// Decodes a row. Returns `None` if the declaration does not have its state.
fn decode<M: Durable>(state: &str, data: &Value, context: &Value) -> Option<Result<(), Unread>> {
    let info = M::GRAPH.state_was(state)?;
    let state = M::State::ALL.iter().find(|state| state.as_str() == info.name)?;
    let read = M::decode(*state, &data.to_string()).map_err(Unread::Data);
    let context = || M::decode_context(&context.to_string()).map_err(Unread::Context);
    Some(read.and_then(|_| context()).map(drop))
}

/// The part of a row that the code cannot read.
enum Unread {
    Data(CodecError),
    Context(CodecError),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(error) => error.fmt(f),
            Self::Context(error) => write!(f, "context: {error}"),
        }
    }
}

/// The data of a row, and its context if there is one.
struct Shown<'a>(&'a Value, &'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(data, context) = self;
        if context.is_null() { data.fmt(f) } else { write!(f, "{data}, context: {context}") }
    }
}

/// The current samples, and those of the file that have another shape: rows of that shape can still be stored.
fn keep_old_shapes(stored: Vec<Row>, mut declared: File, version: u32) -> File {
    for old in stored {
        let old = Row { version: old.version.filter(|stored| *stored != version), ..old };
        let shapes = |row: &Row| (shape(&row.data), shape(&row.context));
        let seen = |row: &Row| row.state == old.state && row.version == old.version && shapes(row) == shapes(&old);
        if !declared.rows.iter().any(seen) {
            let after = declared.rows.iter().rposition(|row| row.state == old.state);
            declared.rows.insert(after.map_or(declared.rows.len(), |index| index + 1), old);
        }
    }
    declared
}

/// The shape of a value: strings, numbers and booleans are replaced by their type.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => "a boolean".into(),
        Value::Number(_) => "a number".into(),
        Value::String(_) => "a string".into(),
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
