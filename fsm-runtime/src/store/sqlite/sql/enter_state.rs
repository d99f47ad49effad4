//! Moves a row to a state, by a transition or an override.

use super::columns::{as_stored, later, micros, time};
use crate::store::{Entering, Key, Row};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::SystemTime;
use uuid::Uuid;

/// The row to move, as it was read, and its new state.
pub(in crate::store::sqlite) struct Move<'a> {
    pub(in crate::store::sqlite) key: &'a Key,
    pub(in crate::store::sqlite) incarnation: Uuid,
    pub(in crate::store::sqlite) version: u64,
    /// The fence of a worker that releases its claim with the move. Without one the owner stays: no other process may claim the row while
    /// its worker is being stopped.
    pub(in crate::store::sqlite) fence: Option<u64>,
    pub(in crate::store::sqlite) into: &'a Entering,
    /// The time before which the row is not moved.
    pub(in crate::store::sqlite) not_before: Option<SystemTime>,
    /// Whether the row keeps its context if `into` has none.
    pub(in crate::store::sqlite) keeps_context: bool,
}

/// The row after the move; `None` if it is not as it was read. The schema version is compared too: a rewrite by newer code leaves the
/// version alone, and older code must not undo it.
pub(in crate::store::sqlite) fn enter(
    connection: &Connection,
    to: &Move<'_>,
    now: SystemTime,
) -> rusqlite::Result<Option<Row>> {
    let Move { key, incarnation, version, fence, into, not_before, keeps_context } = to;
    let row = connection
        .prepare_cached(include_str!("enter_state.sql"))?
        .query_row(
            params![
                key.machine,
                key.id,
                incarnation.as_bytes(),
                version,
                into.state,
                into.schema,
                into.data,
                into.context,
                timer_at(into, now),
                retry_at(into, now),
                fence,
                micros(now),
                keeps_context,
                not_before.map(micros),
            ],
            // Only the columns that the move does not know.
            |kept| {
                let desired: Option<String> = kept.get(4)?;
                Ok(Row {
                    key: (*key).clone(),
                    incarnation: *incarnation,
                    state: into.state.clone(),
                    version: version + 1,
                    entered: version + 1,
                    schema: into.schema,
                    data: into.data.clone(),
                    context: if *keeps_context { kept.get(5)? } else { into.context.clone() },
                    timer_at: into.timer.map(|after| as_stored(later(now, after))),
                    retry_at: into.work.then(|| as_stored(now)),
                    owner: kept.get(1)?,
                    fence: kept.get(0)?,
                    attempt: 0,
                    checkpoint: None,
                    parked: None,
                    parked_at: None,
                    desired_at: desired.as_ref().map(|_| as_stored(now)),
                    desired,
                    desired_by: kept.get(6)?,
                    error: None,
                    error_at: None,
                    first_error: None,
                    first_error_at: None,
                    hold: kept.get(7)?,
                    shard: kept.get(2)?,
                    created: time(kept, 3)?,
                    updated: as_stored(now),
                })
            },
        )
        .optional()?;
    Ok(row)
}

/// Removes the row of a state that is declared so. Its history is kept.
pub(in crate::store::sqlite) fn remove_if(remove: bool, connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    if remove {
        connection
            .prepare_cached("DELETE FROM fsm_instances WHERE machine = ?1 AND id = ?2")?
            .execute(params![row.key.machine, row.key.id])?;
    }
    Ok(())
}

pub(in crate::store::sqlite) fn timer_at(into: &Entering, now: SystemTime) -> Option<i64> {
    into.timer.map(|after| micros(later(now, after)))
}

pub(in crate::store::sqlite) fn retry_at(into: &Entering, now: SystemTime) -> Option<i64> {
    into.work.then(|| micros(now))
}
