//! The operators' log.

use super::columns::{micros, time};
use crate::store::{Operation, OperationEntry, Origin};
use rusqlite::{Connection, Row, params};
use std::time::SystemTime;

pub(in crate::store::sqlite) fn write(
    connection: &Connection,
    operation: &Operation,
    now: SystemTime,
) -> rusqlite::Result<u64> {
    let Operation { what, origin: Origin { actor, trace }, machine, id, selector, why, done, skipped, failed } =
        operation;
    connection
        .prepare_cached(
            "INSERT INTO fsm_operations (at, actor, trace, what, machine, id, selector, why, done, skipped, failed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING sequence",
        )?
        .query_row(params![micros(now), actor, trace, what, machine, id, selector, why, done, skipped, failed], |row| {
            row.get(0)
        })
}

/// The whole log, the oldest first.
#[cfg(feature = "postgres")]
pub(in crate::store::sqlite) const ALL: &str =
    "SELECT sequence, at, actor, trace, what, machine, id, selector, why, done, skipped, failed FROM fsm_operations
     ORDER BY sequence";

/// The newest first, before `before`.
pub(in crate::store::sqlite) fn page(
    connection: &Connection,
    before: u64,
    limit: usize,
) -> rusqlite::Result<Vec<OperationEntry>> {
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT sequence, at, actor, trace, what, machine, id, selector, why, done, skipped, failed
             FROM fsm_operations WHERE sequence < ?1 ORDER BY sequence DESC LIMIT ?2",
        )?
        .query_map(params![before, limit], to_entry)?
        .collect()
}

/// Reads the columns of a row of [`ALL`].
pub(in crate::store::sqlite) fn to_entry(row: &Row<'_>) -> rusqlite::Result<OperationEntry> {
    let mut operation = Operation::new(row.get::<_, String>(4)?, Origin { actor: row.get(2)?, trace: row.get(3)? });
    operation.machine = row.get(5)?;
    operation.id = row.get(6)?;
    operation.selector = row.get(7)?;
    operation.why = row.get(8)?;
    (operation.done, operation.skipped, operation.failed) = (row.get(9)?, row.get(10)?, row.get(11)?);
    Ok(OperationEntry::new(row.get(0)?, time(row, 1)?, operation))
}

pub(in crate::store::sqlite) fn prune(connection: &Connection, before: i64, limit: u32) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM fsm_operations WHERE sequence IN
                 (SELECT sequence FROM fsm_operations WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![before, limit])
}
