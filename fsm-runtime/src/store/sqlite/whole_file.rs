//! Writes files atomically: under a temporary name in the same folder, synced, then renamed.

use super::connection::store_file::beside;
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The suffix of a temporary file. It is locked while it is written; an unlocked one was left by a process that ended.
const PARTIAL: &str = ".fsm-partial";

/// Lets `write` fill a temporary file, and renames it to `to`. Removes temporary files that ended processes have left.
///
/// # Errors
/// The errors of `write` and of the operating system. `to` does not exist then.
pub(super) fn write_whole<E: From<io::Error>>(to: &Path, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let folder = folder(to);
    remove_leftovers(folder);
    refuse_existing(to)?;
    let partial = Partial::create(beside(to, &format!(".{}{PARTIAL}", Uuid::now_v7())))?;
    write(&partial.path)?;
    // SQLite does not sync a new file.
    File::open(&partial.path)?.sync_all()?;
    refuse_existing(to)?;
    fs::rename(&partial.path, to)?;
    // The rename is durable once the folder is synced, which only Unix supports.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn folder(of: &Path) -> &Path {
    of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn refuse_existing(to: &Path) -> io::Result<()> {
    if to.try_exists()? { Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists")) } else { Ok(()) }
}

/// Best effort: a file that stays only takes space on the disk.
fn remove_leftovers(folder: &Path) {
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        if path.as_os_str().as_encoded_bytes().ends_with(PARTIAL.as_bytes())
            && let Ok(lock) = OpenOptions::new().write(true).open(&path)
            && lock.try_lock().is_ok()
        {
            remove(&path);
            tracing::info!(file = %path.display(), "removed an incomplete copy that an ended process left");
        }
    }
}

fn remove(partial: &Path) {
    for file in [partial.to_owned(), beside(partial, "-journal")] {
        let _ = fs::remove_file(file);
    }
}

/// An empty file that this process fills; it is removed unless it was renamed.
struct Partial {
    path: PathBuf,
    /// Where locks keep other handles from writing, as on Windows, an open file cannot be removed either.
    _lock: Option<File>,
}

impl Partial {
    fn create(path: PathBuf) -> io::Result<Self> {
        loop {
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            if cfg!(not(unix)) {
                return Ok(Self { path, _lock: None });
            }
            file.lock()?;
            // Another process may have removed it as a leftover before it was locked.
            if path.try_exists()? {
                return Ok(Self { path, _lock: Some(file) });
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing is there once it was renamed.
        remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("copy.db");
        let failed = write_whole(&to, |partial| {
            fs::write(partial, "half")?;
            Err::<(), io::Error>(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn leftovers_are_removed_and_running_writes_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join("yesterday.db.fsm-partial");
        fs::write(&left, "half").unwrap();
        let running = Partial::create(dir.path().join("other.db.fsm-partial")).unwrap();
        let to = dir.path().join("copy.db");
        write_whole::<io::Error>(&to, |partial| fs::write(partial, "whole")).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "whole");
        assert!(!left.exists());
        assert!(running.path.exists());
        drop(running);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let again = write_whole::<io::Error>(&to, |_| Ok(())).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&to).unwrap(), "whole");
    }
}
