//! The operators' log: what the history of single instances does not tell.

use super::{Key, Origin};
use std::time::SystemTime;

/// An entry for the operators' log: an action on many instances, or one whose traces in the history are deleted with the instance.
/// Other actions of operators are history entries with the cause `operator`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// The name of the action, such as `purge`.
    pub what: String,
    /// The person or system that did it, and the trace.
    pub origin: Origin,
    /// The machine, if the action concerns one.
    pub machine: Option<String>,
    /// The id, if the action concerns one instance.
    pub id: Option<String>,
    /// Which instances were selected, as the application writes it.
    pub selector: Option<String>,
    /// The reason.
    pub why: Option<String>,
    /// The number of instances on which it was done.
    pub done: u64,
    /// The number of instances that had changed meanwhile.
    pub skipped: u64,
    /// The number of instances on which it failed.
    pub failed: u64,
}

impl Operation {
    /// The action `what`, done by `origin` on one instance.
    #[must_use]
    pub fn new(what: impl Into<String>, origin: Origin) -> Self {
        let what = what.into();
        Self { what, origin, machine: None, id: None, selector: None, why: None, done: 1, skipped: 0, failed: 0 }
    }

    /// Of the instance `key`.
    #[must_use]
    pub fn of(mut self, key: &Key) -> Self {
        self.machine = Some(key.machine.to_string());
        self.id = Some(key.id.to_string());
        self
    }
}

/// An entry of the operators' log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationEntry {
    /// The position in the log.
    pub sequence: u64,
    /// When it was written.
    pub at: SystemTime,
    /// What was done.
    pub operation: Operation,
}

impl OperationEntry {
    /// `operation` was written at `at`.
    #[must_use]
    pub fn new(sequence: u64, at: SystemTime, operation: Operation) -> Self {
        Self { sequence, at, operation }
    }
}
