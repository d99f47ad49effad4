//! A store in one SQLite file, for the processes of one host.

mod closed;
mod connection;
#[cfg(feature = "postgres")]
mod export;
mod open;
mod open_error;
mod options;
mod presence;
mod restore;
mod sql;
mod sql_guard;
mod user_sql;
mod whole_file;
mod writer;

use super::{
    Buckets, ChangedKeys, Count, Cursor, Definition, Due, Ephemeral, Ephemerals, Filter, Group, Held, HistoryEntry,
    HistoryQuery, InUse, KeptResult, Key, Lapsed, Lease, LocalChanges, NewEphemeral, NewResult, Notice, Operation,
    OperationEntry, Page, Position, Presence, Process, Prune, Renewal, Renewed, Row, Scope, Size, Statements, Store,
    StoreError, StoreFuture, TransactionalSql, Verdict,
};
use connection::{error, reader_pool::Readers, store_file::StoreFile};
pub use open_error::{OpenError, RestoreError};
pub use options::{SqliteOptions, Synchronous};
use presence::ProcessFiles;
use rusqlite::Connection;
use std::{
    error::Error,
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::{broadcast, watch};
pub use user_sql::{Sql, SqlError, SqlValue};
use writer::Writer;

/// A store in one SQLite file, for the processes of one host.
///
/// The file is in WAL mode with `synchronous=FULL`: a transition that was acknowledged survives a power cut. All
/// changes go through one connection and its thread, which commits together what is waiting; reads have connections of their own
/// and never wait for the writer. Several processes can open one file; each sees the others' changes within
/// milliseconds. Keep the file on a local disk: SQLite's locks do not hold on network file systems.
///
/// A clone is another handle of the same store. Several runtimes can use the clones of one store: each sees the others' changes
/// at once. The writer thread ends, and the file is closed, with the last handle.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?; let path = dir.path().join("servers.db");
/// use fsm_runtime::{Runtime, store::sqlite::Sqlite};
///
/// let store = Sqlite::open(path).await?;
/// let runtime = Runtime::builder(store).start().await?;
/// # runtime.shutdown(std::time::Duration::from_secs(1)).await; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Sqlite(Arc<Inner>);

struct Inner {
    /// The file as it is called in errors.
    file: Arc<StoreFile>,
    writer: Writer,
    /// None for a database in memory, which only the writer's connection can see.
    readers: Option<Readers>,
    presence: ProcessFiles,
    local_changes: LocalChanges,
}

impl Sqlite {
    /// Opens the store in `path`. Creates the file and its tables if they do not exist.
    ///
    /// The names of the tables begin with `fsm_`. Other tables in the file are not touched.
    ///
    /// # Errors
    /// [`OpenError`] if the file cannot be used. Nothing was changed then.
    ///
    /// # Cancel safety
    /// If the future is dropped, the file and its tables may exist. Opening it again is safe.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path).await
    }

    /// Options for opening a store.
    pub fn options() -> SqliteOptions {
        SqliteOptions::default()
    }

    /// A store in memory, which ends with its last handle: for tests, and for instances that need not outlive the process.
    ///
    /// # Errors
    /// [`OpenError`] if SQLite cannot be used.
    pub fn in_memory() -> Result<Self, OpenError> {
        open::in_memory()
    }

    /// Runs SQLite's integrity check, and returns a line for each problem; none if the file is intact. Reads the whole file. Other
    /// calls can read and write meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        self.read(sql::maintenance::integrity_check).await
    }

    /// Writes a consistent copy of the store into the new file `to`. Other calls can read and write meanwhile. The copy is an
    /// ordinary store file, which [`restore`](Self::restore) puts in the place of a lost one.
    ///
    /// The copy is written under a temporary name (`….fsm-partial`) in the same folder, and is on the disk before it gets its own: under
    /// `to` there is the whole copy or nothing, even if the process is killed. The next backup into that folder removes what a killed
    /// process has left.
    ///
    /// # Errors
    /// [`StoreError`] if `to` exists or cannot be written.
    ///
    /// # Cancel safety
    /// If the future is dropped, the backup continues.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        let to = to.as_ref().to_owned();
        match &self.0.readers {
            // On a connection of its own: the readers' can only query.
            Some(readers) => {
                readers.run_apart(move |connection, file| sql::maintenance::backup(connection, file, &to)).await
            }
            None => self.0.writer.run(move |connection, file| sql::maintenance::backup(connection, file, &to)).await,
        }
    }

    /// Puts the store file `backup`, which is left as it is, in the place `to`, where the file was lost or is damaged. Under `to` there
    /// is the whole store or nothing.
    ///
    /// Changes since the backup are lost, and other systems may know of them. The fences and the history's sequences of the restored
    /// store therefore continue far above those of the backup: a system that checks [`RawTask::fence`](crate::RawTask::fence) accepts the
    /// new workers, and a subscriber does not mistake new entries for entries that it has seen. All leases are ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?; let (copy, path) = (dir.path().join("copy.db"), dir.path().join("servers.db"));
    /// use fsm_runtime::store::sqlite::Sqlite;
    ///
    /// # Sqlite::open(dir.path().join("old.db")).await?.backup(&copy).await?;
    /// Sqlite::restore(copy, &path).await?;
    /// let store = Sqlite::open(path).await?;
    /// # drop(store); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RestoreError`]; nothing was changed then. A file under `to`, or a log of one, is never overwritten.
    ///
    /// # Cancel safety
    /// If the future is dropped, the restore continues.
    pub async fn restore(backup: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), RestoreError> {
        let (from, to) = (backup.as_ref().to_owned(), to.as_ref().to_owned());
        let file = to.clone();
        tokio::task::spawn_blocking(move || restore::restore(&from, &to)).await.unwrap_or_else(|ended| {
            Err(RestoreError::Failed { file, cause: format!("the restore did not end: {ended}") })
        })
    }

    /// The size of the store.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn size(&self) -> Result<Size, StoreError> {
        // Without a log there is nothing in it.
        let log = std::fs::metadata(self.0.file.beside("-wal")).map_or(0, |file| file.len());
        self.read(move |connection| sql::maintenance::size(connection, log)).await
    }

    /// Runs `query` where it may read: on a reader's connection, or on the writer's for a database in memory.
    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        Box::pin(async move {
            match &self.0.readers {
                Some(readers) => readers.run(query).await,
                None => {
                    self.0
                        .writer
                        .run(move |connection, file| query(connection).map_err(|e| error::running(file, &e)))
                        .await
                }
            }
        })
    }
}

impl Sqlite {
    /// Notifies of the change. It waits in the queue: with many calls of `once`, such changes arrive all the time, and transitions would
    /// never be committed if they went first. Only renewals do.
    fn change_entries<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        Box::pin(async move {
            let changed = self.0.writer.write_shared(change).await;
            self.0.writer.entries_changed();
            changed
        })
    }
}

impl TransactionalSql for Sqlite {
    type Sql<'a> = Sql<'a>;

    fn commit_with(
        &self,
        group: Group,
        statements: Statements<Self>,
        now: SystemTime,
    ) -> StoreFuture<'_, Result<Verdict, Box<dyn Error + Send + Sync>>> {
        Box::pin(self.0.writer.commit_with(group, statements, now))
    }

    fn is_same_store(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Store for Sqlite {
    fn commit(&self, groups: Vec<Group>, now: SystemTime) -> StoreFuture<'_, Vec<Verdict>> {
        Box::pin(self.0.writer.commit(groups, now))
    }

    fn get(&self, key: Key) -> StoreFuture<'_, Option<Row>> {
        self.read(move |connection| sql::read::row(connection, &key))
    }

    fn list(&self, filter: Filter) -> StoreFuture<'_, Page<Row>> {
        self.read(move |connection| sql::list::page(connection, &filter))
    }

    fn count(&self, machine: String) -> StoreFuture<'_, Vec<Count>> {
        self.read(move |connection| sql::list::count(connection, &machine))
    }

    fn lists_by_state(&self) -> StoreFuture<'_, bool> {
        self.read(sql::list::has_state_index)
    }

    fn history(&self, query: HistoryQuery) -> StoreFuture<'_, Vec<HistoryEntry>> {
        self.read(move |connection| sql::read::history(connection, &query))
    }

    fn find_by_idempotency_key(&self, key: Key, idempotency_key: String) -> StoreFuture<'_, Option<HistoryEntry>> {
        self.read(move |connection| sql::read::find_by_idempotency_key(connection, &key, None, &idempotency_key))
    }

    fn last_sequence(&self) -> StoreFuture<'_, u64> {
        self.read(sql::read::last_sequence)
    }

    fn pruned_through(&self) -> StoreFuture<'_, u64> {
        self.read(sql::read::pruned_through)
    }

    fn subscriber_position(&self, subscriber: String) -> StoreFuture<'_, Option<u64>> {
        self.read(move |connection| sql::read::subscriber_position(connection, &subscriber))
    }

    fn save_position(&self, subscriber: String, position: u64) -> StoreFuture<'_, ()> {
        Box::pin(
            self.0
                .writer
                .write_shared(move |connection| sql::maintenance::save_position(connection, &subscriber, position)),
        )
    }

    fn remove_position(&self, subscriber: String) -> StoreFuture<'_, bool> {
        Box::pin(
            self.0.writer.write_shared(move |connection| sql::maintenance::remove_position(connection, &subscriber)),
        )
    }

    fn prune(&self, prune: Prune) -> StoreFuture<'_, u64> {
        Box::pin(self.0.writer.write(move |connection| sql::maintenance::prune(connection, &prune)))
    }

    fn due(&self, scope: Scope, until: SystemTime, after: Option<Cursor>, limit: usize) -> StoreFuture<'_, Vec<Due>> {
        self.read(move |connection| sql::read::due(connection, &scope, until, after.as_ref(), limit))
    }

    fn orphaned(&self, scope: Scope, after: Option<Key>, limit: usize, now: SystemTime) -> StoreFuture<'_, Vec<Key>> {
        self.read(move |connection| sql::claimed::orphaned(connection, &scope, after.as_ref(), limit, now))
    }

    fn held_by(&self, owner: String, after: Option<Key>, limit: usize) -> StoreFuture<'_, Vec<Held>> {
        self.read(move |connection| sql::claimed::held_by(connection, &owner, after.as_ref(), limit))
    }

    fn claims(&self, machine: String, after: Option<String>, limit: usize) -> StoreFuture<'_, Vec<Row>> {
        self.read(move |connection| sql::claimed::of_machine(connection, &machine, after.as_deref(), limit))
    }

    fn states_in_use(&self, machine: String) -> StoreFuture<'_, Vec<InUse>> {
        self.read(move |connection| sql::list::states_in_use(connection, &machine))
    }

    fn retire(&self, machine: String, schema: u32) -> StoreFuture<'_, ()> {
        Box::pin(self.0.writer.write(move |connection| sql::definitions::retire(connection, &machine, schema)))
    }

    fn define(&self, definitions: Vec<Definition>, now: SystemTime) -> StoreFuture<'_, ()> {
        Box::pin(self.0.writer.write(move |connection| sql::definitions::define(connection, &definitions, now)))
    }

    fn definition(&self, machine: String) -> StoreFuture<'_, Option<Definition>> {
        self.read(move |connection| sql::definitions::definition(connection, &machine))
    }

    fn definitions(&self) -> StoreFuture<'_, Vec<Definition>> {
        self.read(sql::definitions::definitions)
    }

    fn log_operation(&self, operation: Operation, now: SystemTime) -> StoreFuture<'_, u64> {
        Box::pin(self.0.writer.write_shared(move |connection| sql::operations::write(connection, &operation, now)))
    }

    fn operations(&self, before: u64, limit: usize) -> StoreFuture<'_, Vec<OperationEntry>> {
        self.read(move |connection| sql::operations::page(connection, before, limit))
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.writer.notices()
    }

    fn changed(&self, after: u64, buckets: Buckets, limit: usize) -> StoreFuture<'_, ChangedKeys> {
        self.read(move |connection| sql::read::changed(connection, after, &buckets, limit))
    }

    fn local_changes(&self) -> &LocalChanges {
        &self.0.local_changes
    }

    fn take_lease(&self, process: Process, ttl: Duration, now: SystemTime) -> StoreFuture<'_, Renewed> {
        Box::pin(self.0.writer.write_first(move |connection| sql::leases::take(connection, &process, ttl, now)))
    }

    fn renew_lease(&self, renewal: Renewal, now: SystemTime) -> StoreFuture<'_, Result<Renewed, Lapsed>> {
        Box::pin(self.0.writer.write_first(move |connection| sql::leases::renew(connection, &renewal, now)))
    }

    fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            let ended = self.0.writer.write_first(move |connection| {
                sql::leases::end(connection, &owners, now)?;
                sql::leases::all(connection, now)
            });
            let live = ended.await?.into_iter().filter(|lease| lease.live).map(|lease| lease.owner).collect();
            // After the leases have ended: a free file is the proof by which another process can end them.
            self.0.presence.tidy_up(&live);
            Ok(())
        })
    }

    fn leases(&self, now: SystemTime) -> StoreFuture<'_, Vec<Lease>> {
        self.read(move |connection| sql::leases::all(connection, now))
    }

    fn presence(&self) -> Option<&dyn Presence> {
        Some(&self.0.presence)
    }

    fn ephemerals(&self) -> Option<&dyn Ephemerals> {
        Some(self)
    }
}

impl Ephemerals for Sqlite {
    fn enter(&self, entry: NewEphemeral, now: SystemTime) -> StoreFuture<'_, u64> {
        self.change_entries(move |connection| sql::ephemeral::enter(connection, &entry, now))
    }

    fn renew_entry(&self, id: String, ttl: Duration, now: SystemTime) -> StoreFuture<'_, bool> {
        Box::pin(self.0.writer.write_shared_first(move |connection| sql::ephemeral::renew(connection, &id, ttl, now)))
    }

    fn set_entry_value(&self, id: String, value: String, now: SystemTime) -> StoreFuture<'_, bool> {
        self.change_entries(move |connection| sql::ephemeral::set_value(connection, &id, &value, now))
    }

    fn remove_entry(&self, id: String, now: SystemTime) -> StoreFuture<'_, ()> {
        self.change_entries(move |connection| sql::ephemeral::remove(connection, &id, now))
    }

    fn position(&self, id: String, now: SystemTime) -> StoreFuture<'_, Position> {
        Box::pin(async move {
            let looked = id.clone();
            match self.read(move |connection| sql::ephemeral::position(connection, &looked, now)).await? {
                Some(position) => Ok(position),
                None => {
                    self.change_entries(move |connection| sql::ephemeral::remove_lapsed_ahead(connection, &id, now))
                        .await
                }
            }
        })
    }

    fn first_entries(
        &self,
        kind: &'static str,
        name: String,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>> {
        Box::pin(async move {
            let queue = name.clone();
            match self.read(move |connection| sql::ephemeral::first(connection, kind, &queue, limit, now)).await? {
                Some(entries) => Ok(entries),
                None => {
                    self.change_entries(move |connection| {
                        sql::ephemeral::remove_lapsed(connection, kind, &name, limit, now)
                    })
                    .await
                }
            }
        })
    }

    fn entries(
        &self,
        kind: &'static str,
        name: Option<String>,
        after: Option<(String, u64)>,
        limit: usize,
        now: SystemTime,
    ) -> StoreFuture<'_, Vec<Ephemeral>> {
        self.read(move |connection| sql::ephemeral::page(connection, kind, name.as_deref(), after.as_ref(), limit, now))
    }

    fn keep_result(&self, result: NewResult, now: SystemTime) -> StoreFuture<'_, bool> {
        self.change_entries(move |connection| sql::ephemeral::keep_result(connection, &result, now))
    }

    fn result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, Option<KeptResult>> {
        self.read(move |connection| sql::ephemeral::result(connection, kind, &name, now))
    }

    fn remove_result(&self, kind: &'static str, name: String, now: SystemTime) -> StoreFuture<'_, bool> {
        Box::pin(
            self.0.writer.write_shared(move |connection| sql::ephemeral::remove_result(connection, kind, &name, now)),
        )
    }

    fn entry_changes(&self) -> watch::Receiver<()> {
        self.0.writer.entry_changes()
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlite").field(&&**self.0.file).finish()
    }
}
