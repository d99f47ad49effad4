//! Owns how an operator's move past the rules is written: a new stay, with its history entry, in the caller's transaction.

use super::{
    entering::{self, Move, remove_if},
    journal::{self, Entry},
};
use crate::store::{Cause, HistoryKind, Override, Row};
use rusqlite::Connection;
use std::time::SystemTime;

/// What the history says that an override is about.
const MOVED: &str = "moved";

/// As a transition without a fence: the owner stays until its worker is gone.
pub(super) fn apply(connection: &Connection, moved: &Override, now: SystemTime) -> rusqlite::Result<Option<Row>> {
    let Override { key, incarnation, version, from, into, why, origin } = moved;
    let to = Move { key, incarnation: *incarnation, version: *version, fence: None, into, keeps_context: true };
    let row = entering::enter(connection, &to, now)?;
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
