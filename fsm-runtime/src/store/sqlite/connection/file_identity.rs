//! Whether the file that was opened is still the one under its name: SQLite goes on writing to one that was deleted, and all of that
//! is lost with the process.

use super::store_file::StoreFile;
use crate::store::StoreError;
use std::{io, path::Path, sync::Arc};

/// A file as it was when it was opened.
#[derive(Clone)]
pub(in crate::store::sqlite) struct Opened {
    file: Arc<StoreFile>,
    /// `None` where there is no file, or none that could be taken away.
    identity: Option<Identity>,
}

type Identity = (u64, u64);

impl Opened {
    /// That of `file`, which has just been opened.
    pub(in crate::store::sqlite) fn of(file: Arc<StoreFile>) -> Self {
        Self { identity: identity(&file).ok().flatten(), file }
    }

    /// One look at the folder, some microseconds.
    ///
    /// # Errors
    /// [`StoreError::Moved`] where the file is not there any more, or another one is.
    pub(in crate::store::sqlite) fn check(&self) -> Result<(), StoreError> {
        let Some(opened) = self.identity else { return Ok(()) };
        match identity(&self.file) {
            Ok(Some(now)) if now != opened => Err(self.moved()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.moved()),
            // What cannot be looked at is for SQLite to judge.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn moved(&self) -> StoreError {
        StoreError::Moved { store: self.file.display().to_string() }
    }
}

#[cfg(unix)]
fn identity(file: &Path) -> io::Result<Option<Identity>> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(file)?;
    Ok(Some((found.dev(), found.ino())))
}

/// Elsewhere a file that is open cannot be taken away.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on a Unix it can fail")]
fn identity(_: &Path) -> io::Result<Option<Identity>> {
    Ok(None)
}
