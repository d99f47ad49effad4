//! Liveness of processes: leases, and errors of announcing a process.

use std::{
    fmt, io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// A request to grant or extend the lease of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The id of the process, new at every start: the `owner` of the rows that it claims.
    pub owner: String,
    /// A human-readable name of the process.
    pub holder: String,
    /// The length of the lease, from now on.
    pub ttl: Duration,
}

/// The lease of a process that works on rows, or has worked on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The id of the process.
    pub owner: String,
    /// A human-readable name of the process.
    pub holder: String,
    /// When the first lease of the process was granted.
    pub since: SystemTime,
    /// The end of the lease. Until then, no other process can claim its rows.
    pub until: SystemTime,
    /// Whether it is live, by the store's clock.
    pub live: bool,
}

impl Lease {
    /// The lease of process `owner`.
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

/// A process could not announce that it is alive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The presence file could not be created or locked.
    #[error("cannot create the presence file {}, which shows other processes that this one is alive: {cause}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// The cause.
        cause: io::Error,
    },
}
