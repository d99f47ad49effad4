//! Tests that the code can read stored rows, by comparison with a committed file of samples.
//!
//! Stored rows outlive the code that wrote them. A renamed variant or a new field without a default compiles and passes every
//! test that starts with an empty store, but fails in production. [`snapshot!`](crate::snapshot!) detects such changes. Its
//! committed file contains the graph and sample rows of each state.

mod compare;
mod file;

use std::{
    error::Error,
    fmt, fs,
    io::{self, ErrorKind},
    path::Path,
};

use crate::{
    machine::{Migrations, OldState},
    records::Durable,
};
use compare::Outcome;
use file::File;

/// Asserts that the code can read the rows of a committed snapshot, and that the snapshot is up to date.
///
/// The samples are values of the machine, at least one for each state. If the data of a state can have several shapes (an
/// `Option`, an enum), give a sample of each. If the machine has a context, a sample is the pair `(value, context)`. The path is
/// relative to the folder of the crate's `Cargo.toml`.
///
/// ```
/// use fsm_runtime::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(StateMachine)]
/// #[fsm(initial = Requested, durable, derive(Serialize, Deserialize))]
/// enum Report {
///     #[on(finish { text: String } => Written)]
///     Requested { title: String },
///     #[state(end)]
///     Written { title: String, text: String },
/// }
///
/// // a `#[test]`
/// fn stored_reports_stay_readable() {
///     fsm_runtime::snapshot!(
///         Report in "Report.fsm.json",
///         Report::Requested { title: "rows".into() },
///         Report::Written { title: "rows".into(), text: "All about rows.".into() },
///     );
/// }
/// # fn main() {}
/// ```
///
/// `FSM_UPDATE=1 cargo test` creates the file, and updates it after a compatible change of the declaration. After an incompatible
/// change, the test fails with a message that contains what to declare, and the file is not updated:
///
/// | change, with the same `version` | what to declare |
/// | --- | --- |
/// | a state was removed | `#[state(was = "Old")]` on its successor |
/// | a sample cannot be deserialized | `#[serde(default)]` or `#[serde(alias = "old")]` on the field |
/// | a change that these do not cover | a higher `version` in `#[fsm(…)]`, and a migration |
/// | the enum was renamed | its old name, under which rows are stored |
///
/// The file keeps committed samples whose shape differs from the current samples, because rows of that shape can still be stored.
/// If the machine was never deployed, there are no such rows: delete the file.
///
/// Samples of an earlier version go through the migrations, as stored rows do. Pass the steps of `Builder::migrate`, each with the
/// version that it migrates from. The test fails if a version has no step, or if the code cannot read the migrated data.
///
/// ```
/// # use fsm_runtime::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(StateMachine)]
/// # #[fsm(initial = Open, version = 2, durable, derive(Serialize, Deserialize))]
/// # enum Order { #[on(pay => Paid)] Open { cents: u64 }, #[state(end)] Paid }
/// use fsm_runtime::OldState;
///
/// fn in_cents(old: OldState) -> Result<OldState, Box<dyn std::error::Error + Send + Sync>> {
///     // …
///     Ok(old)
/// }
///
/// // a `#[test]`
/// fn stored_orders_stay_readable() {
///     fsm_runtime::snapshot!(
///         Order in "Order.fsm.json",
///         migrations { 1 => in_cents },
///         Order::Open { cents: 200 },
///         Order::Paid,
///     );
/// }
/// # fn main() {}
/// ```
///
/// # Panics
/// If the code cannot read the rows, if the snapshot is missing or out of date, or if the file cannot be read or written.
#[macro_export]
macro_rules! snapshot {
    ($machine:ident in $path:literal, migrations { $($from:literal => $step:expr),* $(,)? }, $($sample:expr),+ $(,)?) => {
        if let ::core::result::Result::Err(failure) = $crate::snapshot::check::<$machine>(
            ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $path).as_ref(),
            &$crate::snapshot::SampleMigrations::new()$(.migrate::<$machine>($from, $step))*,
            ::std::vec![$($sample),+],
            ::std::env::var_os("FSM_UPDATE").is_some_and(|update| update == "1"),
        ) {
            ::core::panic!("{failure}");
        }
    };
    ($machine:ident in $path:literal, $($sample:expr),+ $(,)?) => {
        $crate::snapshot!($machine in $path, migrations {}, $($sample),+)
    };
}

/// Why a snapshot test failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Some states have no sample.
    #[error("no sample of `{machine}` for {}: add at least one sample for each state", Listed(states))]
    NoSample {
        /// The machine.
        machine: &'static str,
        /// Its states without a sample.
        states: Vec<&'static str>,
    },
    /// A sample, or the graph, cannot be serialized as JSON.
    #[error("cannot serialize {what}: {error}")]
    Encode {
        /// The sample or the graph.
        what: String,
        /// The cause.
        #[source]
        error: crate::codec::CodecError,
    },
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        error: io::Error,
    },
    /// The file is not a snapshot.
    #[error("{path} is not a snapshot: {error}; delete it and run the test again with FSM_UPDATE=1")]
    NotASnapshot {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        error: serde_json::Error,
    },
    /// The code cannot read rows like those of the snapshot.
    #[error("{path}: the code cannot read stored rows:\n{}", Bulleted(problems))]
    Broken {
        /// The file.
        path: String,
        /// The incompatible changes, and what to declare.
        problems: Vec<String>,
    },
    /// The file does not exist.
    #[error("{path} does not exist: run the test with FSM_UPDATE=1 to create it")]
    Missing {
        /// The file.
        path: String,
    },
    /// The declaration has changed, and the code can read stored rows.
    #[error(
        "{path} is out of date, but the code can read stored rows: run the test with FSM_UPDATE=1 to update it (`-` is the file, \
         `+` is the declaration)\n\n{diff}"
    )]
    Drifted {
        /// The file.
        path: String,
        /// The lines that differ.
        diff: String,
    },
}

/// The migrations for samples of earlier versions.
#[derive(Clone, Debug, Default)]
pub struct SampleMigrations(Migrations);

impl SampleMigrations {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the step that migrates from version `from`, as `Builder::migrate` does. Replaces an earlier step from this version.
    #[must_use]
    pub fn migrate<M: Durable>(
        mut self,
        from: u32,
        step: impl Fn(OldState) -> Result<OldState, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.0.declare(M::GRAPH.machine, from, step);
        self
    }
}

/// Compares the snapshot at `path` with the declaration of `M` and `samples`. With `update`, writes the file if the code can read
/// stored rows. [`snapshot!`](crate::snapshot!) is the short form.
///
/// # Errors
/// See [`SnapshotError`].
pub fn check<M: Durable>(
    path: &Path,
    migrations: &SampleMigrations,
    samples: Vec<M::Value>,
    update: bool,
) -> Result<(), SnapshotError> {
    let shown = || path.display().to_string();
    let io = |error| SnapshotError::Io { path: shown(), error };
    let declared = File::declared::<M>(samples)?;
    let stored = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && update => {
            return fs::write(path, declared.text()).map_err(io);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(SnapshotError::Missing { path: shown() }),
        Err(error) => return Err(io(error)),
    };
    let stored = File::read(&stored).map_err(|error| SnapshotError::NotASnapshot { path: shown(), error })?;
    match compare::compare::<M>(&stored, declared, &migrations.0) {
        Outcome::Holds => Ok(()),
        Outcome::Broken(problems) => Err(SnapshotError::Broken { path: shown(), problems }),
        Outcome::Drifted(next) if update => fs::write(path, next.text()).map_err(io),
        Outcome::Drifted(next) => {
            Err(SnapshotError::Drifted { path: shown(), diff: fsm_core::__private::diff(&stored.text(), &next.text()) })
        }
    }
}

struct Listed<'a>(&'a [&'static str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, name)| {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}`{name}`")
        })
    }
}

struct Bulleted<'a>(&'a [String]);

impl fmt::Display for Bulleted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}
