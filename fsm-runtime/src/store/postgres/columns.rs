//! Values from columns: rows, history entries, keys and times.

use super::failure::Failure;
use crate::{
    clock::FOREVER,
    store::{HistoryEntry, Key, Row, timers_from_json},
};
use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};
use tokio_postgres::types::FromSqlOwned;

/// Declares, from one list, the columns of a query and the function that reads a value from them in the same order.
macro_rules! columns {
    (
        $(#[$of:meta])* $list:ident, $read:ident: $Value:ident {
            $field:ident: $get:ident($column:literal) $(, $fields:ident: $gets:ident($columns:literal))* $(,)?
        }
    ) => {
        $(#[$of])*
        pub(super) const $list: &str = concat!($column $(, ", ", $columns)*);

        /// Reads the columns of `row` from number `first` on.
        pub(super) fn $read(row: &tokio_postgres::Row, first: usize) -> Result<$Value, Failure> {
            let mut columns = Columns { row, next: first };
            Ok($Value { $field: columns.$get($column)? $(, $fields: columns.$gets($columns)?)* })
        }
    };
}

columns! {
    /// Of the table `i`.
    COLUMNS, to_row: Row {
        key: key("i.machine, i.id"),
        incarnation: get("i.incarnation"),
        state: get("i.state"),
        version: number("i.version"),
        entered: number("i.entered"),
        schema: number("i.schema"),
        timer_at: get("i.timer_at"),
        timers: timers("i.timers"),
        retry_at: get("i.retry_at"),
        owner: get("i.owner"),
        fence: number("i.fence"),
        attempt: number("i.attempt"),
        checkpoint: get("i.checkpoint"),
        parked: get("i.parked"),
        error: get("i.error"),
        shard: shard("i.shard"),
        created: get("i.created"),
        updated: get("i.updated"),
        parked_at: get("i.parked_at"),
        desired: get("i.desired"),
        desired_at: get("i.desired_at"),
        desired_by: get("i.desired_by"),
        error_at: get("i.error_at"),
        first_error: get("i.first_error"),
        first_error_at: get("i.first_error_at"),
        hold: get("i.hold"),
        context: get("i.context"),
        data: get("i.data"),
    }
}

/// What only the server knows of a row at the begin of a new visit.
pub(super) struct Visit {
    pub(super) timer_at: Option<SystemTime>,
    pub(super) timers: BTreeMap<String, SystemTime>,
    pub(super) retry_at: Option<SystemTime>,
    pub(super) owner: Option<String>,
    pub(super) fence: u64,
    pub(super) created: SystemTime,
    pub(super) updated: SystemTime,
    pub(super) desired: Option<String>,
    pub(super) desired_at: Option<SystemTime>,
    pub(super) desired_by: Option<String>,
    pub(super) hold: Option<String>,
    pub(super) context: Option<String>,
}

columns! {
    /// Of the table `i`.
    VISIT_COLUMNS, to_visit: Visit {
        timer_at: get("i.timer_at"),
        timers: timers("i.timers"),
        retry_at: get("i.retry_at"),
        owner: get("i.owner"),
        fence: number("i.fence"),
        created: get("i.created"),
        updated: get("i.updated"),
        desired: get("i.desired"),
        desired_at: get("i.desired_at"),
        desired_by: get("i.desired_by"),
        hold: get("i.hold"),
        context: get("i.context"),
    }
}

columns! {
    /// Of the table `h`.
    ENTRY_COLUMNS, to_entry: HistoryEntry {
        sequence: number("h.sequence"),
        key: key("h.machine, h.id"),
        incarnation: get("h.incarnation"),
        kind: parsed("h.kind"),
        version: number("h.version"),
        schema: number("h.schema"),
        fence: number("h.fence"),
        from: get("h.from_state"),
        event: get("h.event"),
        to: get("h.to_state"),
        payload: get("h.payload"),
        data: get("h.data"),
        context: get("h.context"),
        cause: get("h.cause"),
        idempotency_key: get("h.key"),
        actor: get("h.actor"),
        trace: get("h.trace"),
        at: get("h.at"),
    }
}

/// Reads the columns of a row from left to right.
struct Columns<'a> {
    row: &'a tokio_postgres::Row,
    next: usize,
}

impl Columns<'_> {
    fn get<T: FromSqlOwned>(&mut self, name: &str) -> Result<T, Failure> {
        self.next += 1;
        value(self.row, self.next - 1, name)
    }

    fn number<T: TryFrom<i64, Error: fmt::Display>>(&mut self, name: &str) -> Result<T, Failure> {
        in_range(self.get::<i64>(name)?, name)
    }

    fn shard(&mut self, name: &str) -> Result<u16, Failure> {
        in_range(i64::from(self.get::<i32>(name)?), name)
    }

    fn parsed<T: std::str::FromStr<Err: fmt::Display>>(&mut self, name: &str) -> Result<T, Failure> {
        self.get::<String>(name)?.parse().map_err(|why| Failure::damaged(format!("column `{name}`: {why}")))
    }

    fn timers(&mut self, name: &str) -> Result<BTreeMap<String, SystemTime>, Failure> {
        let damaged = |why| Failure::damaged(format!("column `{name}`: {why}"));
        let stored = self.get::<Option<String>>(name)?;
        stored.map_or_else(|| Ok(BTreeMap::new()), |stored| timers_from_json(&stored).map_err(damaged))
    }

    fn key(&mut self, name: &str) -> Result<Key, Failure> {
        Ok(Key::new(self.get::<String>(name)?, self.get::<String>(name)?))
    }
}

/// The value in a column.
pub(super) fn value<T: FromSqlOwned>(row: &tokio_postgres::Row, column: usize, name: &str) -> Result<T, Failure> {
    row.try_get(column).map_err(|error| Failure::damaged(format!("column `{name}`: {error}")))
}

/// The number in a column of type `bigint`.
pub(super) fn number<T: TryFrom<i64, Error: fmt::Display>>(
    row: &tokio_postgres::Row,
    column: usize,
    name: &str,
) -> Result<T, Failure> {
    in_range(value(row, column, name)?, name)
}

fn in_range<T: TryFrom<i64, Error: fmt::Display>>(number: i64, name: &str) -> Result<T, Failure> {
    T::try_from(number).map_err(|why| Failure::damaged(format!("column `{name}` holds {number}: {why}")))
}

/// The key in `column` (the machine) and the next column (the id).
pub(super) fn to_key(row: &tokio_postgres::Row, column: usize) -> Result<Key, Failure> {
    Ok(Key::new(value::<String>(row, column, "machine")?, value::<String>(row, column + 1, "id")?))
}

/// A number as the server stores it. No version, fence or sequence is larger than `i64::MAX`.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A limit of a page.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A delay in microseconds.
pub(super) fn micros(delay: Duration) -> i64 {
    i64::try_from(delay.min(FOREVER).as_micros()).unwrap_or(i64::MAX)
}

/// A time from microseconds since 1970.
pub(super) fn to_time(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    let at = if micros < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    at.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The server's calendar begins 4713 years before Christ.
const BEFORE_1970: Duration = Duration::from_hours(6_000 * 365 * 24);

/// A time within the server's calendar.
pub(super) fn time(time: SystemTime) -> SystemTime {
    let (first, last) = (SystemTime::UNIX_EPOCH.checked_sub(BEFORE_1970), SystemTime::UNIX_EPOCH.checked_add(FOREVER));
    time.clamp(first.unwrap_or(SystemTime::UNIX_EPOCH), last.unwrap_or(time).max(SystemTime::UNIX_EPOCH))
}
