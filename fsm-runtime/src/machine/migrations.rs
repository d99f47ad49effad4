//! Owns the way of older rows into the present schema: declared steps, one version at a time.

use crate::store::Key;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    sync::Arc,
};

/// A row's state, data and context, on their way from one schema version to the next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OldState {
    /// The state's stored name.
    pub state: String,
    /// The state's data.
    pub data: Value,
    /// What every state shares; `null` where there was none.
    pub context: Value,
}

type BoxError = Box<dyn Error + Send + Sync>;
type Step = Arc<dyn Fn(OldState) -> Result<OldState, BoxError> + Send + Sync>;

/// The declared steps: for each machine, from which version.
#[derive(Clone, Default)]
pub(crate) struct Migrations(HashMap<&'static str, BTreeMap<u32, Step>>);

/// Why a row was not brought to the present schema. It is left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A step is not declared.
    #[error(
        "{key} was written under schema version {found}, and there is no migration from version {missing}; \
         declare it with `Builder::migrate` (`Ok` where nothing changes)"
    )]
    NoStep {
        /// Which instance.
        key: Key,
        /// The version in the row.
        found: u32,
        /// The version from which no step leads on.
        missing: u32,
    },
    /// A step failed.
    #[error("{key}: the migration from schema version {from} failed: {cause}")]
    Step {
        /// Which instance.
        key: Key,
        /// The version from which the step leads.
        from: u32,
        /// What it says.
        cause: BoxError,
    },
}

impl Migrations {
    /// Whether there was none yet from that version.
    pub(crate) fn declare(
        &mut self,
        machine: &'static str,
        from: u32,
        step: impl Fn(OldState) -> Result<OldState, BoxError> + Send + Sync + 'static,
    ) -> bool {
        self.0.entry(machine).or_default().insert(from, Arc::new(step)).is_none()
    }

    /// The versions in `from..to` from which no step leads on.
    pub(crate) fn missing(&self, machine: &str, from: u32, to: u32) -> impl Iterator<Item = u32> {
        (from..to).filter(move |version| self.step(machine, *version).is_none())
    }

    /// What is stored as version `to` has it.
    pub(crate) fn apply(
        &self,
        key: &Key,
        from: u32,
        to: u32,
        state: &str,
        data: &str,
        context: &str,
    ) -> Result<OldState, MigrateError> {
        let failed = |from, cause| MigrateError::Step { key: key.clone(), from, cause };
        let read = |text| serde_json::from_str(text).map_err(|error| failed(from, error.into()));
        let mut old = OldState { state: state.to_owned(), data: read(data)?, context: read(context)? };
        for version in from..to {
            let step = self.step(&key.machine, version);
            let step = step.ok_or_else(|| MigrateError::NoStep { key: key.clone(), found: from, missing: version })?;
            old = step(old).map_err(|cause| failed(version, cause))?;
        }
        Ok(old)
    }

    fn step(&self, machine: &str, from: u32) -> Option<&Step> {
        self.0.get(machine)?.get(&from)
    }
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.iter().map(|(machine, steps)| (machine, steps.keys().collect::<Vec<_>>())))
            .finish()
    }
}

/// What a bulk migration did, or has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "rows may have been left as they are"]
#[non_exhaustive]
pub struct Migrated {
    /// Rows looked at.
    pub seen: u64,
    /// Rows written anew under the present schema version.
    pub rewritten: u64,
    /// Rows that somebody else changed meanwhile, and thereby wrote under the present version.
    pub changed_meanwhile: u64,
    /// Rows that cannot be brought up to date, and were left as they are.
    pub left: u64,
}
