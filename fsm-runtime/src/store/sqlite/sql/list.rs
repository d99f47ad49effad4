//! Lists: pages of rows by id, by state and age, or parked, and counts by state.
//!
//! The indexes of states and of parked rows hold (state, schema version, age, id). A list of several states, or of one with
//! rows of several schema versions, is merged from one sorted range of the index for each.

use super::columns::{COLUMNS, micros, to_key, to_row};
use crate::store::{Count, Filter, InUse, Page, Row};
use rusqlite::{Connection, OptionalExtension, params};

/// All rows are ordered by id; rows by state or age, and parked rows, by the time they entered their state.
pub(in crate::store::sqlite) fn page(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page<Row>> {
    let states = filter.states.as_deref();
    if filter.parked {
        by_age(connection, filter, PARKED, states)
    } else if states.is_some() || filter.entered_before.is_some() {
        by_age(connection, filter, STATES, states)
    } else {
        by_id(connection, filter)
    }
}

/// The state index, which is optional: without it the query fails instead of scanning the table.
const STATES: &str = "fsm_instances INDEXED BY fsm_instances_state WHERE";
const PARKED: &str = "fsm_instances INDEXED BY fsm_instances_parked WHERE parked IS NOT NULL AND";

fn by_id(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page<Row>> {
    let items = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM fsm_instances WHERE machine = ?1 AND id > ifnull(?2, '') ORDER BY id LIMIT ?3"
        ))?
        .query_map(params![filter.machine, filter.after, one_more(filter)], to_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(cut(items, filter, |row| row.key.id.to_string()))
}

fn by_age(
    connection: &Connection,
    filter: &Filter,
    index: &str,
    states: Option<&[String]>,
) -> rusqlite::Result<Page<Row>> {
    let (updated, id) = filter.after.as_deref().map_or(Ok((i64::MIN, "")), cursor)?;
    let before = filter.entered_before.map_or(i64::MAX, micros);
    let mut items: Vec<Row> = Vec::new();
    for InUse { state, schema, .. } in ranges(connection, index, &filter.machine)? {
        if states.is_some_and(|states| !states.contains(&state)) {
            continue;
        }
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM {index}
             machine = ?1 AND state = ?2 AND schema = ?3 AND (updated, id) > (?4, ?5) AND updated < ?6
             ORDER BY updated, id LIMIT ?7"
        ))?;
        let rows = statement
            .query_map(params![filter.machine, state, schema, updated, id, before, one_more(filter)], to_row)?;
        for row in rows {
            items.push(row?);
        }
    }
    items.sort_by(|a, b| (a.updated, &a.key.id).cmp(&(b.updated, &b.key.id)));
    Ok(cut(items, filter, |row| format!("{}/{}", micros(row.updated), row.key.id)))
}

/// One more than the limit, to know whether there is a next page.
fn one_more(filter: &Filter) -> u32 {
    u32::try_from(filter.limit).unwrap_or(u32::MAX).saturating_add(1)
}

fn cut(mut items: Vec<Row>, filter: &Filter, cursor: impl Fn(&Row) -> String) -> Page<Row> {
    let more = items.len() > filter.limit;
    items.truncate(filter.limit);
    let next = items.last().filter(|_| more).map(cursor);
    Page::new(items, next)
}

/// Where a page by age ended.
fn cursor(cursor: &str) -> rusqlite::Result<(i64, &str)> {
    let parts = cursor.split_once('/').and_then(|(updated, id)| Some((updated.parse().ok()?, id)));
    // The only rusqlite error that carries a custom text; `error::running` recognizes it.
    parts.ok_or_else(|| rusqlite::Error::InvalidParameterName(cursor.to_owned()))
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
