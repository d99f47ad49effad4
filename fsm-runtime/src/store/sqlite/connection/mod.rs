//! Connections: opening a file, its tables, read connections, transactions, and errors.

pub(super) mod error;
pub(super) mod file_identity;
pub(super) mod reader_pool;
pub(super) mod schema;
pub(super) mod transaction;
