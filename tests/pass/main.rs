//! Shapes of declarations: each module declares one, and uses its generated items.
#![forbid(unsafe_code)]
#![deny(missing_docs, private_interfaces, private_bounds, unused_lifetimes)]
#![allow(clippy::needless_pass_by_value, reason = "a `with` takes the event, though it only reads it")]
#![allow(unreachable_pub, reason = "public enums are a shape of their own, and a test binary exports nothing")]

mod asking;
mod attributes;
mod branches;
mod checks;
mod clashes;
mod context;
mod durable;
mod enter;
mod fieldless;
mod generics;
mod guards;
mod history;
mod json;
mod lifetimes;
mod lints;
mod locals;
mod macros;
mod names;
mod nested;
mod own_file;
mod prelude;
mod private;
mod scope;
mod statecharts;
mod statics;
mod superstates;
mod timers;
mod tuples;
