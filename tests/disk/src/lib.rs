//! A disk for the tests: it fails when it is told to, and it can lose power.
//!
//! SQLite reaches its files through a table of functions (a VFS). This one stands before the operating system's own, which it
//! calls for everything; for files in the folders of a [`Disk`] it also keeps what is written and not yet synced, and refuses
//! what the test wants refused. Memory shared between connections (the WAL's index) is not on the disk and passes through.
//!
//! Beside it, [`listen`] hears which statements are run.

mod statements;
mod vfs;

pub use statements::{listen, statements};

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What SQLite does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads a part.
    Read,
    /// Writes a part, or cuts the file.
    Write,
    /// Waits until what was written is on the disk.
    Sync,
    /// Opens or removes the file.
    Open,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No room: half of a write is done.
    Full,
    /// An error of the device.
    Broken,
    /// The process is gone: this operation and everything after it is not done.
    Dead,
    /// Files are opened for reading only.
    ReadOnly,
}

/// Which part of a write that was not synced survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Nothing of it.
    Lost,
    /// Some writes, and of those some sectors, in no order.
    Torn,
}

/// A folder whose files are on a disk of the test's own.
#[derive(Clone)]
pub struct Disk(Arc<State>);

struct State {
    folder: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<PathBuf, Content>,
    /// The operation that goes wrong, how many of its kind go well before, and how it goes wrong.
    fault: Option<(Operation, u32, Fault)>,
    /// Whether the process is gone.
    gone: bool,
}

/// A file as the disk has it.
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
    /// When the folder cannot be found.
    #[must_use]
    pub fn under(folder: &Path) -> Self {
        let folder = folder.canonicalize().expect("the folder of a disk is there");
        let disk = Self(Arc::new(State { folder, inner: Mutex::default() }));
        vfs::add(&disk);
        disk
    }

    /// After `well` more operations of this kind, it goes wrong with `fault`, again and again until [`heal`](Self::heal).
    pub fn fail(&self, operation: Operation, well: u32, fault: Fault) {
        self.lock().fault = Some((operation, well, fault));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut inner = self.lock();
        (inner.fault, inner.gone) = (None, false);
    }

    /// How many bytes were written that a power cut would take.
    #[must_use]
    pub fn unsynced_bytes(&self) -> usize {
        let inner = self.lock();
        let unsynced = inner.files.values().flat_map(|content| &content.unsynced);
        unsynced.map(|change| if let Change::Write(_, bytes) = change { bytes.len() } else { 0 }).sum()
    }

    /// Writes into the folder `to` what would be found here if the power was cut at this moment.
    ///
    /// # Errors
    /// When `to` cannot be written.
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

    /// What goes wrong with this operation, if anything does.
    fn refuses(&self, operation: Operation) -> Option<Fault> {
        let mut inner = self.lock();
        // A process that is gone changes nothing any more.
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

    /// What is there when the disk first sees the file is on it.
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
