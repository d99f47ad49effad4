//! Supervised tasks: children that are started in order, watched, restarted, and stopped in reverse order.
//!
//! A [`Supervisor`] is OTP's (`lib/stdlib/src/supervisor.erl`) for tokio tasks, and knows nothing of state machines. What
//! it does otherwise than OTP, and why, is in `docs/supervisor.md`: above all, it has heartbeats and knows of tasks that block
//! their thread, since a task cannot be killed as a process can. See [`Supervisor`] for a whole
//! program, [`Child`] for what can be said of a child, and [`Context`] for what a child can do.

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
pub use context::Context;
pub use error::{
    BoxError, ChildError, ChildFailure, PositionError, PositionTypeError, SupervisorConfigError, SupervisorError,
    SupervisorStartError,
};
pub use handle::Supervisor;
pub use report::{ChildInfo, Counts, ForcedStop, State, StoppedChild, SupervisorShutdown};
pub use restarts::Restarts;
