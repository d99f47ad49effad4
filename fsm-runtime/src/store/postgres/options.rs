//! How a store is opened.

use super::{OpenError, Postgres};
use crate::{
    clock::{FOREVER, TOO_LONG},
    store::MAX_VALUE_BYTES,
};
#[cfg(feature = "postgres-tls")]
use std::path::PathBuf;
use std::{fmt, time::Duration};

/// How long a call is retried while the server cannot be reached, if not set.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long one statement may take, if not set.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long changes of other processes are found without a notification, if not set.
const POLL: Duration = Duration::from_millis(250);
/// A name in PostgreSQL has at most 63 bytes, and that of the channel for notifications is four bytes longer than that of the schema.
const MAX_SCHEMA_BYTES: usize = 59;
/// A history entry has three values, and a field of PostgreSQL has at most 1 GB.
const LARGEST_VALUE: usize = 256 << 20;

/// Whose clock a store uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Time {
    /// That of the database server, which all nodes share: leases, due times and the times in the history do not depend on the clock
    /// of a node. The default.
    #[default]
    Database,
    /// That of the caller, for tests with a manual clock. Not for several hosts.
    Callers,
}

/// How a store on PostgreSQL is opened.
#[derive(Clone)]
#[must_use = "nothing is opened before `open`"]
pub struct PostgresOptions {
    url: String,
    #[cfg(feature = "postgres-tls")]
    pub(super) root_certificates: Option<PathBuf>,
    pub(super) schema: String,
    pub(super) state_index: Option<bool>,
    pub(super) migrate: bool,
    pub(super) pooled: bool,
    pub(super) time: Time,
    pub(super) timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) poll: Duration,
    pub(super) lanes: usize,
    pub(super) max_value_bytes: usize,
}

impl PostgresOptions {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            #[cfg(feature = "postgres-tls")]
            root_certificates: None,
            schema: "fsm".to_owned(),
            state_index: None,
            migrate: true,
            pooled: false,
            time: Time::Database,
            timeout: TIMEOUT,
            statement_timeout: STATEMENT_TIMEOUT,
            poll: POLL,
            lanes: 2,
            max_value_bytes: MAX_VALUE_BYTES,
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The schema that holds the tables: `fsm`, if not set. Several stores can share a database, each in a schema of its own.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// A file with the certificates, in PEM format, that sign the server's: those of the system, if not set.
    ///
    /// Connections to other hosts are encrypted, and the server's certificate and name are checked, unless the connection string
    /// has another `sslmode` (`disable`, `prefer`, `require`, `verify-ca`, `verify-full`). Where a connection is encrypted, both are
    /// checked in every mode.
    #[cfg(feature = "postgres-tls")]
    pub fn root_certificates(mut self, file: impl Into<PathBuf>) -> Self {
        self.root_certificates = Some(file.into());
        self
    }

    /// Whether the store has an index of states. Listing by state and age, counting by state, and pruning ended rows need it. Every
    /// transition writes to it, and no transition can reuse the room of the row's former version, which costs about a third of the
    /// write rate. Without it these calls are [`StoreError::NoStateIndex`](crate::store::StoreError::NoStateIndex).
    ///
    /// The index is a property of the tables: new ones do not have it, and a process that does not call this leaves it as it is.
    /// Building it for a table in use does not block writers, waits for open transactions of others, and has no time limit. It needs
    /// the owner of the table, and a direct connection: with [`pooled`](Self::pooled), [`open`](Self::open) fails if the index is
    /// missing.
    pub fn state_index(mut self, on: bool) -> Self {
        self.state_index = Some(on);
        self
    }

    /// Whether missing tables are created; on, if not set. Without it, or without the right to create them, opening a database
    /// without tables is [`OpenError::NoTables`], which holds the statements to run.
    pub fn migrate(mut self, on: bool) -> Self {
        self.migrate = on;
        self
    }

    /// Whether the connections lead to a pooler such as PgBouncer in transaction mode. The store then uses no prepared statements, no
    /// settings of a session and no notifications; changes of other processes are found every [`poll`](Self::poll). Off, if not set.
    pub fn pooled(mut self, on: bool) -> Self {
        self.pooled = on;
        self
    }

    /// Whose clock the store uses: the server's, if not set.
    pub fn time(mut self, time: Time) -> Self {
        self.time = time;
        self
    }

    /// How long a call is retried while the server cannot be reached, restarts, or another transaction is in the way, before it returns
    /// an error; 30 s, if not set, and 100,000 years at most.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long one statement may take; 10 s, if not set. The server ends it then, and the call fails with
    /// [`StoreError::Failed`](crate::store::StoreError::Failed). A connection without an answer for 2 s more is given up.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How often changes of other processes are looked for when no notification came; 250 ms, if not set.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// How many connections commit changes: 2, if not set, and 1 to 64. A lane waits one round trip and one flush of the server's log for
    /// each batch.
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// The bytes that a value may have as JSON: a state's data, a payload, a context, a checkpoint. 1 MiB, if not set, and 1 byte to
    /// 256 MiB.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// The first option that is out of range, and why.
    pub(super) fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        let durations = [("timeout", self.timeout), ("statement_timeout", self.statement_timeout), ("poll", self.poll)];
        if let Some((option, _)) = durations.iter().find(|(_, duration)| *duration > FOREVER) {
            return Some((option, TOO_LONG));
        }
        if self.statement_timeout < Duration::from_millis(1) {
            return Some(("statement_timeout", "must be at least 1 ms"));
        }
        if self.poll < Duration::from_millis(1) {
            return Some(("poll", "must be at least 1 ms"));
        }
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        let length = 1..=MAX_SCHEMA_BYTES;
        if !length.contains(&self.schema.len()) || !self.schema.chars().all(is_plain) || self.schema.starts_with("pg_")
        {
            return Some((
                "schema",
                "expected a name of 1 to 59 bytes, of letters, digits, `_`, `-`, `.` and spaces, that does not begin with `pg_`",
            ));
        }
        if !(1..=64).contains(&self.lanes) {
            return Some(("lanes", "expected 1 to 64"));
        }
        if self.max_value_bytes == 0 {
            return Some(("max_value_bytes", "must be at least 1"));
        }
        if self.max_value_bytes > LARGEST_VALUE {
            return Some((
                "max_value_bytes",
                "more than 256 MiB, and PostgreSQL stores fields of up to 1 GB, with several values in each message",
            ));
        }
        None
    }

    /// Opens the store, and creates its tables where there are none. Any number of processes may do this at once.
    ///
    /// # Errors
    /// [`OpenError`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the tables may exist. Opening the store again is safe.
    pub async fn open(self) -> Result<Postgres, OpenError> {
        Postgres::open_with(self).await
    }
}

/// Without the connection string, which may hold a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("state_index", &self.state_index)
            .field("migrate", &self.migrate)
            .field("pooled", &self.pooled)
            .field("time", &self.time)
            .field("timeout", &self.timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("poll", &self.poll)
            .field("lanes", &self.lanes)
            .field("max_value_bytes", &self.max_value_bytes)
            .finish_non_exhaustive()
    }
}
