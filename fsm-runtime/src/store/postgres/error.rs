//! Why a store could not be opened.

use crate::error_kind::ErrorKind;
use std::fmt;

/// Why a store on PostgreSQL could not be opened. No text shows a password.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The connection string cannot be used.
    #[error(
        "the connection string is not valid: {why}; expected `postgres://user@host:5432/database`, or `host=… user=… dbname=…`; a \
         special character of a password in a URL is percent-encoded"
    )]
    Url {
        /// What is wrong with it, without its text.
        why: String,
    },
    /// An option is out of range.
    #[error("`Postgres::options(…).{option}(…)`: {why}")]
    Option {
        /// The method of [`PostgresOptions`](super::PostgresOptions).
        option: &'static str,
        /// What is wrong with the value.
        why: &'static str,
    },
    /// The certificates for encrypted connections could not be read.
    #[error("no encrypted connection can be made: {cause}")]
    Tls {
        /// The cause.
        cause: String,
    },
    /// No connection could be made.
    #[error("{store} cannot be reached: {cause}")]
    Unreachable {
        /// Which store.
        store: String,
        /// The cause.
        cause: String,
    },
    /// The server refuses the user, the password or the database.
    #[error(
        "{store} refuses the login: {cause}; check user, password and database of the connection string, and the server's `pg_hba.conf`"
    )]
    Login {
        /// Which store.
        store: String,
        /// The error of the server.
        cause: String,
    },
    /// The server speaks PostgreSQL's protocol and is another database.
    #[error(
        "{store} is {found}, which lacks what this store relies on; needed is PostgreSQL 15 or newer. Known not to work are CockroachDB \
         and YugabyteDB"
    )]
    NotPostgres {
        /// Which store.
        store: String,
        /// The database.
        found: String,
    },
    /// The server is too old.
    #[error("{store} is PostgreSQL {found}; needed is 15 or newer")]
    TooOld {
        /// Which store.
        store: String,
        /// Its version.
        found: String,
    },
    /// The database does not store text as UTF-8.
    #[error("{store} stores text as {found}; create the database with `ENCODING 'UTF8'`")]
    NotUtf8 {
        /// Which store.
        store: String,
        /// The encoding of the database.
        found: String,
    },
    /// The tables were made by a newer release, whose layout this one does not know.
    #[error(
        "{store} has tables of layout {found}, which need code for layout {oldest_reader} or newer, and this release knows layouts up to \
         {known}; start the newer release"
    )]
    Newer {
        /// Which store.
        store: String,
        /// The layout of the tables.
        found: i64,
        /// The oldest layout whose code can use them.
        oldest_reader: i64,
        /// The newest layout that is known here.
        known: i64,
    },
    /// The tables are missing, and the role may not create them, or the option [`migrate`](super::PostgresOptions::migrate) is off.
    #[error(
        "{store} has no tables, and they were not created ({cause}); run this as a role that may create them:\n\n{sql}"
    )]
    NoTables {
        /// Which store.
        store: String,
        /// Why they were not created.
        cause: String,
        /// The statements that create them.
        sql: String,
    },
    /// The tables, or the index of states, could not be read or created.
    #[error("{store} cannot be used: {cause}")]
    Unusable {
        /// Which store.
        store: String,
        /// The error of the server.
        cause: String,
    },
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl OpenError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Url { .. } | Self::Option { .. } => ErrorKind::Invalid,
            Self::Unreachable { .. } => ErrorKind::Unavailable,
            Self::Tls { .. }
            | Self::Login { .. }
            | Self::NotPostgres { .. }
            | Self::TooOld { .. }
            | Self::NotUtf8 { .. }
            | Self::Newer { .. }
            | Self::NoTables { .. }
            | Self::Unusable { .. } => ErrorKind::Internal,
        }
    }

    /// Whether opening may succeed when it is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind().can_pass()
    }
}
