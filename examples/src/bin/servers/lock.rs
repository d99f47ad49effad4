//! The lock files of the serving processes. A process is alive if and only if its lock is held.
//!
//! The manager takes a server's lock and passes it to the process that it starts, as standard input. The lock is therefore
//! held without a gap, and the operating system frees it when the last holder ends, for whatever reason. A second process
//! for the same server cannot be started, since its lock is not available.
//!
//! The process writes its pid to the file when it starts, and its port when it listens, one per line. Incomplete lines are
//! ignored.

use std::{
    fs::{File, OpenOptions, TryLockError, create_dir_all},
    io::{self, Read as _, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

/// The directory of the lock files.
#[derive(Clone, Debug)]
pub(crate) struct RunDir(PathBuf);

/// The state of a server's process, as its lock file shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProcessState {
    /// The lock is free: no process serves.
    Exited,
    /// The lock is held.
    Alive(ProcessInfo),
}

/// The content of a lock file. Empty while the process starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessInfo {
    pub(crate) pid: Option<u32>,
    pub(crate) port: Option<u16>,
}

impl RunDir {
    /// Opens the directory for taking locks, and creates it if it is missing.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        create_dir_all(path)?;
        Ok(Self::at(path))
    }

    /// Opens the directory for reading only. A missing directory holds no locks.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Reads the state of a server's process.
    pub(crate) fn state(&self, id: &str) -> io::Result<ProcessState> {
        let mut file = match File::open(self.lock_path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ProcessState::Exited),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(ProcessState::Exited),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(ProcessState::Alive(ProcessInfo::parse(&text)))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes a server's lock and empties the file. Returns `None` if the lock is held, or is being read.
    pub(crate) fn take(&self, id: &str) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(self.lock_path(id))?;
        match file.try_lock() {
            Ok(()) => file.set_len(0).map(|()| Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The file that receives the standard error of a server's process.
    pub(crate) fn stderr_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.stderr"))
    }

    fn lock_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.lock"))
    }
}

impl ProcessInfo {
    fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.split_once(' ') {
                Some(("pid", pid)) => info.pid = pid.parse().ok(),
                Some(("port", port)) => info.port = port.parse().ok(),
                _ => {}
            }
        }
        info
    }
}

/// The lock of this serving process. It is freed when the process ends.
#[derive(Debug)]
pub(crate) struct ServerLock(File);

impl ServerLock {
    /// Takes over the lock from standard input, and writes this process's pid to it.
    pub(crate) fn inherited() -> io::Result<Self> {
        let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        // The manager passes a lock that is held. Any other caller has to take it first.
        file.try_lock().map_err(io::Error::from)?;
        file.write_all(format!("pid {}\n", std::process::id()).as_bytes())?;
        Ok(Self(file))
    }

    /// Writes the port on which the process listens.
    pub(crate) fn write_port(&mut self, port: u16) -> io::Result<()> {
        self.0.write_all(format!("port {port}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_dir() -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = RunDir::open(&folder.path().join("run")).expect("a run folder");
        (folder, run)
    }

    #[test]
    fn a_lock_is_free_when_its_last_copy_is_dropped() {
        let (_folder, run) = run_dir();
        assert_eq!(run.state("a").expect("a state"), ProcessState::Exited);
        let held = run.take("a").expect("no error").expect("it is free");
        let copy = held.try_clone().expect("a copy, as a child process inherits one");
        assert!(run.take("a").expect("no error").is_none(), "one holder at a time");
        assert!(run.take("b").expect("no error").is_some(), "another server has another lock");
        drop(held);
        assert_eq!(run.state("a").expect("a state"), ProcessState::Alive(ProcessInfo::default()));
        drop(copy);
        assert_eq!(run.state("a").expect("a state"), ProcessState::Exited);
    }

    #[test]
    fn a_new_holder_starts_with_an_empty_file() {
        let (_folder, run) = run_dir();
        let mut held = run.take("a").expect("no error").expect("it is free");
        held.write_all(b"pid 7\nport 80\n").expect("a write");
        let written = ProcessInfo { pid: Some(7), port: Some(80) };
        assert_eq!(run.state("a").expect("a state"), ProcessState::Alive(written));
        drop(held);
        assert_eq!(run.state("a").expect("a state"), ProcessState::Exited, "the lock counts, not the content");
        let _held = run.take("a").expect("no error").expect("it is free");
        assert_eq!(run.state("a").expect("a state"), ProcessState::Alive(ProcessInfo::default()));
    }

    #[test]
    fn a_partial_line_is_ignored() {
        assert_eq!(ProcessInfo::parse("pid 12"), ProcessInfo::default());
        assert_eq!(ProcessInfo::parse("pid 12\nport 80"), ProcessInfo { pid: Some(12), port: None });
        assert_eq!(ProcessInfo::parse("pid 12\nport 8080\n"), ProcessInfo { pid: Some(12), port: Some(8080) });
        assert_eq!(ProcessInfo::parse("pid x\n"), ProcessInfo::default());
    }

    #[test]
    fn a_lock_that_cannot_be_opened_is_an_error() {
        let (folder, run) = run_dir();
        std::fs::create_dir(folder.path().join("run/a.lock")).expect("a folder at the path of the lock");
        assert!(run.take("a").is_err());
    }
}
