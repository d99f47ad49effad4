//! Owns how a worker's checkpoint is written: into the row whose claim it holds, in the caller's transaction.

use super::read::{COLUMNS, to_row};
use crate::store::{Checkpoint, Row};
use rusqlite::{Connection, OptionalExtension, params};

/// A row that was given back has the fence of its last claim still, but no owner.
pub(super) fn apply(connection: &Connection, kept: &Checkpoint) -> rusqlite::Result<Option<Row>> {
    let Checkpoint { key, incarnation, version, fence, checkpoint } = kept;
    connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances SET checkpoint = ?6
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ?5 AND owner IS NOT NULL
             RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version, fence, checkpoint], to_row)
        .optional()
}
