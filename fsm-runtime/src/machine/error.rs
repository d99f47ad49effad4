//! Errors of rows that do not fit the declared machine.

use super::migrations::MigrateError;
use crate::{codec::CodecError, error_kind::ErrorKind, store::Key};

/// A row that does not fit the declared machine. The row is left unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// It was written by newer code.
    #[error(
        "{key} was written under schema version {found}, and this code declares version {known}; \
         run the newer release, which can read it"
    )]
    Newer {
        /// Which instance.
        key: Key,
        /// The version in the row.
        found: u32,
        /// The version in the declaration.
        known: u32,
    },
    /// Its state is not declared.
    #[error(
        "{key} is in state `{state}`, which is not declared (declared: {}); \
         if the state was renamed, add `#[state(was = \"{state}\")]` to its variant", known.join(", ")
    )]
    UnknownState {
        /// Which instance.
        key: Key,
        /// The state in the row.
        state: String,
        /// The states in the declaration.
        known: Vec<&'static str>,
    },
    /// It was written by older code and could not be migrated.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Its data cannot be decoded as the data of its state.
    #[error("{}", undecodable(key, state, *migrated_from, cause))]
    Undecodable {
        /// Which instance.
        key: Key,
        /// Its state.
        state: String,
        /// The schema version that it was migrated from, if it was.
        migrated_from: Option<u32>,
        /// The error of serde.
        cause: CodecError,
    },
    /// Its context cannot be decoded as the declared type.
    #[error(
        "the stored context of {key} cannot be read as `{declared}` ({cause}); add `#[serde(default)]` to a new field, or raise \
         the machine's `version` and add a migration (without a stored context, it gets `null`)"
    )]
    Context {
        /// Which instance.
        key: Key,
        /// The type in the declaration.
        declared: &'static str,
        /// The error of serde.
        cause: CodecError,
    },
    /// The store does not take the row as it is after its migration.
    #[error(
        "{key}, migrated from schema version {migrated_from}, cannot be stored: {reason}; correct the step that is given to `Builder::migrate`"
    )]
    Unstorable {
        /// Which instance.
        key: Key,
        /// The schema version that it was migrated from.
        migrated_from: u32,
        /// The reason, as the store gives it.
        reason: String,
    },
    /// It is an instance of another machine.
    #[error("{key} is not an instance of `{expected}`; decode it with `runtime.machines::<{}>()`", key.machine)]
    OtherMachine {
        /// Which instance.
        key: Key,
        /// The machine that was expected.
        expected: &'static str,
    },
    /// Its desired state is stored in a form that this code does not know, such as that of a newer release.
    #[error(
        "the stored desired state of {key} cannot be read ({cause}); \
         replace it with `Machines::converge`, or remove it with `Machines::clear_desired_state`"
    )]
    DesiredState {
        /// Which instance.
        key: Key,
        /// The error of serde.
        cause: CodecError,
    },
}

impl RowError {
    /// The instance: its machine and its id.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Migrate(error) => error.key(),
            Self::Newer { key, .. }
            | Self::UnknownState { key, .. }
            | Self::Undecodable { key, .. }
            | Self::Context { key, .. }
            | Self::Unstorable { key, .. }
            | Self::OtherMachine { key, .. }
            | Self::DesiredState { key, .. } => key,
        }
    }

    /// What the error means for the caller: [`ErrorKind::Internal`], since only another release of the program can read the row.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    /// Whether the request may succeed when it is made again: `false`.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind().can_pass()
    }
}

fn undecodable(key: &Key, state: &str, migrated_from: Option<u32>, cause: &CodecError) -> String {
    match migrated_from {
        None => format!(
            "the stored data of {key} cannot be read as state `{state}` ({cause}); add `#[serde(default)]` to a new field, or raise \
             the machine's `version` and add a migration"
        ),
        Some(from) => format!(
            "the data of {key}, migrated from schema version {from}, cannot be read as state `{state}` ({cause}); correct the step \
             that is given to `Builder::migrate`"
        ),
    }
}
