//! The connection's settings and the tables.

use super::{error, linked, patience, store_file::StoreFile};
use crate::store::sqlite::{OpenError, Synchronous, sql::list};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The layout of the tables that this release writes. Kept in a table of the store and not in SQLite's `user_version`,
/// because the file may be the application's own, whose migrations use that.
const LAYOUT: i64 = 1;

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
    machine        TEXT NOT NULL,
    id             TEXT NOT NULL,
    incarnation    BLOB NOT NULL,
    state          TEXT NOT NULL,
    version        INTEGER NOT NULL,
    entered        INTEGER NOT NULL,
    schema         INTEGER NOT NULL,
    data           TEXT NOT NULL,
    context        TEXT,
    timer_at       INTEGER,
    timers         TEXT,
    retry_at       INTEGER,
    desired        TEXT,
    desired_at     INTEGER,
    desired_by     TEXT,
    hold           TEXT,
    wake_at        INTEGER GENERATED ALWAYS AS (nullif(min(
                       ifnull(timer_at, 9223372036854775807),
                       iif(hold IS NULL, ifnull(retry_at, 9223372036854775807), 9223372036854775807),
                       ifnull(desired_at, 9223372036854775807)), 9223372036854775807)) VIRTUAL,
    owner          TEXT,
    fence          INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    checkpoint     TEXT,
    parked         TEXT,
    parked_at      INTEGER,
    error          TEXT,
    error_at       INTEGER,
    first_error    TEXT,
    first_error_at INTEGER,
    shard          INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    updated        INTEGER NOT NULL,
    PRIMARY KEY (machine, id)
) STRICT;
CREATE INDEX fsm_instances_due ON fsm_instances (machine, wake_at, id, shard) WHERE wake_at IS NOT NULL;
CREATE INDEX fsm_instances_parked ON fsm_instances (machine, state, schema, updated, id) WHERE parked IS NOT NULL;
CREATE INDEX fsm_instances_backoff ON fsm_instances (machine, state, schema, updated, id)
    WHERE attempt > 0 AND retry_at IS NOT NULL AND parked IS NULL;
CREATE INDEX fsm_instances_hold ON fsm_instances (machine, state, schema, updated, id) WHERE hold IS NOT NULL;
CREATE INDEX fsm_instances_owner ON fsm_instances (owner, machine, id, shard) WHERE owner IS NOT NULL;

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
CREATE INDEX fsm_history_operator ON fsm_history (sequence) WHERE cause = 'operator';

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
    owner    TEXT PRIMARY KEY,
    holder   TEXT NOT NULL,
    node     TEXT NOT NULL,
    pid      INTEGER NOT NULL,
    machines TEXT NOT NULL,
    build    TEXT,
    slots    INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    joined   INTEGER,
    leaving  INTEGER NOT NULL,
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fsm_operations (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor    TEXT,
    trace    TEXT,
    what     TEXT NOT NULL,
    machine  TEXT,
    id       TEXT,
    selector TEXT,
    why      TEXT,
    done     INTEGER NOT NULL,
    skipped  INTEGER NOT NULL,
    failed   INTEGER NOT NULL
) STRICT;
CREATE INDEX fsm_operations_age ON fsm_operations (at);

CREATE TABLE fsm_entries (
    sequence INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    id       TEXT NOT NULL UNIQUE,
    holder   TEXT NOT NULL,
    value    TEXT,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL
) STRICT;
CREATE INDEX fsm_entries_queue ON fsm_entries (kind, name, sequence);
CREATE INDEX fsm_entries_end ON fsm_entries (until);

CREATE TABLE fsm_results (
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    fence     INTEGER NOT NULL,
    arguments TEXT,
    outcome   TEXT NOT NULL,
    failed    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;
CREATE INDEX fsm_results_end ON fsm_results (until);

CREATE TABLE fsm_subscribers (
    name     TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The one index that can be switched off: every transition writes to it.
const STATE_INDEX: &str =
    "CREATE INDEX IF NOT EXISTS fsm_instances_state ON fsm_instances (machine, state, schema, updated, id)";

/// Opens `path` and sets the connection up for reading and writing.
pub(in crate::store::sqlite) fn connect(file: &StoreFile, synchronous: Synchronous) -> Result<Connection, OpenError> {
    linked::check(rusqlite::version_number(), rusqlite::version())?;
    let mut connection = Connection::open(&**file).map_err(|e| error::opening(file, &e))?;
    patience::install(&mut connection).map_err(|e| error::opening(file, &e))?;
    // If two processes switch a new file to WAL at the same time, one fails at once, without the busy timeout.
    let began = Instant::now();
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => break,
            Ok(mode) => {
                let cause = format!(
                    "its journal mode stays `{mode}`; WAL needs a file on a local disk, and a store in memory is \
                     `Sqlite::in_memory()`"
                );
                return Err(OpenError::Unusable { file: file.to_path_buf(), cause });
            }
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && began.elapsed() < file.busy_timeout => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(e) => return Err(error::opening(file, &e)),
        }
    }
    let synchronous = match synchronous {
        Synchronous::Full => "PRAGMA synchronous = FULL",
        Synchronous::Normal => "PRAGMA synchronous = NORMAL",
    };
    connection.execute_batch(synchronous).map_err(|e| error::opening(file, &e))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens an existing file read-only. Neither the file nor its folder has to be writable.
pub(in crate::store::sqlite) fn connect_read_only(file: &StoreFile) -> Result<Connection, OpenError> {
    let unusable = |cause: String| OpenError::Unusable { file: file.to_path_buf(), cause };
    if let Err(error) = file.metadata() {
        return Err(unusable(format!("{error}; give the path of a store's file")));
    }
    let open = |name: &Path, flags: OpenFlags| -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(name, flags)?;
        patience::install(&mut connection)?;
        connection.set_prepared_statement_cache_capacity(64);
        // SQLite opens the file and its log on the first read.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    match open(file, OpenFlags::empty()) {
        // A WAL file without log and index, in a folder where they cannot be created, has no writer.
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
            let log = file.beside("-wal");
            if log.metadata().is_ok_and(|log| log.len() > 0) {
                let log = log.display();
                return Err(unusable(format!(
                    "{error}; {log} is needed, and cannot be used without writing to its folder"
                )));
            }
            open(&immutable(file), OpenFlags::SQLITE_OPEN_URI).map_err(|e| error::opening(file, &e))
        }
        opened => opened.map_err(|e| error::opening(file, &e)),
    }
}

/// The URI that makes SQLite treat the file as immutable.
fn immutable(file: &Path) -> PathBuf {
    let mut name = b"file:".to_vec();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'%' | b'?' | b'#' => name.extend(format!("%{byte:02x}").bytes()),
            byte => name.push(*byte),
        }
    }
    name.extend(b"?immutable=1");
    // A path that is not UTF-8 has no such URI.
    String::from_utf8(name).map_or_else(|_| file.to_owned(), PathBuf::from)
}

/// Whether the file has the store's tables.
///
/// # Errors
/// [`OpenError::Newer`] for those of a newer release.
pub(in crate::store::sqlite) fn has_tables(connection: &Connection, file: &StoreFile) -> Result<bool, OpenError> {
    let failed = |e: rusqlite::Error| error::opening(file, &e);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'fsm_meta'", [], |row| row.get(0))
        .map_err(failed)?;
    if tables == 0 {
        return Ok(false);
    }
    let found: i64 = connection
        .query_row("SELECT value FROM fsm_meta WHERE name = 'layout'", [], |row| row.get(0))
        .map_err(failed)?;
    if found > LAYOUT {
        return Err(OpenError::Newer { file: file.to_path_buf(), found, known: LAYOUT });
    }
    Ok(true)
}

/// Creates missing tables and rejects those of a newer release. Several processes may call it at once. It does not wait for a lock if
/// nothing is missing, so that a process stopped within a transaction does not block others.
///
/// The state index is a property of the file: without a setting it is unchanged, and a new file has it.
pub(in crate::store::sqlite) fn prepare(
    connection: &Connection,
    file: &StoreFile,
    state_index: Option<bool>,
) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| error::opening(file, &e);
    if has_tables(connection, file)? {
        let has_index = list::has_state_index(connection).map_err(failed)?;
        if state_index.is_none_or(|wanted| wanted == has_index) {
            return sync_log(connection, file);
        }
    }
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(failed)?;
    let new = !has_tables(&transaction, file)?;
    if new {
        transaction.execute_batch(TABLES).map_err(failed)?;
    } else {
        note_opening(&transaction).map_err(failed)?;
    }
    match state_index.or(new.then_some(true)) {
        Some(true) => transaction.execute_batch(STATE_INDEX).map_err(failed)?,
        Some(false) => transaction.execute_batch("DROP INDEX IF EXISTS fsm_instances_state").map_err(failed)?,
        None => {}
    }
    transaction.commit().map_err(failed)
}

/// Syncs the log before its first use: a killed process may have written transactions to it that are visible but not yet durable.
fn sync_log(connection: &Connection, file: &StoreFile) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| error::opening(file, &e);
    let synced = patience::wait(Duration::ZERO, || {
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
            .and_then(|transaction| note_opening(&transaction).and_then(|()| transaction.commit()))
    });
    match synced {
        // Another process is writing, or is stopped within a transaction. SQLite holds no lock on the log, so it is safe to open and
        // close it.
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            let log = OpenOptions::new().write(true).open(file.beside("-wal")).and_then(|log| log.sync_all());
            log.map_err(|e| OpenError::Unusable {
                file: file.to_path_buf(),
                cause: format!("its log cannot be synced: {e}"),
            })
        }
        synced => synced.map_err(failed),
    }
}

/// Writes a value that differs, so that the commit syncs the whole log.
fn note_opening(connection: &Connection) -> rusqlite::Result<()> {
    let opened = "INSERT INTO fsm_meta VALUES ('opened', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1";
    connection.execute(opened, []).map(drop)
}
