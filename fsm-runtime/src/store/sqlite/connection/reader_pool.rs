//! A pool of read-only connections. Queries run on tokio's blocking threads.

use super::{error, file_identity::Opened, patience, schema, store_file::StoreFile};
use crate::store::sqlite::Synchronous;
use crate::store::{StoreError, sqlite::OpenError};
use crate::sync::Mutex;
use rusqlite::Connection;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// More readers than this would only queue for the disk.
const READERS: usize = 4;

pub(in crate::store::sqlite) struct Readers {
    file: Arc<StoreFile>,
    opened: Opened,
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(in crate::store::sqlite) fn new(file: Arc<StoreFile>) -> Self {
        Self { opened: Opened::of(file.clone()), file, idle: Arc::default(), free: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs `query` on an idle connection, or on a new one. If the future is dropped, the query completes and its result is discarded.
    pub(in crate::store::sqlite) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.free.clone().acquire_owned().await.map_err(|_| error::closed(&self.file))?;
        let (file, opened, idle) = (self.file.clone(), self.opened.clone(), self.idle.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            patience::wait(file.busy_timeout, || {
                let taken = idle.lock().pop();
                let connection = match taken {
                    Some(connection) => connection,
                    None => open(&file, &opened)?,
                };
                let answer = query(&connection).map_err(|e| error::with_holder(&file, error::running(&file, &e)));
                idle.lock().push(connection);
                answer
            })
        });
        reading.await.unwrap_or_else(|_| Err(error::closed(&self.file)))
    }

    /// Runs `work` on a new connection that may write, and closes it.
    pub(in crate::store::sqlite) async fn run_apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &StoreFile) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (file, opened) = (self.file.clone(), self.opened.clone());
        let working = tokio::task::spawn_blocking(move || {
            patience::wait(file.busy_timeout, || {
                let connection = connect(&file, &opened)?;
                work(&connection, &file)
            })
        });
        working.await.unwrap_or_else(|_| Err(error::closed(&self.file)))
    }
}

fn connect(file: &StoreFile, opened: &Opened) -> Result<Connection, StoreError> {
    // If the file is gone, SQLite would create a new one.
    opened.check()?;
    let store = || file.display().to_string();
    let connected =
        if file.read_only { schema::connect_read_only(file) } else { schema::connect(file, Synchronous::Full) };
    connected.map_err(|error| match error {
        OpenError::Busy { waited, holder, .. } => StoreError::Busy { store: store(), waited, holder },
        OpenError::Damaged { cause, .. } => StoreError::Damaged { store: store(), cause },
        OpenError::Unusable { cause, .. } => {
            StoreError::Failed { store: store(), cause: format!("it cannot be opened for reading: {cause}") }
        }
        error => StoreError::Failed { store: store(), cause: error.to_string() },
    })
}

fn open(file: &StoreFile, opened: &Opened) -> Result<Connection, StoreError> {
    let connection = connect(file, opened)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(|e| error::running(file, &e))?;
    Ok(connection)
}
