//! Values from columns: rows, history entries, keys and times.

use crate::store::{BUCKETS, Buckets, HistoryEntry, Key, KeyText, Row, timers_from_json};
use rusqlite::{
    ToSql,
    types::{FromSql, ToSqlOutput, Type},
};
use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

/// The latest time that can be stored: some 100,000 years after 1970.
pub(in crate::store::sqlite) use crate::clock::FOREVER;

/// Declares, from one list, the columns of a query and the function that reads a value from them in the same order.
macro_rules! columns {
    (
        $list:ident, $read:ident: $Value:ident {
            $field:ident: $get:ident($column:literal) $(, $fields:ident: $gets:ident($columns:literal))* $(,)?
        }
    ) => {
        pub(in crate::store::sqlite) const $list: &str = concat!($column $(, ", ", $columns)*);

        pub(in crate::store::sqlite) fn $read(row: &rusqlite::Row<'_>) -> rusqlite::Result<$Value> {
            let mut columns = Columns { row, next: 0 };
            Ok($Value { $field: columns.$get()? $(, $fields: columns.$gets()?)* })
        }
    };
}

columns! {
    COLUMNS, to_row: Row {
        key: key("machine, id"),
        incarnation: uuid("incarnation"),
        state: get("state"),
        version: get("version"),
        entered: get("entered"),
        schema: get("schema"),
        data: get("data"),
        context: get("context"),
        timer_at: optional_time("timer_at"),
        timers: timers("timers"),
        retry_at: optional_time("retry_at"),
        owner: get("owner"),
        fence: get("fence"),
        attempt: get("attempt"),
        checkpoint: get("checkpoint"),
        parked: get("parked"),
        error: get("error"),
        shard: get("shard"),
        created: time("created"),
        updated: time("updated"),
        parked_at: optional_time("parked_at"),
        desired: get("desired"),
        desired_at: optional_time("desired_at"),
        desired_by: get("desired_by"),
        error_at: optional_time("error_at"),
        first_error: get("first_error"),
        first_error_at: optional_time("first_error_at"),
        hold: get("hold"),
    }
}

columns! {
    ENTRY_COLUMNS, to_entry: HistoryEntry {
        sequence: get("sequence"),
        key: key("machine, id"),
        incarnation: uuid("incarnation"),
        kind: parsed("kind"),
        version: get("version"),
        schema: get("schema"),
        fence: get("fence"),
        from: get("from_state"),
        event: get("event"),
        to: get("to_state"),
        payload: get("payload"),
        data: get("data"),
        context: get("context"),
        cause: get("cause"),
        idempotency_key: get("key"),
        actor: get("actor"),
        trace: get("trace"),
        at: time("at"),
    }
}

/// Reads the columns of a row from left to right.
struct Columns<'a, 'r> {
    row: &'a rusqlite::Row<'r>,
    next: usize,
}

impl Columns<'_, '_> {
    fn position(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let column = self.position();
        self.row.get(column)
    }

    fn key(&mut self) -> rusqlite::Result<Key> {
        let machine = self.position();
        self.position();
        to_key(self.row, machine)
    }

    fn uuid(&mut self) -> rusqlite::Result<Uuid> {
        let column = self.position();
        uuid(self.row, column)
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> rusqlite::Result<T> {
        let column = self.position();
        let text: String = self.row.get(column)?;
        text.parse().map_err(|error: T::Err| damaged(column, Type::Text, error.to_string()))
    }

    fn time(&mut self) -> rusqlite::Result<SystemTime> {
        let column = self.position();
        time(self.row, column)
    }

    fn timers(&mut self) -> rusqlite::Result<BTreeMap<String, SystemTime>> {
        let column = self.position();
        match self.row.get::<_, Option<String>>(column)? {
            None => Ok(BTreeMap::new()),
            Some(stored) => timers_from_json(&stored).map_err(|error| damaged(column, Type::Text, error)),
        }
    }

    fn optional_time(&mut self) -> rusqlite::Result<Option<SystemTime>> {
        let column = self.position();
        optional_time(self.row, column)
    }
}

impl ToSql for KeyText {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

/// The key in `column` (the machine) and the next column (the id).
pub(in crate::store::sqlite) fn to_key(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Key> {
    Ok(Key::new(row.get::<_, String>(column)?, row.get::<_, String>(column + 1)?))
}

pub(in crate::store::sqlite) fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let bytes: Vec<u8> = row.get(column)?;
    Uuid::from_slice(&bytes).map_err(|error| damaged(column, Type::Blob, error.to_string()))
}

pub(in crate::store::sqlite) fn time(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<SystemTime> {
    from_micros(row.get(column)?)
        .ok_or_else(|| damaged(column, Type::Integer, "a time outside the calendar".to_owned()))
}

pub(in crate::store::sqlite) fn optional_time(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<SystemTime>> {
    match row.get::<_, Option<i64>>(column)? {
        None => Ok(None),
        Some(_) => time(row, column).map(Some),
    }
}

/// A set of buckets as the parameter of a condition on shards: a byte for each bucket; `None` for all.
pub(in crate::store::sqlite) fn bucket_bytes(buckets: &Buckets) -> Option<Vec<u8>> {
    (*buckets != Buckets::ALL).then(|| (0..BUCKETS).map(|bucket| u8::from(buckets.contains(bucket))).collect())
}

/// `now` plus a delay, at most the end of the calendar.
pub(in crate::store::sqlite) fn later(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_add(by).unwrap_or(SystemTime::UNIX_EPOCH + FOREVER)
}

/// Microseconds since 1970: the stored form of a time.
pub(in crate::store::sqlite) fn micros(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.min(FOREVER).as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().min(FOREVER).as_micros()).map_or(i64::MIN, |micros| -micros),
    }
}

/// A time as it will be read: truncated to microseconds.
pub(in crate::store::sqlite) fn as_stored(time: SystemTime) -> SystemTime {
    from_micros(micros(time)).unwrap_or(time)
}

/// A time that was made by [`micros`].
pub(in crate::store::sqlite) fn from_stored(micros: i64) -> SystemTime {
    from_micros(micros).unwrap_or(SystemTime::UNIX_EPOCH + FOREVER)
}

fn from_micros(micros: i64) -> Option<SystemTime> {
    let distance = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { SystemTime::UNIX_EPOCH.checked_sub(distance) } else { SystemTime::UNIX_EPOCH.checked_add(distance) }
}

/// A column does not hold a value that the store writes.
#[derive(Debug)]
struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

fn damaged(column: usize, of: Type, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, of, Box::new(Damage(why)))
}
