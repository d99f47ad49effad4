//! Owns the lock files of the serving processes: who is alive is who holds one.
//!
//! The manager takes a server's lock, and hands it to the process that it starts as standard input. So the lock passes
//! from the one to the other without a gap, it is free again at the instant at which the last of them is gone, however
//! it went, and a second process for the same server cannot be started: there is no lock to give it.
//!
//! In the file the process names itself, a line each: its pid when it starts, its port when it listens. A line without its
//! end is not there yet.

use std::{
    fs::{File, OpenOptions, TryLockError, create_dir_all},
    io::{self, Read as _, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

/// The folder of the lock files.
#[derive(Clone, Debug)]
pub(crate) struct RunDir(PathBuf);

/// What can be seen of a server's process from outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Nobody holds the lock: no process serves.
    Gone,
    /// Somebody holds it, and says this of itself.
    Alive(Claim),
}

/// What a process says of itself in its lock file; as yet nothing, while it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) pid: Option<u32>,
    pub(crate) port: Option<u16>,
}

impl RunDir {
    /// To take locks in; makes the folder if it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        create_dir_all(path)?;
        Ok(Self::at(path))
    }

    /// To look only: a folder that is not there holds no locks.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Whether a server's process is alive, and what it says of itself.
    pub(crate) fn look(&self, id: &str) -> io::Result<Sighting> {
        let mut file = match File::open(self.lock_path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sighting::Gone),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Sighting::Gone),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(Sighting::Alive(Claim::parse(&text)))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes a server's lock, with nothing in it; `None` if somebody holds it, or is just looking.
    pub(crate) fn take(&self, id: &str) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(self.lock_path(id))?;
        match file.try_lock() {
            Ok(()) => file.set_len(0).map(|()| Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where a server's process writes what goes wrong.
    pub(crate) fn stderr_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.stderr"))
    }

    fn lock_path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.lock"))
    }
}

impl Claim {
    fn parse(text: &str) -> Self {
        let mut claim = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.split_once(' ') {
                Some(("pid", pid)) => claim.pid = pid.parse().ok(),
                Some(("port", port)) => claim.port = port.parse().ok(),
                _ => {}
            }
        }
        claim
    }
}

/// A serving process's own lock; free again when the process ends.
#[derive(Debug)]
pub(crate) struct Held(File);

impl Held {
    /// The lock that the manager gave as standard input, with this process's pid in it.
    pub(crate) fn inherited() -> io::Result<Self> {
        let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Held already if the manager gave it; anybody else has to get it first.
        file.try_lock().map_err(io::Error::from)?;
        file.write_all(format!("pid {}\n", std::process::id()).as_bytes())?;
        Ok(Self(file))
    }

    /// Says where the process listens.
    pub(crate) fn name_port(&mut self, port: u16) -> io::Result<()> {
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
        assert_eq!(run.look("a").expect("a look"), Sighting::Gone);
        let held = run.take("a").expect("no error").expect("it is free");
        let copy = held.try_clone().expect("a copy, as a child process gets one");
        assert!(run.take("a").expect("no error").is_none(), "one holder at a time");
        assert!(run.take("b").expect("no error").is_some(), "another server has another lock");
        drop(held);
        assert_eq!(run.look("a").expect("a look"), Sighting::Alive(Claim::default()));
        drop(copy);
        assert_eq!(run.look("a").expect("a look"), Sighting::Gone);
    }

    #[test]
    fn a_new_holder_starts_with_an_empty_claim() {
        let (_folder, run) = run_dir();
        let mut held = run.take("a").expect("no error").expect("it is free");
        held.write_all(b"pid 7\nport 80\n").expect("a claim");
        let said = Claim { pid: Some(7), port: Some(80) };
        assert_eq!(run.look("a").expect("a look"), Sighting::Alive(said));
        drop(held);
        assert_eq!(run.look("a").expect("a look"), Sighting::Gone, "what a dead process said does not count");
        let _held = run.take("a").expect("no error").expect("it is free");
        assert_eq!(run.look("a").expect("a look"), Sighting::Alive(Claim::default()));
    }

    #[test]
    fn a_partial_line_is_ignored() {
        assert_eq!(Claim::parse("pid 12"), Claim::default());
        assert_eq!(Claim::parse("pid 12\nport 80"), Claim { pid: Some(12), port: None });
        assert_eq!(Claim::parse("pid 12\nport 8080\n"), Claim { pid: Some(12), port: Some(8080) });
        assert_eq!(Claim::parse("pid x\n"), Claim::default());
    }

    #[test]
    fn a_lock_that_cannot_be_opened_is_an_error() {
        let (folder, run) = run_dir();
        std::fs::create_dir(folder.path().join("run/a.lock")).expect("a folder in the lock's place");
        assert!(run.take("a").is_err());
    }
}
