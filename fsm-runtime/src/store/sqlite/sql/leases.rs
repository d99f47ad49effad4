//! Leases of processes.

use super::columns::{later, micros, optional_time, time};
use crate::store::{Lapsed, Lease, MachineVersion, Process, Renewal, Renewed};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

pub(in crate::store::sqlite) fn take(
    connection: &Connection,
    process: &Process,
    ttl: Duration,
    now: SystemTime,
) -> rusqlite::Result<Renewed> {
    let Process { owner, holder, node, pid, machines, build, slots } = process;
    let machines: Vec<Value> =
        machines.iter().map(|it| json!({ "machine": it.machine, "version": it.version })).collect();
    let machines = Value::from(machines).to_string();
    let until = connection
        .prepare_cached(
            "INSERT INTO fsm_leases (owner, holder, node, pid, machines, build, slots, since, joined, leaving, until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, 0, ?9)
             ON CONFLICT (owner) DO UPDATE SET holder = ?2, node = ?3, pid = ?4, machines = ?5, build = ?6, slots = ?7,
                 joined = NULL, leaving = 0, until = ?9
             RETURNING until",
        )?
        .query_row(
            params![owner, holder, node, pid, machines, build, slots, micros(now), micros(later(now, ttl))],
            |row| time(row, 0),
        )?;
    remove_lapsed(connection, now)?;
    Ok(Renewed::new(until, now))
}

pub(in crate::store::sqlite) fn renew(
    connection: &Connection,
    renewal: &Renewal,
    now: SystemTime,
) -> rusqlite::Result<Result<Renewed, Lapsed>> {
    let Renewal { owner, ttl, leaving } = renewal;
    let until = connection
        .prepare_cached(
            "UPDATE fsm_leases SET until = ?2, joined = ifnull(joined, ?3), leaving = ?4 WHERE owner = ?1 AND until > ?3
             RETURNING until",
        )?
        .query_row(params![owner, micros(later(now, *ttl)), micros(now), leaving], |row| time(row, 0))
        .optional()?;
    remove_lapsed(connection, now)?;
    Ok(until.map(|until| Renewed::new(until, now)).ok_or(Lapsed::new(now)))
}

pub(in crate::store::sqlite) fn end(
    connection: &Connection,
    owners: &[String],
    now: SystemTime,
) -> rusqlite::Result<()> {
    for owner in owners {
        connection
            .prepare_cached("UPDATE fsm_leases SET until = min(until, ?2) WHERE owner = ?1")?
            .execute(params![owner, micros(now)])?;
    }
    remove_lapsed(connection, now)
}

pub(in crate::store::sqlite) fn all(connection: &Connection, now: SystemTime) -> rusqlite::Result<Vec<Lease>> {
    connection
        .prepare_cached(
            "SELECT owner, holder, node, pid, machines, build, slots, since, joined, leaving, until FROM fsm_leases
             ORDER BY since, owner",
        )?
        .query_map([], |row| to_lease(row, now))?
        .collect()
}

/// Removes expired leases whose owners have no rows.
fn remove_lapsed(connection: &Connection, now: SystemTime) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM fsm_leases WHERE until <= ?1
             AND NOT EXISTS (SELECT 1 FROM fsm_instances INDEXED BY fsm_instances_owner
                             WHERE fsm_instances.owner = fsm_leases.owner)",
        )?
        .execute([micros(now)])?;
    Ok(())
}

fn to_lease(row: &Row<'_>, now: SystemTime) -> rusqlite::Result<Lease> {
    let process = Process {
        owner: row.get(0)?,
        holder: row.get(1)?,
        node: row.get(2)?,
        pid: row.get(3)?,
        machines: to_machines(&row.get::<_, String>(4)?)?,
        build: row.get(5)?,
        slots: row.get(6)?,
    };
    let until = time(row, 10)?;
    let lease = Lease::new(process, time(row, 7)?, until, until > now);
    Ok(Lease { joined: optional_time(row, 8)?, leaving: row.get(9)?, ..lease })
}

fn to_machines(text: &str) -> rusqlite::Result<Vec<MachineVersion>> {
    let damaged = |error: serde_json::Error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, error.into());
    let machines: Vec<Value> = serde_json::from_str(text).map_err(damaged)?;
    // A missing name or version does not hide the lease.
    let machine = |it: Value| {
        let version = it["version"].as_u64().and_then(|version| u32::try_from(version).ok());
        MachineVersion::new(it["machine"].as_str().unwrap_or_default(), version.unwrap_or_default())
    };
    Ok(machines.into_iter().map(machine).collect())
}
