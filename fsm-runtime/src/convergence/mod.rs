//! Desired states: the stored form, the decision what to do next, and the sentences that say what blocks it. Pure.

mod decide;
mod explain;
mod record;

pub(crate) use decide::{ConvergenceLimits, Decision, decide, refused};
pub(crate) use explain::{branches, needs_payload, no_path};
pub(crate) use record::{DesiredStateRecord, Interruption, UnreadableDesiredState};
