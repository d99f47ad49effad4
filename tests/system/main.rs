//! The whole-system tests: the store contract, records, the controller, and real machines. One binary, since each costs
//! everybody's build.

mod context;
mod controller;
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
mod wishes;
