//! The limits of one attempt.

use crate::backoff::Backoff;
use std::time::Duration;

/// What one attempt goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat: None,
            deadline: None,
            grace: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(5) },
            attempts: 10,
        }
    }
}
