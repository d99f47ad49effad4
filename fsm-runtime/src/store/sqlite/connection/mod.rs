//! Connections: opening a file, its tables, read connections, transactions, and errors.

pub(super) mod error;
pub(super) mod file_identity;
mod linked;
pub(super) mod lock_holder;
mod os_error;
pub(super) mod patience;
pub(super) mod reader_pool;
pub(super) mod schema;
pub(super) mod store_file;
pub(super) mod transaction;
