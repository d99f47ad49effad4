//! Claimed rows: those of one owner, those of a machine, and those whose owner has no live lease.
//!
//! The index of owners holds (owner, machine, id, shard) of claimed rows. There are few owners, so that a query over all of them has one
//! sorted range for each.

use super::columns::{COLUMNS, bucket_bytes, micros, to_key, to_row};
use crate::store::{Held, Key, Row, Scope};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::SystemTime;
use uuid::Uuid;

pub(in crate::store::sqlite) fn held_by(
    connection: &Connection,
    owner: &str,
    after: Option<&Key>,
    limit: usize,
) -> rusqlite::Result<Vec<Held>> {
    let (machine, id) = after.map_or(("", ""), |key| (&*key.machine, &*key.id));
    let mut statement = connection.prepare_cached(
        "SELECT machine, id, incarnation, entered, fence FROM fsm_instances INDEXED BY fsm_instances_owner
         WHERE owner = ?1 AND (machine, id) > (?2, ?3) ORDER BY machine, id LIMIT ?4",
    )?;
    let rows = statement.query_map(params![owner, machine, id, limit], |row| {
        let incarnation: Uuid = Uuid::from_bytes(row.get(2)?);
        Ok(Held::new(to_key(row, 0)?, incarnation, row.get(3)?, row.get(4)?))
    })?;
    rows.collect()
}

pub(in crate::store::sqlite) fn orphaned(
    connection: &Connection,
    scope: &Scope,
    after: Option<&Key>,
    limit: usize,
    now: SystemTime,
) -> rusqlite::Result<Vec<Key>> {
    let (buckets, mut found) = (bucket_bytes(&scope.buckets), Vec::new());
    let mut live = connection.prepare_cached("SELECT 1 FROM fsm_leases WHERE owner = ?1 AND until > ?2")?;
    for owner in owners(connection)? {
        if live.exists(params![owner, micros(now)])? {
            continue;
        }
        for machine in &scope.machines {
            let last_id = match after {
                Some(last) if **machine < *last.machine => continue,
                Some(last) if **machine == *last.machine => &*last.id,
                _ => "",
            };
            let mut statement = connection.prepare_cached(
                "SELECT machine, id FROM fsm_instances INDEXED BY fsm_instances_owner
                 WHERE owner = ?1 AND machine = ?2 AND id > ?3
                   AND (?5 IS NULL OR substr(?5, (shard >> 6) + 1, 1) = x'01')
                 ORDER BY id LIMIT ?4",
            )?;
            let rows = statement.query_map(params![owner, machine, last_id, limit, buckets], |row| to_key(row, 0))?;
            for row in rows {
                found.push(row?);
            }
        }
    }
    found.sort();
    found.truncate(limit);
    Ok(found)
}

pub(in crate::store::sqlite) fn of_machine(
    connection: &Connection,
    machine: &str,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<Row>> {
    let mut found: Vec<Row> = Vec::new();
    for owner in owners(connection)? {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM fsm_instances INDEXED BY fsm_instances_owner
             WHERE owner = ?1 AND machine = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
        ))?;
        for row in statement.query_map(params![owner, machine, after.unwrap_or_default(), limit], to_row)? {
            found.push(row?);
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found.truncate(limit);
    Ok(found)
}

/// The owners of rows: one look-up for each.
fn owners(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut next = connection.prepare_cached(
        "SELECT owner FROM fsm_instances INDEXED BY fsm_instances_owner WHERE owner > ?1 ORDER BY owner LIMIT 1",
    )?;
    let mut found: Vec<String> = Vec::new();
    loop {
        let last = found.last().map_or("", String::as_str);
        match next.query_row([last], |row| row.get(0)).optional()? {
            Some(owner) => found.push(owner),
            None => return Ok(found),
        }
    }
}
