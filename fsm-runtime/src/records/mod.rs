//! Owns the typed view of rows: an instance's record, its transitions as compare-and-swaps, and what can refuse them.

mod bulk;
mod by_id;
mod failure;
mod firing;
mod group;
mod held;
mod listing;
mod machines;
mod migrate;
mod operator;
mod record;
pub(crate) mod rows;
mod wish;

pub use failure::{Conflict, Failure, ReadError, RowError, WaitError};
pub use firing::{Firing, Pending};
pub use group::{Group, GroupFailure, Ticket, Together};
pub use held::Held;
pub use listing::Listing;
pub use machines::{MAX_ID_BYTES, Machines};
pub(crate) use migrate::Migrations;
pub use migrate::{MigrateError, Migrated, OldState};
pub use record::{Meta, RawRecord};
pub use wish::{Progress, Stuck, Wish, WishOf};
