//! Owns the liveness of processes as a store knows it: leases, and why one could not be begun.

use std::{
    fmt, io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// A process asks to be held alive for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The process's id, new at every start; it is the `owner` of the rows that it claims.
    pub owner: String,
    /// Who that is, in words for people.
    pub holder: String,
    /// For how long, from now on.
    pub ttl: Duration,
}

/// What the store knows of a process that works on its rows, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The process's id.
    pub owner: String,
    /// Who that is, in words for people.
    pub holder: String,
    /// When the process began.
    pub since: SystemTime,
    /// Until when nobody else may claim what it holds; when it lapsed, if it has.
    pub until: SystemTime,
    /// Whether it lasts, by the store's clock.
    pub live: bool,
}

impl Lease {
    /// What the store knows of process `owner`.
    #[must_use]
    pub fn new(owner: String, holder: String, since: SystemTime, until: SystemTime, live: bool) -> Self {
        Self { owner, holder, since, until, live }
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.holder, if self.live { "alive" } else { "gone" })
    }
}

/// Why a process could not show that it is alive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The file by which other processes see it could not be made or locked.
    #[error("the file {}, by which other processes see this one, cannot be made: {cause}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// The cause.
        cause: io::Error,
    },
}
