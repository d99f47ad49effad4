//! The operators' log.

use super::{
    columns::{limit, number, stored, time, value},
    core::Core,
    failure::Failure,
    statement::Statement,
};
use crate::store::{Operation, OperationEntry, Origin, StoreError};
use std::time::SystemTime;
use tokio_postgres::{Row, types::Type};

impl Core {
    pub(super) async fn log_operation(&self, operation: Operation, now: SystemTime) -> Result<u64, StoreError> {
        let Operation { what, origin: Origin { actor, trace }, machine, id, selector, why, done, skipped, failed } =
            operation;
        let text = "INSERT INTO {schema}.operations
                (at, actor, trace, what, machine, id, selector, why, done, skipped, failed)
            VALUES (coalesce($1, clock_timestamp()), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING sequence";
        let statement = Statement::new(text)
            .with(self.callers(now), Type::TIMESTAMPTZ)
            .text(actor)
            .text(trace)
            .text(what)
            .text(machine)
            .text(id)
            .text(selector)
            .text(why)
            .number(stored(done))
            .number(stored(skipped))
            .number(stored(failed));
        let rows = self.once(statement).await?;
        let row = rows.first().ok_or_else(|| Failure::damaged("an entry was not written".to_owned()));
        self.decoded(row.and_then(|row| number(row, 0, "sequence")))
    }

    /// The newest first, before `before`.
    pub(super) async fn operations(&self, before: u64, page: usize) -> Result<Vec<OperationEntry>, StoreError> {
        let text = "SELECT sequence, at, actor, trace, what, machine, id, selector, why, done, skipped, failed
            FROM {schema}.operations WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2";
        let rows = self.read(Statement::new(text).number(stored(before)).number(limit(page))).await?;
        self.decoded(rows.iter().map(to_entry).collect())
    }

    pub(super) async fn prune_operations(&self, before: SystemTime, rows: usize) -> Result<u64, StoreError> {
        let text = "WITH old AS (
                SELECT o.sequence FROM {schema}.operations o WHERE o.at < $1 ORDER BY o.at LIMIT $2 FOR UPDATE SKIP LOCKED
            ), gone AS (
                DELETE FROM {schema}.operations o USING old WHERE o.sequence = old.sequence RETURNING 1)
            SELECT count(*) FROM gone";
        self.count_of(Statement::new(text).with(time(before), Type::TIMESTAMPTZ).number(limit(rows))).await
    }
}

fn to_entry(row: &Row) -> Result<OperationEntry, Failure> {
    let origin = Origin { actor: value(row, 2, "actor")?, trace: value(row, 3, "trace")? };
    let operation = Operation {
        machine: value(row, 5, "machine")?,
        id: value(row, 6, "id")?,
        selector: value(row, 7, "selector")?,
        why: value(row, 8, "why")?,
        done: number(row, 9, "done")?,
        skipped: number(row, 10, "skipped")?,
        failed: number(row, 11, "failed")?,
        ..Operation::new(value::<String>(row, 4, "what")?, origin)
    };
    Ok(OperationEntry::new(number(row, 0, "sequence")?, value(row, 1, "at")?, operation))
}
