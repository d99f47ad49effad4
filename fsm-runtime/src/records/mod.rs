//! Typed records: reading instances, and their transitions as compare-and-swaps.

mod any_record;
mod bulk;
mod by_id;
mod claims;
mod desired_state;
mod durable;
mod error;
mod group;
mod json;
mod machines;
mod operator;
mod query;
mod record;
mod transition;

pub use any_record::AnyRecord;
pub use claims::ClaimedInstance;
pub use desired_state::{Blocked, Convergence, DesiredState, DesiredStateOf};
pub use durable::{CreateFrom, Durable};
pub use error::{Conflict, ReadError, TransitionError, WaitError};
pub use group::{Group, GroupError, GroupOutput, Ticket};
pub use machines::{MAX_ID_BYTES, Machines};
pub use query::{ClaimsQuery, ListQuery, StateCount};
pub use record::{RawRecord, RecordMeta};
pub use transition::PendingTransition;
