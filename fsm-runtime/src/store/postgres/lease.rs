//! Leases of processes, in the server's time.

use super::{
    columns::{micros, number, value},
    core::Core,
    failure::Failure,
    statement::Statement,
};
use crate::store::{Lapsed, Lease, MachineVersion, Process, Renewal, Renewed, StoreError};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tokio_postgres::{Row, types::Type};

/// How long the removal of old leases may delay a call that does not renew one.
const TIDY: Duration = Duration::from_secs(2);
/// How long a connection may at least take to answer. A third of a lease is left for another connection in any case.
const LEAST_ANSWER: Duration = Duration::from_millis(500);

/// The time, which the first parameter replaces.
const NOW: &str = "coalesce($1::timestamptz, clock_timestamp())";

impl Core {
    /// The time at which the process was first seen is kept.
    pub(super) async fn take_lease(
        &self,
        process: Process,
        ttl: Duration,
        now: SystemTime,
    ) -> Result<Renewed, StoreError> {
        let now = self.callers(now);
        let Process { owner, holder, node, pid, machines, build, slots } = process;
        let machines: Vec<Value> =
            machines.iter().map(|it| json!({ "machine": it.machine, "version": it.version })).collect();
        let text = format!(
            "WITH t AS MATERIALIZED (SELECT {NOW} AS now)
             INSERT INTO {{schema}}.leases AS l
                 (owner, holder, node, pid, machines, build, slots, since, joined, leaving, until)
             SELECT $2, $3, $4, $5, $6, $7, $8, t.now, NULL, false, t.now + $9 * interval '1 microsecond' FROM t
             ON CONFLICT (owner) DO UPDATE SET holder = excluded.holder, node = excluded.node, pid = excluded.pid,
                 machines = excluded.machines, build = excluded.build, slots = excluded.slots, joined = NULL,
                 leaving = false, until = excluded.until
             RETURNING l.until, l.until - $9 * interval '1 microsecond'"
        );
        let statement = Statement::new(text)
            .with(now, Type::TIMESTAMPTZ)
            .text(owner)
            .text(holder)
            .text(node)
            .number(pid.into())
            .text(Value::from(machines).to_string())
            .text(build)
            .number(slots.into())
            .number(micros(ttl));
        let rows = self.run_within(answers_within(ttl), &self.lease, &statement, true).await?;
        self.notices.leases_changed();
        self.remove_lapsed(now, TIDY).await;
        let renewed = |row: &Row| Ok(Renewed::new(value(row, 0, "until")?, value(row, 1, "now")?));
        let row = rows.first().ok_or_else(|| Failure::damaged("a lease was not written".to_owned()));
        self.decoded(row.and_then(renewed))
    }

    /// The row is locked before the time is read. A claim by another process holds a shared lock on it, and an update that waits for
    /// a lock alone does not check its condition again: it would extend a lease that the claim has found lapsed.
    pub(super) async fn renew_lease(
        &self,
        renewal: Renewal,
        now: SystemTime,
    ) -> Result<Result<Renewed, Lapsed>, StoreError> {
        let now = self.callers(now);
        let Renewal { owner, ttl, leaving } = renewal;
        let text = format!(
            "WITH locked AS MATERIALIZED (
                SELECT l.owner, l.joined IS NULL OR l.leaving <> $4 AS news FROM {{schema}}.leases l WHERE l.owner = $2
                FOR NO KEY UPDATE
             ), t AS MATERIALIZED (
                SELECT k.owner, k.news, {NOW} AS now FROM locked k
             ), r AS (
                UPDATE {{schema}}.leases l
                SET until = t.now + $3 * interval '1 microsecond', joined = coalesce(l.joined, t.now), leaving = $4
                FROM t WHERE l.owner = t.owner AND l.until > t.now RETURNING l.until)
             SELECT r.until, coalesce(r.until - $3 * interval '1 microsecond', {NOW}), coalesce(t.news, false),
                    EXISTS (SELECT 1 FROM {{schema}}.leases l WHERE l.until <= {NOW})
             FROM (SELECT 1) x LEFT JOIN r ON true LEFT JOIN t ON true"
        );
        let statement =
            Statement::new(text).with(now, Type::TIMESTAMPTZ).text(owner).number(micros(ttl)).with(leaving, Type::BOOL);
        let rows = self.run_within(answers_within(ttl), &self.lease, &statement, true).await?;
        let shows = |column| rows.first().is_some_and(|row| row.try_get(column).unwrap_or(false));
        if shows(2) {
            self.notices.leases_changed();
        }
        if shows(3) {
            self.remove_lapsed(now, answers_within(ttl) / 2).await;
        }
        let renewed = |row: &Row| {
            let (until, now) = (value::<Option<SystemTime>>(row, 0, "until")?, value(row, 1, "now")?);
            Ok(until.map(|until| Renewed::new(until, now)).ok_or(Lapsed::new(now)))
        };
        let row = rows.first().ok_or_else(|| Failure::damaged("the server has no time".to_owned()));
        self.decoded(row.and_then(renewed))
    }

    pub(super) async fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> Result<(), StoreError> {
        let now = self.callers(now);
        let text = format!("UPDATE {{schema}}.leases l SET until = least(l.until, {NOW}) WHERE l.owner = ANY($2)");
        let statement = Statement::new(text).with(now, Type::TIMESTAMPTZ).with(owners, Type::TEXT_ARRAY);
        self.run_on(&self.lease, &statement, true).await?;
        self.notices.leases_changed();
        self.remove_lapsed(now, TIDY).await;
        Ok(())
    }

    pub(super) async fn leases(&self, now: SystemTime) -> Result<Vec<Lease>, StoreError> {
        let text = format!(
            "SELECT l.owner, l.holder, l.node, l.pid, l.machines, l.build, l.slots, l.since, l.joined, l.leaving, l.until,
                    l.until > {NOW}
             FROM {{schema}}.leases l ORDER BY l.since, l.owner"
        );
        let rows = self.read(Statement::new(text).with(self.callers(now), Type::TIMESTAMPTZ)).await?;
        self.decoded(rows.iter().map(to_lease).collect())
    }

    /// Removes lapsed leases whose owners have no rows, and the lanes of processes that are gone. What cannot be removed now, such as
    /// while another session has locked the table of instances, is removed later: no lease waits for it.
    async fn remove_lapsed(&self, now: Option<SystemTime>, limit: Duration) {
        let text = format!(
            "WITH lanes AS (DELETE FROM {{schema}}.lanes l WHERE l.seen < clock_timestamp() - interval '1 day')
             DELETE FROM {{schema}}.leases l WHERE l.until <= {NOW}
             AND NOT EXISTS (SELECT 1 FROM {{schema}}.instances i WHERE i.owner = l.owner)"
        );
        let _ = tokio::time::timeout(limit, self.read(Statement::new(text).with(now, Type::TIMESTAMPTZ))).await;
    }
}

/// How long a connection may take to answer for a lease of length `ttl`, before another one is made. A renewal that fails once succeeds
/// before the workers are cancelled.
pub(super) fn answers_within(ttl: Duration) -> Duration {
    (ttl / 6).max(LEAST_ANSWER)
}

fn to_lease(row: &Row) -> Result<Lease, Failure> {
    let process = Process {
        owner: value(row, 0, "owner")?,
        holder: value(row, 1, "holder")?,
        node: value(row, 2, "node")?,
        pid: number(row, 3, "pid")?,
        machines: to_machines(&value::<String>(row, 4, "machines")?)?,
        build: value(row, 5, "build")?,
        slots: number(row, 6, "slots")?,
    };
    let lease = Lease::new(process, value(row, 7, "since")?, value(row, 10, "until")?, value(row, 11, "live")?);
    Ok(Lease { joined: value(row, 8, "joined")?, leaving: value(row, 9, "leaving")?, ..lease })
}

fn to_machines(text: &str) -> Result<Vec<MachineVersion>, Failure> {
    let machines: Vec<Value> =
        serde_json::from_str(text).map_err(|error| Failure::damaged(format!("column `machines`: {error}")))?;
    // A missing name or version is read as empty or 0, so that the lease can still be read.
    let machine = |it: Value| {
        let name = it.get("machine").and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = it.get("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok());
        MachineVersion::new(name, version.unwrap_or_default())
    };
    Ok(machines.into_iter().map(machine).collect())
}
