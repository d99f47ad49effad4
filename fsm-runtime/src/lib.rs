//! Durable, supervised state machines: each instance is a versioned compare-and-swap row with its history, and each
//! instance in a `work` state has exactly one worker.
//!
//! The machine is an enum with `#[derive(StateMachine)]` and `#[fsm(durable)]`; see [`core`] for the
//! declaration. This crate keeps its instances in a [store](store::sqlite::Sqlite), hands them out as typed records
//! whose methods are the legal transitions, and runs their workers:
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use fsm_runtime::prelude::*;
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! /// A report, from the request to its text.
//! #[derive(StateMachine)]
//! #[fsm(initial = Requested, durable, derive(Serialize, Deserialize))]
//! enum Report {
//!     /// It was requested.
//!     #[on(begin => Writing)]
//!     Requested { title: String },
//!     /// A worker writes it.
//!     #[state(work)]
//!     #[on(finish { text: String } => Written)]
//!     Writing { title: String },
//!     /// It can be read.
//!     #[state(end)]
//!     Written { title: String, text: String },
//! }
//!
//! struct Writer;
//!
//! impl report::Workers for Writer {
//!     async fn writing(&self, task: report::Task<report::Writing>) -> Outcome<report::Writing> {
//!         let text = format!("All about {}.", task.title);
//!         task.finish(text)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let dir = tempfile::tempdir()?; let path = dir.path().join("jobs.db");
//! let runtime = Runtime::builder(Sqlite::open(path).await?).machine::<Report, _>(Writer).start().await?;
//! let reports = runtime.machines::<Report>();
//!
//! let requested = reports.create("r-1", report::Requested { title: "rows".into() }).await?;
//! requested.begin().await?; // one compare-and-swap; its worker starts
//!
//! reports.wait_for("r-1", report::State::Written, Duration::from_secs(10)).await?;
//! let report::AnyRecord::Written(written) = reports.get("r-1").await? else { panic!("it was written") };
//! assert_eq!(written.text, "All about rows.");
//! runtime.shutdown(Duration::from_secs(5)).await;
//! # Ok(()) }
//! ```
//!
//! # Guarantees
//!
//! - **No lost updates.** A transition is made from the version that was read, or returns [`TransitionError::Conflict`] with the
//!   record as it is now.
//! - **Durable.** A transition whose future has completed is on the disk, with its history entry in the same transaction.
//! - **Work at least once, its result exactly once.** A worker that fails, panics, or ends with its process is run again. A late
//!   result is refused by version and fence. Use [`key`](RawTask::key) as the idempotency key of calls to other systems.
//! - **One worker for each instance.** If an instance leaves its state while a worker runs, the worker is cancelled and waited for
//!   before the next one starts.
//!
//! # Errors
//!
//! Each error has a [kind](ErrorKind) and `is_retryable()`, so that a service maps errors to a status in one place.
//!
//! # Several processes
//!
//! Any number of processes share a store, each with its own runtime. A runtime with registered machines does its part of the work: it
//! has a lease, claims instances under it, and takes over the claims of a process that has ended. A runtime without registered
//! machines is a client. All see each other's changes within milliseconds.
#![deny(missing_docs)]

mod backoff;
pub mod clock;
pub mod codec;
mod controller;
mod convergence;
mod engine;
mod error_kind;
mod log;
mod machine;
mod metrics;
mod panics;
mod records;
mod runtime;
pub mod snapshot;
pub mod store;
mod subscription;
pub mod supervisor;
mod sync;
mod worker;

#[cfg(feature = "metrics")]
pub use crate::metrics::describe as describe_metrics;
pub use codec::CodecError;
pub use controller::{HowStopped, IdleError, Policy, Shutdown, Status, StoppedWorker, WorkerPhase, WorkerStatus};
pub use engine::{
    background::{TaskPhase, TaskStatus},
    store_health::StoreCall,
};
pub use error_kind::ErrorKind;
pub use fsm_core as core;
pub use fsm_core::StateMachine;
pub use machine::{DurableState, MigrateError, Migrated, OldState, RowError, StoredMachine, WorkState};
pub use records::{
    Blocked, ClaimedInstance, ClaimsQuery, Conflict, Convergence, CreateFrom, DesiredState, DesiredStateOf, Durable,
    Group, GroupError, GroupOutput, ListQuery, MAX_ID_BYTES, Machines, PendingTransition, RawRecord, ReadError,
    RecordMeta, StateCount, Ticket, TransitionError, WaitError,
};
pub use runtime::{Builder, Retention, Runtime, StartError, UnknownRows};
pub use store::{HistoryQuery, Page};
pub use subscription::{ChangeStream, Changed, ChangesQuery, StartPosition, SubscribeError, Subscription};
pub use worker::{Checkpointed, Done, Finished, Outcome, RawTask, Signals, WorkClaim, WorkError, WorkedBy};

/// The items that a program with durable machines needs: `use fsm_runtime::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "sqlite")]
    pub use crate::store::sqlite::Sqlite;
    pub use crate::{Machines, Outcome, Runtime, WorkError};
    pub use fsm_core::StateMachine;
}

/// Items for generated code only.
#[doc(hidden)]
pub mod __private {
    pub use crate::machine::Seal;
    pub use serde;
}
