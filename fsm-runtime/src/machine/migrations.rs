//! Migrations of older rows to the present schema: declared steps, one version at a time.

use crate::{error_kind::ErrorKind, panics, store::Key};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// A row's state, data and context, which a migration step takes from one schema version to the next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OldState {
    /// The state's stored name.
    pub state: String,
    /// The state's data.
    pub data: Value,
    /// The machine's context; `null` if there was none.
    pub context: Value,
}

impl OldState {
    /// Applies a step to the state in a history, so that it is migrated as a row in that state is.
    ///
    /// `at` is the place of the history in the data, as a JSON pointer: `/was` for the field `was`, and an empty text for the only
    /// field of a tuple variant. The step gets the context, too; what it makes of it is dropped, because the row has one context.
    ///
    /// ```
    /// use fsm_runtime::OldState;
    ///
    /// type Error = Box<dyn std::error::Error + Send + Sync>;
    ///
    /// fn from_1(mut old: OldState) -> Result<OldState, Error> {
    ///     match old.state.as_str() {
    ///         "Placed" => old.data["currency"] = "EUR".into(),
    ///         "Held" => old.in_history("/was", from_1)?,
    ///         _ => {}
    ///     }
    ///     Ok(old)
    /// }
    /// ```
    ///
    /// # Errors
    /// If there is no history at that place, or the step fails.
    pub fn in_history(
        &mut self,
        at: &str,
        step: impl FnOnce(Self) -> Result<Self, Box<dyn Error + Send + Sync>>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let missing = || format!("there is no history at `{at}` in the data of `{}`", self.state);
        let held = self.data.pointer(at).and_then(Value::as_object).ok_or_else(missing)?;
        let (Some((state, data)), 1) = (held.iter().next(), held.len()) else { return Err(missing().into()) };
        let old = Self { state: state.clone(), data: data.clone(), context: self.context.clone() };
        let Self { state, data, .. } = step(old)?;
        if let Some(held) = self.data.pointer_mut(at) {
            *held = Value::Object(serde_json::Map::from_iter([(state, data)]));
        }
        Ok(())
    }
}

type BoxError = Box<dyn Error + Send + Sync>;
type Step = Arc<dyn Fn(OldState) -> Result<OldState, BoxError> + Send + Sync>;

/// The declared steps: for each machine, from which version.
#[derive(Clone, Default)]
pub(crate) struct Migrations(HashMap<&'static str, BTreeMap<u32, Step>>);

/// Why a row could not be migrated to the present schema. The row is left unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A step is not declared.
    #[error(
        "{key} was written under schema version {found}, and there is no migration from version {missing}; \
         declare it with `Builder::migrate` (return `Ok` if nothing changes)"
    )]
    NoStep {
        /// Which instance.
        key: Key,
        /// The version in the row.
        found: u32,
        /// The version without a step.
        missing: u32,
    },
    /// A step failed.
    #[error("{key}: the migration from schema version {from} failed: {cause}")]
    Step {
        /// Which instance.
        key: Key,
        /// The version that the step starts from.
        from: u32,
        /// The error that the step returned.
        cause: BoxError,
    },
}

impl MigrateError {
    /// The instance: its machine and its id.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::NoStep { key, .. } | Self::Step { key, .. } => key,
        }
    }

    /// What the error means for the caller: [`ErrorKind::Internal`].
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

impl Migrations {
    /// Adds a step; `false` if there is one from that version already.
    pub(crate) fn declare(
        &mut self,
        machine: &'static str,
        from: u32,
        step: impl Fn(OldState) -> Result<OldState, BoxError> + Send + Sync + 'static,
    ) -> bool {
        self.0.entry(machine).or_default().insert(from, Arc::new(step)).is_none()
    }

    /// Whether the machine has steps.
    pub(crate) fn are_declared(&self, machine: &str) -> bool {
        self.0.contains_key(machine)
    }

    /// The versions in `from..to` without a step.
    pub(crate) fn missing(&self, machine: &str, from: u32, to: u32) -> impl Iterator<Item = u32> {
        (from..to).filter(move |version| self.step(machine, *version).is_none())
    }

    /// The row as schema version `to` stores it.
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
            // A step that panics must not end the task that looks at the row.
            let stepped = catch_unwind(AssertUnwindSafe(|| step(old)));
            let stepped = stepped.unwrap_or_else(|panic| Err(format!("it panicked: {}", panics::text(&*panic)).into()));
            old = stepped.map_err(|cause| failed(version, cause))?;
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

/// The result of a bulk migration, or its progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "rows may have been left as they are"]
#[non_exhaustive]
pub struct Migrated {
    /// Rows that were read.
    pub seen: u64,
    /// Rows that were rewritten under the present schema version.
    pub rewritten: u64,
    /// Rows that another caller changed meanwhile, which stored them under the present version.
    pub changed_meanwhile: u64,
    /// Rows that could not be migrated, and were left unchanged.
    pub left: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn renamed(mut old: OldState) -> Result<OldState, BoxError> {
        if old.context != json!(7) {
            return Err("no context".into());
        }
        (old.state, old.context) = ("Now".to_owned(), json!(8));
        Ok(old)
    }

    fn held(data: Value) -> OldState {
        OldState { state: "Held".to_owned(), data, context: json!(7) }
    }

    #[test]
    fn a_step_reaches_the_state_in_a_history() {
        let mut old = held(json!({ "by": "ada", "was": { "Then": { "x": 1 } } }));
        old.in_history("/was", renamed).unwrap();
        assert_eq!(old, held(json!({ "by": "ada", "was": { "Now": { "x": 1 } } })), "the context is that of the row");
        let mut old = held(json!({ "Then": null }));
        old.in_history("", renamed).unwrap();
        assert_eq!(old.data, json!({ "Now": null }), "of a tuple variant");
    }

    #[test]
    fn a_history_that_is_not_there_is_an_error() {
        for data in [json!({ "by": "ada" }), json!({ "was": {} }), json!({ "was": "Then" })] {
            let mut old = held(data.clone());
            let error = old.in_history("/was", renamed).unwrap_err().to_string();
            assert_eq!(error, "there is no history at `/was` in the data of `Held`");
            assert_eq!(old.data, data);
        }
        let mut old = held(json!({ "was": { "Then": null } }));
        old.context = Value::Null;
        assert_eq!(old.in_history("/was", renamed).unwrap_err().to_string(), "no context");
    }
}
