//! Owns how processes of one machine see each other's end at once: each holds an operating-system lock on a file of its own,
//! which is free again when the process is gone, however it went.

use crate::store::PresenceError;
use std::{
    collections::HashSet,
    fs::{self, OpenOptions, TryLockError},
    io,
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
                let lock = OpenOptions::new().write(true).create_new(true).open(&file).map_err(unusable)?;
                lock.lock().map_err(unusable)?;
                // The file stays when its holder ends: a free lock says more than no file. Who finds it free removes it.
                Ok(Box::new(lock))
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
                match lock.try_lock() {
                    Ok(()) => {
                        // An owner never comes back: ids are new at every start.
                        let _ = fs::remove_file(&file);
                        true
                    }
                    Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
                }
            }
            Self::Memory(here) => !here.lock().unwrap_or_else(PoisonError::into_inner).contains(owner),
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
