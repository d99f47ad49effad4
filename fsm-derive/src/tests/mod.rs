//! Tests of the whole derive: what it writes, in full, and that nothing makes it panic.

mod mutations;
mod snapshots;
