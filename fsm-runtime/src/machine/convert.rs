//! Conversion between rows and a user's machine.

use super::{RowError, migrations::Migrations, timers};
use crate::{
    codec::{CodecError, readable},
    machine::StoredMachine,
    store::{Cause, Entering, HistoryEntry, Key, Row},
};
use fsm_core::{Name, StateKind, StateMachine};

/// A machine's value and its context.
pub(crate) type Whole<M> = (M, Box<<M as StateMachine>::Context>);

/// The machine that `row` describes.
pub(crate) fn decode<M: StoredMachine>(migrations: &Migrations, row: &Row) -> Result<Whole<M>, RowError> {
    let stored = Stored { schema: row.schema, state: &row.state, data: &row.data, context: row.context.as_deref() };
    stored.decode(migrations, &row.key)
}

/// The machine as it was after `entry`, a transition.
pub(crate) fn decode_entry<M: StoredMachine>(
    migrations: &Migrations,
    entry: &HistoryEntry,
) -> Result<Whole<M>, RowError> {
    let HistoryEntry { schema, to, data, context, .. } = entry;
    let data = data.as_deref().unwrap_or("null");
    Stored { schema: *schema, state: to, data, context: context.as_deref() }.decode(migrations, &entry.key)
}

/// The state after `entry`, as it is called now; `None` if it is not declared.
pub(crate) fn state_after<M: StoredMachine>(migrations: &Migrations, entry: &HistoryEntry) -> Option<M::State> {
    // A migration can give an old name to another state.
    if entry.schema < M::GRAPH.version
        && entry.data.is_some()
        && let Ok((machine, _)) = decode_entry::<M>(migrations, entry)
    {
        return Some(machine.state());
    }
    declared_state::<M>(&entry.to)
}

/// The state that is stored under a present or former name.
pub(crate) fn declared_state<M: StoredMachine>(stored: &str) -> Option<M::State> {
    M::GRAPH.state_was(stored)?.name.parse().ok()
}

/// The context of the machine that `row` describes, whatever its state is.
pub(crate) fn context<M: StoredMachine>(migrations: &Migrations, row: &Row) -> Result<Box<M::Context>, RowError> {
    let (known, stored) = (M::GRAPH.version, row.context.as_deref().unwrap_or("null"));
    if M::GRAPH.context.is_none() || row.schema >= known {
        return decode_context::<M>(&row.key, stored);
    }
    let migrated = migrations.apply(&row.key, row.schema, known, &row.state, &row.data, stored)?;
    decode_context::<M>(&row.key, &migrated.context.to_string())
}

/// The stored form of a machine.
struct Stored<'a> {
    schema: u32,
    state: &'a str,
    data: &'a str,
    context: Option<&'a str>,
}

impl Stored<'_> {
    fn decode<M: StoredMachine>(&self, migrations: &Migrations, key: &Key) -> Result<Whole<M>, RowError> {
        let known = M::GRAPH.version;
        let context = self.context.unwrap_or("null");
        if self.schema > known {
            return Err(RowError::Newer { key: key.clone(), found: self.schema, known });
        }
        if self.schema < known {
            let migrated = migrations.apply(key, self.schema, known, self.state, self.data, context)?;
            let (data, context) = (migrated.data.to_string(), migrated.context.to_string());
            return decode_known(key, Some(self.schema), &migrated.state, &data, &context);
        }
        decode_known(key, None, self.state, self.data, context)
    }
}

/// The machine in stored state `state`, a present or former name, with JSON of the present schema.
fn decode_known<M: StoredMachine>(
    key: &Key,
    migrated_from: Option<u32>,
    state: &str,
    data: &str,
    context: &str,
) -> Result<Whole<M>, RowError> {
    let state = declared_state::<M>(state).ok_or_else(|| RowError::UnknownState {
        key: key.clone(),
        state: state.to_owned(),
        known: M::State::ALL.iter().map(|state| state.as_str()).collect(),
    })?;
    let machine = M::decode(state, data).map_err(|cause| RowError::Undecodable {
        key: key.clone(),
        state: state.to_string(),
        migrated_from,
        cause,
    })?;
    Ok((machine, decode_context::<M>(key, context)?))
}

fn decode_context<M: StoredMachine>(key: &Key, context: &str) -> Result<Box<M::Context>, RowError> {
    let context = M::decode_context(context).map_err(|cause| RowError::Context {
        key: key.clone(),
        declared: M::GRAPH.context.unwrap_or_default(),
        cause,
    })?;
    Ok(Box::new(context))
}

/// The columns of a row that enters the state of `machine`, and the machine itself. What cannot be read back is an error, because the
/// row would be lost to every reader.
pub(crate) fn entering<M: StoredMachine>(machine: M, context: &M::Context) -> Result<(M, Entering), CodecError> {
    let (machine, data) = machine.encode()?;
    readable("state's data", M::decode(machine.state(), &data))?;
    let encoded = M::encode_context(context)?;
    if let Some(context) = &encoded {
        readable("context", M::decode_context(context))?;
    }
    let state = machine.state().as_str();
    // The derive generates states and graph from the same lines.
    let info = M::GRAPH.state(state);
    let (machine, timers) = timers::on_entry(machine, context);
    let entering = Entering {
        state: state.to_owned(),
        data,
        context: encoded,
        schema: M::GRAPH.version,
        timers,
        work: info.is_some_and(|info| info.kind == StateKind::Work),
        remove: info.is_some_and(|info| info.remove),
    };
    Ok((machine, entering))
}

/// The columns of a row after a transition to the state of `machine`, the machine itself, and whether the transition is internal.
pub(crate) fn moving<M: StoredMachine>(
    machine: M,
    context: &M::Context,
    from: &str,
    event: &str,
    cause: Cause,
) -> Result<(M, Entering, bool), CodecError> {
    let (machine, mut into) = entering(machine, context)?;
    let internal = M::GRAPH.transition(from, event).is_some_and(|transition| transition.internal);
    if internal {
        timers::restarted::<M>(&mut into.timers, from, event, cause);
    }
    Ok((machine, into, internal))
}

/// The payload of `event`, as JSON. What cannot be read back is an error.
pub(crate) fn payload<M: StoredMachine>(event: &M::Event) -> Result<String, CodecError> {
    let payload = M::encode_event(event)?;
    readable_payload::<M>(M::kind_of(event), &payload)?;
    Ok(payload)
}

/// Whether the payload of an event can be read back.
pub(crate) fn readable_payload<M: StoredMachine>(event: M::EventKind, payload: &str) -> Result<(), CodecError> {
    readable("event's payload", M::decode_event(event, payload))
}

/// Whether the graph has this edge.
pub(crate) fn declared<M: StateMachine>(from: &str, event: &str, to: &str) -> bool {
    M::GRAPH.transition(from, event).is_some_and(|transition| transition.to.contains(&to))
}
