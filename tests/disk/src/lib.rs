//! A disk for tests that can fail and lose power.
//!
//! SQLite accesses its files through a table of functions (a VFS). This one wraps that of the operating system, which it
//! calls for everything; for files in the folder of a [`Disk`] it also records unsynced writes, and fails the operations
//! that the test chooses. Memory shared between connections (the WAL's index) is not on the disk and passes through.
//!
//! [`listen`] records the statements that are run.

mod statements;
mod vfs;

pub use statements::{listen, statements};

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// An operation of SQLite on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads a part.
    Read,
    /// Writes a part, or cuts the file.
    Write,
    /// Syncs the writes to the disk.
    Sync,
    /// Opens or removes the file.
    Open,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space: half of a write is done.
    Full,
    /// An error of the device.
    Broken,
    /// The process is killed: this operation and all later ones are not done.
    Dead,
    /// Files are opened for reading only.
    ReadOnly,
}

/// The part of the unsynced writes that survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Nothing of it.
    Lost,
    /// Some sectors of some writes, in any order.
    Torn,
}

/// A folder whose files are on the disk of a test.
#[derive(Clone)]
pub struct Disk(Arc<State>);

struct State {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<PathBuf, Content>,
    /// The operation that fails, how many of its kind succeed before, and the fault.
    fault: Option<(Operation, u32, Fault)>,
    /// Whether the process is killed.
    gone: bool,
}

/// A file on the disk.
#[derive(Default)]
struct Content {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    /// Files that SQLite opens in `folder` from now on are on this disk.
    ///
    /// # Panics
    /// If the folder does not exist.
    #[must_use]
    pub fn under(folder: &Path) -> Self {
        let folder = folder.canonicalize().expect("the folder of a disk is there");
        let disk = Self(Arc::new(State { folder, inner: Mutex::default() }));
        vfs::add(&disk);
        disk
    }

    /// After `well` more operations of this kind, each one fails with `fault` until [`heal`](Self::heal).
    pub fn fail(&self, operation: Operation, well: u32, fault: Fault) {
        self.lock().fault = Some((operation, well, fault));
    }

    /// Ends all faults.
    pub fn heal(&self) {
        let mut inner = self.lock();
        (inner.fault, inner.gone) = (None, false);
    }

    /// The number of written bytes that a power cut would lose.
    #[must_use]
    pub fn unsynced_bytes(&self) -> usize {
        let inner = self.lock();
        let unsynced = inner.files.values().flat_map(|content| &content.unsynced);
        unsynced.map(|change| if let Change::Write(_, bytes) = change { bytes.len() } else { 0 }).sum()
    }

    /// Writes to the folder `to` what a power cut at this moment would leave.
    ///
    /// # Errors
    /// If `to` cannot be written.
    pub fn lose_power(&self, to: &Path, unsynced: Unsynced) -> io::Result<()> {
        for (path, content) in &self.lock().files {
            let mut found = content.synced.clone();
            for change in content.unsynced.iter().filter(|_| unsynced == Unsynced::Torn && fastrand::bool()) {
                match change {
                    // Sector by sector.
                    Change::Write(at, bytes) => {
                        for (place, sector) in bytes.chunks(512).enumerate().filter(|_| fastrand::u8(..4) > 0) {
                            write(&mut found, at + place * 512, sector);
                        }
                    }
                    Change::Cut(length) => found.truncate(*length),
                }
            }
            if let Some(name) = path.file_name() {
                fs::write(to.join(name), found)?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.0.folder)
    }

    /// The fault of this operation, if any.
    fn refuses(&self, operation: Operation) -> Option<Fault> {
        let mut inner = self.lock();
        // A killed process changes nothing.
        if inner.gone && operation != Operation::Read {
            return Some(Fault::Dead);
        }
        let (wanted, well, fault) = inner.fault.as_mut()?;
        if *wanted != operation {
            return None;
        }
        if *well > 0 {
            *well -= 1;
            return None;
        }
        let fault = *fault;
        inner.gone = fault == Fault::Dead;
        Some(fault)
    }

    /// The content of the file when first opened is on the disk.
    fn opened(&self, path: &Path) {
        let mut inner = self.lock();
        if !inner.files.contains_key(path) {
            let synced = fs::read(path).unwrap_or_default();
            inner.files.insert(path.to_owned(), Content { synced, unsynced: Vec::new() });
        }
    }

    fn changed(&self, path: &Path, change: Change) {
        if let Some(content) = self.lock().files.get_mut(path) {
            content.unsynced.push(change);
        }
    }

    fn synced(&self, path: &Path) {
        if let Some(Content { synced, unsynced }) = self.lock().files.get_mut(path) {
            for change in unsynced.drain(..) {
                match change {
                    Change::Write(at, bytes) => write(synced, at, &bytes),
                    Change::Cut(length) => synced.truncate(length),
                }
            }
        }
    }

    fn removed(&self, path: &Path) {
        self.lock().files.remove(path);
    }
}

fn write(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if to.len() < at + bytes.len() {
        to.resize(at + bytes.len(), 0);
    }
    to[at..at + bytes.len()].copy_from_slice(bytes);
}
