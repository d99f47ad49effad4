//! Helpers for the tests of who declares a machine (feature `testing`).
//!
//! - [`transition_paths`]: a way to every transition, so that a test that goes them all has fired every one.
//! - [`simple_paths`]: every way without a loop, up to a length.
//! - [`assert_transitions!`](crate::assert_transitions): a table of what leads where, data and guards included.
//! - `ways` (feature `proptest`): random legal sequences of events.
//!
//! All of them read the declared [graph](crate::StateMachine::GRAPH). What a graph cannot know, the payload of an event and
//! what a guard thinks of it, comes from the test: [`Path::go`] asks for the event of each leg.
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
//! for way in testing::transition_paths::<Order>() {
//!     let order = way.follow(Order::Placed, |leg, _| match leg.event {
//!         EventKind::Pay => event::Pay { cents: 100 }.into(),
//!         EventKind::Cancel => event::Cancel.into(),
//!         EventKind::Ship => event::Ship.into(),
//!     });
//!     assert_eq!(order.unwrap().state(), way.end());
//! }
//! let ways: Vec<_> = testing::simple_paths::<Order>(2).iter().map(ToString::to_string).collect();
//! assert_eq!(ways, [
//!     "Placed",
//!     "Placed --pay--> Paid",
//!     "Placed --pay--> Paid --cancel--> Cancelled",
//!     "Placed --pay--> Paid --ship--> Shipped",
//!     "Placed --cancel--> Cancelled",
//! ]);
//! # }
//! ```

mod rows;
#[cfg(feature = "proptest")]
mod strategy;
mod way;

#[doc(hidden)]
pub use rows::Rows;
#[cfg(feature = "proptest")]
pub use strategy::ways;
pub use way::{Astray, Path, Step, simple_paths, steps_from, transition_paths};
