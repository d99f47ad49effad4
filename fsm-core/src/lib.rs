//! State machines from one annotated enum: the graph, the typed machine, the pictures.
//!
//! `#[derive(StateMachine)]` on an ordinary enum generates a type per state, so that an illegal transition does not
//! compile, and a [`Graph`] as `const` data, from which diagrams and run-time answers come. This crate holds what the
//! generated code implements; it is `no_std` and depends on nothing but the derive (feature `derive`, on by default).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

pub mod diagram;
mod error;
mod fingerprint;
mod graph;
mod machine;
mod mermaid;
mod names;

pub use error::{Reason, Refused, Rejected, UnknownName, WrongState};
#[cfg(feature = "derive")]
pub use fsm_derive::StateMachine;
pub use graph::{EventInfo, FieldInfo, Graph, GroupInfo, Kind, StateInfo, TimerInfo, TransitionInfo};
pub use machine::{Accepts, StateMachine, StateOf, Target};
pub use mermaid::Mermaid;
pub use names::Name;
