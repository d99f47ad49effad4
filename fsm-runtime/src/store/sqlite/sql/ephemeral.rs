//! Entries under leases, and kept results.

use super::columns::{later, micros, time};
use crate::store::{Ephemeral, KeptResult, NewEphemeral, NewResult, Position};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::{Duration, SystemTime};

const COLUMNS: &str = "sequence, name, id, holder, value, since, until";
pub(in crate::store::sqlite) const RESULT_COLUMNS: &str = "fence, outcome, at, until, arguments, failed";

pub(in crate::store::sqlite) fn enter(
    connection: &Connection,
    entry: &NewEphemeral,
    now: SystemTime,
) -> rusqlite::Result<u64> {
    let NewEphemeral { kind, name, id, holder, value, ttl } = entry;
    let there = connection
        .prepare_cached("SELECT sequence FROM fsm_entries WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if let Some(sequence) = there {
        return Ok(sequence);
    }
    sweep(connection, now)?;
    let sequence: u64 = connection
        .prepare_cached("UPDATE fsm_meta SET value = value + 1 WHERE name = 'fence' RETURNING value")?
        .query_row([], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO fsm_entries (sequence, kind, name, id, holder, value, since, until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![sequence, kind, name, id, holder, value, micros(now), micros(later(now, *ttl))])?;
    count_change(connection)?;
    Ok(sequence)
}

pub(in crate::store::sqlite) fn renew(
    connection: &Connection,
    id: &str,
    ttl: Duration,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let renewed = connection
        .prepare_cached("UPDATE fsm_entries SET until = ?2 WHERE id = ?1 AND until > ?3")?
        .execute(params![id, micros(later(now, ttl)), micros(now)])?;
    Ok(renewed > 0)
}

pub(in crate::store::sqlite) fn set_value(
    connection: &Connection,
    id: &str,
    value: &str,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE fsm_entries SET value = ?2 WHERE id = ?1 AND until > ?3")?
        .execute(params![id, value, micros(now)])?;
    if changed > 0 {
        count_change(connection)?;
    }
    Ok(changed > 0)
}

pub(in crate::store::sqlite) fn remove(connection: &Connection, id: &str, now: SystemTime) -> rusqlite::Result<()> {
    if connection.prepare_cached("DELETE FROM fsm_entries WHERE id = ?1")?.execute([id])? > 0 {
        count_change(connection)?;
    }
    sweep(connection, now)
}

/// The position of an entry; `None` if an expired entry is ahead of it, which has to be removed first.
pub(in crate::store::sqlite) fn position(
    connection: &Connection,
    id: &str,
    now: SystemTime,
) -> rusqlite::Result<Option<Position>> {
    let live = connection
        .prepare_cached("SELECT kind, name, sequence FROM fsm_entries WHERE id = ?1 AND until > ?2")?
        .query_row(params![id, micros(now)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((kind, name, sequence)): Option<(String, String, u64)> = live else { return Ok(Some(Position::Gone)) };
    let ahead = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM fsm_entries WHERE kind = ?1 AND name = ?2 AND sequence < ?3
             ORDER BY sequence DESC LIMIT 1"
        ))?
        .query_row(params![kind, name, sequence], to_entry)
        .optional()?;
    Ok(match ahead {
        None => Some(Position::First),
        Some(ahead) => (ahead.until > now).then_some(Position::Behind(ahead)),
    })
}

/// The position of an entry, after expired entries ahead of it were removed.
pub(in crate::store::sqlite) fn remove_lapsed_ahead(
    connection: &Connection,
    id: &str,
    now: SystemTime,
) -> rusqlite::Result<Position> {
    connection
        .prepare_cached(
            "DELETE FROM fsm_entries WHERE until <= ?2 AND sequence < (SELECT sequence FROM fsm_entries WHERE id = ?1)
                 AND (kind, name) = (SELECT kind, name FROM fsm_entries WHERE id = ?1)",
        )?
        .execute(params![id, micros(now)])?;
    Ok(position(connection, id, now)?.unwrap_or(Position::Gone))
}

/// The first entries of a queue; `None` if one of them has expired, which has to be removed first.
pub(in crate::store::sqlite) fn first(
    connection: &Connection,
    kind: &str,
    name: &str,
    limit: usize,
    now: SystemTime,
) -> rusqlite::Result<Option<Vec<Ephemeral>>> {
    let entries: Vec<Ephemeral> = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM fsm_entries WHERE kind = ?1 AND name = ?2 ORDER BY sequence LIMIT ?3"
        ))?
        .query_map(params![kind, name, limit], to_entry)?
        .collect::<Result<_, _>>()?;
    Ok(entries.iter().all(|entry| entry.until > now).then_some(entries))
}

/// The first entries of a queue, after its expired entries were removed.
pub(in crate::store::sqlite) fn remove_lapsed(
    connection: &Connection,
    kind: &str,
    name: &str,
    limit: usize,
    now: SystemTime,
) -> rusqlite::Result<Vec<Ephemeral>> {
    connection
        .prepare_cached("DELETE FROM fsm_entries WHERE kind = ?1 AND name = ?2 AND until <= ?3")?
        .execute(params![kind, name, micros(now)])?;
    Ok(first(connection, kind, name, limit, now)?.unwrap_or_default())
}

/// Of one queue, or of all queues of the kind.
pub(in crate::store::sqlite) fn page(
    connection: &Connection,
    kind: &str,
    name: Option<&str>,
    after: Option<&(String, u64)>,
    limit: usize,
    now: SystemTime,
) -> rusqlite::Result<Vec<Ephemeral>> {
    let (after_name, after) = after.map_or(("", 0), |(name, sequence)| (name.as_str(), *sequence));
    match name {
        Some(name) => connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM fsm_entries WHERE kind = ?1 AND name = ?2 AND sequence > ?3 AND until > ?4
                 ORDER BY sequence LIMIT ?5"
            ))?
            .query_map(params![kind, name, after, micros(now), limit], to_entry)?
            .collect(),
        None => connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM fsm_entries WHERE kind = ?1 AND (name, sequence) > (?2, ?3) AND until > ?4
                 ORDER BY name, sequence LIMIT ?5"
            ))?
            .query_map(params![kind, after_name, after, micros(now), limit], to_entry)?
            .collect(),
    }
}

pub(in crate::store::sqlite) fn keep_result(
    connection: &Connection,
    result: &NewResult,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let NewResult { entry, arguments, outcome, failed, ttl } = result;
    if remove_lapsed_ahead(connection, entry, now)? != Position::First {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO fsm_results (kind, name, fence, arguments, outcome, failed, at, until)
             SELECT kind, name, sequence, ?2, ?3, ?4, ?5, ?6 FROM fsm_entries WHERE id = ?1
             ON CONFLICT (kind, name) DO UPDATE SET fence = excluded.fence, arguments = excluded.arguments,
                 outcome = excluded.outcome, failed = excluded.failed, at = excluded.at, until = excluded.until",
        )?
        .execute(params![entry, arguments, outcome, failed, micros(now), micros(later(now, *ttl))])?;
    remove(connection, entry, now)?;
    Ok(true)
}

pub(in crate::store::sqlite) fn result(
    connection: &Connection,
    kind: &str,
    name: &str,
    now: SystemTime,
) -> rusqlite::Result<Option<KeptResult>> {
    connection
        .prepare_cached(&format!(
            "SELECT {RESULT_COLUMNS} FROM fsm_results WHERE kind = ?1 AND name = ?2 AND until > ?3"
        ))?
        .query_row(params![kind, name, micros(now)], to_result)
        .optional()
}

/// Whether there was one whose time was not over.
pub(in crate::store::sqlite) fn remove_result(
    connection: &Connection,
    kind: &str,
    name: &str,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let live = result(connection, kind, name, now)?.is_some();
    connection.prepare_cached("DELETE FROM fsm_results WHERE kind = ?1 AND name = ?2")?.execute([kind, name])?;
    Ok(live)
}

/// The number of changes of entries, by which other processes see that there was one; 0 before the first.
pub(in crate::store::sqlite) fn changes(connection: &Connection) -> rusqlite::Result<u64> {
    let changes = connection
        .prepare_cached("SELECT value FROM fsm_meta WHERE name = 'entries'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(changes.unwrap_or_default())
}

fn count_change(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO fsm_meta (name, value) VALUES ('entries', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
        )?
        .execute([])?;
    Ok(())
}

/// Removes some of what is over, more than one call can add.
fn sweep(connection: &Connection, now: SystemTime) -> rusqlite::Result<()> {
    for table in ["entries", "results"] {
        connection
            .prepare_cached(&format!(
                "DELETE FROM fsm_{table} WHERE rowid IN (SELECT rowid FROM fsm_{table} WHERE until <= ?1 LIMIT 16)"
            ))?
            .execute([micros(now)])?;
    }
    Ok(())
}

fn to_entry(row: &Row<'_>) -> rusqlite::Result<Ephemeral> {
    let entry = Ephemeral::new(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, time(row, 5)?, time(row, 6)?);
    Ok(Ephemeral { value: row.get(4)?, ..entry })
}

/// From the columns [`RESULT_COLUMNS`].
pub(in crate::store::sqlite) fn to_result(row: &Row<'_>) -> rusqlite::Result<KeptResult> {
    let kept = KeptResult::new(row.get(0)?, row.get(1)?, time(row, 2)?, time(row, 3)?);
    Ok(KeptResult { arguments: row.get(4)?, failed: row.get(5)?, ..kept })
}
