//! Owns the connection's settings and the tables.

use super::error;
use crate::store::OpenError;
use crate::store::sqlite::{BUSY_TIMEOUT, Synchronous};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// The layout of the tables that this release writes. Kept in a table of ours and not in SQLite's `user_version`,
/// because the file may be the application's own, whose migrations use that.
const LAYOUT: i64 = 1;

/// SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections checkpoint at once.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How a connection waits for others' transactions: SQLite's own naps grow to 100 ms, and sleep through the pauses between those of
/// a process that writes without end.
const NAP: Duration = Duration::from_micros(100);

const TABLES: &str = "
CREATE TABLE fsm_meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO fsm_meta VALUES ('layout', 1), ('fence', 0), ('pruned', 0);

CREATE TABLE fsm_machines (
    name        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    fingerprint INTEGER NOT NULL,
    graph       TEXT NOT NULL,
    controller  INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT;

CREATE TABLE fsm_instances (
    machine     TEXT NOT NULL,
    id          TEXT NOT NULL,
    incarnation BLOB NOT NULL,
    state       TEXT NOT NULL,
    version     INTEGER NOT NULL,
    entered     INTEGER NOT NULL,
    schema      INTEGER NOT NULL,
    data        TEXT NOT NULL,
    context     TEXT,
    timer_at    INTEGER,
    retry_at    INTEGER,
    desired        TEXT,
    desired_at     INTEGER,
    wake_at     INTEGER GENERATED ALWAYS AS (nullif(min(
                    ifnull(timer_at, 9223372036854775807), ifnull(retry_at, 9223372036854775807),
                    ifnull(desired_at, 9223372036854775807)), 9223372036854775807)) VIRTUAL,
    owner       TEXT,
    fence       INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    checkpoint  TEXT,
    parked      TEXT,
    parked_at   INTEGER,
    error       TEXT,
    shard       INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    PRIMARY KEY (machine, id)
) STRICT;
CREATE INDEX fsm_instances_due ON fsm_instances (machine, wake_at, id, shard) WHERE wake_at IS NOT NULL;
CREATE INDEX fsm_instances_parked ON fsm_instances (machine, state, schema, updated, id) WHERE parked IS NOT NULL;
CREATE INDEX fsm_instances_owner ON fsm_instances (machine, id, owner, shard) WHERE owner IS NOT NULL;

CREATE TABLE fsm_history (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    machine     TEXT NOT NULL,
    id          TEXT NOT NULL,
    incarnation BLOB NOT NULL,
    kind        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    schema      INTEGER NOT NULL,
    fence       INTEGER NOT NULL,
    from_state  TEXT,
    event       TEXT,
    to_state    TEXT NOT NULL,
    payload     TEXT,
    data        TEXT,
    context     TEXT,
    cause       TEXT NOT NULL,
    key         TEXT,
    actor       TEXT,
    trace       TEXT,
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX fsm_history_instance ON fsm_history (machine, id, sequence);

CREATE TABLE fsm_keys (
    machine     TEXT NOT NULL,
    id          TEXT NOT NULL,
    incarnation BLOB NOT NULL,
    key         TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (machine, id, incarnation, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX fsm_keys_age ON fsm_keys (at);
CREATE INDEX fsm_keys_history ON fsm_keys (sequence);

CREATE TABLE fsm_leases (
    owner  TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    since  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fsm_subscribers (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The one index that can be switched off: every transition writes to it.
const STATE_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS fsm_instances_state ON fsm_instances (machine, state, schema, updated, id)";

/// What SQLite asks while somebody else has its lock, with how often it has asked before; `false` ends the waiting. By the clock, not by
/// the number of naps: each takes far longer than it says where many share a processor.
pub(in crate::store::sqlite) fn naps(patience: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut began = Instant::now();
    move |times| {
        if times == 0 {
            began = Instant::now();
        }
        std::thread::sleep(NAP);
        began.elapsed() < patience
    }
}

/// Opens `path` and sets the connection up for reading and writing.
pub(in crate::store::sqlite) fn connect(path: &Path, synchronous: Synchronous) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::SqliteTooOld { found: rusqlite::version() });
    }
    let mut connection = Connection::open(path).map_err(|e| error::opening(path, &e))?;
    connection.busy_handler(Some(naps(BUSY_TIMEOUT))).map_err(|e| error::opening(path, &e))?;
    // Two processes that switch a new file to WAL at once: SQLite answers one of them at once, without its busy timeout.
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => break,
            Ok(mode) => {
                let cause = format!(
                    "its journal mode stays `{mode}`; WAL needs a file on a local disk, and a store in memory is \
                     `Sqlite::in_memory()`"
                );
                return Err(OpenError::Unusable { file: path.to_owned(), cause });
            }
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(e) => return Err(error::opening(path, &e)),
        }
    }
    let synchronous = match synchronous {
        Synchronous::Full => "PRAGMA synchronous = FULL",
        Synchronous::Normal => "PRAGMA synchronous = NORMAL",
    };
    connection.execute_batch(synchronous).map_err(|e| error::opening(path, &e))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes the tables where there are none, and refuses those of a newer release. Safe when several processes do it at once.
///
/// Whether there is an index of states is the file's: without a word it stays as it is, and is there in a new file.
pub(in crate::store::sqlite) fn prepare(
    connection: &Connection,
    path: &Path,
    state_index: Option<bool>,
) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| error::opening(path, &e);
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed)?;
    let ours = transaction
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'fsm_meta'", [], |row| row.get::<_, i64>(0))
        .map_err(failed)?;
    let new = ours == 0;
    if new {
        transaction.execute_batch(TABLES).map_err(failed)?;
    } else {
        let found = transaction
            .query_row("SELECT value FROM fsm_meta WHERE name = 'layout'", [], |row| row.get::<_, i64>(0))
            .map_err(failed)?;
        if found > LAYOUT {
            return Err(OpenError::Newer { file: path.to_owned(), found, known: LAYOUT });
        }
        // What a killed process had written to the log and not synced is in force again, and answers are given by it: with
        // something to write (what stays the same is not written), this commit syncs the log, all that stands in it.
        let opened = "INSERT INTO fsm_meta VALUES ('opened', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1";
        transaction.execute(opened, []).map_err(failed)?;
    }
    match state_index.or(new.then_some(true)) {
        Some(true) => transaction.execute_batch(STATE_INDEX).map_err(failed)?,
        Some(false) => transaction.execute_batch("DROP INDEX IF EXISTS fsm_instances_state").map_err(failed)?,
        None => {}
    }
    transaction.commit().map_err(failed)
}
