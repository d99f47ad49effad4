//! Restores a backup, and raises fences and sequences above those that were assigned after it was made.

use super::{
    OpenError, RestoreError, closed,
    connection::{
        error, patience, schema,
        store_file::{StoreFile, beside},
    },
    options::BUSY_TIMEOUT,
    sql::maintenance,
    whole_file::write_whole,
};
use rusqlite::{Connection, params};
use std::{io, path::Path, sync::Arc};

/// The amount by which fences and sequences are raised: more than a store assigns in a year at 30,000 a second. Nine thousand restores
/// remain below 2^53, the limit of exact integers in JSON readers that use floats.
const RAISE: i64 = 1_000_000_000_000;

pub(super) fn restore(from: &Path, to: &Path) -> Result<(), RestoreError> {
    patience::wait(BUSY_TIMEOUT, || restore_waiting(from, to))
}

fn restore_waiting(from: &Path, to: &Path) -> Result<(), RestoreError> {
    for part in [to.to_owned(), beside(to, "-wal"), beside(to, "-shm"), beside(to, "-journal")] {
        if part.symlink_metadata().is_ok() {
            return Err(RestoreError::Exists { file: part });
        }
    }
    let backup = StoreFile::new(from.to_owned(), BUSY_TIMEOUT);
    let source = schema::connect_read_only(&backup)?;
    if !schema::has_tables(&source, &backup)? {
        return Err(OpenError::NotAStore { file: from.to_owned() }.into());
    }
    let damage = maintenance::integrity_check(&source).map_err(|e| error::opening(&backup, &e))?;
    if !damage.is_empty() {
        return Err(OpenError::Damaged { file: from.to_owned(), cause: damage.join("; ") }.into());
    }
    let target = StoreFile::new(to.to_owned(), BUSY_TIMEOUT);
    write_whole(to, |partial| {
        maintenance::copy(&source, partial)
            .and_then(|()| raise(partial))
            .map_err(|e| RestoreCause::Sqlite(error::words(&e)))
    })
    .map_err(|cause| failed(&target, cause))
}

enum RestoreCause {
    Sqlite(String),
    System(io::Error),
}

impl From<io::Error> for RestoreCause {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

fn failed(target: &Arc<StoreFile>, cause: RestoreCause) -> RestoreError {
    let file = target.to_path_buf();
    match cause {
        RestoreCause::System(error) if error.kind() == io::ErrorKind::AlreadyExists => RestoreError::Exists { file },
        RestoreCause::System(error) => RestoreError::Failed { file, cause: error.to_string() },
        RestoreCause::Sqlite(cause) => RestoreError::Failed { file, cause },
    }
}

/// Raises fences and sequences, and ends all leases and entries, because their holders do not use the restored file.
fn raise(copy: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(copy)?;
    let transaction = connection.transaction()?;
    closed::reopen(&transaction)?;
    transaction.execute("UPDATE fsm_meta SET value = value + ?1 WHERE name = 'fence'", [RAISE])?;
    let sequence = "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'fsm_history'";
    if transaction.execute(sequence, [RAISE])? == 0 {
        transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('fsm_history', ?1)", [RAISE])?;
    }
    transaction.execute("UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'fsm_operations'", [RAISE])?;
    transaction.execute("UPDATE fsm_leases SET until = min(until, ?1)", params![0])?;
    transaction.execute("DELETE FROM fsm_entries", [])?;
    transaction.commit()
}
