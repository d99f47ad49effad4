//! How processes of one machine see each other's end at once: each holds an operating-system lock on a file of its own,
//! which is free again when the process is gone, however it went.

use super::connection::lock_holder;
use crate::store::PresenceError;
use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Where the processes show themselves: in a folder beside the database, or, for one in memory, in this process.
pub(super) enum Presence {
    Files { folder: PathBuf },
    Memory(Arc<Mutex<HashSet<String>>>),
}

impl Presence {
    pub(super) fn beside(database: &Path) -> Self {
        let mut folder = database.as_os_str().to_owned();
        folder.push(".processes");
        Self::Files { folder: folder.into() }
    }

    pub(super) fn in_memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// The lock is held before anybody can read of `owner` in the database.
    pub(super) fn attend(&self, owner: &str) -> Result<Box<dyn Send + Sync>, PresenceError> {
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
                    // Somebody who tidied up may have found it free before it was locked.
                    if file.exists() {
                        // For people, and for errors about a lock. Best effort.
                        let _ = (&lock).write_all(lock_holder::shown_as().as_bytes());
                        // It stays when its holder ends: a free lock says more than no file.
                        return Ok(Box::new(lock));
                    }
                }
            }
            Self::Memory(here) => {
                here.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.to_owned());
                Ok(Box::new(Here { owner: owner.to_owned(), all: here.clone() }))
            }
        }
    }

    /// A file that is not there says nothing: somebody may have tidied up. Its lease will lapse.
    pub(super) fn is_gone(&self, owner: &str) -> bool {
        match self {
            Self::Files { folder } => {
                if !is_file_name(owner) {
                    return false;
                }
                let file = folder.join(owner);
                let Ok(lock) = OpenOptions::new().write(true).open(&file) else { return false };
                matches!(lock.try_lock(), Ok(()))
            }
            Self::Memory(here) => !here.lock().unwrap_or_else(PoisonError::into_inner).contains(owner),
        }
    }

    /// Removes the files of processes that are gone, but for those of `live` leases, which they are still to end. Best effort: one that
    /// stays is in nobody's way, and an owner never comes back, since ids are new at every start.
    pub(super) fn tidy_up(&self, live: &HashSet<String>) {
        let Self::Files { folder } = self else { return };
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            // What cannot be an owner's is not ours.
            let left = file.file_name().to_str().is_some_and(|owner| is_file_name(owner) && !live.contains(owner));
            if left && let Ok(lock) = OpenOptions::new().write(true).open(file.path()) {
                // Removed while it is locked, so that nobody who locks it just now believes that it is there.
                if lock.try_lock().is_ok() {
                    let _ = fs::remove_file(file.path());
                }
            }
        }
    }
}

/// Owners' ids come from the database, and must not lead out of the folder.
fn is_file_name(owner: &str) -> bool {
    !owner.is_empty() && owner.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

struct Here {
    owner: String,
    all: Arc<Mutex<HashSet<String>>>,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.owner);
    }
}
