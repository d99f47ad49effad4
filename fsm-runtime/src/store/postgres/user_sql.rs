//! The caller's own SQL in the transaction of a group, without types of tokio-postgres.

use super::{failure::Failure, session::Connected};
use std::{fmt, marker::PhantomData, time::SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use uuid::Uuid;

/// The transaction of a group, for the caller's own statements.
///
/// The statements read and change every table of the database that the role may use, except those of the store, which they only read: a
/// change of them, also by a trigger or a function, is [`SqlError::NotAllowed`]. So are statements that control the transaction or the
/// session. Each call waits for the server and blocks its thread, which is one of the store's. After a statement has failed, the server
/// refuses all others, and the group is not committed.
///
/// Values are parameters `$1`, `$2`, … of these types: `boolean`, `bigint`, `double precision`, `text`, `bytea`, `uuid`, `timestamptz`.
/// Cast them for other types: `$1::text::jsonb`, `$2::int`.
pub struct Sql<'a> {
    requests: mpsc::UnboundedSender<Request>,
    /// Of the transaction.
    lifetime: PhantomData<&'a ()>,
}

/// A value of PostgreSQL.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SqlValue {
    /// NULL.
    Null,
    /// `boolean`.
    Bool(bool),
    /// `bigint`; in results, `smallint` and `integer`, too.
    Integer(i64),
    /// `double precision`; in results, `real`, too.
    Real(f64),
    /// `text`; in results, `varchar`, `char` and `name`, too.
    Text(String),
    /// `bytea`.
    Bytes(Vec<u8>),
    /// `uuid`.
    Uuid(Uuid),
    /// `timestamptz`.
    Time(SystemTime),
}

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The statement would change the tables of the store, the transaction, or the session.
    #[error("`{statement}` is not allowed in the statements of a group: {why}")]
    NotAllowed {
        /// The statement, as far as it is not allowed.
        statement: String,
        /// Why it is not allowed, and what to do instead.
        why: &'static str,
    },
    /// The server returned an error.
    #[error("{0}")]
    Refused(String),
}

impl SqlError {
    /// The statements have changed a table of the store.
    pub(super) fn of_store_tables() -> Self {
        Self::NotAllowed {
            statement: "a change of the store's tables".to_owned(),
            why: "they belong to the library; keep your own tables in another schema, and change instances through records",
        }
    }
}

impl Sql<'_> {
    pub(super) fn new(requests: mpsc::UnboundedSender<Request>) -> Self {
        Self { requests, lifetime: PhantomData }
    }

    /// Runs one statement and returns the number of rows that it inserted, updated or deleted.
    ///
    /// # Errors
    /// [`SqlError`]. The group is not committed.
    pub fn execute(&self, statement: &str, values: &[SqlValue]) -> Result<u64, SqlError> {
        Ok(self.run(statement, values)?.changed)
    }

    /// Runs one query and returns all rows.
    ///
    /// # Errors
    /// [`SqlError`], also for a column of another type than those of [`SqlValue`]: cast it in the query. The group is not committed.
    pub fn query(&self, statement: &str, values: &[SqlValue]) -> Result<Vec<Vec<SqlValue>>, SqlError> {
        Ok(self.run(statement, values)?.rows)
    }

    fn run(&self, statement: &str, values: &[SqlValue]) -> Result<Answer, SqlError> {
        if let Some(word) = controls(statement) {
            return Err(SqlError::NotAllowed { statement: word, why: CONTROL });
        }
        let over = || SqlError::Refused("the transaction has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let request = Request { text: statement.to_owned(), values: values.to_vec(), reply };
        self.requests.send(request).map_err(|_| over())?;
        answer.blocking_recv().map_err(|_| over())?
    }
}

impl fmt::Debug for Sql<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sql")
    }
}

/// A statement that waits for the connection.
pub(super) struct Request {
    text: String,
    values: Vec<SqlValue>,
    reply: oneshot::Sender<Result<Answer, SqlError>>,
}

pub(super) struct Answer {
    rows: Vec<Vec<SqlValue>>,
    changed: u64,
}

impl Request {
    pub(super) async fn run(&self, connected: &Connected) -> Result<Answer, SqlError> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> = self.values.iter().map(parameter).collect();
        let refused = |failure: Failure| SqlError::Refused(failure.text);
        let (rows, changed) = connected.query_text(&self.text, values).await.map_err(refused)?;
        let values = |row: &Row| (0..row.len()).map(|column| from_column(row, column)).collect();
        let rows: Result<Vec<Vec<SqlValue>>, SqlError> = rows.iter().map(values).collect();
        Ok(Answer { rows: rows?, changed })
    }

    pub(super) fn reply(self, answer: Result<Answer, SqlError>) {
        let _ = self.reply.send(answer);
    }
}

fn parameter(value: &SqlValue) -> (&(dyn ToSql + Sync), Type) {
    match value {
        // Its type follows from the statement.
        SqlValue::Null => (&None::<String>, Type::UNKNOWN),
        SqlValue::Bool(value) => (value, Type::BOOL),
        SqlValue::Integer(value) => (value, Type::INT8),
        SqlValue::Real(value) => (value, Type::FLOAT8),
        SqlValue::Text(value) => (value, Type::TEXT),
        SqlValue::Bytes(value) => (value, Type::BYTEA),
        SqlValue::Uuid(value) => (value, Type::UUID),
        SqlValue::Time(value) => (value, Type::TIMESTAMPTZ),
    }
}

fn from_column(row: &Row, column: usize) -> Result<SqlValue, SqlError> {
    let Some(described) = row.columns().get(column) else {
        return Err(SqlError::Refused(format!("there is no column {column}")));
    };
    let failed = |error: tokio_postgres::Error| SqlError::Refused(format!("column `{}`: {error}", described.name()));
    let found = match *described.type_() {
        Type::BOOL => row.try_get::<_, Option<bool>>(column).map_err(failed)?.map(SqlValue::Bool),
        Type::INT2 => row.try_get::<_, Option<i16>>(column).map_err(failed)?.map(|it| SqlValue::Integer(it.into())),
        Type::INT4 => row.try_get::<_, Option<i32>>(column).map_err(failed)?.map(|it| SqlValue::Integer(it.into())),
        Type::INT8 => row.try_get::<_, Option<i64>>(column).map_err(failed)?.map(SqlValue::Integer),
        Type::FLOAT4 => row.try_get::<_, Option<f32>>(column).map_err(failed)?.map(|it| SqlValue::Real(it.into())),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(column).map_err(failed)?.map(SqlValue::Real),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            row.try_get::<_, Option<String>>(column).map_err(failed)?.map(SqlValue::Text)
        }
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column).map_err(failed)?.map(SqlValue::Bytes),
        Type::UUID => row.try_get::<_, Option<Uuid>>(column).map_err(failed)?.map(SqlValue::Uuid),
        Type::TIMESTAMPTZ => row.try_get::<_, Option<SystemTime>>(column).map_err(failed)?.map(SqlValue::Time),
        ref other => {
            let text = format!("column `{}` has the type `{other}`; cast it to `text` in the query", described.name());
            return Err(SqlError::Refused(text));
        }
    };
    Ok(found.unwrap_or(SqlValue::Null))
}

const CONTROL: &str = "the group decides how its transaction ends, and the session belongs to the store";

/// The first word of a statement that would end the transaction or change the session.
fn controls(statement: &str) -> Option<String> {
    const WORDS: [&str; 19] = [
        "ABORT",
        "BEGIN",
        "CLOSE",
        "COMMIT",
        "COPY",
        "DEALLOCATE",
        "DECLARE",
        "DISCARD",
        "END",
        "EXECUTE",
        "LISTEN",
        "NOTIFY",
        "PREPARE",
        "RELEASE",
        "RESET",
        "ROLLBACK",
        "SAVEPOINT",
        "SET",
        "START",
    ];
    let word = first_word(statement).to_ascii_uppercase();
    (WORDS.contains(&word.as_str()) || word == "UNLISTEN").then_some(word)
}

/// The first keyword after white space, semicolons and comments. Comments of PostgreSQL can be nested.
fn first_word(mut statement: &str) -> &str {
    loop {
        statement = statement.trim_start_matches(|c: char| c.is_whitespace() || c == ';' || c == '\u{feff}');
        if let Some(rest) = statement.strip_prefix("--") {
            statement = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if statement.starts_with("/*") {
            statement = after_comment(statement);
        } else {
            let end = statement.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(statement.len());
            return statement.get(..end).unwrap_or_default();
        }
    }
}

fn after_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (0_u32, text);
    while !rest.is_empty() {
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        rest = rest.get(step..).unwrap_or_default();
        if depth == 0 {
            break;
        }
    }
    rest
}

impl From<bool> for SqlValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
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
        Self::Bytes(bytes)
    }
}

impl From<Uuid> for SqlValue {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

impl From<SystemTime> for SqlValue {
    fn from(time: SystemTime) -> Self {
        Self::Time(time)
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
    fn statements_that_control_the_transaction_are_found() {
        for statement in ["COMMIT", " commit;", "-- x\nRollback", "/* a /* b */ c */ ;end", "SET x = 1", "unlisten *"] {
            assert!(controls(statement).is_some(), "{statement}");
        }
        for statement in
            ["/*", "--", "", "INSERT INTO t VALUES ('COMMIT')", "SELECT 1", "/* COMMIT */ UPDATE t SET a = 1"]
        {
            assert!(controls(statement).is_none(), "{statement}");
        }
    }
}
