//! Owns the controller's lock: an operating-system file lock beside the database, free again when its holder is gone.

use crate::store::ControlError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

/// Takes the lock file of database `file`, and writes `holder` into it for the one who comes second.
pub(super) fn lock_file(file: &Path, holder: &str) -> Result<Box<dyn Send + Sync>, ControlError> {
    let mut path = file.as_os_str().to_owned();
    path.push(".controller");
    let path = PathBuf::from(path);
    let unusable = |cause| ControlError::Unusable { file: path.clone(), cause };
    let mut lock: File =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Whatever can be read of the holder's name will do: the lock itself is the answer.
            let _ = lock.read_to_string(&mut holder);
            let holder = if holder.is_empty() { "a process that is just starting".to_owned() } else { holder };
            return Err(ControlError::Held { store: file.display().to_string(), holder });
        }
        Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
    }
    lock.set_len(0).map_err(unusable)?;
    lock.rewind().map_err(unusable)?;
    lock.write_all(holder.as_bytes()).map_err(unusable)?;
    // The lock goes with the open file; the file itself stays, since removing it would let two hold "the" lock.
    Ok(Box::new(lock))
}
