//! Transactions that write: begun as such, and rolled back unless they are committed. `rusqlite`'s own have SQLite parse `BEGIN` and
//! `COMMIT` every time, which a lone caller's commit pays in full; these are prepared once.

use super::{error, store_file::StoreFile};
use crate::store::StoreError;
use rusqlite::{Connection, Error, ErrorCode};
use std::ops::Deref;

pub(in crate::store::sqlite) struct Transaction<'c>(&'c Connection);

/// Why a `COMMIT` failed.
pub(in crate::store::sqlite) enum CommitError {
    /// The file holds nothing of the transaction.
    RolledBack(Error),
    /// The transaction may be in the file, now or after a recovery.
    Indeterminate(Error),
}

impl<'c> Transaction<'c> {
    /// Waits for the writer of the moment, as long as the connection's busy handler does: a transaction that reads first, and then
    /// cannot write, would have to begin again.
    pub(in crate::store::sqlite) fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        if !connection.is_autocommit() {
            // What the last one could not undo is undone first.
            connection.execute_batch("ROLLBACK")?;
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(connection))
    }

    /// Commits. The commit is durable on return if the connection's `synchronous` is `FULL`.
    pub(in crate::store::sqlite) fn commit(self) -> Result<(), CommitError> {
        let Err(error) = self.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])) else { return Ok(()) };
        // If SQLite has not begun to write (busy, a deferred constraint), the transaction is still open and `drop` rolls it back.
        // Otherwise SQLite has rolled it back. The commit frame is the last write to the log, its checksum is valid only once it is
        // complete, and the sync follows it. A full disk therefore has no commit frame. After an I/O error the outcome is unknown: the
        // next recovery may find the frame.
        let open = !self.0.is_autocommit();
        if open || error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            Err(CommitError::RolledBack(error))
        } else {
            Err(CommitError::Indeterminate(error))
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // Some errors end it by themselves. One that cannot be undone now is undone before the next begins.
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// All of `work`, or nothing.
pub(in crate::store::sqlite) fn in_transaction<T>(
    connection: &Connection,
    file: &StoreFile,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    let failed = |e: Error| error::running(file, &e);
    let transaction = Transaction::begin(connection).map_err(failed)?;
    let done = work(&transaction).map_err(failed)?;
    transaction.commit().map_err(|e| error::committing(file, &e))?;
    Ok(done)
}
