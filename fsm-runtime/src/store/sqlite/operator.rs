//! Owns how an operator's move past the rules is written: a new stay, with its history entry, in the caller's transaction.

use super::{
    change::{remove_if, retry_at, timer_at},
    journal::{self, Entry},
    read::{COLUMNS, micros, to_row},
};
use crate::store::{Cause, HistoryKind, Override, Row};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::SystemTime;

/// What the history says that an override is about.
const MOVED: &str = "moved";

/// As a transition without a fence: the owner stays until its worker is gone.
pub(super) fn apply(connection: &Connection, moved: &Override, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Override { key, incarnation, version, from, into, why, origin } = moved;
    let row = connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances
             SET state = ?5, version = version + 1, entered = version + 1, schema = ?6, data = ?7,
                 context = ifnull(?8, context), timer_at = ?9, retry_at = ?10, attempt = 0, checkpoint = NULL,
                 parked = NULL, parked_at = NULL, error = NULL, updated = ?11,
                 wish_at = iif(wish IS NULL, NULL, ?11)
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND schema <= ?6
             RETURNING {COLUMNS}"
        ))?
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
                micros(now),
            ],
            to_row,
        )
        .optional()?;
    if let Some(row) = &row {
        let entry = Entry {
            kind: HistoryKind::Override,
            from: Some(from),
            event: Some(MOVED),
            payload: Some(why),
            origin: Some(origin),
            ..Entry::of(row, Cause::Operator)
        };
        journal::write(connection, &entry, now)?;
        remove_if(into.remove, connection, row)?;
    }
    Ok(row)
}
