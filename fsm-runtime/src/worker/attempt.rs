//! One execution of a worker.

use super::{limits::Limits, signals::Signals};
use crate::store::Row;

/// One execution of a worker: what the loop, the board, the worker and its task know of it, held once for all of them.
pub(crate) struct Attempt {
    /// As it was claimed.
    pub(crate) row: Row,
    pub(crate) limits: Limits,
    pub(crate) signals: Signals,
}
