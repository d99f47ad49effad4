//! Liveness of processes: leases, and the presence of processes on one host.

use std::{
    fmt, io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// A process that works on rows, as it describes itself when it takes a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The id of the process, new at every start: the `owner` of the rows that it claims.
    pub owner: String,
    /// A human-readable name of the process.
    pub holder: String,
    /// The name of its node, which stays the same when the process is restarted.
    pub node: String,
    /// The id that the operating system gave it.
    pub pid: u32,
    /// The machines that it works on.
    pub machines: Vec<MachineVersion>,
    /// The version of the application, if it is configured.
    pub build: Option<String>,
    /// The most workers of one machine that it runs at once.
    pub slots: u32,
}

impl Process {
    /// A process with one slot and no machines, on a node of the same name.
    #[must_use]
    pub fn new(owner: impl Into<String>, holder: impl Into<String>) -> Self {
        let owner = owner.into();
        let node = owner.clone();
        Self { owner, holder: holder.into(), node, pid: 0, machines: Vec::new(), build: None, slots: 1 }
    }
}

/// A machine and the schema version that a process declares for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineVersion {
    /// The name of the machine.
    pub machine: String,
    /// The schema version.
    pub version: u32,
}

impl MachineVersion {
    /// Version `version` of `machine`.
    #[must_use]
    pub fn new(machine: impl Into<String>, version: u32) -> Self {
        Self { machine: machine.into(), version }
    }
}

/// A request to extend a live lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The id of the process.
    pub owner: String,
    /// The length of the lease, from now on.
    pub ttl: Duration,
    /// Whether the process is about to end, and claims nothing more.
    pub leaving: bool,
}

/// A lease was granted or extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewed {
    /// Until when it lasts, by the store's time.
    pub until: SystemTime,
    /// The store's time when it was written. A store that counts by the caller's clock returns the time that the caller gave.
    pub now: SystemTime,
}

impl Renewed {
    /// A lease until `until`, written at `now`.
    #[must_use]
    pub fn new(until: SystemTime, now: SystemTime) -> Self {
        Self { until, now }
    }
}

/// There is no live lease to extend: it has expired, was ended, or was never taken. Other processes may have claimed rows of the
/// process since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lapsed {
    /// The store's time, as in [`Renewed::now`].
    pub now: SystemTime,
}

impl Lapsed {
    /// There was no live lease at `now`.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        Self { now }
    }
}

/// The lease of a process that works on rows, or has worked on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The id of the process.
    pub owner: String,
    /// A human-readable name of the process.
    pub holder: String,
    /// The name of its node.
    pub node: String,
    /// The id that the operating system gave it.
    pub pid: u32,
    /// The machines that it works on.
    pub machines: Vec<MachineVersion>,
    /// The version of the application, if it is configured.
    pub build: Option<String>,
    /// The most workers of one machine that it runs at once.
    pub slots: u32,
    /// When the first lease of the process was granted.
    pub since: SystemTime,
    /// When its present lease was renewed for the first time; `None` before. A process that ends soon after each start never gets there.
    pub joined: Option<SystemTime>,
    /// Whether the process is about to end, and claims nothing more.
    pub leaving: bool,
    /// The end of the lease. Until then, no other process can claim its rows.
    pub until: SystemTime,
    /// Whether it is live, by the store's clock.
    pub live: bool,
}

impl Lease {
    /// The lease of `process`, not yet renewed.
    #[must_use]
    pub fn new(process: Process, since: SystemTime, until: SystemTime, live: bool) -> Self {
        let Process { owner, holder, node, pid, machines, build, slots } = process;
        Self { owner, holder, node, pid, machines, build, slots, since, joined: None, leaving: false, until, live }
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.holder, if self.live { "alive" } else { "gone" })
    }
}

/// The capability of a store to tell that a process on the same host has ended, before its lease expires.
pub trait Presence: Send + Sync {
    /// Announces that process `owner` is alive, until the returned guard is dropped or the process ends. Called before its first
    /// lease.
    ///
    /// # Errors
    /// [`PresenceError`].
    fn announce(&self, owner: &str) -> Result<Box<dyn Send + Sync>, PresenceError>;

    /// Whether process `owner` has certainly ended, so that its rows can be taken over before its lease expires. `false` is always
    /// correct. The call has no effects: the answer stays `true` until the lease is ended.
    fn is_gone(&self, owner: &str) -> bool;
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
