//! Three providers, each with a table of its own. They fail on request.
//!
//! A booking has the caller's key. It is made once for each key, and a key that was cancelled is refused from then on, so a request that
//! arrives late books nothing.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::{path::Path, sync::Mutex, time::Duration};

/// A provider, by the name of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Airline,
    Bank,
    Hotel,
}

/// The answer to a booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is booked. Has the provider's reference.
    Booked(String),
    /// Nothing is booked.
    Refused(String),
    /// It is booked, but the answer never arrives.
    Lost,
}

impl Provider {
    pub(crate) const ALL: [Self; 3] = [Self::Airline, Self::Bank, Self::Hotel];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Airline => "airline",
            Self::Bank => "bank",
            Self::Hotel => "hotel",
        }
    }
}

/// The tables of all providers, in one file.
pub(crate) struct Providers(Mutex<Connection>);

impl Providers {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        for provider in Provider::ALL {
            connection.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS {} (key TEXT PRIMARY KEY, trip TEXT NOT NULL, made INTEGER, undone INTEGER)",
                provider.name()
            ))?;
        }
        // The order of all that is done, and the failures that were requested.
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS steps (number INTEGER PRIMARY KEY AUTOINCREMENT);
             CREATE TABLE IF NOT EXISTS failures (trip TEXT, call TEXT, failure TEXT, PRIMARY KEY (trip, call))",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Makes the calls of a trip fail: `refuse` or `lose` for a booking, such as `hotel`; `break` for what undoes it, such as `undo hotel`.
    pub(crate) fn request(&self, trip: &str, call: &str, failure: &str) -> rusqlite::Result<()> {
        self.write(|transaction| {
            let sql = "INSERT OR REPLACE INTO failures VALUES (?1, ?2, ?3)";
            transaction.execute(sql, [trip, call, failure]).map(drop)
        })
    }

    /// Ends the failure of a call.
    pub(crate) fn repair(&self, trip: &str, call: &str) -> rusqlite::Result<()> {
        let sql = "DELETE FROM failures WHERE trip = ?1 AND call = ?2";
        self.write(|transaction| transaction.execute(sql, [trip, call]).map(drop))
    }

    /// Books under `key`, once.
    pub(crate) fn book(&self, provider: Provider, trip: &str, key: &str) -> rusqlite::Result<Answer> {
        let table = provider.name();
        self.write(|transaction| {
            let failure = failure(transaction, trip, table)?;
            if failure.as_deref() == Some("refuse") {
                return Ok(Answer::Refused(format!("the {table} has refused")));
            }
            let known = format!("SELECT undone IS NULL FROM {table} WHERE key = ?1");
            match transaction.query_row(&known, [key], |row| row.get(0)).optional()? {
                Some(false) => return Ok(Answer::Refused(format!("the {table} has cancelled it before"))),
                Some(true) => {}
                None => {
                    let sql = format!("INSERT INTO {table} (key, trip, made) VALUES (?1, ?2, ?3)");
                    transaction.execute(&sql, params![key, trip, next(transaction)?])?;
                }
            }
            Ok(if failure.is_some() { Answer::Lost } else { Answer::Booked(format!("{table}-{trip}")) })
        })
    }

    /// Undoes what was booked under `key`, if anything was. Can be repeated.
    ///
    /// # Errors
    /// With the reason, if that was requested.
    pub(crate) fn undo(&self, provider: Provider, trip: &str, key: &str) -> rusqlite::Result<Result<(), String>> {
        let table = provider.name();
        self.write(|transaction| {
            if failure(transaction, trip, &format!("undo {table}"))?.is_some() {
                return Ok(Err(format!("the {table} is closed")));
            }
            let sql = format!(
                "INSERT INTO {table} (key, trip, undone) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET undone = excluded.undone WHERE undone IS NULL"
            );
            transaction.execute(&sql, params![key, trip, next(transaction)?])?;
            Ok(Ok(()))
        })
    }

    /// What was booked (`+`) and undone (`-`) for a trip, in order. What was cancelled without a booking is not listed.
    pub(crate) fn calls(&self, trip: &str) -> rusqlite::Result<Vec<String>> {
        let parts = Provider::ALL.map(|provider| {
            let table = provider.name();
            format!(
                "SELECT made, '+{table}' FROM {table} WHERE trip = ?1 AND made IS NOT NULL
                 UNION ALL SELECT undone, '-{table}' FROM {table} WHERE trip = ?1 AND made IS NOT NULL AND undone IS NOT NULL"
            )
        });
        let connection = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut statement = connection.prepare_cached(&format!("{} ORDER BY 1", parts.join(" UNION ALL ")))?;
        statement.query_map([trip], |row| row.get(1))?.collect()
    }

    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut connection = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = change(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}

/// The failure that was requested for a call.
fn failure(transaction: &Transaction<'_>, trip: &str, call: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT failure FROM failures WHERE trip = ?1 AND call = ?2";
    transaction.query_row(sql, [trip, call], |row| row.get(0)).optional()
}

fn next(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.execute("INSERT INTO steps DEFAULT VALUES", [])?;
    Ok(transaction.last_insert_rowid())
}
