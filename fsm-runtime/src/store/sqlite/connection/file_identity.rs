//! Checks that the path still names the file that was opened. SQLite keeps writing to a deleted file, and those writes are lost when
//! the process ends.

use super::store_file::StoreFile;
use crate::store::StoreError;
use std::{io, path::Path, sync::Arc};

/// A file as it was when it was opened.
#[derive(Clone)]
pub(in crate::store::sqlite) struct Opened {
    file: Arc<StoreFile>,
    /// `None` if there is no file, or the platform does not let an open file be removed.
    identity: Option<Identity>,
}

type Identity = (u64, u64);

impl Opened {
    /// That of `file`, which has just been opened.
    pub(in crate::store::sqlite) fn of(file: Arc<StoreFile>) -> Self {
        Self { identity: identity(&file).ok().flatten(), file }
    }

    /// Compares the file with the one that was opened. Takes some microseconds.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if the file was removed or replaced.
    pub(in crate::store::sqlite) fn check(&self) -> Result<(), StoreError> {
        let Some(opened) = self.identity else { return Ok(()) };
        match identity(&self.file) {
            Ok(Some(now)) if now != opened => Err(self.moved()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.moved()),
            // Other errors are left to SQLite.
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

/// On other platforms an open file cannot be removed.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on a Unix it can fail")]
fn identity(_: &Path) -> io::Result<Option<Identity>> {
    Ok(None)
}
