//! A store in one SQLite file, for the processes of one machine.

mod connection;
mod open_error;
mod presence;
mod restore;
mod sql;
mod sql_guard;
mod user_sql;
mod whole_file;
mod writer;

use super::{
    Buckets, ChangedKeys, Count, Cursor, Definition, Due, Filter, Group, Held, HistoryEntry, HistoryQuery, InUse, Key,
    Lapsed, Lease, LocalChanges, MAX_VALUE_BYTES, Notice, Operation, OperationEntry, Page, Presence, Process, Prune,
    Renewal, Renewed, Row, Scope, Size, Statements, Store, StoreError, StoreFuture, TransactionalSql, Verdict,
};
use crate::clock::{FOREVER, TOO_LONG};
use connection::{error, patience, reader_pool::Readers, schema, store_file::StoreFile};
pub use open_error::{OpenError, RestoreError};
use presence::ProcessFiles;
use rusqlite::Connection;
use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::broadcast;
pub use user_sql::{Sql, SqlError, SqlValue};
use writer::Writer;

/// How long a call waits for another process to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A history entry has three values, and SQLite's limit of a row is 1,000,000,000 bytes.
const LARGEST_VALUE: usize = 256 << 20;

/// What an acknowledged transition survives; SQLite's own names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Synchronous {
    /// A power cut: every commit waits for the disk. The default.
    #[default]
    Full,
    /// The end of the process, by `kill -9` too. After a power cut, or a crash of the operating system, the file is whole,
    /// but the last transitions before it may be gone. Commits are several times as fast.
    Normal,
}

/// How a store is opened.
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct SqliteOptions {
    synchronous: Synchronous,
    state_index: Option<bool>,
    commit_in_place: bool,
    busy_timeout: Duration,
    max_value_bytes: usize,
    read_only: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::default(),
            state_index: None,
            commit_in_place: false,
            busy_timeout: BUSY_TIMEOUT,
            max_value_bytes: MAX_VALUE_BYTES,
            read_only: false,
        }
    }
}

impl SqliteOptions {
    /// What an acknowledged transition survives; a power cut, if not set.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Whether the file has an index of states. Listing by state and age, counting by state, and pruning ended rows need it;
    /// every transition writes to it, which costs up to a third of the write rate. Without it these calls are
    /// [`StoreError::NoStateIndex`], and a start looks at each row of the registered machines once.
    ///
    /// The index is a property of the file: a new file has it, and a process that does not call this leaves the file unchanged. If
    /// processes set different values, the last one to open the file wins, at once and for all. Enabling it again builds the index
    /// at open and blocks writers: some seconds for a million rows.
    pub fn state_index(mut self, on: bool) -> Self {
        self.state_index = Some(on);
        self
    }

    /// Whether an uncontended commit runs on the calling thread instead of the writer thread. Off by default.
    ///
    /// For programs that make one change after the other: an import, a command, a single worker. A change takes about a third less
    /// time. The commit blocks the thread of the executor until the disk has synced, which takes some hundred microseconds, or some
    /// milliseconds for a checkpoint. Leave it off if other tasks of the executor have to answer in time.
    ///
    /// Concurrent calls queue for the writer thread and share transactions, except the first few after contention begins: a call yields to
    /// other tasks before every eighth inline commit only. A commit never waits on the calling thread for another process. Durability and
    /// cancel safety are the same with and without the option.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?; let path = dir.path().join("orders.db");
    /// use fsm_runtime::store::sqlite::Sqlite;
    ///
    /// let store = Sqlite::options().commit_in_place(true).open(path).await?;
    /// # drop(store); Ok(()) }
    /// ```
    pub fn commit_in_place(mut self, on: bool) -> Self {
        self.commit_in_place = on;
        self
    }

    /// How long a call waits while another process holds the file's lock, before it is [`StoreError::Busy`]; 2 s, if not set,
    /// and 100,000 years at most.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Whether the file is opened for reading only: nothing is made or changed in it, and no lock of a writer is waited for. Off, if not set.
    ///
    /// The file has to be there, with its tables. It may be one that this user cannot write, and a copy without its log on a disk that
    /// is mounted for reading only. A file in WAL mode whose log is not there, in a folder that this user cannot write, is treated
    /// as immutable: later changes by another process may be seen only after it is opened again.
    ///
    /// Every call that writes is [`StoreError::ReadOnly`]. A [`Runtime`](crate::Runtime) without machines to work on can be started
    /// on it, to read.
    pub fn read_only(mut self, on: bool) -> Self {
        self.read_only = on;
        self
    }

    /// The bytes that a value may have as JSON: a state's data, a payload, a context, a checkpoint. 1 MiB, if not set,
    /// and 1 byte to 256 MiB. A change with a
    /// larger one is [`TransitionError::TooLarge`](crate::TransitionError::TooLarge), and nothing of it is stored, in the history
    /// either. What is stored already can be read whatever the limit is.
    ///
    /// Each transition writes the data twice, into the row and into the history, and every read of the row reads it: a store of
    /// large values is slow for all its users. Keep files elsewhere, and store their location.
    pub fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self
    }

    /// The first option that is out of range, and why.
    fn out_of_range(&self) -> Option<(&'static str, &'static str)> {
        if self.busy_timeout > FOREVER {
            return Some(("busy_timeout", TOO_LONG));
        }
        if self.max_value_bytes == 0 {
            return Some(("max_value_bytes", "every value has at least a byte, so that nothing could be stored"));
        }
        if self.max_value_bytes > LARGEST_VALUE {
            return Some((
                "max_value_bytes",
                "more than 256 MiB, and SQLite stores rows of up to 1 GB, with several values in each",
            ));
        }
        None
    }

    /// Opens the store in `path`, and makes the file and its tables where there are none.
    ///
    /// # Errors
    /// As [`Sqlite::open`]; [`OpenError::Option`] if an option is out of range.
    ///
    /// # Cancel safety
    /// If the future is dropped, the file and its tables may exist. Opening it again is safe.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<Sqlite, OpenError> {
        if let Some((option, why)) = self.out_of_range() {
            return Err(OpenError::Option { option, why });
        }
        let path = path.as_ref().to_owned();
        let shown = path.clone();
        tokio::task::spawn_blocking(move || Sqlite::open_file(&path, &self)).await.unwrap_or_else(|ended| {
            Err(OpenError::Unusable { file: shown, cause: format!("opening it did not end: {ended}") })
        })
    }
}

/// Rows in one SQLite file, for the processes of one machine.
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
    /// Opens the store in `path`, and makes the file and its tables where there are none.
    ///
    /// The tables' names begin with `fsm_`; others in the same file are left alone.
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

    /// A store in memory, which ends with its last handle: for tests, and for machines that need not outlive the process.
    ///
    /// # Errors
    /// [`OpenError`] when SQLite cannot be used at all.
    pub fn in_memory() -> Result<Self, OpenError> {
        let file = StoreFile::new(PathBuf::from(":memory:"), BUSY_TIMEOUT);
        let connection = Connection::open_in_memory().map_err(|e| error::opening(&file, &e))?;
        schema::prepare(&connection, &file, None)?;
        let writer = Writer::start(connection, file.clone(), &SqliteOptions::default())?;
        let (presence, local_changes) = (ProcessFiles::in_memory(), LocalChanges::new());
        Ok(Self(Arc::new(Inner { file, writer, readers: None, presence, local_changes })))
    }

    fn open_file(path: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        patience::wait(options.busy_timeout, || Self::open_waiting(path, options))
    }

    fn open_waiting(path: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        let named = |path: PathBuf| {
            if options.read_only {
                StoreFile::read_only(path, options.busy_timeout)
            } else {
                StoreFile::new(path, options.busy_timeout)
            }
        };
        let file = named(path.to_owned());
        let connection = if options.read_only {
            let connection = schema::connect_read_only(&file)?;
            if !schema::has_tables(&connection, &file)? {
                return Err(OpenError::NotAStore { file: path.to_owned() });
            }
            connection
        } else {
            let connection = schema::connect(&file, options.synchronous)?;
            schema::prepare(&connection, &file, options.state_index)?;
            connection
        };
        // One name for one file, however it was spelled: the controller's lock depends on it.
        let path = path
            .canonicalize()
            .map_err(|cause| OpenError::Unusable { file: path.to_owned(), cause: cause.to_string() })?;
        let file = named(path);
        let writer = Writer::start(connection, file.clone(), options)?;
        let presence = ProcessFiles::beside(&file);
        let readers = Some(Readers::new(file.clone()));
        Ok(Self(Arc::new(Inner { file, writer, readers, presence, local_changes: LocalChanges::new() })))
    }

    /// What SQLite finds wrong with the file, line by line; empty where all is well. Reads the whole file, while others
    /// read and write.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read at all.
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        self.read(sql::maintenance::integrity_check).await
    }

    /// Writes a copy of the store as it is at this moment into the new file `to`, while others read and write. It is an
    /// ordinary store file, which [`restore`](Self::restore) puts in the place of a lost one.
    ///
    /// The copy is written under a temporary name (`….fsm-partial`) in the same folder, and is on the disk before it gets its own: under
    /// `to` there is all of it or nothing, wherever the process is killed. What a killed process has left is removed by the next backup
    /// into that folder.
    ///
    /// # Errors
    /// [`StoreError`] when `to` exists or cannot be written.
    ///
    /// # Cancel safety
    /// A backup whose future is dropped goes on to its end.
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

    /// Puts the store file `backup`, which is left as it is, in the place `to`, where the file was lost or is damaged. Under `to` there is
    /// all of it or nothing.
    ///
    /// What was changed since the backup is lost, and others may know of it. So the fences and the history's sequences of the
    /// restored store go on far beyond those of the backup: a system that checks [`RawTask::fence`](crate::RawTask::fence) accepts the new
    /// workers, and a subscriber does not take new entries for those that it has seen. All leases are ended.
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
    /// A restore whose future is dropped goes on to its end.
    pub async fn restore(backup: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), RestoreError> {
        let (from, to) = (backup.as_ref().to_owned(), to.as_ref().to_owned());
        let file = to.clone();
        tokio::task::spawn_blocking(move || restore::restore(&from, &to)).await.unwrap_or_else(|ended| {
            Err(RestoreError::Failed { file, cause: format!("the restore did not end: {ended}") })
        })
    }

    /// How large the store is.
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
            self.0.writer.write(move |connection| sql::maintenance::save_position(connection, &subscriber, position)),
        )
    }

    fn remove_position(&self, subscriber: String) -> StoreFuture<'_, bool> {
        Box::pin(self.0.writer.write(move |connection| sql::maintenance::remove_position(connection, &subscriber)))
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
        Box::pin(self.0.writer.write(move |connection| sql::operations::write(connection, &operation, now)))
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
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sqlite").field(&&**self.0.file).finish()
    }
}
