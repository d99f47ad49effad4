//! The caller's own SQL in the transaction of a group, without types of rusqlite.

use super::sql_guard::{self, Guard, Schema};
use rusqlite::{CachedStatement, Connection, ErrorCode, params_from_iter, types::Value};
use std::{
    cell::{OnceCell, RefCell},
    marker::PhantomData,
};

/// The transaction of a group, for the caller's own statements.
///
/// The statements read every table of the file, and create and change tables of the application. Everything whose name begins with
/// `fsm_` belongs to the library: it can be read, and not changed, also not by a trigger of another table; it cannot get triggers,
/// indexes or foreign keys. Temporary tables and triggers, `PRAGMA`, `ATTACH`, and statements that control the transaction are not
/// allowed either. Such statements are [`SqlError::NotAllowed`].
pub struct Sql<'a> {
    connection: &'a Connection,
    guard: &'a Guard,
    /// What belongs to the library, before the first statement that changes the schema.
    schema: OnceCell<Schema>,
    failure: RefCell<Option<rusqlite::Error>>,
    /// Must stay on the writer's thread.
    thread: PhantomData<*const ()>,
}

/// A SQLite value.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A signed integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The statement would change the library's tables, the transaction, or the connection. It was not run.
    #[error("`{statement}` is not allowed in the statements of a group: {why}")]
    NotAllowed {
        /// The statement, as far as it is not allowed: its keyword and the table.
        statement: String,
        /// Why it is not allowed, and what to do instead.
        why: &'static str,
    },
    /// SQLite returned an error.
    #[error("{0}")]
    Refused(String),
}

impl<'a> Sql<'a> {
    pub(super) fn new(connection: &'a Connection, guard: &'a Guard) -> Self {
        Self { connection, guard, schema: OnceCell::new(), failure: RefCell::new(None), thread: PhantomData }
    }

    /// Runs one statement and returns the number of rows that it inserted, updated or deleted: 0 for `CREATE`, `DROP` and `ALTER`.
    ///
    /// # Errors
    /// [`SqlError`]. If the closure returns it, the whole group is rolled back.
    pub fn execute(&self, statement: &str, values: &[SqlValue]) -> Result<usize, SqlError> {
        self.run(statement, |prepared| {
            let changed = prepared.execute(params_from_iter(values.iter().map(to_sqlite)))?;
            // SQLite's count is that of an earlier statement then.
            Ok(if prepared.readonly() || sql_guard::changes_schema(statement) { 0 } else { changed })
        })
    }

    /// Runs one query and returns all rows.
    ///
    /// # Errors
    /// [`SqlError`]. If the closure returns it, the whole group is rolled back.
    pub fn query(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, SqlError> {
        self.run(statement, |prepared| {
            let columns = prepared.column_count();
            let rows = prepared.query_map(params_from_iter(values.iter().map(to_sqlite)), |row| {
                (0..columns).map(|column| Ok(from_sqlite(row.get(column)?))).collect()
            })?;
            rows.collect()
        })
    }

    fn run<T>(
        &self,
        statement: &str,
        work: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SqlError> {
        self.check_open()?;
        if sql_guard::changes_schema(statement) && self.schema.get().is_none() {
            let schema = Schema::read(self.connection).map_err(|e| self.refused(e))?;
            let _ = self.schema.set(schema);
        }
        self.guard
            .watch(statement, || {
                // The library's own statements are in the same cache, and were not watched when they were compiled: the comment keeps
                // them apart.
                self.connection.prepare_cached(&format!("/* caller */ {statement}")).and_then(|mut p| work(&mut p))
            })?
            .map_err(|e| self.refused(e))
    }

    /// Refuses all statements after the transaction has ended (`INSERT OR ROLLBACK`).
    fn check_open(&self) -> Result<(), SqlError> {
        if self.connection.is_autocommit() {
            return Err(SqlError::Refused("the transaction was rolled back by an earlier statement".to_owned()));
        }
        Ok(())
    }

    /// Checks the statements as a whole, after the last one.
    pub(super) fn finish(&self) -> Result<(), SqlError> {
        self.check_open()?;
        match self.schema.get() {
            Some(before) => before.check(&Schema::read(self.connection).map_err(|e| self.refused(e))?),
            None => Ok(()),
        }
    }

    /// The error of a statement that is the store's and not the statement's: a full disk, a damaged file.
    pub(super) fn into_failure(self) -> Option<rusqlite::Error> {
        self.failure.into_inner()
    }

    fn refused(&self, error: rusqlite::Error) -> SqlError {
        let text = match &error {
            // Without the statement, which the caller knows.
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            error => error.to_string(),
        };
        let of_the_store = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::OutOfMemory
                    | ErrorCode::ReadOnly
                    | ErrorCode::DatabaseCorrupt
            )
        );
        if of_the_store {
            self.failure.replace(Some(error));
        }
        SqlError::Refused(text)
    }
}

impl std::fmt::Debug for Sql<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sql")
    }
}

fn to_sqlite(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(*number),
        SqlValue::Real(number) => Value::Real(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Blob(bytes) => Value::Blob(bytes.clone()),
    }
}

fn from_sqlite(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(number) => SqlValue::Integer(number),
        Value::Real(number) => SqlValue::Real(number),
        Value::Text(text) => SqlValue::Text(text),
        Value::Blob(bytes) => SqlValue::Blob(bytes),
    }
}

impl From<i64> for SqlValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for SqlValue {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for SqlValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for SqlValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
