//! Why a statement or a call failed, and what it means for the caller.

use crate::store::StoreError;
use std::{fmt, time::Duration};
use tokio_postgres::error::SqlState;

/// A failed statement, connection or call, in the store's own terms.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// For an error, without the user's data.
    pub(super) text: String,
}

/// What is known after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no connection, and nothing was sent.
    Unreachable,
    /// The server, or its access rules, refused the user, the password or the database. Nothing was sent.
    Login,
    /// The connection broke, or the server did not answer in time: what was sent may have been done.
    Lost,
    /// The server undid the statement in favor of another one; it may be repeated at once.
    Contended,
    /// Another transaction held a lock for longer than a statement waits.
    Locked,
    /// The server ended the statement for taking too long, or because an administrator canceled it.
    TooLong,
    /// The values of a statement violate a constraint or a limit, or have a form that the server does not take.
    Refused,
    /// The check of a group, or of the lane's row: a division by zero.
    Unmet,
    /// An earlier statement of the transaction has failed.
    Aborted,
    /// The disk of the server is full.
    Full,
    /// The server takes no writes.
    ReadOnly,
    /// What was read is not what was written.
    Damaged,
    /// The role lacks a right.
    Forbidden,
    /// Any other error.
    Other,
}

impl Failure {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(super) fn damaged(text: String) -> Self {
        Self::new(Kind::Damaged, text)
    }

    /// No answer came within `waited`.
    pub(super) fn no_answer(waited: Duration) -> Self {
        Self::new(Kind::Lost, format!("the server did not answer within {waited:?}"))
    }

    /// Whether the same read, or the same write after it is known that nothing was changed, may succeed now.
    pub(super) fn can_pass(&self) -> bool {
        matches!(
            self.kind,
            Kind::Unreachable | Kind::Login | Kind::Lost | Kind::Contended | Kind::Locked | Kind::ReadOnly
        )
    }

    /// Whether the connection cannot be used any more.
    pub(super) fn breaks_connection(&self) -> bool {
        matches!(self.kind, Kind::Lost | Kind::ReadOnly)
    }

    /// The error of a call that gave up after `waited`. Nothing was changed.
    pub(super) fn into_error(self, store: &str, waited: Duration) -> StoreError {
        let (store, cause) = (store.to_owned(), self.text);
        match self.kind {
            Kind::Contended | Kind::Locked => StoreError::Busy { store, waited, holder: None },
            Kind::TooLong => StoreError::Failed {
                store,
                cause: format!("{cause}; a longer `statement_timeout` gives statements more time"),
            },
            Kind::Full => StoreError::Full { store },
            Kind::ReadOnly => StoreError::ReadOnly { store, cause },
            Kind::Damaged => StoreError::Damaged { store, cause },
            Kind::Unreachable | Kind::Login | Kind::Lost => StoreError::Unreachable { store, cause },
            Kind::Forbidden => StoreError::Forbidden { store, cause },
            Kind::Refused | Kind::Unmet | Kind::Aborted | Kind::Other => StoreError::Failed { store, cause },
        }
    }
}

/// No connection was made: nothing was sent.
pub(super) fn unconnected(error: tokio_postgres::Error) -> Failure {
    let code = error.code().map(SqlState::code).unwrap_or_default();
    let is_login = code.starts_with("28") || ["3D000", "42501"].contains(&code);
    Failure { kind: if is_login { Kind::Login } else { Kind::Unreachable }, ..Failure::from(error) }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(from_server) = error.as_db_error() else {
            // Errors in values before they are sent name the parameter only; all others are of the connection.
            let of_connection =
                std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
            let kind = if error.is_closed() || of_connection { Kind::Lost } else { Kind::Other };
            return Self::new(kind, with_causes(&error));
        };
        // Not the detail, which may hold values of the statement.
        let text = format!("{} (SQLSTATE {})", from_server.message(), from_server.code().code());
        Self::new(kind_of(from_server.code()), text)
    }
}

fn kind_of(code: &SqlState) -> Kind {
    match code.code() {
        "40001" | "40P01" => Kind::Contended,
        "55P03" => Kind::Locked,
        "57014" => Kind::TooLong,
        // The server has closed the connection, for being idle, too.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" | "53300" => Kind::Lost,
        "25P02" => Kind::Aborted,
        "22012" => Kind::Unmet,
        "25006" => Kind::ReadOnly,
        "53100" => Kind::Full,
        "42501" => Kind::Forbidden,
        "XX001" | "XX002" => Kind::Damaged,
        code if code.starts_with("08") => Kind::Lost,
        code if ["22", "23", "54"].iter().any(|class| code.starts_with(class)) => Kind::Refused,
        _ => Kind::Other,
    }
}

/// The text of an error and of its causes.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
