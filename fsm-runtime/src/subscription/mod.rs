//! Following the history: named subscriptions with a stored position, and unnamed streams.

mod changes;
mod entries;
mod error;
mod follower;
mod named;
mod stream;

pub use changes::{ChangeStream, Changed, ChangesQuery};
pub use entries::EntryStream;
pub use error::SubscribeError;
pub use named::{StartPosition, Subscription};
