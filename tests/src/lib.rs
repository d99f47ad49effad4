//! Compiles and runs every block of Rust in the README and in `docs/` (`cargo test --doc -p tests`), and holds what tests share
//! with the processes that they start.

// Panics are how a test fails.
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate)]

pub mod calls;
pub mod peers;

#[doc = include_str!("../../README.md")]
pub mod readme {}

#[doc = include_str!("../../docs/guide.md")]
pub mod guide {}

#[doc = include_str!("../../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../../docs/supervisor.md")]
pub mod supervisor {}

#[doc = include_str!("../../docs/reference.md")]
pub mod reference {}

#[doc = include_str!("../../docs/operations.md")]
pub mod operations {}

#[doc = include_str!("../../docs/http.md")]
pub mod http {}

#[doc = include_str!("../../docs/sqlite.md")]
pub mod sqlite {}

#[doc = include_str!("../../docs/comparison.md")]
pub mod comparison {}

#[doc = include_str!("../../docs/patterns.md")]
pub mod patterns {}
