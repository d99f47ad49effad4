//! What a worker sees: its task, its error, its checkpoints, and the signals between it and the controller.

mod attempt;
mod beside;
pub(crate) mod checkpoint;
mod error;
mod limits;
mod rate;
pub(crate) mod signals;
mod task;
mod worked_by;

pub(crate) use attempt::Attempt;
pub(crate) use beside::{Beside, CommitBeside, Committed, Own};
pub use checkpoint::Checkpointed;
pub(crate) use error::FiredEvent;
pub use error::WorkError;
pub(crate) use limits::Limits;
pub use rate::Rate;
pub use signals::Signals;
pub(crate) use task::End;
pub use task::{Done, Finished, Outcome, RawTask, WorkClaim};
pub use worked_by::WorkedBy;
