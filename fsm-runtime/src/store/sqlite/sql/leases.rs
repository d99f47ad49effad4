//! Leases of processes.

use super::columns::{later, micros, time};
use crate::store::{Lease, Renewal};
use rusqlite::{Connection, Row, params};
use std::time::SystemTime;

pub(in crate::store::sqlite) fn renew(
    connection: &Connection,
    renewals: &[Renewal],
    now: SystemTime,
) -> rusqlite::Result<Vec<Lease>> {
    let mut leases = Vec::with_capacity(renewals.len());
    for Renewal { owner, holder, ttl } in renewals {
        let lease = connection
            .prepare_cached(
                "INSERT INTO fsm_leases (owner, holder, since, until) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (owner) DO UPDATE SET holder = ?2, until = ?4
                 RETURNING owner, holder, since, until",
            )?
            .query_row(params![owner, holder, micros(now), micros(later(now, *ttl))], |row| to_lease(row, now))?;
        leases.push(lease);
    }
    remove_lapsed(connection, now)?;
    Ok(leases)
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
        .prepare_cached("SELECT owner, holder, since, until FROM fsm_leases ORDER BY since, owner")?
        .query_map([], |row| to_lease(row, now))?
        .collect()
}

/// Removes lapsed leases whose owners have no rows. If there are any, all claimed rows are read.
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
    let until = time(row, 3)?;
    Ok(Lease::new(row.get(0)?, row.get(1)?, time(row, 2)?, until, until > now))
}
