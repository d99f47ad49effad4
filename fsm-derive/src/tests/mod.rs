//! Tests of the whole derive: what it writes, in full; that it agrees with a simple model; that nothing makes it panic.

mod graphs;
mod imports;
mod mutations;
mod names;
mod panics;
mod pictures;
mod snapshots;
