//! Maintenance of the whole file: pruning, integrity check, backup, size.

use super::{columns::micros, list, operations, read};
use crate::store::sqlite::{
    connection::{error, store_file::StoreFile},
    whole_file::write_whole,
};
use crate::store::{Key, Prune, Size, StoreError};
use rusqlite::{
    Connection, Error, ErrorCode, params,
    types::{ToSqlOutput, ValueRef},
};
use std::{io, path::Path};

/// Deletes one batch of each kind. Returns the number of deleted entries.
pub(in crate::store::sqlite) fn prune(connection: &Connection, prune: &Prune) -> rusqlite::Result<u64> {
    let limit = u32::try_from(prune.limit).unwrap_or(u32::MAX);
    let mut forgotten = 0;
    if let Some(before) = prune.keys_before {
        forgotten += connection
            .prepare_cached(
                "DELETE FROM fsm_keys WHERE (machine, id, incarnation, key) IN
                     (SELECT machine, id, incarnation, key FROM fsm_keys WHERE at < ?1 ORDER BY at LIMIT ?2)",
            )?
            .execute(params![micros(before), limit])?;
    }
    if let Some(before) = prune.history_before {
        forgotten += prune_history(connection, micros(before), limit)?;
    }
    if let Some(before) = prune.operations_before {
        forgotten += operations::prune(connection, micros(before), limit)?;
    }
    if let Some(before) = prune.ended_before {
        for (machine, state) in &prune.ended {
            forgotten += list::prune(connection, machine, state, micros(before), prune.limit)?;
        }
    }
    if let Some(key) = &prune.gone {
        forgotten += forget_gone(connection, key, limit)?;
    }
    Ok(u64::try_from(forgotten).unwrap_or(u64::MAX))
}

/// Deletes from the oldest entry on, so that the rest has no gaps. Stops at the first entry that an idempotency key refers to.
fn prune_history(connection: &Connection, before: i64, limit: u32) -> rusqlite::Result<usize> {
    let last: Option<u64> = connection
        .prepare_cached(
            "SELECT max(sequence) FROM (
                 SELECT sequence, max(at) OVER (ORDER BY sequence) AS newest FROM (
                     SELECT sequence, at FROM fsm_history
                     WHERE sequence < ifnull((SELECT min(sequence) FROM fsm_keys), 9223372036854775807)
                     ORDER BY sequence LIMIT ?2))
             WHERE newest < ?1",
        )?
        .query_row(params![before, limit], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    let forgotten = connection.prepare_cached("DELETE FROM fsm_history WHERE sequence <= ?1")?.execute([last])?;
    connection.prepare_cached("UPDATE fsm_meta SET value = max(value, ?1) WHERE name = 'pruned'")?.execute([last])?;
    Ok(forgotten)
}

/// Deletes the keys and history of an id without a row. Keys first, because an entry is kept while a key refers to it.
fn forget_gone(connection: &Connection, key: &Key, limit: u32) -> rusqlite::Result<usize> {
    if read::row(connection, key)?.is_some() {
        return Ok(0);
    }
    let keys = connection
        .prepare_cached(
            "DELETE FROM fsm_keys WHERE (machine, id, incarnation, key) IN
                 (SELECT machine, id, incarnation, key FROM fsm_keys WHERE machine = ?1 AND id = ?2 LIMIT ?3)",
        )?
        .execute(params![key.machine, key.id, limit])?;
    if keys > 0 {
        return Ok(keys);
    }
    connection
        .prepare_cached(
            "DELETE FROM fsm_history WHERE sequence IN
                 (SELECT sequence FROM fsm_history WHERE machine = ?1 AND id = ?2 ORDER BY sequence LIMIT ?3)",
        )?
        .execute(params![key.machine, key.id, limit])
}

pub(in crate::store::sqlite) fn save_position(
    connection: &Connection,
    subscriber: &str,
    position: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO fsm_subscribers VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET position = max(position, ?2)",
        )?
        .execute(params![subscriber, position])?;
    Ok(())
}

pub(in crate::store::sqlite) fn remove_position(connection: &Connection, subscriber: &str) -> rusqlite::Result<bool> {
    let removed =
        connection.prepare_cached("DELETE FROM fsm_subscribers WHERE name = ?1")?.execute(params![subscriber])?;
    Ok(removed > 0)
}

/// The errors that SQLite finds in the file; empty if there are none.
pub(in crate::store::sqlite) fn integrity_check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let found: Vec<String> =
        connection.prepare("PRAGMA integrity_check")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

/// Writes a consistent copy of the file to `to`, which must not exist. Readers and writers go on. The copy is durable on return.
pub(in crate::store::sqlite) fn backup(connection: &Connection, file: &StoreFile, to: &Path) -> Result<(), StoreError> {
    write_whole(to, |partial| copy(connection, partial).map_err(CopyError::Sqlite)).map_err(|error| match error {
        CopyError::Sqlite(error) if concerns_the_store(&error) => error::running(file, &error),
        CopyError::Sqlite(error) => uncopied(file, to, &error::words(&error)),
        CopyError::System(error) => uncopied(file, to, &error.to_string()),
    })
}

/// Fills the empty file `to`.
pub(in crate::store::sqlite) fn copy(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    let path = ToSqlOutput::Borrowed(ValueRef::Text(to.as_os_str().as_encoded_bytes()));
    connection.execute("VACUUM INTO ?1", [path]).map(drop)
}

enum CopyError {
    Sqlite(Error),
    System(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Whether the error is of the store. Others are of the copy, such as a full disk.
fn concerns_the_store(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
        )
    )
}

fn uncopied(file: &StoreFile, to: &Path, why: &str) -> StoreError {
    let cause = format!(
        "no copy was made in {} ({why}); give the path of a new file, in a folder with room that this user can write",
        to.display()
    );
    StoreError::Failed { store: file.display().to_string(), cause }
}

pub(in crate::store::sqlite) fn size(connection: &Connection, log_bytes: u64) -> rusqlite::Result<Size> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    let page = pragma("page_size")?;
    Ok(Size { bytes: pragma("page_count")? * page, free_bytes: pragma("freelist_count")? * page, log_bytes })
}
