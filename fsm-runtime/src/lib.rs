//! Durable state machines with supervised workers: each instance is a versioned row with a history, and each instance in a
//! `work` state has at most one worker, while leases are valid.
//!
//! A state machine is an enum with `#[derive(StateMachine)]` and `#[fsm(durable)]`; see [`core`] for the declaration. This
//! crate stores the instances in a [store](store::sqlite::Sqlite), returns them as typed records whose methods are the legal
//! transitions, and runs their workers:
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use fsm_runtime::prelude::*;
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! /// The life cycle of a report.
//! #[derive(StateMachine)]
//! #[fsm(initial = Requested, durable, derive(Serialize, Deserialize))]
//! enum Report {
//!     /// The report is requested.
//!     #[on(begin => Writing)]
//!     Requested { title: String },
//!     /// A worker writes the text.
//!     #[state(work)]
//!     #[on(finish { text: String } => Written)]
//!     Writing { title: String },
//!     /// The text is available.
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
//! # let dir = tempfile::tempdir()?; let path = dir.path().join("reports.db");
//! let runtime = Runtime::builder(Sqlite::open(path).await?).machine::<Report, _>(Writer).start().await?;
//! let reports = runtime.machines::<Report>();
//!
//! let requested = reports.create("r-1", report::Requested { title: "rows".into() }).await?;
//! requested.begin().await?; // a compare-and-swap of the row; its worker starts
//!
//! reports.wait_for("r-1", report::State::Written, Duration::from_secs(10)).await?;
//! let report::AnyRecord::Written(written) = reports.get("r-1").await? else { panic!("it is written") };
//! assert_eq!(written.text, "All about rows.");
//! runtime.shutdown(Duration::from_secs(5)).await;
//! # Ok(()) }
//! ```
//!
//! # Overview
//!
//! - [`Runtime`], from [`Runtime::builder`]: registers machines with their workers, and starts and stops the work.
//! - [`Machines`]: the instances of one machine, to create, read, list, and fire events on.
//! - The generated `Record<S>`: an instance as it was read, with a method for each event of its state. The generated `AnyRecord` is
//!   an instance in any state, to match on. [`RawRecord`] has the methods that all records have.
//! - The generated trait `Workers` has a method for each `work` state. It gets a `Task<S>`, whose common methods are those of
//!   [`RawTask`], and returns an [`Outcome`]. [`Policy`] sets the limits of work on one state.
//! - [`TransitionGroup`]: several changes in one transaction.
//! - [`ChangeStream`], [`EntryStream`] and [`Subscription`]: streams of changes.
//! - [`store::sqlite`](store): the SQLite store; [`store`] has the contract for stores of your own.
//! - [`clock::ManualClock`] and [`snapshot!`]: tests of workers and timers, and of stored rows.
//! - [`supervisor`]: supervised tokio tasks, without a state machine.
//!
//! `docs/guide.md` in the repository is a tutorial, and explains the terms.
//!
//! # Guarantees
//!
//! - **No lost updates.** A transition applies to the version that was read, or fails with [`TransitionError::Conflict`], which
//!   contains the current record.
//! - **Durability.** When the future of a transition completes, the row and its history entry are committed in one transaction, and on
//!   the disk. Options can weaken this: with SQLite's `Synchronous::Normal`, or on a PostgreSQL server with `synchronous_commit = off`, a
//!   power cut or a crash of the server can lose the last changes.
//! - **Work runs at least once, and its result is stored exactly once.** If a worker fails or panics, or its process ends, the
//!   work runs again. The version and the fence refuse a late result. Use [`key`](RawTask::key) as the idempotency key of calls
//!   to other systems.
//! - **At most one worker for each instance, while leases are valid.** If an instance leaves its state while a worker runs, the runtime
//!   cancels the worker and waits for its end before the next worker starts.
//!
//! # Waits
//!
//! A state can wait for instances of other machines, `#[state(waits(payment: Payment in Captured => paid))]`: the runtime fires the event
//! once they are there, in whichever process that happens. [`InstanceId`] is the type of the field; [`Runtime::graphs`] draws which machine
//! waits for which.
//!
//! # Errors
//!
//! Each error has a [kind](ErrorKind) and `is_retryable()`, so a service can map errors to a status in one place.
//!
//! # Several processes
//!
//! Any number of processes can share a store, each with its own runtime. A runtime with registered machines holds a lease and claims
//! instances under it. If a process ends, the others take over its claims: with SQLite within half a second, with PostgreSQL when its lease
//! has expired. A runtime without registered machines is a client. Each process sees the changes of the others within milliseconds.
//! [`Members`] divides the instances among the nodes, and [`Runtime::nodes`] shows them.
#![deny(missing_docs)]

mod backoff;
pub mod breaker;
pub mod clock;
pub mod codec;
mod controller;
mod convergence;
pub mod coordination;
mod engine;
mod error_kind;
mod log;
mod machine;
mod membership;
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
    held_back::WaitsFor,
    store_health::StoreCall,
};
pub use error_kind::ErrorKind;
/// The same under its own name, in which rustc suggests imports.
#[doc(hidden)]
pub use fsm_core;
pub use fsm_core as core;
pub use fsm_core::StateMachine;
pub use machine::{
    DurableState, EventError, InstanceId, InstanceIds, MigrateError, Migrated, OldState, RowError, StoredMachine,
    WorkState,
};
pub use membership::{Members, MembersError};
#[cfg(feature = "postgres")]
pub use records::AfterCommit;
pub use records::{
    AnyRecord, Blocked, CallerEvent, ClaimedInstance, ClaimsQuery, Conflict, Convergence, CreateFrom, DesiredState,
    DesiredStateOf, Durable, GroupError, GroupOutput, IntoIdempotencyKey, ListQuery, MAX_ID_BYTES, Machines,
    PendingTransition, RawRecord, ReadError, RecordMeta, StateCount, Ticket, TransitionError, TransitionGroup,
    WaitError,
};
pub use runtime::{Builder, Node, NodeMachine, NodeWatch, Retention, Runtime, StartError, UnknownRows};
pub use store::{HistoryQuery, Page};
pub use subscription::{ChangeStream, Changed, ChangesQuery, EntryStream, StartPosition, SubscribeError, Subscription};
pub use worker::{Checkpointed, Done, Finished, Outcome, Rate, RawTask, Signals, WorkClaim, WorkError, WorkedBy};

/// The items that a program with durable machines needs, and code that is generic over machines: `use fsm_runtime::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "sqlite")]
    pub use crate::store::sqlite::Sqlite;
    pub use crate::{AnyRecord as _, Durable, Machines, Outcome, Runtime, WorkError};
    pub use fsm_core::{Name as _, StateMachine};
}

/// Items for generated code and for benchmarks only.
#[doc(hidden)]
pub mod __private {
    pub use crate::controller::RateCheck;
    pub use crate::machine::{Deadline, Seal, time_left};
    pub use crate::records::FireOnAnyRecord;
    pub use crate::store::TimerDue;
    pub use serde;
}
