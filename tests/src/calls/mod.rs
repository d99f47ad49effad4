//! Random calls of a store, made by several callers and processes, for the tests that compare it with a model.

pub mod call;
pub mod caller;
pub mod op;
