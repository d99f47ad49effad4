//! Lists: pages of rows by id, by state and age, or parked, and counts by state.
//!
//! The indexes of states and of parked rows hold (state, schema version, age, id). A list of several states, or of one with
//! rows of several schema versions, is merged from one sorted range of the index for each.

use super::{
    columns::{COLUMNS, limit, number, time, to_key, to_row, value},
    core::Core,
    schema,
    statement::Statement,
};
use crate::store::{
    Count, Filter, InUse, Only, Page, Row, StoreError,
    cursor::{InvalidCursor, Order, end_of_prefix},
};
use std::time::{Duration, SystemTime};
use tokio_postgres::types::Type;

/// The ranges of an index: one look-up for each state and schema version, not one for each row.
const RANGES: &str = "WITH RECURSIVE ranges (state, schema) AS (
    (SELECT {state}, {schema_version} FROM {schema}.instances i WHERE i.machine = $1 {only}
     ORDER BY {state}, {schema_version} LIMIT 1)
    UNION ALL
    SELECT n.state, n.schema FROM ranges r CROSS JOIN LATERAL (
        SELECT {state} AS state, {schema_version} AS schema FROM {schema}.instances i
        WHERE i.machine = $1 AND ({state}, {schema_version}) > (r.state, r.schema) {only}
        ORDER BY {state}, {schema_version} LIMIT 1) n)";

fn ranges(only: Option<Only>) -> String {
    let Listed { state, schema, .. } = listed(only);
    RANGES.replace("{only}", condition(only)).replace("{state}", state).replace("{schema_version}", schema)
}

/// The columns of the index that a list reads. Those of rows that need attention are empty in all other rows.
struct Listed {
    state: &'static str,
    schema: &'static str,
    since: &'static str,
}

fn listed(only: Option<Only>) -> Listed {
    match only {
        None => Listed { state: "i.state", schema: "i.schema", since: "i.updated" },
        Some(Only::Parked | Only::BackingOff | Only::Held) => {
            Listed { state: "i.listed_state", schema: "i.listed_schema", since: "i.listed_since" }
        }
    }
}

/// The condition of `only`, with `AND`. It is that of an index.
fn condition(only: Option<Only>) -> &'static str {
    match only {
        None => "",
        Some(Only::Parked) => "AND i.parked IS NOT NULL",
        Some(Only::BackingOff) => "AND i.attempt > 0 AND i.retry_at IS NOT NULL AND i.parked IS NULL",
        Some(Only::Held) => "AND i.hold IS NOT NULL",
    }
}

impl Core {
    pub(super) async fn has_state_index(&self) -> Result<bool, StoreError> {
        let rows = self.read(schema::state_index_exists(&self.options.schema)).await?;
        self.decoded(rows.first().map_or(Ok(false), |row| value(row, 0, "exists")))
    }

    async fn need_state_index(&self) -> Result<(), StoreError> {
        if self.has_state_index().await? {
            return Ok(());
        }
        let remedy = "open it once with `Postgres::options(…).state_index(true)`, which builds it";
        Err(StoreError::NoStateIndex { store: self.target.name.clone(), remedy })
    }

    /// All rows are ordered by id; rows by state or age, parked rows, and lists with the newest first, by the time they entered their
    /// state.
    pub(super) async fn page(&self, filter: Filter) -> Result<Page<Row>, StoreError> {
        let order = Order::of(&filter);
        let after = cursor(&filter, order).map_err(|InvalidCursor(cursor)| StoreError::Cursor { cursor })?;
        let statement = match after {
            After::Id(after) => by_id(&filter, after),
            After::Time(after) if filter.id_prefix.is_some() => by_age_of_prefix(&filter, order, after),
            After::Time(after) => {
                if filter.only.is_none() {
                    self.need_state_index().await?;
                }
                by_age(&filter, order, after)
            }
        };
        let rows = self.read(statement).await?;
        let items = self.decoded(rows.iter().map(|row| to_row(row, 0)).collect::<Result<Vec<Row>, _>>())?;
        Ok(cut(items, &filter, order))
    }

    pub(super) async fn count(&self, machine: String) -> Result<Vec<Count>, StoreError> {
        self.need_state_index().await?;
        let text = "SELECT i.state, i.schema, count(*) FROM {schema}.instances i WHERE i.machine = $1
                    GROUP BY i.state, i.schema ORDER BY i.state, i.schema";
        let rows = self.read(Statement::new(text).text(machine)).await?;
        let count = |row: &tokio_postgres::Row| {
            Ok(Count {
                state: value(row, 0, "state")?,
                schema: number(row, 1, "schema")?,
                rows: number(row, 2, "count")?,
            })
        };
        self.decoded(rows.iter().map(count).collect())
    }

    /// Without the index of states this reads all rows of the machine, once at start-up, for as long as that takes.
    pub(super) async fn states_in_use(&self, machine: String) -> Result<Vec<InUse>, StoreError> {
        let with_index = self.has_state_index().await?;
        let text = if with_index {
            format!(
                "{} SELECT r.state, r.schema, e.machine, e.id FROM ranges r CROSS JOIN LATERAL (
                    SELECT i.machine, i.id FROM {{schema}}.instances i
                    WHERE i.machine = $1 AND i.state = r.state AND i.schema = r.schema ORDER BY i.updated, i.id LIMIT 1) e
                 ORDER BY r.state, r.schema",
                ranges(None)
            )
        } else {
            "SELECT i.state, i.schema, min(i.machine), min(i.id) FROM {schema}.instances i WHERE i.machine = $1
             GROUP BY i.state, i.schema ORDER BY i.state, i.schema"
                .to_owned()
        };
        let rows = if with_index {
            self.read(Statement::new(text).text(machine)).await?
        } else {
            self.read_all(&Statement::new(text).text(machine)).await?
        };
        let in_use = |row: &tokio_postgres::Row| {
            Ok(InUse { state: value(row, 0, "state")?, schema: number(row, 1, "schema")?, example: to_key(row, 2)? })
        };
        self.decoded(rows.iter().map(in_use).collect())
    }

    /// Removes at most `limit` rows that entered the state before `before`.
    pub(super) async fn prune_ended(
        &self,
        machine: &str,
        state: &str,
        before: SystemTime,
        rows: usize,
    ) -> Result<u64, StoreError> {
        self.need_state_index().await?;
        let text = format!(
            "{}, old AS (
                SELECT o.id FROM ranges r CROSS JOIN LATERAL (
                    SELECT i.id FROM {{schema}}.instances i
                    WHERE i.machine = $1 AND i.state = $2 AND i.schema = r.schema AND i.updated < $3
                    ORDER BY i.updated LIMIT $4) o
                WHERE r.state = $2 LIMIT $4),
             locked AS (
                SELECT i.id FROM {{schema}}.instances i JOIN old o ON o.id = i.id
                WHERE i.machine = $1 AND i.state = $2 AND i.updated < $3 FOR UPDATE OF i SKIP LOCKED),
             gone AS (
                DELETE FROM {{schema}}.instances i USING locked o WHERE i.machine = $1 AND i.id = o.id RETURNING 1)
             SELECT count(*) FROM gone",
            ranges(None)
        );
        let statement =
            Statement::new(text).text(machine).text(state).with(time(before), Type::TIMESTAMPTZ).number(limit(rows));
        let rows = self.read(statement).await?;
        self.decoded(rows.first().map_or(Ok(0), |row| number(row, 0, "count")))
    }
}

/// Where a page begins: behind an id, or behind a time and an id.
enum After {
    Id(Option<String>),
    Time(Option<(SystemTime, String)>),
}

fn cursor(filter: &Filter, order: Order) -> Result<After, InvalidCursor> {
    let Some(cursor) = &filter.after else {
        return Ok(if order == Order::Id { After::Id(None) } else { After::Time(None) });
    };
    if order == Order::Id {
        return Ok(After::Id(Some(order.id(cursor)?.to_owned())));
    }
    let (micros, id) = order.time_and_id(cursor)?;
    Ok(After::Time(Some((from_micros(micros), id.to_owned()))))
}

/// The number of a cursor.
fn to_micros(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
    }
}

fn from_micros(micros: i64) -> SystemTime {
    let (distance, epoch) = (Duration::from_micros(micros.unsigned_abs()), SystemTime::UNIX_EPOCH);
    let far = if micros < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    time(far.unwrap_or(epoch))
}

fn by_id(filter: &Filter, after: Option<String>) -> Statement<'_> {
    let prefix = filter.id_prefix.as_deref().unwrap_or_default();
    let mut values = Statement::new("");
    let machine = values.add(&*filter.machine, Type::TEXT);
    let mut conditions = format!("i.machine = {machine}");
    match after {
        Some(after) if *after >= *prefix => {
            conditions = format!("{conditions} AND i.id > {}", values.add(after, Type::TEXT));
        }
        _ => conditions = format!("{conditions} AND i.id >= {}", values.add(prefix, Type::TEXT)),
    }
    if let Some(end) = end_of_prefix(prefix) {
        conditions = format!("{conditions} AND i.id < {}", values.add(end, Type::TEXT));
    }
    let rows = values.add(one_more(filter), Type::INT8);
    values.having(format!("SELECT {COLUMNS} FROM {{schema}}.instances i WHERE {conditions} ORDER BY i.id LIMIT {rows}"))
}

/// The conditions of a list by time beyond those of the machine, each with `AND`.
fn of_age(values: &mut Statement<'_>, filter: &Filter, order: Order, after: Option<(SystemTime, String)>) -> String {
    let (since, mut conditions) = (listed(filter.only).since, String::new());
    if let Some((at, id)) = after {
        let beyond = if order == Order::NewestFirst { "<" } else { ">" };
        let (at, id) = (values.add(at, Type::TIMESTAMPTZ), values.add(id, Type::TEXT));
        conditions = format!("{conditions} AND ({since}, i.id) {beyond} ({at}, {id})");
    }
    if let Some(before) = filter.entered_before {
        conditions = format!("{conditions} AND {since} < {}", values.add(time(before), Type::TIMESTAMPTZ));
    }
    conditions
}

fn direction(order: Order) -> &'static str {
    if order == Order::NewestFirst { "DESC" } else { "ASC" }
}

fn by_age(filter: &Filter, order: Order, after: Option<(SystemTime, String)>) -> Statement<'_> {
    let (direction, only) = (direction(order), condition(filter.only));
    let Listed { state, schema, since } = listed(filter.only);
    let mut values = Statement::new("");
    // It is `$1` in the ranges.
    values.add(&*filter.machine, Type::TEXT);
    let conditions = of_age(&mut values, filter, order, after);
    let states = match &filter.states {
        Some(states) => format!("WHERE r.state = ANY({})", values.add(&**states, Type::TEXT_ARRAY)),
        None => String::new(),
    };
    let rows = values.add(one_more(filter), Type::INT8);
    values.having(format!(
        "{} SELECT {COLUMNS} FROM ranges r CROSS JOIN LATERAL (
            SELECT i.* FROM {{schema}}.instances i
            WHERE i.machine = $1 AND {state} = r.state AND {schema} = r.schema {only} {conditions}
            ORDER BY {since} {direction}, i.id {direction} LIMIT {rows}) i
         {states} ORDER BY i.updated {direction}, i.id {direction} LIMIT {rows}",
        ranges(filter.only)
    ))
}

/// A list by time of the rows with a prefix: reads all of them, and sorts them.
fn by_age_of_prefix(filter: &Filter, order: Order, after: Option<(SystemTime, String)>) -> Statement<'_> {
    let (direction, only) = (direction(order), condition(filter.only));
    let prefix = filter.id_prefix.as_deref().unwrap_or_default();
    let mut values = Statement::new("");
    let machine = values.add(&*filter.machine, Type::TEXT);
    let mut conditions = format!("i.machine = {machine} AND i.id >= {}", values.add(prefix, Type::TEXT));
    if let Some(end) = end_of_prefix(prefix) {
        conditions = format!("{conditions} AND i.id < {}", values.add(end, Type::TEXT));
    }
    if let Some(states) = &filter.states {
        conditions = format!("{conditions} AND i.state = ANY({})", values.add(&**states, Type::TEXT_ARRAY));
    }
    let of_age = of_age(&mut values, filter, order, after);
    let rows = values.add(one_more(filter), Type::INT8);
    values.having(format!(
        "SELECT {COLUMNS} FROM {{schema}}.instances i WHERE {conditions} {only} {of_age}
         ORDER BY i.updated {direction}, i.id {direction} LIMIT {rows}"
    ))
}

/// One more than the limit, to know whether there is a next page.
fn one_more(filter: &Filter) -> i64 {
    limit(filter.limit).saturating_add(1)
}

fn cut(mut items: Vec<Row>, filter: &Filter, order: Order) -> Page<Row> {
    let more = items.len() > filter.limit;
    items.truncate(filter.limit);
    let next = items.last().filter(|_| more).map(|row| order.cursor(row, to_micros(row.updated)));
    Page::new(items, next)
}
