//! Lists: pages of rows by id, by state and age, or parked, and counts by state.
//!
//! The indexes of states and of parked rows hold (state, schema version, age, id). A list of several states, or of one with
//! rows of several schema versions, is merged from one sorted range of the index for each.

use super::columns::{COLUMNS, micros, to_key, to_row};
use crate::store::{
    Count, Filter, InUse, Only, Page, Row,
    cursor::{InvalidCursor, Order, end_of_prefix},
};
use rusqlite::{Connection, OptionalExtension, params};

/// All rows are ordered by id; rows by state or age, parked rows, and lists with the newest first, by the time they entered their state.
pub(in crate::store::sqlite) fn page(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page<Row>> {
    match Order::of(filter) {
        Order::Id => by_id(connection, filter),
        order if filter.id_prefix.is_some() => by_age_of_prefix(connection, filter, order),
        order => by_age(connection, filter, order, index(filter.only)),
    }
}

/// The state index, which is optional: without it the query fails instead of scanning the table.
const STATES: &str = "fsm_instances INDEXED BY fsm_instances_state WHERE";
const PARKED: &str = "fsm_instances INDEXED BY fsm_instances_parked WHERE parked IS NOT NULL AND";
const BACKING_OFF: &str = "fsm_instances INDEXED BY fsm_instances_backoff
    WHERE attempt > 0 AND retry_at IS NOT NULL AND parked IS NULL AND";
const HELD: &str = "fsm_instances INDEXED BY fsm_instances_hold WHERE hold IS NOT NULL AND";

fn index(only: Option<Only>) -> &'static str {
    match only {
        None => STATES,
        Some(Only::Parked) => PARKED,
        Some(Only::BackingOff) => BACKING_OFF,
        Some(Only::Held) => HELD,
    }
}

/// The condition of `only` for a statement that does not use its index.
fn condition(only: Option<Only>) -> &'static str {
    match only {
        None => "TRUE",
        Some(Only::Parked) => "+parked IS NOT NULL",
        Some(Only::BackingOff) => "+attempt > 0 AND +retry_at IS NOT NULL AND +parked IS NULL",
        Some(Only::Held) => "+hold IS NOT NULL",
    }
}

fn by_id(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page<Row>> {
    let prefix = filter.id_prefix.as_deref().unwrap_or_default();
    let first = match &filter.after {
        None => prefix.to_owned(),
        // The first text after that of the cursor.
        Some(cursor) => format!("{}\0", Order::Id.id(cursor).map_err(invalid)?),
    };
    // Every text is less than a blob.
    let items = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM fsm_instances WHERE machine = ?1 AND id >= ?2 AND id < ifnull(?3, x'')
             ORDER BY id LIMIT ?4"
        ))?
        .query_map(
            params![filter.machine, first.as_str().max(prefix), end_of_prefix(prefix), one_more(filter)],
            to_row,
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(cut(items, filter, Order::Id))
}

/// The rows beyond this time and id follow in the order by time.
fn beyond(filter: &Filter, order: Order) -> rusqlite::Result<(i64, &str)> {
    let cursor = filter.after.as_deref().map(|cursor| order.time_and_id(cursor).map_err(invalid)).transpose()?;
    Ok(match order {
        Order::NewestFirst => {
            let newest = (filter.entered_before.map_or(i64::MAX, micros), "");
            cursor.map_or(newest, |cursor| cursor.min(newest))
        }
        Order::Id | Order::OldestFirst => cursor.unwrap_or((i64::MIN, "")),
    })
}

fn by_age(connection: &Connection, filter: &Filter, order: Order, index: &str) -> rusqlite::Result<Page<Row>> {
    let (time, id) = beyond(filter, order)?;
    let before = filter.entered_before.map_or(i64::MAX, micros);
    let mut items: Vec<Row> = Vec::new();
    for InUse { state, schema, .. } in ranges(connection, index, &filter.machine)? {
        if filter.states.as_ref().is_some_and(|states| !states.contains(&state)) {
            continue;
        }
        let mut add = |rows: rusqlite::Rows<'_>| -> rusqlite::Result<()> {
            items.extend(rows.mapped(to_row).collect::<rusqlite::Result<Vec<_>>>()?);
            Ok(())
        };
        if order == Order::NewestFirst {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM {index}
                 machine = ?1 AND state = ?2 AND schema = ?3 AND (updated, id) < (?4, ?5)
                 ORDER BY updated DESC, id DESC LIMIT ?6"
            ))?;
            add(statement.query(params![filter.machine, state, schema, time, id, one_more(filter)])?)?;
        } else {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM {index}
                 machine = ?1 AND state = ?2 AND schema = ?3 AND (updated, id) > (?4, ?5) AND updated < ?6
                 ORDER BY updated, id LIMIT ?7"
            ))?;
            add(statement.query(params![filter.machine, state, schema, time, id, before, one_more(filter)])?)?;
        }
    }
    items.sort_by(|a, b| (a.updated, &a.key.id).cmp(&(b.updated, &b.key.id)));
    if order == Order::NewestFirst {
        items.reverse();
    }
    Ok(cut(items, filter, order))
}

/// A list by time of the rows with a prefix: reads all of them, and sorts them. `+` keeps SQLite from another index than that of ids.
fn by_age_of_prefix(connection: &Connection, filter: &Filter, order: Order) -> rusqlite::Result<Page<Row>> {
    let prefix = filter.id_prefix.as_deref().unwrap_or_default();
    let (time, id) = beyond(filter, order)?;
    let (beyond, direction) = if order == Order::NewestFirst { ("<", "DESC") } else { (">", "ASC") };
    let condition = condition(filter.only);
    let states = filter.states.as_ref().map(|states| serde_json::json!(states).to_string());
    let items = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM fsm_instances WHERE machine = ?1 AND id >= ?2 AND id < ifnull(?3, x'')
             AND (?4 IS NULL OR +state IN (SELECT value FROM json_each(?4))) AND {condition}
             AND (+updated, +id) {beyond} (?5, ?6) AND +updated < ?7
             ORDER BY +updated {direction}, +id {direction} LIMIT ?8"
        ))?
        .query_map(
            params![
                filter.machine,
                prefix,
                end_of_prefix(prefix),
                states,
                time,
                id,
                filter.entered_before.map_or(i64::MAX, micros),
                one_more(filter)
            ],
            to_row,
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(cut(items, filter, order))
}

/// The only rusqlite error that carries a custom text; `error::running` recognizes it.
fn invalid(InvalidCursor(cursor): InvalidCursor) -> rusqlite::Error {
    rusqlite::Error::InvalidParameterName(cursor)
}

/// One more than the limit, to know whether there is a next page.
fn one_more(filter: &Filter) -> u32 {
    u32::try_from(filter.limit).unwrap_or(u32::MAX).saturating_add(1)
}

fn cut(mut items: Vec<Row>, filter: &Filter, order: Order) -> Page<Row> {
    let more = items.len() > filter.limit;
    items.truncate(filter.limit);
    let next = items.last().filter(|_| more).map(|row| order.cursor(row, micros(row.updated)));
    Page::new(items, next)
}

/// The ranges of an index: two look-ups for each state and schema version, not one for each row.
///
/// Two, because SQLite seeks to the beginning of `(state, schema) > (?, ?)` as if it were `>=`, and scans from there.
fn ranges(connection: &Connection, index: &str, machine: &str) -> rusqlite::Result<Vec<InUse>> {
    const FOUND: &str = "SELECT state, schema, machine, id FROM";
    let mut version = connection.prepare_cached(&format!(
        "{FOUND} {index} machine = ?1 AND state = ?2 AND schema > ?3 ORDER BY schema LIMIT 1"
    ))?;
    let mut state = connection
        .prepare_cached(&format!("{FOUND} {index} machine = ?1 AND state > ?2 ORDER BY state, schema LIMIT 1"))?;
    let mut first =
        connection.prepare_cached(&format!("{FOUND} {index} machine = ?1 ORDER BY state, schema LIMIT 1"))?;
    let mut found: Vec<InUse> = Vec::new();
    let mut next = first.query_row([machine], to_in_use).optional()?;
    while let Some(range) = next {
        next = version.query_row(params![machine, range.state, range.schema], to_in_use).optional()?;
        if next.is_none() {
            next = state.query_row(params![machine, range.state], to_in_use).optional()?;
        }
        found.push(range);
    }
    Ok(found)
}

fn to_in_use(row: &rusqlite::Row<'_>) -> rusqlite::Result<InUse> {
    Ok(InUse { state: row.get(0)?, schema: row.get(1)?, example: to_key(row, 2)? })
}

pub(in crate::store::sqlite) fn has_state_index(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'fsm_instances_state')")?
        .query_row([], |row| row.get(0))
}

/// Without the index this scans the machine's rows, once at start-up.
pub(in crate::store::sqlite) fn states_in_use(connection: &Connection, machine: &str) -> rusqlite::Result<Vec<InUse>> {
    if has_state_index(connection)? {
        return ranges(connection, STATES, machine);
    }
    connection
        .prepare_cached(
            "SELECT state, schema, machine, min(id) FROM fsm_instances WHERE machine = ?1
             GROUP BY state, schema ORDER BY state, schema",
        )?
        .query_map([machine], to_in_use)?
        .collect()
}

pub(in crate::store::sqlite) fn count(connection: &Connection, machine: &str) -> rusqlite::Result<Vec<Count>> {
    connection
        .prepare_cached(&format!(
            "SELECT state, schema, count(*) FROM {STATES} machine = ?1 GROUP BY state, schema ORDER BY state, schema"
        ))?
        .query_map([machine], |row| Ok(Count { state: row.get(0)?, schema: row.get(1)?, rows: row.get(2)? }))?
        .collect()
}

/// Removes at most `limit` rows that entered the state before `before`.
pub(in crate::store::sqlite) fn prune(
    connection: &Connection,
    machine: &str,
    state: &str,
    before: i64,
    limit: usize,
) -> rusqlite::Result<usize> {
    let mut removed: usize = 0;
    for range in ranges(connection, STATES, machine)?.into_iter().filter(|range| range.state == state) {
        removed += connection
            .prepare_cached(&format!(
                "DELETE FROM fsm_instances WHERE rowid IN
                     (SELECT rowid FROM {STATES} machine = ?1 AND state = ?2 AND schema = ?3 AND updated < ?4
                      ORDER BY updated LIMIT ?5)"
            ))?
            .execute(params![machine, state, range.schema, before, limit.saturating_sub(removed)])?;
    }
    Ok(removed)
}
