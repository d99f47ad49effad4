//! Desired states: the stored form, and the decision what to do next. Pure.

mod decide;
mod stored;

pub(crate) use decide::{Decision, decide, refused};
pub(crate) use stored::{Halt, Stored};
