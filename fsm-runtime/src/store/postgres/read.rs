//! Queries of rows, entries, due work and claimed rows.

use super::{
    columns::{COLUMNS, ENTRY_COLUMNS, limit, time, to_entry, to_key, to_row, value},
    core::Core,
    failure::Failure,
    statement::Statement,
};
use crate::store::{Buckets, Cursor, Due, HistoryEntry, Key, Row, Scope, StoreError};
use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};
use tokio_postgres::types::Type;

/// The rows of many keys, each with the place of its key and the time.
pub(super) static ROWS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT a.ord, clock_timestamp(), {COLUMNS} FROM unnest($1::int[], $2::text[], $3::text[]) AS a(ord, machine, id)
         JOIN {{schema}}.instances i ON i.machine = a.machine AND i.id = a.id"
    )
});

/// The entries that were written under idempotency keys, each with the place of its key: in one incarnation of the instance, or in the
/// present one, or in the last one of a removed row.
pub(super) static ENTRIES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT a.ord, {ENTRY_COLUMNS}
         FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::text[]) AS a(ord, machine, id, incarnation, key)
         JOIN {{schema}}.keys k ON k.machine = a.machine AND k.id = a.id AND k.key = a.key AND k.incarnation = coalesce(
             a.incarnation,
             (SELECT i.incarnation FROM {{schema}}.instances i WHERE i.machine = a.machine AND i.id = a.id),
             (SELECT o.incarnation FROM {{schema}}.history o WHERE o.machine = a.machine AND o.id = a.id
              ORDER BY o.sequence DESC LIMIT 1))
         JOIN {{schema}}.history h ON h.sequence = k.sequence"
    )
});

impl Core {
    pub(super) fn decoded<T>(&self, decoded: Result<T, Failure>) -> Result<T, StoreError> {
        decoded.map_err(|failure| self.error(failure, Duration::ZERO))
    }

    pub(super) async fn row(&self, key: Key) -> Result<Option<Row>, StoreError> {
        if has_nul(&key) {
            return Ok(None);
        }
        let rows = self.read(of_key(&ROWS, &key)).await?;
        self.decoded(rows.first().map(|row| to_row(row, 2)).transpose())
    }

    pub(super) async fn find_by_idempotency_key(
        &self,
        key: Key,
        used: String,
    ) -> Result<Option<HistoryEntry>, StoreError> {
        if has_nul(&key) || used.contains('\0') {
            return Ok(None);
        }
        let statement =
            of_key(&ENTRIES, &key).with(vec![None::<uuid::Uuid>], Type::UUID_ARRAY).with(vec![used], Type::TEXT_ARRAY);
        let rows = self.read(statement).await?;
        self.decoded(rows.first().map(|row| to_entry(row, 1)).transpose())
    }

    /// One look-up in the index of due work for each bucket.
    pub(super) async fn due(
        &self,
        scope: Scope,
        until: SystemTime,
        after: Option<Cursor>,
        page: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let beyond = if after.is_some() { "AND (i.wake_at, i.machine, i.id) > ($5, $6, $7)" } else { "" };
        let mut statement = Statement::new(format!(
            "SELECT d.machine, d.id, d.wake_at FROM unnest($1::smallint[]) AS b(bucket)
             CROSS JOIN LATERAL (
                 SELECT i.machine, i.id, i.wake_at FROM {{schema}}.instances i
                 WHERE i.bucket = b.bucket AND i.wake_at <= $2 AND i.machine = ANY($3) {beyond}
                 ORDER BY i.wake_at, i.machine, i.id LIMIT $4) d
             ORDER BY d.wake_at, d.machine, d.id LIMIT $4"
        ));
        statement = statement
            .with(numbers(&scope.buckets), Type::INT2_ARRAY)
            .with(time(until), Type::TIMESTAMPTZ)
            .with(scope.machines, Type::TEXT_ARRAY)
            .number(limit(page));
        if let Some(Due { key, at }) = after {
            statement =
                statement.with(time(at), Type::TIMESTAMPTZ).text(key.machine.to_string()).text(key.id.to_string());
        }
        let rows = self.read(statement).await?;
        self.decoded(rows.iter().map(|row| Ok(Due { key: to_key(row, 0)?, at: value(row, 2, "wake_at")? })).collect())
    }
}

/// The buckets of a set, as the server stores them.
pub(super) fn numbers(buckets: &Buckets) -> Vec<i16> {
    // There are 1,024.
    buckets.iter().filter_map(|bucket| i16::try_from(bucket).ok()).collect()
}

/// A statement about one key.
fn of_key<'a>(template: &'static str, key: &'a Key) -> Statement<'a> {
    Statement::new(template)
        .with(vec![0_i32], Type::INT4_ARRAY)
        .with(vec![&*key.machine], Type::TEXT_ARRAY)
        .with(vec![&*key.id], Type::TEXT_ARRAY)
}

/// No stored text has the character NUL, and the server refuses it in a query.
pub(super) fn has_nul(key: &Key) -> bool {
    key.machine.contains('\0') || key.id.contains('\0')
}
