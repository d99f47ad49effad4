//! Why a runtime does not start.

use crate::error_kind::ErrorKind;
use crate::membership::MembersError;
use crate::store::{InUse, Key, PresenceError, StoreError};
use fsm_core::WaitCycle;
use std::fmt;

/// Why a runtime did not start. Nothing runs, and no row was changed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The presence file of the process could not be created.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// Rows are in states that are not declared.
    #[error(
        "rows of `{machine}` are in states that are not declared: {}; if a state was renamed, \
         add `#[state(was = \"…\")]` to its variant; if it was removed, move these instances to another state first; if a newer \
         release wrote them, `Builder::tolerate_unknown` ignores them",
        states.iter().map(|(state, example)| format!("`{state}` (for example {example})")).collect::<Vec<_>>().join(", ")
    )]
    UnknownStates {
        /// The machine.
        machine: &'static str,
        /// Each state, with an instance that is in it.
        states: Vec<(String, Key)>,
    },
    /// Rows were written by newer code.
    #[error(
        "rows of `{machine}` were written under newer schema versions than {known}, which this code declares: {}; run the newer \
         release, or ignore such rows with `Builder::tolerate_unknown`",
        each(rows)
    )]
    Newer {
        /// The machine.
        machine: &'static str,
        /// The version in the declaration.
        known: u32,
        /// Each state and schema version of such rows, with an example.
        rows: Vec<InUse>,
    },
    /// Rows have an older schema version, and a migration from it is not declared.
    #[error(
        "rows of `{machine}` were written under older schema versions than {known}, which this code declares: {}; there is no \
         migration from version {}; declare it with `Builder::migrate` (return `Ok` if nothing changes)",
        each(rows),
        missing.iter().map(u32::to_string).collect::<Vec<_>>().join(", nor from ")
    )]
    NoMigration {
        /// The machine.
        machine: &'static str,
        /// The version in the declaration.
        known: u32,
        /// The versions without a migration.
        missing: Vec<u32>,
        /// Each state and schema version of rows that need one of these, with an example.
        rows: Vec<InUse>,
    },
    /// Rows were written by older code in states that are not declared any more, and the migrations do not bring them to a declared
    /// state.
    #[error(
        "rows of `{machine}` cannot be migrated to schema version {known}: {}; correct the steps that are given to \
         `Builder::migrate`",
        rows.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join("; ")
    )]
    Unmigrated {
        /// The machine.
        machine: &'static str,
        /// The version in the declaration.
        known: u32,
        /// The first rows that cannot be migrated, each with the reason: ten at most.
        rows: Vec<(Key, String)>,
    },
    /// States have become `work` or have got a timer since the last start of a controller. Without an index of states, the rows in
    /// these states cannot be found, so their work and timers cannot be scheduled.
    #[error(
        "`{machine}`: {} became `work` or got an `after`, and without an index of states the rows in them cannot \
         be found; open the store once with `state_index(true)` in its options and start",
        states.iter().map(|state| format!("`{state}`")).collect::<Vec<_>>().join(", ")
    )]
    CannotArm {
        /// The machine.
        machine: &'static str,
        /// The states.
        states: Vec<&'static str>,
    },
    /// Two machines have the same name.
    #[error("a machine called `{machine}` is registered twice; rows are identified by that name")]
    MachineTwice {
        /// Its name.
        machine: &'static str,
    },
    /// A setting is out of range.
    #[error("`{setting}`: {why}")]
    Setting {
        /// The builder's method.
        setting: &'static str,
        /// What is wrong with the value.
        why: &'static str,
    },
    /// The nodes that share the work are not known.
    #[error(transparent)]
    Members(#[from] MembersError),
    /// The policy of a state is not valid.
    #[error("the policy of `{machine}` in state `{state}`: {why}")]
    Policy {
        /// The machine.
        machine: &'static str,
        /// The state.
        state: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// States can wait for each other forever.
    #[error(
        "states can wait for each other forever: {}; add a timer, `#[after(…)]`, to one of the states, or allow it with \
         `Builder::allow_wait_cycles` if no instance ever waits for itself, as in a tree",
        cycles.iter().map(WaitCycle::to_string).collect::<Vec<_>>().join("; ")
    )]
    WaitCycles {
        /// The cycles.
        cycles: Vec<WaitCycle>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The text of `Display`: what a `main` that returns the error prints.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StartError {
    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::MachineTwice { .. }
            | Self::Setting { .. }
            | Self::Members(_)
            | Self::Policy { .. }
            | Self::WaitCycles { .. } => ErrorKind::Invalid,
            Self::Store(error) => error.kind(),
            _ => ErrorKind::Internal,
        }
    }

    /// Whether the start may succeed when it is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_retryable())
    }
}

fn each(rows: &[InUse]) -> String {
    let each = rows
        .iter()
        .map(|InUse { state, schema, example }| format!("`{state}` under version {schema} (for example {example})"));
    each.collect::<Vec<_>>().join(", ")
}
