//! The file of a store as its errors name it, and how long its connections wait for the locks of other processes.

use std::{
    ffi::OsString,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(in crate::store::sqlite) struct StoreFile {
    path: PathBuf,
    pub(in crate::store::sqlite) busy_timeout: Duration,
    pub(in crate::store::sqlite) read_only: bool,
}

impl StoreFile {
    pub(in crate::store::sqlite) fn new(path: PathBuf, busy_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { path, busy_timeout, read_only: false })
    }

    /// One that is opened for reading only.
    pub(in crate::store::sqlite) fn read_only(path: PathBuf, busy_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { path, busy_timeout, read_only: true })
    }

    /// The file that SQLite keeps beside this one: `-wal`, `-shm`, `-journal`.
    pub(in crate::store::sqlite) fn beside(&self, suffix: &str) -> PathBuf {
        beside(&self.path, suffix)
    }
}

impl Deref for StoreFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// `file` with `suffix` at the end of its name.
pub(in crate::store::sqlite) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
