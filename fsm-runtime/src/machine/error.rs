//! Errors of rows that do not fit the declared machine.

use super::migrations::MigrateError;
use crate::{codec::CodecError, store::Key};

/// A row that does not fit the machine as it is declared. It is left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// It was written by newer code.
    #[error(
        "{key} was written under schema version {found}, and this code declares version {known}; \
         run the newer release, which knows how to read it"
    )]
    Newer {
        /// Which instance.
        key: Key,
        /// The version in the row.
        found: u32,
        /// The version in the declaration.
        known: u32,
    },
    /// Its state is none that is declared.
    #[error(
        "{key} stands in state `{state}`, which is not declared (declared: {}); \
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
    /// It was written by older code, and could not be brought to the present schema.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Its data is not that of its state.
    #[error("{}", undecodable(key, state, *migrated_from, cause))]
    Undecodable {
        /// Which instance.
        key: Key,
        /// Its state.
        state: String,
        /// The schema version from which the declared migrations have brought it, where they have.
        migrated_from: Option<u32>,
        /// What serde says.
        cause: CodecError,
    },
    /// What it shares between its states is not of the declared type.
    #[error(
        "the stored context of {key} is no `{declared}` ({cause}); a field that was added needs `#[serde(default)]`, or the machine a \
         new `version` and a migration, which finds `null` where there was none"
    )]
    Context {
        /// Which instance.
        key: Key,
        /// The type in the declaration.
        declared: &'static str,
        /// What serde says.
        cause: CodecError,
    },
    /// Its desired state is stored in a form that this code does not know, such as that of a newer release.
    #[error(
        "the stored desired state of {key} cannot be read ({cause}); \
         replace it with `Machines::converge`, or remove it with `Machines::clear_desired_state`"
    )]
    DesiredState {
        /// Which instance.
        key: Key,
        /// What serde says.
        cause: CodecError,
    },
}

fn undecodable(key: &Key, state: &str, migrated_from: Option<u32>, cause: &CodecError) -> String {
    match migrated_from {
        None => format!(
            "the stored data of {key} is not that of state `{state}` ({cause}); a field that was added needs `#[serde(default)]`, or \
             the machine a new `version`"
        ),
        Some(from) => format!(
            "what the migrations from schema version {from} on made of the data of {key} is not that of state `{state}` ({cause}); mend \
             the step, which is given to `Builder::migrate`"
        ),
    }
}
