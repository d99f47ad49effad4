//! Opening a store: the connections, the tables, the writer thread.

use super::{
    Inner, OpenError, Sqlite, SqliteOptions,
    connection::{error, patience, reader_pool::Readers, schema, store_file::StoreFile},
    options::BUSY_TIMEOUT,
    presence::ProcessFiles,
    writer::Writer,
};
use crate::store::LocalChanges;
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A store in memory, which no other connection can see.
pub(super) fn in_memory() -> Result<Sqlite, OpenError> {
    let file = StoreFile::new(PathBuf::from(":memory:"), BUSY_TIMEOUT);
    let connection = Connection::open_in_memory().map_err(|e| error::opening(&file, &e))?;
    schema::prepare(&connection, &file, None)?;
    let writer = Writer::start(connection, file.clone(), &SqliteOptions::default())?;
    Ok(assembled(file, writer, None, ProcessFiles::in_memory()))
}

/// The store in the file `path`. Waits for other processes that hold its lock.
pub(super) fn file(path: &Path, options: &SqliteOptions) -> Result<Sqlite, OpenError> {
    patience::wait(options.busy_timeout, || file_once(path, options))
}

fn file_once(path: &Path, options: &SqliteOptions) -> Result<Sqlite, OpenError> {
    let connection = connect(path, options)?;
    // One name for one file, however it was spelled: the controller's lock depends on it.
    let path =
        path.canonicalize().map_err(|cause| OpenError::Unusable { file: path.to_owned(), cause: cause.to_string() })?;
    let file = named(path, options);
    let writer = Writer::start(connection, file.clone(), options)?;
    let presence = ProcessFiles::beside(&file);
    let readers = Some(Readers::new(file.clone()));
    Ok(assembled(file, writer, readers, presence))
}

fn assembled(file: Arc<StoreFile>, writer: Writer, readers: Option<Readers>, presence: ProcessFiles) -> Sqlite {
    Sqlite(Arc::new(Inner { file, writer, readers, presence, local_changes: LocalChanges::new() }))
}

/// The writer's connection to a file that has the tables of a store.
fn connect(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let file = named(path.to_owned(), options);
    if !options.read_only {
        let connection = schema::connect(&file, options.synchronous)?;
        schema::prepare(&connection, &file, options.state_index)?;
        return Ok(connection);
    }
    let connection = schema::connect_read_only(&file)?;
    if schema::has_tables(&connection, &file)? {
        Ok(connection)
    } else {
        Err(OpenError::NotAStore { file: path.to_owned() })
    }
}

fn named(path: PathBuf, options: &SqliteOptions) -> Arc<StoreFile> {
    if options.read_only {
        StoreFile::read_only(path, options.busy_timeout)
    } else {
        StoreFile::new(path, options.busy_timeout)
    }
}
