//! Owns what is done to the file as a whole: forgetting what is old, checking, copying, measuring.

use super::{list, read::micros};
use crate::store::{Prune, Size};
use rusqlite::{Connection, params};
use std::path::Path;

/// Forgets one batch of each kind, and says how much that was.
pub(super) fn prune(connection: &Connection, prune: &Prune) -> rusqlite::Result<u64> {
    let limit = u32::try_from(prune.limit).unwrap_or(u32::MAX);
    let mut forgotten = 0;
    if let Some(before) = prune.keys_before {
        forgotten += connection
            .prepare_cached(
                "DELETE FROM fsm_keys WHERE (machine, id, incarnation, key) IN
                     (SELECT machine, id, incarnation, key FROM fsm_keys WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute(params![micros(before), limit])?;
    }
    if let Some(before) = prune.history_before {
        forgotten += prune_history(connection, micros(before), limit)?;
    }
    if let Some(before) = prune.ended_before {
        for (machine, state) in &prune.ended {
            forgotten += list::prune(connection, machine, state, micros(before), prune.limit)?;
        }
    }
    Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
}

/// From the oldest on, so that what is left has no holes; an entry that an idempotency key answers with ends the batch.
fn prune_history(connection: &Connection, before: i64, limit: u32) -> rusqlite::Result<usize> {
    let last: Option<u64> = connection
        .prepare_cached(
            "SELECT max(sequence) FROM (
                 SELECT sequence, max(at) OVER (ORDER BY sequence) AS newest FROM (
                     SELECT sequence, at FROM fsm_history
                     WHERE sequence < ifnull((SELECT min(sequence) FROM fsm_keys), 9223372036854775807)
                     ORDER BY sequence LIMIT ?2))
             WHERE newest < ?1",
        )?
        .query_row(params![before, limit], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    let forgotten = connection.prepare_cached("DELETE FROM fsm_history WHERE sequence <= ?1")?.execute([last])?;
    connection.prepare_cached("UPDATE fsm_meta SET value = max(value, ?1) WHERE name = 'pruned'")?.execute([last])?;
    Ok(forgotten)
}

pub(super) fn advance(connection: &Connection, subscriber: &str, position: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO fsm_subscribers VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET position = max(position, ?2)",
        )?
        .execute(params![subscriber, position])?;
    Ok(())
}

/// What SQLite finds wrong with the file; nothing where all is well.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let found: Vec<String> =
        connection.prepare("PRAGMA integrity_check")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

/// A copy of the file as it is at this moment, while others read and write; `to` must not exist.
pub(super) fn back_up(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    Ok(())
}

pub(super) fn size(connection: &Connection, log_bytes: u64) -> rusqlite::Result<Size> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    let page = pragma("page_size")?;
    Ok(Size { bytes: pragma("page_count")? * page, free_bytes: pragma("freelist_count")? * page, log_bytes })
}
