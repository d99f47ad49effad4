//! The `servers` example, run as a program with real processes, and the store that it leaves.

mod config;
mod crash;
mod fixture;
mod history;
mod steps;
mod tour;
