//! Typed records: reading instances, and their transitions as compare-and-swaps.

mod any_record;
mod bulk;
mod by_id;
mod callers;
mod claims;
mod cursor;
mod desired_state;
mod durable;
mod error;
mod fire;
mod group;
mod group_error;
mod idempotency_key;
mod json;
mod machines;
mod member;
mod misuse;
mod operator;
mod query;
mod record;
mod transition;
mod waiting;
#[cfg(feature = "postgres")]
mod within;
mod worker_group;

pub use any_record::AnyRecord;
pub use callers::CallerEvent;
pub use claims::ClaimedInstance;
pub use desired_state::{Blocked, Convergence, DesiredState, DesiredStateOf};
pub use durable::{CreateFrom, Durable};
pub use error::{Conflict, ReadError, TransitionError, WaitError};
pub use group::{GroupOutput, Ticket, TransitionGroup};
pub use group_error::GroupError;
pub use idempotency_key::IntoIdempotencyKey;
pub use machines::{MAX_ID_BYTES, Machines};
pub use misuse::FireOnAnyRecord;
pub use query::{ClaimsQuery, ListQuery, StateCount};
pub use record::{RawRecord, RecordMeta};
pub use transition::PendingTransition;
#[cfg(feature = "postgres")]
pub use within::AfterCommit;
