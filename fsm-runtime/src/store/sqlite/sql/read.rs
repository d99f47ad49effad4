//! Owns the queries, and how columns become values.

use crate::store::{Due, HistoryEntry, HistoryQuery, Key, Row, Scope};
use rusqlite::{Connection, OptionalExtension, params, types::Type};
use std::{
    cmp::Ordering,
    fmt,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

pub(in crate::store::sqlite) use crate::clock::FOREVER;

pub(in crate::store::sqlite) const COLUMNS: &str = "machine, id, incarnation, state, version, entered, schema, data, context, timer_at, retry_at, \
                       owner, fence, attempt, checkpoint, parked, error, shard, created, updated, parked_at, desired, desired_at";

/// A delay too long for the calendar is as good as the far end of it.
pub(in crate::store::sqlite) fn later(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_add(by).unwrap_or(SystemTime::UNIX_EPOCH + FOREVER)
}

pub(in crate::store::sqlite) fn row(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM fsm_instances WHERE machine = ?1 AND id = ?2"))?
        .query_row(params![key.machine, key.id], to_row)
        .optional()
}

const ENTRY: &str = "SELECT sequence, machine, id, incarnation, kind, version, schema, fence, from_state, event, \
                     to_state, \
                     payload, data, context, cause, key, actor, trace, at FROM fsm_history";

fn entry(connection: &Connection, sequence: u64) -> rusqlite::Result<Option<HistoryEntry>> {
    connection.prepare_cached(&format!("{ENTRY} WHERE sequence = ?1"))?.query_row([sequence], to_entry).optional()
}

/// What was made first under an idempotency key, in this life of `key`; or in the present one, or in the last one where there is
/// no row any more.
pub(in crate::store::sqlite) fn first(
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
    // SQLite's integers are signed, and nothing comes beyond the greatest.
    let after = i64::try_from(query.after).unwrap_or(i64::MAX);
    let (beyond, order) = if query.newest_first { ("<", "DESC") } else { (">", "ASC") };
    match &query.key {
        Some(key) => connection
            .prepare_cached(&format!(
                "{ENTRY} WHERE machine = ?1 AND id = ?2 AND sequence {beyond} ?3 ORDER BY sequence {order} LIMIT ?4"
            ))?
            .query_map(params![key.machine, key.id, after, limit], to_entry)?
            .collect(),
        None => connection
            .prepare_cached(&format!("{ENTRY} WHERE sequence {beyond} ?1 ORDER BY sequence {order} LIMIT ?2"))?
            .query_map(params![after, limit], to_entry)?
            .collect(),
    }
}

pub(in crate::store::sqlite) fn pruned(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT value FROM fsm_meta WHERE name = 'pruned'")?.query_row([], |row| row.get(0))
}

pub(in crate::store::sqlite) fn position(connection: &Connection, subscriber: &str) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT position FROM fsm_subscribers WHERE name = ?1")?
        .query_row([subscriber], |row| row.get(0))
        .optional()
}

/// What SQLite keeps for `AUTOINCREMENT`: it stays when the entry itself is pruned or purged.
pub(in crate::store::sqlite) fn newest(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'fsm_history'")?
        .query_row([], |row| row.get(0))
}

pub(in crate::store::sqlite) fn due(
    connection: &Connection,
    scope: &Scope,
    until: SystemTime,
    after: Option<&Due>,
    limit: usize,
) -> rusqlite::Result<Vec<Due>> {
    let (first, last) = (scope.shards.start(), scope.shards.end());
    let mut found = Vec::new();
    for machine in &scope.machines {
        let mut statement = connection.prepare_cached(
            "SELECT machine, id, wake_at FROM fsm_instances
             WHERE machine = ?1 AND wake_at IS NOT NULL AND (wake_at, id) > (?2, ?3) AND wake_at <= ?4
               AND shard BETWEEN ?6 AND ?7
             ORDER BY wake_at, id LIMIT ?5",
        )?;
        // At one moment the machines come by name: those before the last one were read up to the end of it.
        let (from, last_id) = match after {
            None => (i64::MIN, ""),
            Some(Due { at, key }) => match machine.as_str().cmp(&key.machine) {
                Ordering::Less => (micros(*at).saturating_add(1), ""),
                Ordering::Equal => (micros(*at), &*key.id),
                Ordering::Greater => (micros(*at), ""),
            },
        };
        let rows = statement.query_map(params![machine, from, last_id, micros(until), limit, first, last], |row| {
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

pub(in crate::store::sqlite) fn held_by_others(
    connection: &Connection,
    scope: &Scope,
    me: &str,
    after: Option<&Key>,
    limit: usize,
) -> rusqlite::Result<Vec<Key>> {
    let (first, last) = (scope.shards.start(), scope.shards.end());
    let mut found = Vec::new();
    for machine in &scope.machines {
        let last_id = match after {
            Some(last) if **machine < *last.machine => continue,
            Some(last) if **machine == *last.machine => &*last.id,
            _ => "",
        };
        let mut statement = connection.prepare_cached(
            "SELECT machine, id FROM fsm_instances
             WHERE machine = ?1 AND owner IS NOT NULL AND owner != ?2 AND id > ?3
               AND shard BETWEEN ?5 AND ?6
             ORDER BY id LIMIT ?4",
        )?;
        let rows = statement.query_map(params![machine, me, last_id, limit, first, last], |row| to_key(row, 0))?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort();
    found.truncate(limit);
    Ok(found)
}

/// Microseconds since 1970: the form in which times are stored.
pub(in crate::store::sqlite) fn micros(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.min(FOREVER).as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().min(FOREVER).as_micros()).map_or(i64::MIN, |micros| -micros),
    }
}

/// The shard of a key: FNV-1a over machine and id. It is stored, so the function must never change; the standard
/// library's hashers do not promise that.
pub(in crate::store::sqlite) fn shard(key: &Key) -> u16 {
    let hash = key
        .machine
        .bytes()
        .chain([0])
        .chain(key.id.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // Folded: the upper bits of short ids' hashes are much alike.
    hash.to_le_bytes().as_chunks().0.iter().fold(0, |shard, bytes| shard ^ u16::from_le_bytes(*bytes))
}

pub(in crate::store::sqlite) fn to_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        key: to_key(row, 0)?,
        incarnation: uuid(row, 2)?,
        state: row.get(3)?,
        version: row.get(4)?,
        entered: row.get(5)?,
        schema: row.get(6)?,
        data: row.get(7)?,
        context: row.get(8)?,
        timer_at: optional_time(row, 9)?,
        retry_at: optional_time(row, 10)?,
        owner: row.get(11)?,
        fence: row.get(12)?,
        attempt: row.get(13)?,
        checkpoint: row.get(14)?,
        parked: row.get(15)?,
        error: row.get(16)?,
        shard: row.get(17)?,
        created: time(row, 18)?,
        updated: time(row, 19)?,
        parked_at: optional_time(row, 20)?,
        desired: row.get(21)?,
        desired_at: optional_time(row, 22)?,
    })
}

fn to_entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<HistoryEntry> {
    let kind: String = row.get(4)?;
    Ok(HistoryEntry {
        sequence: row.get(0)?,
        key: to_key(row, 1)?,
        incarnation: uuid(row, 3)?,
        kind: kind.parse().map_err(|why: String| damaged(4, Type::Text, Damage(why)))?,
        version: row.get(5)?,
        schema: row.get(6)?,
        fence: row.get(7)?,
        from: row.get(8)?,
        event: row.get(9)?,
        to: row.get(10)?,
        payload: row.get(11)?,
        data: row.get(12)?,
        context: row.get(13)?,
        cause: row.get(14)?,
        idempotency_key: row.get(15)?,
        actor: row.get(16)?,
        trace: row.get(17)?,
        at: time(row, 18)?,
    })
}

pub(in crate::store::sqlite) fn to_key(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Key> {
    Ok(Key::new(row.get::<_, String>(column)?, row.get::<_, String>(column + 1)?))
}

fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let bytes: Vec<u8> = row.get(column)?;
    Uuid::from_slice(&bytes).map_err(|error| damaged(column, Type::Blob, Damage(error.to_string())))
}

/// A time as it comes back: to the microsecond.
pub(in crate::store::sqlite) fn as_stored(time: SystemTime) -> SystemTime {
    from_micros(micros(time)).unwrap_or(time)
}

pub(in crate::store::sqlite) fn time(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<SystemTime> {
    from_micros(row.get(column)?)
        .ok_or_else(|| damaged(column, Type::Integer, Damage("a time outside the calendar".into())))
}

fn optional_time(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<SystemTime>> {
    match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(_) => time(row, column).map(Some),
    }
}

fn from_micros(micros: i64) -> Option<SystemTime> {
    let distance = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { SystemTime::UNIX_EPOCH.checked_sub(distance) } else { SystemTime::UNIX_EPOCH.checked_add(distance) }
}

/// A column that does not hold what was written there.
#[derive(Debug)]
struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

fn damaged(column: usize, of: Type, why: Damage) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, of, Box::new(why))
}
