//! State machines from one annotated enum: an illegal transition does not compile, and the diagram draws itself.
//!
//! ```
//! use fsm_core::StateMachine;
//!
//! /// Where an order stands.
//! #[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
//! #[fsm(initial = Placed, derive(Clone, Copy, Debug, PartialEq))]
//! #[on(cancel => Cancelled, except(Shipped))] // from every state that is not an end
//! pub enum OrderStatus {
//!     /// It came in.
//!     #[on(pay { cents: u32 } => Paid)]
//!     Placed,
//!     /// The money is there.
//!     #[on(ship => Shipped)]
//!     Paid { cents: u32 },
//!     /// On its way.
//!     #[on(arrive => Delivered)]
//!     Shipped,
//!     /// The customer has it.
//!     #[state(end)]
//!     Delivered,
//!     /// Nobody wants it any more.
//!     #[state(end)]
//!     Cancelled,
//! }
//!
//! # fn main() {
//! // Typed: the state is part of the type, and each state has the methods of its events, and no others.
//! let placed = order_status::Machine::new(order_status::Placed);
//! let paid = placed.pay(999);
//! assert_eq!(paid.cents, 999);
//! let shipped = paid.ship();
//!
//! // As a plain value, as it comes out of a file or a table: the same rules at run time.
//! let order: OrderStatus = shipped.into();
//! assert!(order.can(order_status::EventKind::Arrive));
//! let rejected = order.apply(order_status::event::Cancel).unwrap_err();
//! assert_eq!(
//!     rejected.to_string(),
//!     "`cancel` is not accepted in state `Shipped` of `OrderStatus`, which accepts `arrive`"
//! );
//!
//! // And typed again.
//! let order_status::Any::Shipped(shipped) = order_status::Any::from(order) else { panic!("it was shipped") };
//! assert_eq!(shipped.arrive().state(), order_status::State::Delivered);
//! # }
//! ```
//!
//! What is not declared does not compile, as a method or through `fire`:
//!
//! ```compile_fail
//! # use fsm_core::StateMachine;
//! # #[derive(StateMachine)]
//! # #[fsm(initial = Placed)]
//! # enum OrderStatus {
//! #     #[on(pay => Paid)] Placed,
//! #     #[on(ship => Shipped)] Paid,
//! #     #[state(end)] Shipped,
//! # }
//! # fn main() {
//! let placed = order_status::Machine::new(order_status::Placed);
//! placed.fire(order_status::event::Ship); // error: illegal transition: `Ship` is not accepted in state `Placed`
//! # }
//! ```
//!
//! # Where to read on
//!
//! - [The derive](macro@StateMachine): every attribute, every generated item, what is checked.
//! - [`Graph`]: the machine as `const` data, to ask, to [walk](Graph::path), and to draw as [Mermaid](Graph::mermaid),
//!   [DOT](Graph::dot), [table](Graph::table) or [JSON](Graph::json).
//! - [`WhyNot`]: why an event is not accepted, and what would help.
//! - [`diagram!`](diagram!): a test that keeps the diagram in a Markdown file true.
//! - `testing` (feature `testing`): ways through the graph and a table of transitions, for your own tests; with the feature
//!   `proptest`, strategies too.
//! - `fsm-runtime`: machines that are stored, and workers that move them on.
//!
//! This crate is `no_std` and depends on nothing but the derive (feature `derive`, on by default).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod arrows;
mod course;
pub mod diagram;
mod diff;
mod dot;
mod error;
mod explain;
mod fingerprint;
mod graph;
mod json;
mod machine;
mod mermaid;
mod names;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod walk;

/// What generated code names besides the public items.
#[doc(hidden)]
pub mod __private {
    pub use alloc::boxed::Box;

    /// Code of a declaration, which the derive does not read: what is no expression is one error here, at the user's tokens.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __code {
        ($code:expr) => {
            $code
        };
    }
    pub use __code as code;
}

pub use course::{Blocker, NextStep};
#[doc(hidden)]
pub use diff::diff;
pub use dot::Dot;
pub use error::{Reason, Refused, Rejected, UnknownNameError, WrongStateError};
pub use explain::WhyNot;
#[cfg(feature = "derive")]
pub use fsm_derive::StateMachine;
pub use graph::{EventInfo, FieldInfo, Graph, GroupInfo, Kind, StateInfo, TimerInfo, TransitionInfo};
pub use json::Json;
pub use machine::{Accepts, StateMachine, StateOf, Target};
pub use mermaid::Mermaid;
pub use names::Name;
pub use table::Table;
pub use walk::Step;
