//! Claimed rows: those of one owner, those of a machine, and those whose owner has no live lease.
//!
//! The index of owners holds (owner, machine, id) of claimed rows. There are few owners, so that a query over all of them has one sorted
//! range for each.

use super::{
    columns::{COLUMNS, limit, number, to_key, to_row, value},
    core::Core,
    read::numbers,
    statement::Statement,
};
use crate::store::{Buckets, Held, Key, Row, Scope, StoreError};
use std::time::SystemTime;
use tokio_postgres::types::Type;

/// The owners of rows: one look-up for each.
const OWNERS: &str = "WITH RECURSIVE owners AS (
    (SELECT i.owner FROM {schema}.instances i WHERE i.owner IS NOT NULL ORDER BY i.owner LIMIT 1)
    UNION ALL
    SELECT n.owner FROM owners o CROSS JOIN LATERAL (
        SELECT i.owner FROM {schema}.instances i WHERE i.owner > o.owner ORDER BY i.owner LIMIT 1) n)";

impl Core {
    pub(super) async fn held_by(
        &self,
        owner: String,
        after: Option<Key>,
        page: usize,
    ) -> Result<Vec<Held>, StoreError> {
        let mut values = Statement::new("");
        let mut conditions = format!("i.owner = {}", values.add(owner, Type::TEXT));
        conditions.push_str(&beyond(&mut values, after));
        let rows = values.add(limit(page), Type::INT8);
        let statement = values.having(format!(
            "SELECT i.machine, i.id, i.incarnation, i.entered, i.fence FROM {{schema}}.instances i
             WHERE {conditions} ORDER BY i.machine, i.id LIMIT {rows}"
        ));
        let rows = self.read(statement).await?;
        let held = |row: &tokio_postgres::Row| {
            let (entered, fence) = (number(row, 3, "entered")?, number(row, 4, "fence")?);
            Ok(Held::new(to_key(row, 0)?, value(row, 2, "incarnation")?, entered, fence))
        };
        self.decoded(rows.iter().map(held).collect())
    }

    pub(super) async fn orphaned(
        &self,
        scope: Scope,
        after: Option<Key>,
        page: usize,
        now: SystemTime,
    ) -> Result<Vec<Key>, StoreError> {
        let mut values = Statement::new("");
        let now = values.add(self.callers(now), Type::TIMESTAMPTZ);
        let mut conditions = format!("i.machine = ANY({})", values.add(scope.machines, Type::TEXT_ARRAY));
        conditions.push_str(&beyond(&mut values, after));
        if scope.buckets != Buckets::ALL {
            let buckets = values.add(numbers(&scope.buckets), Type::INT2_ARRAY);
            conditions = format!("{conditions} AND i.bucket = ANY({buckets})");
        }
        let rows = values.add(limit(page), Type::INT8);
        let statement = values.having(format!(
            "{OWNERS} SELECT d.machine, d.id FROM owners o CROSS JOIN LATERAL (
                SELECT i.machine, i.id FROM {{schema}}.instances i WHERE i.owner = o.owner AND {conditions}
                ORDER BY i.machine, i.id LIMIT {rows}) d
             WHERE NOT EXISTS (SELECT 1 FROM {{schema}}.leases l
                               WHERE l.owner = o.owner AND l.until > coalesce({now}, clock_timestamp()))
             ORDER BY d.machine, d.id LIMIT {rows}"
        ));
        let rows = self.read(statement).await?;
        self.decoded(rows.iter().map(|row| to_key(row, 0)).collect())
    }

    pub(super) async fn claims(
        &self,
        machine: String,
        after: Option<String>,
        page: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let text = format!(
            "{OWNERS} SELECT {COLUMNS} FROM owners o CROSS JOIN LATERAL (
                SELECT i.* FROM {{schema}}.instances i WHERE i.owner = o.owner AND i.machine = $1 AND i.id > $2
                ORDER BY i.id LIMIT $3) i
             ORDER BY i.id LIMIT $3"
        );
        let after = after.unwrap_or_default();
        let rows = self.read(Statement::new(text).text(machine).text(after).number(limit(page))).await?;
        self.decoded(rows.iter().map(|row| to_row(row, 0)).collect())
    }
}

/// The condition of a page by key that begins after a key, with `AND`.
fn beyond(values: &mut Statement<'_>, after: Option<Key>) -> String {
    let Some(key) = after else { return String::new() };
    let (machine, id) = (values.add(key.machine.to_string(), Type::TEXT), values.add(key.id.to_string(), Type::TEXT));
    format!(" AND (i.machine, i.id) > ({machine}, {id})")
}
