//! Queries: single rows, history, due work, and positions of subscribers.

use super::columns::{COLUMNS, ENTRY_COLUMNS, bucket_bytes, micros, time, to_entry, to_key, to_row};
use crate::store::{Buckets, ChangedKeys, Due, HistoryEntry, HistoryQuery, Key, Row, Scope};
use rusqlite::{Connection, OptionalExtension, params};
use std::{cmp::Ordering, time::SystemTime};
use uuid::Uuid;

pub(in crate::store::sqlite) fn row(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM fsm_instances WHERE machine = ?1 AND id = ?2"))?
        .query_row(params![key.machine, key.id], to_row)
        .optional()
}

fn entry(connection: &Connection, sequence: u64) -> rusqlite::Result<Option<HistoryEntry>> {
    connection
        .prepare_cached(&format!("SELECT {ENTRY_COLUMNS} FROM fsm_history WHERE sequence = ?1"))?
        .query_row([sequence], to_entry)
        .optional()
}

/// The first entry under an idempotency key in this incarnation of `key`; without one, in the current incarnation, or in the last
/// one if the row was deleted.
pub(in crate::store::sqlite) fn find_by_idempotency_key(
    connection: &Connection,
    key: &Key,
    incarnation: Option<Uuid>,
    idempotency_key: &str,
) -> rusqlite::Result<Option<HistoryEntry>> {
    let incarnation = incarnation.as_ref().map(Uuid::as_bytes);
    let sequence: Option<u64> = connection
        .prepare_cached(
            "SELECT sequence FROM fsm_keys WHERE machine = ?1 AND id = ?2 AND key = ?4
             AND incarnation = coalesce(
                 ?3,
                 (SELECT incarnation FROM fsm_instances WHERE machine = ?1 AND id = ?2),
                 (SELECT incarnation FROM fsm_history WHERE machine = ?1 AND id = ?2 ORDER BY sequence DESC LIMIT 1))",
        )?
        .query_row(params![key.machine, key.id, incarnation, idempotency_key], |row| row.get(0))
        .optional()?;
    sequence.map_or(Ok(None), |sequence| entry(connection, sequence))
}

pub(in crate::store::sqlite) fn history(
    connection: &Connection,
    query: &HistoryQuery,
) -> rusqlite::Result<Vec<HistoryEntry>> {
    let limit = u32::try_from(query.limit).unwrap_or(u32::MAX);
    // SQLite's integers are signed; no sequence exceeds the maximum.
    let after = i64::try_from(query.after).unwrap_or(i64::MAX);
    let (beyond, order) = if query.newest_first { ("<", "DESC") } else { (">", "ASC") };
    match &query.key {
        Some(key) => connection
            .prepare_cached(&format!(
                "SELECT {ENTRY_COLUMNS} FROM fsm_history WHERE machine = ?1 AND id = ?2 AND sequence {beyond} ?3
                   AND (NOT ?5 OR cause = 'operator')
                 ORDER BY sequence {order} LIMIT ?4"
            ))?
            .query_map(params![key.machine, key.id, after, limit, query.by_operators], to_entry)?
            .collect(),
        None if query.by_operators => connection
            .prepare_cached(&format!(
                "SELECT {ENTRY_COLUMNS} FROM fsm_history INDEXED BY fsm_history_operator
                 WHERE cause = 'operator' AND sequence {beyond} ?1 ORDER BY sequence {order} LIMIT ?2"
            ))?
            .query_map(params![after, limit], to_entry)?
            .collect(),
        None => connection
            .prepare_cached(&format!(
                "SELECT {ENTRY_COLUMNS} FROM fsm_history WHERE sequence {beyond} ?1 ORDER BY sequence {order} LIMIT ?2"
            ))?
            .query_map(params![after, limit], to_entry)?
            .collect(),
    }
}

pub(in crate::store::sqlite) fn pruned_through(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT value FROM fsm_meta WHERE name = 'pruned'")?.query_row([], |row| row.get(0))
}

pub(in crate::store::sqlite) fn subscriber_position(
    connection: &Connection,
    subscriber: &str,
) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT position FROM fsm_subscribers WHERE name = ?1")?
        .query_row([subscriber], |row| row.get(0))
        .optional()
}

/// SQLite's `AUTOINCREMENT` counter, which is kept when the entry itself is pruned or purged.
pub(in crate::store::sqlite) fn last_sequence(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'fsm_history'")?
        .query_row([], |row| row.get(0))
}

/// Reads the keys of entries up to the limit, and leaves out those of other buckets. Data is in later columns, which are not read.
pub(in crate::store::sqlite) fn changed(
    connection: &Connection,
    after: u64,
    buckets: &Buckets,
    limit: usize,
) -> rusqlite::Result<ChangedKeys> {
    // Read first: entries after it may be in the page or in the next one.
    let newest = last_sequence(connection)?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT sequence, machine, id FROM fsm_history WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )?;
    let page: Vec<(u64, Key)> = statement
        .query_map(params![after, limit], |row| Ok((row.get(0)?, to_key(row, 1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let through = match page.last() {
        Some((last, _)) if page.len() == limit => *last,
        last => last.map_or(newest, |(last, _)| newest.max(*last)),
    };
    Ok(ChangedKeys::new(page.into_iter().filter(|(_, key)| buckets.contains_key(key)).collect(), through))
}

pub(in crate::store::sqlite) fn due(
    connection: &Connection,
    scope: &Scope,
    until: SystemTime,
    after: Option<&Due>,
    limit: usize,
) -> rusqlite::Result<Vec<Due>> {
    let (buckets, mut found) = (bucket_bytes(&scope.buckets), Vec::new());
    for machine in &scope.machines {
        let mut statement = connection.prepare_cached(
            "SELECT machine, id, wake_at FROM fsm_instances
             WHERE machine = ?1 AND wake_at IS NOT NULL AND (wake_at, id) > (?2, ?3) AND wake_at <= ?4
               AND (?6 IS NULL OR substr(?6, (shard >> 6) + 1, 1) = x'01')
             ORDER BY wake_at, id LIMIT ?5",
        )?;
        // Rows due at the same time are ordered by machine: the machines before the last one have been read for that time.
        let (from, last_id) = match after {
            None => (i64::MIN, ""),
            Some(Due { at, key }) => match machine.as_str().cmp(&key.machine) {
                Ordering::Less => (micros(*at).saturating_add(1), ""),
                Ordering::Equal => (micros(*at), &*key.id),
                Ordering::Greater => (micros(*at), ""),
            },
        };
        let rows = statement.query_map(params![machine, from, last_id, micros(until), limit, buckets], |row| {
            Ok(Due { key: to_key(row, 0)?, at: time(row, 2)? })
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    found.truncate(limit);
    Ok(found)
}
