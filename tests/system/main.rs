//! The whole-system tests: the store contract, records, the controller, and real machines. One binary, since each costs
//! everybody's build.

mod context;
mod contract;
mod controller;
mod desired_state;
mod disk;
mod groups;
mod history;
mod hostile;
mod job;
mod machines;
mod metrics;
mod model;
mod processes;
mod records;
mod release;
mod schema;
mod several;
mod sqlite;
mod statements;
mod supervisor;
mod tolerate;
mod trace;

/// `value` after `change`: for structs that cannot be built with an update of some fields.
fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}
