//! Tests that run the `servers` example with its processes, and check its store.

mod commands;
mod config;
mod crash;
mod demo;
mod fixture;
mod history;
mod nodes;
