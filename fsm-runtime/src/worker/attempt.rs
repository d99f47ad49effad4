//! One execution of a worker.

use super::{limits::Limits, signals::Signals};
use crate::store::Row;

/// One execution of a worker. Shared by the controller's loop, the worker registry, the worker and its task.
pub(crate) struct Attempt {
    /// The row as it was claimed.
    pub(crate) row: Row,
    pub(crate) limits: Limits,
    pub(crate) signals: Signals,
}
