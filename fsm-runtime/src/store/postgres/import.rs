//! Fills an empty store with the contents of another one, in one transaction.

use super::{
    Postgres,
    columns::{stored, time, value},
    connect::Role,
    core::Core,
    failure::{Failure, Kind},
    session::{Connected, Session},
    statement::{Statement, quoted},
};
use crate::store::{
    Definition, HistoryEntry, OperationEntry, Row, StoreError, Timer, TimerDue, bucket,
    contents::{Numbers, Page, StoredKey, StoredResult},
    timers_json,
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Fences of the copy are above those of the source by at least this, so that those which the source may still give out are below.
const FENCES: u64 = 1 << 20;

/// A page of the source may take this long to be read.
const SETTINGS: &str = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// What a store that was used has.
const FOUND: &str = "
SELECT array_remove(ARRAY[
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.leases) THEN 'processes' END,
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.instances) THEN 'instances' END,
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.history) THEN 'history' END,
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.keys) THEN 'idempotency keys' END,
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.subscribers) THEN 'subscribers' END,
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.operations) THEN 'operations' END,
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.machines) THEN 'definitions of machines' END,
    CASE WHEN EXISTS (SELECT 1 FROM {schema}.results) THEN 'results' END], NULL)";

/// Keeps all others from writing.
const LOCK: &str =
    "LOCK TABLE {schema}.leases, {schema}.instances, {schema}.history, {schema}.keys, {schema}.subscribers,
    {schema}.operations, {schema}.machines, {schema}.results, {schema}.meta IN SHARE ROW EXCLUSIVE MODE";

/// Written first, so that a commit whose answer was lost can be looked up.
const TOKEN: &str = "INSERT INTO {schema}.lanes (lane, batch, missed, seen) VALUES ($1, 1, '{}', clock_timestamp())";
/// Waits for the transaction that has written the token, if it is still open. 1 if it was committed.
const COMMITTED: &str = "INSERT INTO {schema}.lanes (lane, batch, missed, seen) VALUES ($1, 0, '{}', clock_timestamp())
    ON CONFLICT (lane) DO UPDATE SET seen = clock_timestamp() RETURNING batch";

/// The sequences go on after the numbers of the source, and after those that they gave out themselves.
const NUMBERS: &str = "
WITH pruned AS (UPDATE {schema}.meta SET value = greatest(value, $3) WHERE name = 'pruned')
SELECT setval('{schema}.fence', greatest($1, (SELECT last_value FROM {schema}.fence))),
    CASE WHEN $2 > 0 THEN setval('{schema}.sequence', greatest($2, (SELECT last_value FROM {schema}.sequence))) END,
    CASE WHEN $4 > 0 THEN setval(pg_get_serial_sequence('{schema}.operations', 'sequence'), $4) END";

/// The planner knows nothing about the new rows before.
const ANALYZE: &str = "ANALYZE {schema}.instances, {schema}.history, {schema}.keys";

const INSTANCES: &str = "
INSERT INTO {schema}.instances (machine, id, incarnation, state, version, entered, schema, timer_at, retry_at, desired_at, created,
    updated, parked_at, error_at, first_error_at, attempt, fence, shard, bucket, owner, data, context, timers, checkpoint, parked, error,
    first_error, desired, desired_by, hold)
SELECT a.machine, a.id, a.incarnation, a.state, a.version, a.entered, a.schema, a.timer_at, a.retry_at, a.desired_at, a.created,
    a.updated, a.parked_at, a.error_at, a.first_error_at, a.attempt, a.fence, a.shard, a.shard >> 6, a.owner, a.data, a.context, a.timers,
    a.checkpoint, a.parked, a.error, a.first_error, a.desired, a.desired_by, a.hold
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::timestamptz[],
    $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
    $15::timestamptz[], $16::bigint[], $17::bigint[], $18::int[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
    $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[])
    AS a(machine, id, incarnation, state, version, entered, schema, timer_at, retry_at, desired_at, created, updated, parked_at, error_at,
    first_error_at, attempt, fence, shard, owner, data, context, timers, checkpoint, parked, error, first_error, desired, desired_by, hold)";

const HISTORY: &str = "
INSERT INTO {schema}.history (sequence, machine, id, incarnation, kind, version, schema, fence, at, bucket, from_state, event, to_state,
    cause, payload, data, context, key, actor, trace)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::timestamptz[], $10::smallint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
    $18::text[], $19::text[], $20::text[])";

const KEYS: &str = "
INSERT INTO {schema}.keys (machine, id, incarnation, key, sequence, at)
SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::timestamptz[])";

const OPERATIONS: &str = "
INSERT INTO {schema}.operations (sequence, at, actor, trace, what, machine, id, selector, why, done, skipped, failed)
OVERRIDING SYSTEM VALUE
SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::bigint[], $11::bigint[], $12::bigint[])";

const DEFINITIONS: &str = "
INSERT INTO {schema}.machines (name, version, fingerprint, graph, controller, at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::timestamptz[])";

const SUBSCRIBERS: &str = "
INSERT INTO {schema}.subscribers (name, position) SELECT * FROM unnest($1::text[], $2::bigint[])";

const RESULTS: &str = "
INSERT INTO {schema}.results (kind, name, fence, arguments, outcome, failed, at, until)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[],
    $8::timestamptz[])";

/// An open transaction that has locked the store. If it is dropped, nothing was changed.
pub(in crate::store) struct Import {
    postgres: Postgres,
    connected: Arc<Connected>,
    token: Uuid,
    /// What the store has, if it is not empty.
    pub(in crate::store) found: Vec<String>,
}

impl Postgres {
    pub(in crate::store) async fn import(&self) -> Result<Import, StoreError> {
        let token = Uuid::now_v7();
        let begun = self.run(move |core| async move { begin(&core, token).await.map_err(|it| failed(&core, it)) });
        let (connected, found) = begun.await?;
        Ok(Import { postgres: self.clone(), connected, token, found })
    }
}

impl Import {
    /// The store as it is called in errors.
    pub(in crate::store) fn store(&self) -> String {
        self.postgres.0.core.target.name.clone()
    }

    /// The name of the schema, quoted.
    pub(in crate::store) fn schema(&self) -> String {
        quoted(&self.postgres.0.core.options.schema)
    }

    pub(in crate::store) async fn write(&self, page: Page) -> Result<(), StoreError> {
        let connected = self.connected.clone();
        let written = self.postgres.run(move |core| async move {
            let page = without_nul(page);
            connected.query(&insert(&page)).await.map_err(|it| failed(&core, it))
        });
        written.await.map(drop)
    }

    /// Commits all pages. If the answer is lost, finds out what has happened.
    pub(in crate::store) async fn commit(self, numbers: Numbers) -> Result<(), StoreError> {
        let Self { postgres, connected, token, found: _ } = self;
        let committed = postgres.run(move |core| async move {
            let Numbers { fence, sequence, pruned, operation } = numbers;
            let of_source = [fence.saturating_add(FENCES), sequence, pruned, operation];
            let statement = of_source.into_iter().fold(Statement::new(NUMBERS), |it, number| it.number(stored(number)));
            connected.query(&statement).await.map_err(|it| failed(&core, it))?;
            match connected.execute("COMMIT").await {
                // A role that does not own the tables may not.
                Ok(()) => drop(connected.execute(ANALYZE).await),
                Err(failure) => {
                    drop(connected);
                    resolve(&core, token, failure).await?;
                }
            }
            core.was_given(sequence);
            Ok(())
        });
        committed.await
    }
}

/// Finds out how a commit has ended whose answer was not `COMMIT`.
async fn resolve(core: &Core, token: Uuid, failure: Failure) -> Result<(), StoreError> {
    if !failure.breaks_connection() {
        return Err(failed(core, failure));
    }
    let rows = core.read(Statement::new(COMMITTED).with(token, Type::UUID)).await;
    let batch = rows.and_then(|rows| core.decoded(rows.first().map(|row| value(row, 0, "batch")).transpose()));
    match batch {
        Ok(Some(1_i64)) => Ok(()),
        Ok(_) => Err(failed(core, failure)),
        Err(error) => {
            let (store, cause) = (core.target.name.clone(), format!("{failure}; then: {error}"));
            Err(StoreError::Indeterminate { store, cause })
        }
    }
}

/// Nothing was changed.
fn failed(core: &Core, failure: Failure) -> StoreError {
    core.error(failure, Duration::ZERO)
}

/// Begins the transaction on a connection of its own, and locks the tables if they are empty.
async fn begin(core: &Arc<Core>, token: Uuid) -> Result<(Arc<Connected>, Vec<String>), Failure> {
    let session = Session::new(&core.target, &core.texts, Role::Statements);
    let began = Instant::now();
    let connected = loop {
        match session.connected().await {
            Ok(connected) => break connected,
            Err(failure) if began.elapsed() >= core.options.timeout => return Err(failure),
            Err(_) => {}
        }
    };
    connected.execute(&core.target.begin(Role::Statements)).await?;
    connected.execute(SETTINGS).await?;
    let mut found = what_there_is(&connected).await?;
    if found.is_empty() {
        connected.execute(LOCK).await?;
        // A process may have begun to use it before.
        found = what_there_is(&connected).await?;
        connected.query(&Statement::new(TOKEN).with(token, Type::UUID)).await?;
    }
    Ok((connected, found))
}

async fn what_there_is(connected: &Connected) -> Result<Vec<String>, Failure> {
    let rows = connected.query(&Statement::new(FOUND)).await?;
    let row = rows.first().ok_or_else(|| Failure::new(Kind::Other, "the server returned no row"))?;
    value(row, 0, "found")
}

/// Replaces NUL, which the server does not store, in texts that people write or errors have. Other texts have none.
fn without_nul(mut page: Page) -> Page {
    let replace = |text: &mut Option<String>| {
        if let Some(text) = text.as_mut().filter(|text| text.contains('\0')) {
            *text = text.replace('\0', "\u{fffd}");
        }
    };
    match &mut page {
        Page::Instances(rows) => rows.iter_mut().for_each(|row| {
            [&mut row.error, &mut row.first_error, &mut row.parked, &mut row.hold, &mut row.desired_by]
                .into_iter()
                .for_each(replace);
        }),
        Page::History(entries) => entries.iter_mut().for_each(|entry| {
            [&mut entry.payload, &mut entry.actor, &mut entry.trace].into_iter().for_each(replace);
        }),
        Page::Operations(entries) => entries.iter_mut().for_each(|entry| {
            let operation = &mut entry.operation;
            [&mut operation.why, &mut operation.selector, &mut operation.origin.actor, &mut operation.origin.trace]
                .into_iter()
                .for_each(replace);
        }),
        Page::Definitions(_) | Page::Keys(_) | Page::Subscribers(_) | Page::Results(_) => {}
    }
    page
}

fn insert(page: &Page) -> Statement<'_> {
    match page {
        Page::Definitions(items) => definitions(items),
        Page::Instances(rows) => instances(rows),
        Page::History(entries) => history(entries),
        Page::Keys(keys) => self::keys(keys),
        Page::Operations(entries) => operations(entries),
        Page::Subscribers(items) => subscribers(items),
        Page::Results(items) => results(items),
    }
}

/// The values of columns of one kind, in the order of the statement.
struct Columns<'a, T> {
    items: &'a [T],
    statement: Statement<'a>,
}

impl<'a, T> Columns<'a, T> {
    fn new(items: &'a [T], statement: &'static str) -> Self {
        Self { items, statement: Statement::new(statement) }
    }

    fn column<V: tokio_postgres::types::ToSql + Sync + Send + 'a>(
        mut self,
        value: impl Fn(&'a T) -> V,
        of: Type,
    ) -> Self {
        let values: Vec<V> = self.items.iter().map(value).collect();
        self.statement = self.statement.with(values, of);
        self
    }

    fn text(self, value: impl Fn(&'a T) -> &'a str) -> Self {
        self.column(value, Type::TEXT_ARRAY)
    }

    fn optional(self, value: impl Fn(&'a T) -> &'a Option<String>) -> Self {
        self.column(|item| value(item).as_deref(), Type::TEXT_ARRAY)
    }

    fn number(self, value: impl Fn(&T) -> u64) -> Self {
        self.column(|item| stored(value(item)), Type::INT8_ARRAY)
    }

    fn uuid(self, value: impl Fn(&T) -> Uuid) -> Self {
        self.column(value, Type::UUID_ARRAY)
    }

    fn time(self, value: impl Fn(&T) -> SystemTime) -> Self {
        self.column(|item| time(value(item)), Type::TIMESTAMPTZ_ARRAY)
    }

    fn optional_time(self, value: impl Fn(&T) -> Option<SystemTime>) -> Self {
        self.column(|item| value(item).map(time), Type::TIMESTAMPTZ_ARRAY)
    }
}

fn instances(rows: &[Row]) -> Statement<'_> {
    Columns::new(rows, INSTANCES)
        .text(|row| &row.key.machine)
        .text(|row| &row.key.id)
        .uuid(|row| row.incarnation)
        .text(|row| &row.state)
        .number(|row| row.version)
        .number(|row| row.entered)
        .number(|row| row.schema.into())
        .optional_time(|row| row.timer_at)
        .optional_time(|row| row.retry_at)
        .optional_time(|row| row.desired_at)
        .time(|row| row.created)
        .time(|row| row.updated)
        .optional_time(|row| row.parked_at)
        .optional_time(|row| row.error_at)
        .optional_time(|row| row.first_error_at)
        .number(|row| row.attempt.into())
        .number(|row| row.fence)
        .column(|row| i32::from(row.shard), Type::INT4_ARRAY)
        .optional(|row| &row.owner)
        .text(|row| &row.data)
        .optional(|row| &row.context)
        .column(timers, Type::TEXT_ARRAY)
        .optional(|row| &row.checkpoint)
        .optional(|row| &row.parked)
        .optional(|row| &row.error)
        .optional(|row| &row.first_error)
        .optional(|row| &row.desired)
        .optional(|row| &row.desired_by)
        .optional(|row| &row.hold)
        .statement
}

/// The timers as they are stored.
fn timers(row: &Row) -> Option<String> {
    let timers = row.timers.iter().map(|(event, at)| Timer { event: event.clone(), due: TimerDue::At(*at) });
    let timers: Vec<Timer> = timers.collect();
    (!timers.is_empty()).then(|| timers_json(&timers, micros))
}

/// Microseconds since 1970.
fn micros(due: TimerDue) -> Option<i64> {
    let TimerDue::At(at) = due else { return None };
    let micros = |distance: Duration| i64::try_from(distance.as_micros()).unwrap_or(i64::MAX);
    Some(at.duration_since(SystemTime::UNIX_EPOCH).map_or_else(|before| -micros(before.duration()), micros))
}

fn history(entries: &[HistoryEntry]) -> Statement<'_> {
    Columns::new(entries, HISTORY)
        .number(|entry| entry.sequence)
        .text(|entry| &entry.key.machine)
        .text(|entry| &entry.key.id)
        .uuid(|entry| entry.incarnation)
        .text(|entry| entry.kind.as_str())
        .number(|entry| entry.version)
        .number(|entry| entry.schema.into())
        .number(|entry| entry.fence)
        .time(|entry| entry.at)
        .column(|entry| bucket(entry.key.shard()).cast_signed(), Type::INT2_ARRAY)
        .optional(|entry| &entry.from)
        .optional(|entry| &entry.event)
        .text(|entry| &entry.to)
        .text(|entry| &entry.cause)
        .optional(|entry| &entry.payload)
        .optional(|entry| &entry.data)
        .optional(|entry| &entry.context)
        .optional(|entry| &entry.idempotency_key)
        .optional(|entry| &entry.actor)
        .optional(|entry| &entry.trace)
        .statement
}

fn keys(keys: &[StoredKey]) -> Statement<'_> {
    Columns::new(keys, KEYS)
        .text(|it| &it.key.machine)
        .text(|it| &it.key.id)
        .uuid(|it| it.incarnation)
        .text(|it| &it.idempotency_key)
        .number(|it| it.sequence)
        .time(|it| it.at)
        .statement
}

fn operations(entries: &[OperationEntry]) -> Statement<'_> {
    Columns::new(entries, OPERATIONS)
        .number(|entry| entry.sequence)
        .time(|entry| entry.at)
        .optional(|entry| &entry.operation.origin.actor)
        .optional(|entry| &entry.operation.origin.trace)
        .text(|entry| &entry.operation.what)
        .optional(|entry| &entry.operation.machine)
        .optional(|entry| &entry.operation.id)
        .optional(|entry| &entry.operation.selector)
        .optional(|entry| &entry.operation.why)
        .number(|entry| entry.operation.done)
        .number(|entry| entry.operation.skipped)
        .number(|entry| entry.operation.failed)
        .statement
}

fn definitions(items: &[(Definition, SystemTime)]) -> Statement<'_> {
    Columns::new(items, DEFINITIONS)
        .text(|(it, _)| &it.machine)
        .number(|(it, _)| it.version.into())
        .column(|(it, _)| it.fingerprint.cast_signed(), Type::INT8_ARRAY)
        .text(|(it, _)| &it.graph)
        .column(|(it, _)| it.controller, Type::BOOL_ARRAY)
        .time(|(_, at)| *at)
        .statement
}

fn subscribers(items: &[(String, u64)]) -> Statement<'_> {
    Columns::new(items, SUBSCRIBERS).text(|(name, _)| name).number(|(_, position)| *position).statement
}

fn results(items: &[StoredResult]) -> Statement<'_> {
    Columns::new(items, RESULTS)
        .text(|it| &it.kind)
        .text(|it| &it.name)
        .number(|it| it.kept.fence)
        .optional(|it| &it.kept.arguments)
        .text(|it| &it.kept.outcome)
        .column(|it| it.kept.failed, Type::BOOL_ARRAY)
        .time(|it| it.kept.at)
        .time(|it| it.kept.until)
        .statement
}
