//! Decides which node works on which bucket, from leases and lists of nodes.

mod assign;
mod assignment;
mod candidates;
mod division;
mod error;
mod list;
mod members;
mod reload;

pub(crate) use assignment::Assignment;
pub(crate) use division::{Division, LiveNodes, Membership};
pub use error::MembersError;
pub use members::Members;
pub(crate) use reload::ListFile;
