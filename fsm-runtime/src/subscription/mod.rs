//! Following the history: named subscriptions with a stored position, and unnamed typed streams.

mod changes;
mod error;
mod follower;
mod named;

pub use changes::{ChangeStream, Changed, ChangesQuery};
pub use error::SubscribeError;
pub use named::{StartPosition, Subscription};
