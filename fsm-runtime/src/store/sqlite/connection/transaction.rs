//! Owns transactions that write: begun as such, and undone unless they are committed. `rusqlite`'s own have SQLite read `BEGIN` and
//! `COMMIT` anew each time, which a lone caller's commit pays in full; these are prepared once.

use rusqlite::Connection;
use std::ops::Deref;

pub(in crate::store::sqlite) struct Transaction<'c>(&'c Connection);

impl<'c> Transaction<'c> {
    /// Waits for who is writing, as long as the connection's busy handler does: a transaction that reads first, and then cannot write,
    /// would have to begin anew.
    pub(in crate::store::sqlite) fn begin(connection: &'c Connection) -> rusqlite::Result<Self> {
        if !connection.is_autocommit() {
            // What the last one could not undo is undone first.
            connection.execute_batch("ROLLBACK")?;
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(connection))
    }

    /// Durable when this returns, as far as the connection's `synchronous` says.
    ///
    /// # Errors
    /// Then nobody knows what the file holds.
    pub(in crate::store::sqlite) fn commit(self) -> rusqlite::Result<()> {
        self.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
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
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = Transaction::begin(connection)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}
