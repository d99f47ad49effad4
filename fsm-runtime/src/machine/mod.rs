//! A user's machine as stored data: conversion between rows and values, migrations, and rows that this code does not know.

pub(crate) mod convert;
mod error;
mod event;
mod instance_id;
mod migrations;
pub(crate) mod older;
mod stored;
pub(crate) mod timers;
mod unknown;

pub use error::RowError;
pub use event::EventError;
pub use instance_id::{InstanceId, InstanceIds};
pub(crate) use migrations::Migrations;
pub use migrations::{MigrateError, Migrated, OldState};
pub(crate) use stored::ContextOf;
pub use stored::{DurableState, Seal, StoredMachine, WorkState};
pub use timers::{Deadline, time_left};
pub(crate) use unknown::{Unknown, knows};
