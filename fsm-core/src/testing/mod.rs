//! Helpers for tests of your own machines (feature `testing`).
//!
//! - [`transition_paths`]: a shortest path to every transition, so that a test can fire all of them.
//! - [`simple_paths`]: every path without a loop, up to a length.
//! - [`assert_transitions!`](crate::assert_transitions): a table of expected transitions, including data and guards.
//! - [`Saga::each_failure`]: every point at which a saga can fail, and what is undone then.
//! - `paths` (feature `proptest`): random legal sequences of events.
//!
//! The paths come from the declared [graph](crate::StateMachine::GRAPH). The graph does not contain payloads, so
//! [`Path::follow`] asks the test for the event of each step.
//!
//! ```
//! use fsm_core::{StateMachine, testing};
//! use order::{Event, EventKind, event};
//!
//! #[derive(StateMachine, Clone, Debug, PartialEq)]
//! #[fsm(initial = Placed, derive(Clone, Debug, PartialEq))]
//! enum Order {
//!     #[on(pay { cents: u32 } => Paid)]
//!     #[on(cancel => Cancelled)]
//!     Placed,
//!     #[on(cancel => Cancelled)]
//!     #[on(ship => Shipped)]
//!     Paid { cents: u32 },
//!     #[state(end)]
//!     Shipped,
//!     #[state(end)]
//!     Cancelled,
//! }
//!
//! # fn main() {
//! for path in testing::transition_paths::<Order>() {
//!     let order = path.follow(Order::Placed, |step, _| match step.event {
//!         EventKind::Pay => event::Pay { cents: 100 }.into(),
//!         EventKind::Cancel => event::Cancel.into(),
//!         EventKind::Ship => event::Ship.into(),
//!     });
//!     assert_eq!(order.unwrap().state(), path.end());
//! }
//! let paths: Vec<_> = testing::simple_paths::<Order>(2).iter().map(ToString::to_string).collect();
//! assert_eq!(paths, [
//!     "Placed",
//!     "Placed --pay--> Paid",
//!     "Placed --pay--> Paid --cancel--> Cancelled",
//!     "Placed --pay--> Paid --ship--> Shipped",
//!     "Placed --cancel--> Cancelled",
//! ]);
//! # }
//! ```

mod path;
mod rows;
mod saga;
#[cfg(feature = "proptest")]
mod strategy;

pub use path::{Path, PathError, Step, simple_paths, steps_from, transition_paths};
#[doc(hidden)]
pub use rows::Rows;
pub use saga::{Failure, Saga};
#[cfg(feature = "proptest")]
pub use strategy::paths;
