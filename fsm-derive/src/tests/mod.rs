//! Tests of the whole derive: complete expansions, comparison with a simple model, and that no declaration makes it panic.

mod graphs;
mod imports;
mod mutations;
mod names;
mod panics;
mod pictures;
mod snapshots;
