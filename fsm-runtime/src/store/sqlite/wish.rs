//! Owns how a wish is written: its own columns, and nothing else of the row.

use super::{
    journal::{self, Entry},
    read::{COLUMNS, later, micros, to_row},
};
use crate::store::{Row, SetWish};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::SystemTime;

pub(super) fn apply(connection: &Connection, set: &SetWish, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let SetWish { key, incarnation, version, seen, wish, due, note } = set;
    let due = due.map(|due| micros(later(now, due)));
    let row = connection
        .prepare_cached(&format!(
            "UPDATE fsm_instances SET wish = ?6, wish_at = ?7
             WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND wish IS ?5 RETURNING {COLUMNS}"
        ))?
        .query_row(params![key.machine, key.id, incarnation.as_bytes(), version, seen, wish, due], to_row)
        .optional()?;
    if let (Some(row), Some(note)) = (&row, note) {
        let entry = Entry::note(row, note.about, &note.text, note.cause);
        journal::write(connection, &Entry { origin: Some(&note.origin), ..entry }, now)?;
    }
    Ok(row)
}
