//! State machines from one annotated enum: illegal transitions do not compile, and diagrams are generated.
//!
//! ```
//! use fsm_core::StateMachine;
//!
//! /// The status of an order.
//! #[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
//! #[fsm(initial = Placed, derive(Clone, Copy, Debug, PartialEq))]
//! #[on(cancel => Cancelled, except(Shipped))] // from all states except end states and `Shipped`
//! pub enum OrderStatus {
//!     /// Received.
//!     #[on(pay { cents: u32 } => Paid)]
//!     Placed,
//!     /// Payment received.
//!     #[on(ship => Shipped)]
//!     Paid { cents: u32 },
//!     /// Shipped to the customer.
//!     #[on(arrive => Delivered)]
//!     Shipped,
//!     /// The customer has received it.
//!     #[state(end)]
//!     Delivered,
//!     /// Cancelled by the customer.
//!     #[state(end)]
//!     Cancelled,
//! }
//!
//! # fn main() {
//! // Typed: the state is part of the type, and each state has only the methods of its own events.
//! let placed = order_status::Machine::new(order_status::Placed);
//! let paid = placed.pay(999);
//! assert_eq!(paid.cents, 999);
//! let shipped = paid.ship();
//!
//! // As a plain value, such as one read from a file or a table: the same rules apply at run time.
//! let order: OrderStatus = shipped.into();
//! assert!(order.can(order_status::EventKind::Arrive));
//! let error = order.apply(order_status::event::Cancel).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "`cancel` is not accepted in state `Shipped` of `OrderStatus`, which accepts `arrive`"
//! );
//!
//! // Back to a typed machine.
//! let order_status::Any::Shipped(shipped) = order_status::Any::from(order) else { panic!("the order is shipped") };
//! assert_eq!(shipped.arrive().state(), order_status::State::Delivered);
//! # }
//! ```
//!
//! An undeclared transition does not compile, neither as a method nor through `fire`:
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
//! # Overview
//!
//! - [The derive](macro@StateMachine): all attributes, all generated items, and what is checked.
//! - [`Graph`]: the machine as `const` data, with lookups, [paths](Graph::path), and output as [Mermaid](Graph::mermaid),
//!   [DOT](Graph::dot), [table](Graph::table) or [JSON](Graph::json).
//! - [`Graphs`]: all machines of a program in one picture, with what waits for what.
//! - [`WhyNot`]: why an event is not accepted, and which events would help.
//! - [`AnyMachine`]: the generated `Any`, a machine in any state. [`Slot`]: a machine that is moved in place, behind `&mut`.
//! - [`diagram!`](diagram!): a test that keeps the diagram in a Markdown file up to date.
//! - `testing` (feature `testing`): paths through the graph and tables of transitions for your own tests. The feature
//!   `proptest` adds strategies.
//! - `fsm-runtime`: stored machines, and workers that move them.
//!
//! This crate is `no_std` and depends only on the derive (feature `derive`, enabled by default).
//!
//! # Compatibility
//!
//! Public enums, and structs with public fields, are `#[non_exhaustive]`: later versions may add variants and fields. The parts of
//! a graph have `const` constructors instead of literals. The exceptions are [`GuardError`], [`ApplyError`] and
//! [`WrongStateError`], whose fields are the arguments of the failed call and the reason.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod any;
mod arrows;
mod convergence;
pub mod diagram;
mod diff;
mod dot;
mod error;
mod explain;
mod fingerprint;
mod fired_by;
mod graph;
mod graphs;
mod json;
mod machine;
mod mermaid;
mod misuse;
mod names;
mod path;
mod reason;
mod saga;
mod scxml;
mod slot;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod timer;
mod waits;
mod xstate;

/// Items for generated code and for `fsm-runtime`, outside the compatibility promise.
#[doc(hidden)]
pub mod __private {
    pub use crate::diff::diff;
    pub use crate::misuse::FireOnAny;
    pub use crate::names::{from_name, names_contain};
    pub use crate::reason::{ByError, ByText, OfReason};
    pub use crate::timer::{Delay, not_zero};
    pub use alloc::{boxed::Box, vec::Vec};
    use core::fmt;
    #[cfg(feature = "derive")]
    pub use fsm_derive::__diagram;

    /// Generated modules import it under the names of their variables, so that a constant or a unit struct with such a name in the
    /// user's scope is not read as a pattern.
    pub const fn variable() {}

    /// Whether the graph is that of the machine `name`.
    #[must_use]
    pub const fn is_named(graph: &crate::Graph, name: &str) -> bool {
        let (found, name) = (graph.machine.as_bytes(), name.as_bytes());
        if found.len() != name.len() {
            return false;
        }
        let mut i = 0;
        while i < found.len() {
            if found[i] != name[i] {
                return false;
            }
            i += 1;
        }
        true
    }

    /// `Debug` of a machine: `Machine(state)`.
    ///
    /// # Errors
    /// Those of the formatter.
    pub fn debug_machine(f: &mut fmt::Formatter<'_>, state: &dyn fmt::Debug) -> fmt::Result {
        f.debug_tuple("Machine").field(state).finish()
    }

    /// An expression of the declaration. The derive does not parse it; a syntax error appears once, at the user's tokens.
    #[doc(hidden)]
    #[macro_export]
    macro_rules! __code {
        ($code:expr) => {
            $code
        };
    }
    pub use __code as code;
}

pub use any::{AnyApplyError, AnyMachine, NotInStateError, Refusal};
pub use convergence::{Blocker, NextStep};
pub use dot::Dot;
pub use error::{ApplyError, GuardError, UnknownNameError, WrongStateError};
pub use explain::WhyNot;
pub use fired_by::FiredBy;
#[cfg(feature = "derive")]
pub use fsm_derive::StateMachine;
pub use graph::{
    EventInfo, FieldInfo, Graph, GroupInfo, HistoryInfo, StateInfo, StateKind, TimerDelay, TimerInfo, TransitionInfo,
};
pub use graphs::{Graphs, WaitCycle};
pub use json::Json;
pub use machine::{Accepts, StateMachine, StateOf, Target};
pub use mermaid::Mermaid;
pub use names::Name;
pub use path::PathStep;
pub use reason::Reason;
pub use saga::{SagaInfo, StepInfo};
pub use scxml::Scxml;
pub use slot::{Slot, SlotError};
pub use table::Table;
pub use timer::Timer;
pub use waits::{WaitInfo, WaitQuantity};
pub use xstate::XstateJson;
