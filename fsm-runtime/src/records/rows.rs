//! Owns the passage between rows and a user's machine: what is stored is checked against the graph both ways.

use super::failure::RowError;
use crate::{
    codec::CodecError,
    durable::Durable,
    store::{Entering, Key, Row},
};
use fsm_core::{Kind, Name, StateMachine};

/// The machine that `row` describes.
pub(crate) fn decode<M: Durable>(row: &Row) -> Result<M, RowError> {
    decode_stored(&row.key, &row.state, row.schema, &row.data)
}

/// The machine in stored state `state`, by its name or one that it had earlier, with JSON `data`.
pub(crate) fn decode_stored<M: Durable>(key: &Key, state: &str, schema: u32, data: &str) -> Result<M, RowError> {
    if schema > M::GRAPH.version {
        return Err(RowError::Newer { key: key.clone(), found: schema, known: M::GRAPH.version });
    }
    let known = M::GRAPH.state_was(state).and_then(|info| info.name.parse::<M::State>().ok());
    let state = known.ok_or_else(|| RowError::UnknownState {
        key: key.clone(),
        state: state.to_owned(),
        known: M::State::ALL.iter().map(|state| state.as_str()).collect(),
    })?;
    M::decode(state, data).map_err(|cause| RowError::Undecodable { key: key.clone(), state: state.as_str(), cause })
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
    };
    Ok((machine, entering))
}

/// Whether the graph has this edge. The compiler has checked it already, except for a trait implemented by hand.
pub(crate) fn declared<M: StateMachine>(from: &str, event: &str, to: &str) -> bool {
    M::GRAPH.transition(from, event).is_some_and(|transition| transition.to.contains(&to))
}
