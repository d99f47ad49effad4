//! The system tests: stores, records, the controller, the supervisor, and real machines. One binary, since each one costs
//! build time.

mod arming;
mod by_worker;
mod changes;
mod context;
mod controller;
mod conversions;
mod coordination;
mod desired_state;
mod disk;
mod enter;
mod error_kinds;
mod fire_by_id;
mod group_requests;
mod groups;
mod half_undone;
mod history;
mod hostile;
mod job;
mod layout;
mod leases;
mod lists;
mod machine_waits;
mod machines;
mod members;
mod metrics;
mod model;
mod moved_states;
mod own_clock;
mod own_statements;
mod own_tables;
mod records;
mod resolution;
mod resume;
mod runtimes;
mod sagas;
mod schema;
mod settings;
mod several_timers;
mod shared_file;
mod sqlite;
mod statements;
mod supervisor;
mod trace;
mod transition_time;
mod unknown_rows;
mod unreadable_values;
mod waits;
mod worker_groups;
mod worker_groups_again;

/// `value` after `change`: for structs that cannot be built with an update of some fields.
fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}
