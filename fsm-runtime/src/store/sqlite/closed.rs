//! A store whose contents were moved to another one: triggers refuse every write, also those of processes that have the file open, and
//! of every release. Opening and reading it go on.

use rusqlite::{Connection, Error};

/// The texts of the triggers' errors begin with this.
const MOVED: &str = "its contents were moved to ";
/// The names of the triggers begin with this.
const PREFIX: &str = "fsm_moved_";

/// Closes the store.
#[cfg(feature = "postgres")]
pub(super) fn close(connection: &Connection, target: &str) -> rusqlite::Result<()> {
    let why = format!("{MOVED}{target}").replace('\'', "''");
    for table in ["machines", "instances", "history", "keys", "leases", "operations", "subscribers"] {
        for write in ["INSERT", "UPDATE", "DELETE"] {
            let name = format!("{PREFIX}{table}_{}", write.to_lowercase());
            connection.execute_batch(&format!(
                "DROP TRIGGER IF EXISTS {name};
                 CREATE TRIGGER {name} BEFORE {write} ON fsm_{table} BEGIN SELECT RAISE(ABORT, '{why}'); END;"
            ))?;
        }
    }
    Ok(())
}

/// Lets a store that was closed be written again.
pub(super) fn reopen(connection: &Connection) -> rusqlite::Result<()> {
    let names: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, length(?1)) = ?1")?
        .query_map([PREFIX], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    names.iter().try_for_each(|name| connection.execute_batch(&format!("DROP TRIGGER \"{name}\"")))
}

/// Whether a statement failed because the store is closed.
pub(super) fn is_moved(error: &Error) -> bool {
    error.to_string().starts_with(MOVED)
}
