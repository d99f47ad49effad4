//! The `servers` example as its user meets it: the program itself, real processes, and what is left in the store.

mod config;
mod crash;
mod fixture;
mod history;
mod steps;
mod tour;
