//! Owns the passage between rows and a user's machine: what is stored is checked against the graph both ways.

use super::{failure::RowError, migrate::Migrations};
use crate::{
    codec::CodecError,
    durable::Durable,
    store::{Entering, HistoryEntry, Key, Row},
};
use fsm_core::{Kind, Name, StateMachine};

/// The machine that `row` describes.
pub(crate) fn decode<M: Durable>(migrations: &Migrations, row: &Row) -> Result<M, RowError> {
    decode_stored(migrations, &row.key, row.schema, &row.state, &row.data)
}

/// The machine as it was after `entry`, a transition.
pub(crate) fn decode_entry<M: Durable>(migrations: &Migrations, entry: &HistoryEntry) -> Result<M, RowError> {
    decode_stored(migrations, &entry.key, entry.schema, &entry.to, entry.data.as_deref().unwrap_or("null"))
}

fn decode_stored<M: Durable>(
    migrations: &Migrations,
    key: &Key,
    schema: u32,
    state: &str,
    data: &str,
) -> Result<M, RowError> {
    let known = M::GRAPH.version;
    if schema > known {
        return Err(RowError::Newer { key: key.clone(), found: schema, known });
    }
    if schema < known {
        let migrated = migrations.apply(key, schema, known, state, data)?;
        return decode_known(key, &migrated.state, &migrated.data.to_string());
    }
    decode_known(key, state, data)
}

/// The machine in stored state `state`, by its name or one that it had earlier, with JSON `data` of the present schema.
fn decode_known<M: Durable>(key: &Key, state: &str, data: &str) -> Result<M, RowError> {
    let known = M::GRAPH.state_was(state).and_then(|info| info.name.parse::<M::State>().ok());
    let state = known.ok_or_else(|| RowError::UnknownState {
        key: key.clone(),
        state: state.to_owned(),
        known: M::State::ALL.iter().map(|state| state.as_str()).collect(),
    })?;
    M::decode(state, data).map_err(|cause| RowError::Undecodable { key: key.clone(), state: state.to_string(), cause })
}

/// What is stored when an instance enters the state that `machine` is in, and the machine again.
pub(crate) fn entering<M: Durable>(machine: M) -> Result<(M, Entering), CodecError> {
    let (machine, data) = machine.encode()?;
    let state = machine.state().as_str();
    // The derive generates states and graph from the same lines.
    let info = M::GRAPH.state(state);
    let entering = Entering {
        state: state.to_owned(),
        data,
        context: None,
        schema: M::GRAPH.version,
        timer: info.and_then(|info| info.timer).map(|timer| timer.after),
        work: info.is_some_and(|info| info.kind == Kind::Work),
        remove: info.is_some_and(|info| info.remove),
    };
    Ok((machine, entering))
}

/// Whether the graph has this edge. The compiler has checked it already, except for a trait implemented by hand.
pub(crate) fn declared<M: StateMachine>(from: &str, event: &str, to: &str) -> bool {
    M::GRAPH.transition(from, event).is_some_and(|transition| transition.to.contains(&to))
}
