//! Definitions of machines: the graph of each machine and version, and which one a controller stored last.

use super::columns::micros;
use crate::store::Definition;
use rusqlite::{Connection, OptionalExtension, params};
use std::time::SystemTime;

pub(in crate::store::sqlite) fn define(
    connection: &Connection,
    definitions: &[Definition],
    now: SystemTime,
) -> rusqlite::Result<()> {
    for Definition { machine, version, fingerprint, graph, controller } in definitions {
        connection
            .prepare_cached(
                "INSERT INTO fsm_machines (name, version, fingerprint, graph, controller, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (name, version) DO UPDATE SET fingerprint = ?3, graph = ?4, controller = 1, at = ?6 WHERE ?5",
            )?
            // A fingerprint is bits, not a number: SQLite's integers are signed.
            .execute(params![machine, version, fingerprint.cast_signed(), graph, controller, micros(now)])?;
    }
    Ok(())
}

pub(in crate::store::sqlite) fn definition(
    connection: &Connection,
    machine: &str,
) -> rusqlite::Result<Option<Definition>> {
    connection
        .prepare_cached(
            "SELECT name, version, fingerprint, graph, controller FROM fsm_machines WHERE name = ?1
             ORDER BY controller DESC, at DESC, version DESC LIMIT 1",
        )?
        .query_row([machine], |row| {
            Ok(Definition {
                machine: row.get(0)?,
                version: row.get(1)?,
                fingerprint: row.get::<_, i64>(2)?.cast_unsigned(),
                graph: row.get(3)?,
                controller: row.get(4)?,
            })
        })
        .optional()
}

/// One of each machine, as [`definition`] finds it.
pub(in crate::store::sqlite) fn definitions(connection: &Connection) -> rusqlite::Result<Vec<Definition>> {
    let names: Vec<String> = connection
        .prepare_cached("SELECT DISTINCT name FROM fsm_machines ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let found = names.iter().map(|name| definition(connection, name)).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Removes the definitions below `schema`, unless rows still have such a version.
pub(in crate::store::sqlite) fn retire(connection: &Connection, machine: &str, schema: u32) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM fsm_machines WHERE name = ?1 AND version < ?2
         AND NOT EXISTS (SELECT 1 FROM fsm_instances WHERE machine = ?1 AND schema < ?2)",
        params![machine, schema],
    )?;
    Ok(())
}
