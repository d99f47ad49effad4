//! Everything beside instances: subscribers' positions, definitions, and the removal of old data.

use super::{
    columns::{limit, number, stored, time, value},
    core::Core,
    failure::Failure,
    statement::Statement,
};
use crate::store::{Definition, Key, Prune, StoreError};
use std::time::SystemTime;
use tokio_postgres::{Row, types::Type};

impl Core {
    pub(super) async fn pruned_through(&self) -> Result<u64, StoreError> {
        self.number("SELECT value FROM {schema}.meta WHERE name = 'pruned'").await
    }

    async fn number(&self, text: &'static str) -> Result<u64, StoreError> {
        self.count_of(Statement::new(text)).await
    }

    /// The number in the first column of the first row; 0 without one.
    pub(super) async fn count_of(&self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let rows = self.read(statement).await?;
        self.decoded(rows.first().map_or(Ok(0), |row| number(row, 0, "count")))
    }

    pub(super) async fn subscriber_position(&self, subscriber: String) -> Result<Option<u64>, StoreError> {
        let text = "SELECT position FROM {schema}.subscribers WHERE name = $1";
        let rows = self.read(Statement::new(text).text(subscriber)).await?;
        self.decoded(rows.first().map(|row| number(row, 0, "position")).transpose())
    }

    pub(super) async fn save_position(&self, subscriber: String, position: u64) -> Result<(), StoreError> {
        let text = "INSERT INTO {schema}.subscribers AS s (name, position) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET position = greatest(s.position, $2)";
        self.read(Statement::new(text).text(subscriber).number(stored(position))).await.map(drop)
    }

    pub(super) async fn remove_position(&self, subscriber: String) -> Result<bool, StoreError> {
        let text = "DELETE FROM {schema}.subscribers WHERE name = $1 RETURNING 1";
        Ok(!self.once(Statement::new(text).text(subscriber)).await?.is_empty())
    }

    pub(super) async fn define(&self, definitions: Vec<Definition>, now: SystemTime) -> Result<(), StoreError> {
        let text = "INSERT INTO {schema}.machines (name, version, fingerprint, graph, controller, at)
            VALUES ($1, $2, $3, $4, $5, coalesce($6, clock_timestamp()))
            ON CONFLICT (name, version) DO UPDATE
            SET fingerprint = excluded.fingerprint, graph = excluded.graph, controller = true, at = excluded.at
            WHERE excluded.controller";
        for Definition { machine, version, fingerprint, graph, controller } in definitions {
            let statement = Statement::new(text)
                .text(machine)
                .number(version.into())
                // A fingerprint is bits, not a number: the server's integers are signed.
                .number(fingerprint.cast_signed())
                .text(graph)
                .with(controller, Type::BOOL)
                .with(self.callers(now), Type::TIMESTAMPTZ);
            self.read(statement).await?;
        }
        Ok(())
    }

    pub(super) async fn definition(&self, machine: String) -> Result<Option<Definition>, StoreError> {
        let text = "SELECT name, version, fingerprint, graph, controller FROM {schema}.machines WHERE name = $1
            ORDER BY controller DESC, at DESC, version DESC LIMIT 1";
        let rows = self.read(Statement::new(text).text(machine)).await?;
        self.decoded(rows.first().map(to_definition).transpose())
    }

    /// One of each machine, as [`definition`](Self::definition) finds it.
    pub(super) async fn definitions(&self) -> Result<Vec<Definition>, StoreError> {
        let text = "SELECT DISTINCT ON (name) name, version, fingerprint, graph, controller FROM {schema}.machines
            ORDER BY name, controller DESC, at DESC, version DESC";
        let rows = self.read(Statement::new(text)).await?;
        self.decoded(rows.iter().map(to_definition).collect())
    }

    /// Removes the definitions below `schema`, unless rows still have such a version.
    pub(super) async fn retire(&self, machine: String, schema: u32) -> Result<(), StoreError> {
        let text = "DELETE FROM {schema}.machines WHERE name = $1 AND version < $2
            AND NOT EXISTS (SELECT 1 FROM {schema}.instances i WHERE i.machine = $1 AND i.schema < $2)";
        self.read(Statement::new(text).text(machine).number(schema.into())).await.map(drop)
    }

    /// Removes one batch of each kind, and returns how much. Several processes may do this at once.
    pub(super) async fn prune(&self, prune: Prune) -> Result<u64, StoreError> {
        let Prune { history_before, keys_before, ended, ended_before, gone, operations_before, limit: rows } = prune;
        let mut removed = 0;
        if let Some(before) = keys_before {
            removed += self.prune_keys(before, rows).await?;
        }
        if let Some(before) = history_before {
            removed += self.prune_history(before, rows).await?;
        }
        if let Some(before) = ended_before {
            for (machine, state) in &ended {
                removed += self.prune_ended(machine, state, before, rows).await?;
            }
        }
        if let Some(before) = operations_before {
            removed += self.prune_operations(before, rows).await?;
        }
        if let Some(key) = &gone {
            removed += self.prune_gone(key, rows).await?;
        }
        Ok(removed)
    }

    async fn prune_keys(&self, before: SystemTime, rows: usize) -> Result<u64, StoreError> {
        let text = "WITH old AS (
                SELECT k.machine, k.id, k.incarnation, k.key FROM {schema}.keys k WHERE k.at < $1 ORDER BY k.at LIMIT $2
                FOR UPDATE SKIP LOCKED
            ), gone AS (
                DELETE FROM {schema}.keys k USING old o
                WHERE (k.machine, k.id, k.incarnation, k.key) = (o.machine, o.id, o.incarnation, o.key) RETURNING 1)
            SELECT count(*) FROM gone";
        self.count_of(Statement::new(text).with(time(before), Type::TIMESTAMPTZ).number(limit(rows))).await
    }

    /// Removes from the oldest entry on, so that the rest has no gaps. Stops at the first entry that an idempotency key refers to. Only
    /// what is settled is removed: an entry before it may still appear.
    async fn prune_history(&self, before: SystemTime, rows: usize) -> Result<u64, StoreError> {
        let settled = self.settled_to().await?;
        let text = "WITH last AS (
                SELECT max(x.sequence) AS sequence FROM (
                    SELECT s.sequence, max(s.at) OVER (ORDER BY s.sequence) AS newest FROM (
                        SELECT h.sequence, h.at FROM {schema}.history h
                        WHERE h.sequence <= $3 AND h.sequence < coalesce((SELECT min(k.sequence) FROM {schema}.keys k), $3 + 1)
                        ORDER BY h.sequence LIMIT $2) s) x
                WHERE x.newest < $1
            ), gone AS (
                DELETE FROM {schema}.history h USING last l WHERE h.sequence <= l.sequence RETURNING 1
            ), noted AS (
                UPDATE {schema}.meta m SET value = greatest(m.value, l.sequence) FROM last l
                WHERE m.name = 'pruned' AND l.sequence IS NOT NULL)
            SELECT count(*) FROM gone";
        let statement =
            Statement::new(text).with(time(before), Type::TIMESTAMPTZ).number(limit(rows)).number(stored(settled));
        self.count_of(statement).await
    }

    /// Removes the keys and the history of an id without a row. Keys first, because an entry is kept while a key refers to it.
    async fn prune_gone(&self, key: &Key, rows: usize) -> Result<u64, StoreError> {
        if self.row(key.clone()).await?.is_some() {
            return Ok(0);
        }
        let of = |text: &'static str| {
            Statement::new(text).text(key.machine.to_string()).text(key.id.to_string()).number(limit(rows))
        };
        let keys = "WITH old AS (
                SELECT k.incarnation, k.key FROM {schema}.keys k WHERE k.machine = $1 AND k.id = $2
                    AND NOT EXISTS (SELECT 1 FROM {schema}.instances i WHERE i.machine = $1 AND i.id = $2) LIMIT $3
            ), gone AS (
                DELETE FROM {schema}.keys k USING old o
                WHERE k.machine = $1 AND k.id = $2 AND k.incarnation = o.incarnation AND k.key = o.key RETURNING 1)
            SELECT count(*) FROM gone";
        let removed = self.count_of(of(keys)).await?;
        if removed > 0 {
            return Ok(removed);
        }
        let history = "WITH old AS (
                SELECT h.sequence FROM {schema}.history h WHERE h.machine = $1 AND h.id = $2
                    AND NOT EXISTS (SELECT 1 FROM {schema}.instances i WHERE i.machine = $1 AND i.id = $2)
                ORDER BY h.sequence LIMIT $3
            ), gone AS (
                DELETE FROM {schema}.history h USING old o WHERE h.sequence = o.sequence RETURNING 1)
            SELECT count(*) FROM gone";
        self.count_of(of(history)).await
    }
}

fn to_definition(row: &Row) -> Result<Definition, Failure> {
    Ok(Definition {
        machine: value(row, 0, "name")?,
        version: number(row, 1, "version")?,
        fingerprint: value::<i64>(row, 2, "fingerprint")?.cast_unsigned(),
        graph: value(row, 3, "graph")?,
        controller: value(row, 4, "controller")?,
    })
}
