//! Detects processes of the same host that have ended: each process locks a file of its own, and the operating system releases
//! the lock when the process ends for any reason.

use super::connection::lock_holder;
use crate::{
    store::{Presence, PresenceError},
    sync::Mutex,
};
use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The location of the presence locks: a folder beside the database, or this process for a database in memory.
pub(super) enum ProcessFiles {
    Files { folder: PathBuf },
    Memory(Arc<Mutex<HashSet<String>>>),
}

impl ProcessFiles {
    pub(super) fn beside(database: &Path) -> Self {
        let mut folder = database.as_os_str().to_owned();
        folder.push(".processes");
        Self::Files { folder: folder.into() }
    }

    pub(super) fn in_memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Removes the files of ended processes, except those of `live` leases. Best effort: a file that is left does no harm, because
    /// every start has a new owner id.
    pub(super) fn tidy_up(&self, live: &HashSet<String>) {
        let Self::Files { folder } = self else { return };
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            // Other files are left alone.
            let left = file.file_name().to_str().is_some_and(|owner| is_file_name(owner) && !live.contains(owner));
            if left && let Ok(lock) = OpenOptions::new().write(true).open(file.path()) {
                // Removed under the lock, so that a process that is about to lock it notices.
                if lock.try_lock().is_ok() {
                    let _ = fs::remove_file(file.path());
                }
            }
        }
    }
}

impl Presence for ProcessFiles {
    /// Takes the lock of `owner`. Call it before `owner` is written to the database.
    fn announce(&self, owner: &str) -> Result<Box<dyn Send + Sync>, PresenceError> {
        match self {
            Self::Files { folder } => {
                let file = folder.join(owner);
                let unusable = |cause| PresenceError::Unusable { file: file.clone(), cause };
                if !is_file_name(owner) {
                    return Err(unusable(io::ErrorKind::InvalidFilename.into()));
                }
                fs::create_dir_all(folder).map_err(unusable)?;
                loop {
                    let lock = OpenOptions::new().write(true).create_new(true).open(&file).map_err(unusable)?;
                    lock.lock().map_err(unusable)?;
                    // `tidy_up` of another process may have removed the file before it was locked.
                    if file.exists() {
                        // Shown in errors about a lock. Best effort.
                        let _ = (&lock).write_all(lock_holder::shown_as().as_bytes());
                        // The file is kept when its process ends: a free lock proves the end, a missing file does not.
                        return Ok(Box::new(lock));
                    }
                }
            }
            Self::Memory(here) => {
                here.lock().insert(owner.to_owned());
                Ok(Box::new(Here { owner: owner.to_owned(), all: here.clone() }))
            }
        }
    }

    /// Whether the process of `owner` has ended. `false` if its file is missing, because another process may have removed it; the
    /// lease then expires.
    fn is_gone(&self, owner: &str) -> bool {
        match self {
            Self::Files { folder } => {
                if !is_file_name(owner) {
                    return false;
                }
                let file = folder.join(owner);
                let Ok(lock) = OpenOptions::new().write(true).open(&file) else { return false };
                matches!(lock.try_lock(), Ok(()))
            }
            Self::Memory(here) => !here.lock().contains(owner),
        }
    }
}

/// Owner ids come from the database and must not name a path outside the folder.
fn is_file_name(owner: &str) -> bool {
    !owner.is_empty() && owner.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

struct Here {
    owner: String,
    all: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.all.lock().remove(&self.owner);
    }
}
