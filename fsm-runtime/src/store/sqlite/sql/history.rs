//! Writes history entries and their idempotency keys.

use super::columns::micros;
use crate::store::{Cause, HistoryKind, Origin, Row};
use rusqlite::{Connection, params};
use std::time::SystemTime;

/// A history entry without its sequence.
pub(in crate::store::sqlite) struct Entry<'a> {
    pub(in crate::store::sqlite) row: &'a Row,
    pub(in crate::store::sqlite) kind: HistoryKind,
    pub(in crate::store::sqlite) from: Option<&'a str>,
    pub(in crate::store::sqlite) event: Option<&'a str>,
    pub(in crate::store::sqlite) payload: Option<&'a str>,
    pub(in crate::store::sqlite) data: Option<&'a str>,
    pub(in crate::store::sqlite) context: Option<&'a str>,
    pub(in crate::store::sqlite) cause: Cause,
    pub(in crate::store::sqlite) idempotency_key: Option<&'a str>,
    pub(in crate::store::sqlite) origin: Option<&'a Origin>,
}

impl<'a> Entry<'a> {
    /// An entry for a change that led to `row`.
    pub(in crate::store::sqlite) fn of(row: &'a Row, cause: Cause) -> Self {
        Self {
            row,
            kind: HistoryKind::Transition,
            from: None,
            event: None,
            payload: None,
            data: Some(&row.data),
            context: row.context.as_deref(),
            cause,
            idempotency_key: None,
            origin: None,
        }
    }

    /// A note, which leaves the state and the version alone.
    pub(in crate::store::sqlite) fn note(row: &'a Row, about: &'a str, text: &'a str, cause: Cause) -> Self {
        Self {
            kind: HistoryKind::Note,
            from: Some(&row.state),
            event: Some(about),
            payload: Some(text),
            data: None,
            context: None,
            ..Self::of(row, cause)
        }
    }
}

pub(in crate::store::sqlite) fn write(
    connection: &Connection,
    entry: &Entry<'_>,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let Entry { row, kind, from, event, payload, data, context, cause, idempotency_key, origin } = entry;
    let (machine, id, incarnation) = (&row.key.machine, &row.key.id, row.incarnation.as_bytes());
    connection.prepare_cached(include_str!("history.sql"))?.execute(params![
        machine,
        id,
        incarnation,
        kind.as_str(),
        row.version,
        row.schema,
        row.fence,
        from,
        event,
        row.state,
        payload,
        data,
        context,
        cause.as_str(),
        idempotency_key,
        origin.and_then(|origin| origin.actor.as_deref()),
        origin.and_then(|origin| origin.trace.as_deref()),
        micros(now),
    ])?;
    if let Some(key) = idempotency_key {
        connection
            .prepare_cached(
                "INSERT INTO fsm_keys (machine, id, incarnation, key, sequence, at)
                 VALUES (?1, ?2, ?3, ?4, last_insert_rowid(), ?5)",
            )?
            .execute(params![machine, id, incarnation, key, micros(now)])?;
    }
    Ok(())
}
