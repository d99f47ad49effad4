//! A committed snapshot of what rows look like, and the assertion that the code still reads them.
//!
//! Stored rows outlive the code that wrote them. A renamed variant or a new field without a default compiles, passes every
//! test that starts with an empty store, and fails where it is deployed. [`snapshot!`](crate::snapshot!) finds that in a test: the
//! file that it holds has the graph and a sample row for each state, as they were when somebody last looked.

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

/// Asserts that the rows of a committed snapshot are still read by the code, and that the snapshot is up to date.
///
/// The samples are values of the machine, at least one for each state; where the data of a state can have several shapes (an
/// `Option`, an enum), give one of each. Where every state shares a context, a sample is the pair, `(value, context)`. The path is relative to the crate's own folder (where its `Cargo.toml` is).
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
/// `FSM_UPDATE=1 cargo test` writes the file, the first time and whenever the declaration has changed in a way that rows
/// survive. A change that they do not survive is never written over the file; it fails and says what to declare:
///
/// | what changed, under the same `version` | what to declare |
/// | --- | --- |
/// | a state is gone | `#[state(was = "Old")]` on its successor |
/// | a sample no longer deserialises | `#[serde(default)]` or `#[serde(alias = "old")]` on the field |
/// | neither will do | a higher `version` in `#[fsm(…)]`, and a migration |
/// | the enum was renamed | its old name: rows are stored under it |
///
/// Samples that were once committed stay in the file, if today's have another shape: rows like them can still be stored
/// somewhere. Without any such rows (the machine was never deployed), delete the file.
///
/// Those of an earlier version go through the migrations, as rows do: give the steps that `Builder::migrate` has, each under
/// the version that it leads on from. What comes out must be read by the code, and a version without a step is told.
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
/// When the rows do not survive, when the snapshot has drifted or is missing, or when the file cannot be read or written.
#[macro_export]
macro_rules! snapshot {
    ($machine:ident in $path:literal, migrations { $($from:literal => $step:expr),* $(,)? }, $($sample:expr),+ $(,)?) => {
        if let ::core::result::Result::Err(failure) = $crate::snapshot::hold::<$machine>(
            ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $path).as_ref(),
            &$crate::snapshot::Steps::new()$(.step::<$machine>($from, $step))*,
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

/// Why a snapshot does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Some states have no sample.
    #[error("{machine}: no sample for {}; give at least one for each state", Listed(states))]
    NoSample {
        /// The machine.
        machine: &'static str,
        /// Its states without a sample.
        states: Vec<&'static str>,
    },
    /// A sample, or the graph, cannot be written as JSON.
    #[error("{what} cannot be written: {error}")]
    Encode {
        /// Which.
        what: String,
        /// Why.
        #[source]
        error: crate::codec::CodecError,
    },
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file is no snapshot.
    #[error("{path} is no snapshot: {error}; delete it and run the test again with FSM_UPDATE=1")]
    NotASnapshot {
        /// Which file.
        path: String,
        /// Why.
        #[source]
        error: serde_json::Error,
    },
    /// Rows like those of the snapshot cannot be read any more.
    #[error("stored rows do not survive the change, by {path}:\n{}", Bulleted(problems))]
    Broken {
        /// Which file.
        path: String,
        /// What breaks, and what to declare.
        problems: Vec<String>,
    },
    /// There is no snapshot yet.
    #[error("{path} does not exist; FSM_UPDATE=1 writes it")]
    Missing {
        /// Which file.
        path: String,
    },
    /// The declaration has changed, and rows survive it.
    #[error(
        "{path} has drifted, and stored rows survive it: `-` is in the file, `+` is declared; FSM_UPDATE=1 rewrites it\n\n{diff}"
    )]
    Drifted {
        /// Which file.
        path: String,
        /// The lines that differ.
        diff: String,
    },
}

/// The migrations that samples of earlier versions go through.
#[derive(Clone, Debug, Default)]
pub struct Steps(Migrations);

impl Steps {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The step that leads on from version `from`, as it is given to `Builder::migrate`. A second one from the same version
    /// takes its place.
    #[must_use]
    pub fn step<M: Durable>(
        mut self,
        from: u32,
        step: impl Fn(OldState) -> Result<OldState, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        self.0.declare(M::GRAPH.machine, from, step);
        self
    }
}

/// Holds the snapshot at `path` against the declaration of `M` and `samples`; writes it where `update` says so and rows
/// survive. [`snapshot!`](crate::snapshot!) is the short way.
///
/// # Errors
/// See [`SnapshotError`].
pub fn hold<M: Durable>(path: &Path, steps: &Steps, samples: Vec<M::Value>, update: bool) -> Result<(), SnapshotError> {
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
    match compare::compare::<M>(&stored, declared, &steps.0) {
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
