//! Entries under leases, and kept results, in the server's time.

use super::{
    change::SEQUENCES_ARE_AHEAD,
    columns::{limit as rows, micros, number, stored, value},
    core::Core,
    failure::Failure,
    lane::RAISE_TIMELINE,
    lease::answers_within,
    statement::Statement,
};
use crate::store::{Ephemeral, KeptResult, NewEphemeral, NewResult, Position, StoreError};
use std::time::{Duration, SystemTime};
use tokio_postgres::{Row, types::Type};

/// The time, which the first parameter replaces.
const NOW: &str = "coalesce($1::timestamptz, clock_timestamp())";
const COLUMNS: &str = "e.sequence, e.name, e.id, e.holder, e.since, e.until, e.value";
/// Removes some of what is over, more than one call can add: parts of a `WITH` clause.
const SWEEP: &str = "lapsed AS (
    SELECT e.id FROM {schema}.entries e WHERE e.until <= coalesce($1::timestamptz, clock_timestamp()) LIMIT 16
    FOR UPDATE SKIP LOCKED
 ), expired AS (
    SELECT r.kind, r.name FROM {schema}.results r WHERE r.until <= coalesce($1::timestamptz, clock_timestamp()) LIMIT 16
    FOR UPDATE SKIP LOCKED
 ), swept_entries AS (DELETE FROM {schema}.entries e USING lapsed l WHERE e.id = l.id
 ), swept_results AS (DELETE FROM {schema}.results r USING expired x WHERE (r.kind, r.name) = (x.kind, x.name))";
/// The first key of the advisory locks of queues; the second one is a hash of the queue.
const QUEUES: i32 = 0x0066_736d;
/// How often an entry is sent whose own lost attempts overtake it.
const ATTEMPTS: usize = 16;

impl Core {
    /// Takes a lock on the queue that is held until the entry is committed, so the entries of a queue get their sequences in commit order.
    /// A read of the position after the commit therefore sees all entries that are ahead.
    ///
    /// After a lost answer, the entry may be there already, or an earlier attempt may be waiting on the server and commit after this one has
    /// begun: its entry is in the way then, and cannot be seen. The next attempt sees it. An attempt also writes nothing after a failover,
    /// until the sequences are ahead of what the former primary may have given out.
    pub(super) async fn enter(&self, entry: NewEphemeral, now: SystemTime) -> Result<u64, StoreError> {
        let NewEphemeral { kind, name, id, holder, value, ttl } = entry;
        let text = format!(
            "WITH queue AS MATERIALIZED (
                SELECT pg_advisory_xact_lock({QUEUES}, hashtext($2 || '/' || $3)) WHERE {SEQUENCES_ARE_AHEAD}),
             entered AS (
                INSERT INTO {{schema}}.entries (sequence, kind, name, id, holder, value, since, until)
                SELECT nextval('{{schema}}.fence'), $2, $3, $4, $5, $6, {NOW}, {NOW} + $7 * interval '1 microsecond' FROM queue
                ON CONFLICT (id) DO NOTHING RETURNING sequence),
             {SWEEP}
             SELECT sequence FROM entered UNION ALL SELECT e.sequence FROM {{schema}}.entries e WHERE e.id = $4"
        );
        for _ in 0..ATTEMPTS {
            let statement = self.timed(text.clone(), now).text(kind).text(name.clone()).text(id.clone());
            let statement = statement.text(holder.clone()).text(value.clone()).number(micros(ttl));
            if let Some(row) = self.change_entries(statement).await?.first() {
                return self.decoded(number(row, 0, "sequence"));
            }
            self.read(Statement::new(RAISE_TIMELINE)).await?;
        }
        self.decoded(Err(Failure::damaged(format!("an entry was not written by {ATTEMPTS} attempts"))))
    }

    pub(super) async fn renew_entry(&self, id: String, ttl: Duration, now: SystemTime) -> Result<bool, StoreError> {
        let text = format!(
            "UPDATE {{schema}}.entries e SET until = {NOW} + $3 * interval '1 microsecond'
             WHERE e.id = $2 AND e.until > {NOW} RETURNING 1"
        );
        let statement = self.timed(text, now).text(id).number(micros(ttl));
        Ok(!self.run_within(answers_within(ttl), &self.lease, &statement, true).await?.is_empty())
    }

    pub(super) async fn set_entry_value(&self, id: String, value: String, now: SystemTime) -> Result<bool, StoreError> {
        let text =
            format!("UPDATE {{schema}}.entries e SET value = $3 WHERE e.id = $2 AND e.until > {NOW} RETURNING 1");
        Ok(!self.change_entries(self.timed(text, now).text(id).text(value)).await?.is_empty())
    }

    pub(super) async fn remove_entry(&self, id: String) -> Result<(), StoreError> {
        let text = "DELETE FROM {schema}.entries e WHERE e.id = $1";
        self.change_entries(Statement::new(text).text(id)).await.map(drop)
    }

    pub(super) async fn position(&self, id: String, now: SystemTime) -> Result<Position, StoreError> {
        loop {
            let text = format!(
                "SELECT {COLUMNS}, e.until <= {NOW} FROM {{schema}}.entries own
                 LEFT JOIN LATERAL (
                    SELECT * FROM {{schema}}.entries x WHERE x.kind = own.kind AND x.name = own.name
                        AND x.sequence < own.sequence ORDER BY x.sequence DESC LIMIT 1) e ON true
                 WHERE own.id = $2 AND own.until > {NOW}"
            );
            let rows = self.read(self.timed(text, now).text(id.clone())).await?;
            let Some(row) = rows.first() else { return Ok(Position::Gone) };
            match self.decoded(value::<Option<bool>>(row, 7, "lapsed"))? {
                None => return Ok(Position::First),
                Some(false) => return self.decoded(to_entry(row).map(Position::Behind)),
                Some(true) => {}
            }
            // A renewal that is not committed yet is waited for, and its entry is kept then.
            let text = format!(
                "DELETE FROM {{schema}}.entries e USING {{schema}}.entries own WHERE own.id = $2 AND e.kind = own.kind
                    AND e.name = own.name AND e.sequence < own.sequence AND e.until <= {NOW}"
            );
            self.change_entries(self.timed(text, now).text(id.clone())).await?;
        }
    }

    pub(super) async fn first_entries(
        &self,
        kind: &'static str,
        name: String,
        limit: usize,
        now: SystemTime,
    ) -> Result<Vec<Ephemeral>, StoreError> {
        loop {
            let text = format!(
                "SELECT {COLUMNS}, e.until <= {NOW} FROM {{schema}}.entries e WHERE e.kind = $2 AND e.name = $3
                 ORDER BY e.sequence LIMIT $4"
            );
            let statement = self.timed(text, now).text(kind).text(name.clone()).number(rows(limit));
            let rows = self.read(statement).await?;
            let lapsed: Result<Vec<bool>, Failure> = rows.iter().map(|row| value(row, 7, "lapsed")).collect();
            if !self.decoded(lapsed)?.contains(&true) {
                return self.decoded(rows.iter().map(to_entry).collect());
            }
            // A renewal that is not committed yet is waited for, and its entry is kept then.
            let text =
                format!("DELETE FROM {{schema}}.entries e WHERE e.kind = $2 AND e.name = $3 AND e.until <= {NOW}");
            self.change_entries(self.timed(text, now).text(kind).text(name.clone())).await?;
        }
    }

    /// Of one queue, or of all queues of the kind.
    pub(super) async fn entries(
        &self,
        kind: &'static str,
        name: Option<String>,
        after: Option<(String, u64)>,
        limit: usize,
        now: SystemTime,
    ) -> Result<Vec<Ephemeral>, StoreError> {
        let (after_name, after) = after.unwrap_or_default();
        let condition =
            if name.is_some() { "e.name = $3 AND e.sequence > $4" } else { "(e.name, e.sequence) > ($3, $4)" };
        let text = format!(
            "SELECT {COLUMNS} FROM {{schema}}.entries e WHERE e.kind = $2 AND {condition} AND e.until > {NOW}
             ORDER BY e.name, e.sequence LIMIT $5"
        );
        let statement = self.timed(text, now).text(kind).text(name.unwrap_or(after_name));
        let rows = self.read(statement.number(stored(after)).number(rows(limit))).await?;
        self.decoded(rows.iter().map(to_entry).collect())
    }

    pub(super) async fn keep_result(&self, result: NewResult, now: SystemTime) -> Result<bool, StoreError> {
        if self.position(result.entry.clone(), now).await? != Position::First {
            return Ok(false);
        }
        let NewResult { entry, arguments, outcome, failed, ttl } = result;
        let text = format!(
            "WITH first AS (
                SELECT e.kind, e.name, e.sequence, e.id FROM {{schema}}.entries e
                WHERE e.id = $2 AND e.until > {NOW} AND NOT EXISTS (
                    SELECT 1 FROM {{schema}}.entries x WHERE x.kind = e.kind AND x.name = e.name AND x.sequence < e.sequence)
                FOR UPDATE OF e
             ), kept AS (
                INSERT INTO {{schema}}.results AS r (kind, name, fence, arguments, outcome, failed, at, until)
                SELECT f.kind, f.name, f.sequence, $3, $4, $5, {NOW}, {NOW} + $6 * interval '1 microsecond' FROM first f
                ON CONFLICT (kind, name) DO UPDATE SET fence = excluded.fence, arguments = excluded.arguments,
                    outcome = excluded.outcome, failed = excluded.failed, at = excluded.at, until = excluded.until
                RETURNING 1
             ), gone AS (DELETE FROM {{schema}}.entries e USING first f WHERE e.id = f.id)
             SELECT 1 FROM kept"
        );
        let statement = self.timed(text, now).text(entry).text(arguments).text(outcome);
        let statement = statement.with(failed, Type::BOOL).number(micros(ttl));
        Ok(!self.change_entries(statement).await?.is_empty())
    }

    pub(super) async fn result(
        &self,
        kind: &'static str,
        name: String,
        now: SystemTime,
    ) -> Result<Option<KeptResult>, StoreError> {
        let text = format!(
            "SELECT r.fence, r.outcome, r.at, r.until, r.arguments, r.failed FROM {{schema}}.results r
             WHERE r.kind = $2 AND r.name = $3 AND r.until > {NOW}"
        );
        let rows = self.read(self.timed(text, now).text(kind).text(name)).await?;
        self.decoded(rows.first().map(to_result).transpose())
    }

    pub(super) async fn remove_result(
        &self,
        kind: &'static str,
        name: String,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let text = format!(
            "WITH gone AS (DELETE FROM {{schema}}.results r WHERE r.kind = $2 AND r.name = $3 RETURNING r.until)
             SELECT 1 FROM gone g WHERE g.until > {NOW}"
        );
        Ok(!self.once(self.timed(text, now).text(kind).text(name)).await?.is_empty())
    }

    fn timed(&self, text: String, now: SystemTime) -> Statement<'static> {
        Statement::new(text).with(self.callers(now), Type::TIMESTAMPTZ)
    }

    /// The rows of a change of entries, which may be repeated. Notifies of it.
    async fn change_entries(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        let changed = self.read(statement).await;
        self.notices.entries_changed();
        changed
    }
}

fn to_entry(row: &Row) -> Result<Ephemeral, Failure> {
    let entry = Ephemeral::new(
        number(row, 0, "sequence")?,
        value(row, 1, "name")?,
        value(row, 2, "id")?,
        value(row, 3, "holder")?,
        value(row, 4, "since")?,
        value(row, 5, "until")?,
    );
    Ok(Ephemeral { value: value(row, 6, "value")?, ..entry })
}

fn to_result(row: &Row) -> Result<KeptResult, Failure> {
    let kept = KeptResult::new(
        number(row, 0, "fence")?,
        value(row, 1, "outcome")?,
        value(row, 2, "at")?,
        value(row, 3, "until")?,
    );
    Ok(KeptResult { arguments: value(row, 4, "arguments")?, failed: value(row, 5, "failed")?, ..kept })
}
