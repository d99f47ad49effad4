//! The options for opening a store.

use super::{OpenError, Sqlite, open};
#[cfg(doc)]
use crate::store::StoreError;
use crate::{
    clock::{FOREVER, TOO_LONG},
    store::MAX_VALUE_BYTES,
};
use std::{path::Path, time::Duration};

/// How long a call waits for the lock that another process holds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// but the last transitions before it may be lost. Commits are several times as fast.
    Normal,
}

/// Options for opening a store. From [`Sqlite::options`].
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct SqliteOptions {
    pub(super) synchronous: Synchronous,
    pub(super) state_index: Option<bool>,
    pub(super) commit_in_place: bool,
    pub(super) busy_timeout: Duration,
    pub(super) max_value_bytes: usize,
    pub(super) read_only: bool,
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
    /// What an acknowledged transition survives: a power cut by default.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Whether the file has an index of states. Listing by state and age, counting by state, and pruning ended rows need it;
    /// every transition writes to it, which costs up to a third of the write rate. Without it these calls are
    /// [`StoreError::NoStateIndex`], and a start reads each row of the registered machines once.
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

    /// How long a call waits while another process holds the file's lock, before it returns [`StoreError::Busy`]: 2 s by default,
    /// and 100,000 years at most.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Whether the file is opened for reading only: nothing is created or changed, and no write lock is needed. Off by default.
    ///
    /// The file and its tables must exist. It may be one that this user cannot write, and a copy without its log on a disk that
    /// is mounted for reading only. A file in WAL mode without its log, in a folder that this user cannot write, is treated
    /// as immutable: open it again to see later changes of other processes.
    ///
    /// Every call that writes returns [`StoreError::ReadOnly`]. A [`Runtime`](crate::Runtime) without machines to work on can be started
    /// on it, to read.
    pub fn read_only(mut self, on: bool) -> Self {
        self.read_only = on;
        self
    }

    /// The largest size of a value as JSON, in bytes: the data of a state, a payload, a context, a checkpoint. 1 MiB by default, and 1
    /// byte to 256 MiB. A change with a larger value fails with [`TransitionError::TooLarge`](crate::TransitionError::TooLarge), and
    /// nothing of it is stored. Stored values can be read whatever the limit is.
    ///
    /// Each transition writes the data twice, into the row and into the history, and every read of the row reads it, so
    /// a store of large values is slow for all its users. Keep files elsewhere, and store their location.
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
            return Some(("max_value_bytes", "must be at least 1"));
        }
        if self.max_value_bytes > LARGEST_VALUE {
            return Some((
                "max_value_bytes",
                "more than 256 MiB, and SQLite stores rows of up to 1 GB, with several values in each",
            ));
        }
        None
    }

    /// Opens the store in `path`. Creates the file and its tables if they do not exist.
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
        tokio::task::spawn_blocking(move || open::file(&path, &self)).await.unwrap_or_else(|ended| {
            Err(OpenError::Unusable { file: shown, cause: format!("opening it did not end: {ended}") })
        })
    }
}
