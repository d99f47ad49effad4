//! Compiles and runs every block of Rust in the README and in `docs/`: `cargo test --doc -p tests`.

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
