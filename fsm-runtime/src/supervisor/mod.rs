//! Supervises tokio tasks: starts children in order, restarts them when they fail, stops them in reverse order.
//!
//! A [`Supervisor`] follows OTP's `supervisor` (`lib/stdlib/src/supervisor.erl`) and is independent of state machines.
//! `docs/supervisor.md` lists the differences from OTP. The main ones are heartbeats and the detection of tasks that block
//! their thread, because a tokio task cannot be killed like an Erlang process. See [`Supervisor`] for a complete example,
//! [`Child`] for the options of a child, and [`ChildContext`] for what a child can do.

mod builder;
mod child;
mod child_state;
mod commands;
mod context;
mod descendants;
mod error;
mod handle;
mod lifecycle;
pub(crate) mod liveness;
#[cfg(test)]
pub(crate) mod log_tests;
mod report;
mod restarts;
mod run;
mod saved_position;
mod sequence;
mod task;

pub use builder::{Strategy, SupervisorBuilder};
pub use child::{Child, RestartPolicy};
pub use context::ChildContext;
pub use error::{
    BoxError, ChildError, ChildFailure, PositionError, PositionTypeError, SupervisorConfigError, SupervisorError,
    SupervisorStartError,
};
pub use handle::Supervisor;
pub use report::{ChildInfo, ChildState, Counts, ForcedStop, StoppedChild, SupervisorShutdown};
pub use restarts::Restarts;
