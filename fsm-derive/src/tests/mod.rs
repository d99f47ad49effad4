//! Tests of the whole derive: snapshots, random declarations against a reference model, and random tokens.

mod bindings;
mod diagrams;
mod doctests;
mod graphs;
mod imports;
mod mutations;
mod names;
mod panics;
mod sagas;
mod snapshots;
