//! The caller's own SQL in the transaction of a group, without types of rusqlite.

use rusqlite::{Connection, params_from_iter, types::Value};
use std::marker::PhantomData;

/// The transaction of a group, for the caller's own statements.
pub struct Sql<'a> {
    connection: &'a Connection,
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
    /// The statement would end or change the transaction, which the store controls.
    #[error("`{statement}` is the store's to say: the group's transaction begins and ends by itself")]
    NotYours {
        /// The keyword of the statement.
        statement: String,
    },
    /// SQLite returned an error.
    #[error("{0}")]
    Refused(String),
}

impl<'a> Sql<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, thread: PhantomData }
    }

    /// Refuses statements that control the transaction, and all statements after the transaction has ended (`INSERT OR ROLLBACK`).
    fn check(&self, statement: &str) -> Result<(), SqlError> {
        if self.connection.is_autocommit() {
            return Err(SqlError::Refused("the transaction was rolled back by an earlier statement".to_owned()));
        }
        check(statement)
    }

    /// Runs one statement and returns the number of changed rows.
    ///
    /// # Errors
    /// [`SqlError`]. If the closure returns it, the whole group is rolled back.
    pub fn execute(&self, statement: &str, values: &[SqlValue]) -> Result<usize, SqlError> {
        self.check(statement)?;
        let mut prepared = self.connection.prepare_cached(statement).map_err(|e| refused(&e))?;
        prepared.execute(params_from_iter(values.iter().map(to_sqlite))).map_err(|e| refused(&e))
    }

    /// Runs one query and returns all rows.
    ///
    /// # Errors
    /// [`SqlError`]. If the closure returns it, the whole group is rolled back.
    pub fn query(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, SqlError> {
        self.check(statement)?;
        let mut prepared = self.connection.prepare_cached(statement).map_err(|e| refused(&e))?;
        let columns = prepared.column_count();
        let rows = prepared
            .query_map(params_from_iter(values.iter().map(to_sqlite)), |row| {
                (0..columns).map(|column| Ok(from_sqlite(row.get(column)?))).collect()
            })
            .map_err(|e| refused(&e))?;
        rows.collect::<Result<_, _>>().map_err(|e| refused(&e))
    }
}

impl std::fmt::Debug for Sql<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sql")
    }
}

/// Statements that would end the transaction or change settings of the connection.
fn check(statement: &str) -> Result<(), SqlError> {
    const STORES: [&str; 9] =
        ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "ATTACH", "DETACH"];
    let word = first_word(statement).to_ascii_uppercase();
    if STORES.contains(&word.as_str()) { Err(SqlError::NotYours { statement: word }) } else { Ok(()) }
}

/// The first keyword after white space, semicolons and comments.
fn first_word(mut statement: &str) -> &str {
    loop {
        statement = statement.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if let Some(rest) = statement.strip_prefix("--") {
            statement = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(rest) = statement.strip_prefix("/*") {
            statement = rest.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            let end = statement.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(statement.len());
            return &statement[..end];
        }
    }
}

fn refused(error: &rusqlite::Error) -> SqlError {
    SqlError::Refused(error.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_commit_and_rollback_is_refused() {
        for statement in ["COMMIT", " commit;", "-- x\nRollback", "/* a */ ;end", "PRAGMA synchronous = OFF"] {
            assert!(check(statement).is_err(), "{statement}");
        }
        for statement in
            ["/*", "--", "", "INSERT INTO t VALUES ('COMMIT')", "SELECT 1", "WITH x AS (SELECT 1) SELECT * FROM x"]
        {
            assert!(check(statement).is_ok(), "{statement}");
        }
    }
}
