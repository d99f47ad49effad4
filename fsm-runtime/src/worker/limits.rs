//! The limits of one attempt.

use crate::backoff::Backoff;
use std::time::Duration;

/// The limits of one attempt: the state's policy, completed with the builder's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest time between two heartbeats.
    pub(crate) heartbeat: Option<Duration>,
    /// The longest time that an attempt may take.
    pub(crate) attempt_timeout: Option<Duration>,
    /// The time between cancellation and abort.
    pub(crate) grace_period: Duration,
    pub(crate) backoff: Backoff,
    /// The number of attempts before the work is given up.
    pub(crate) max_attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat: None,
            attempt_timeout: None,
            grace_period: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(5) },
            max_attempts: 10,
        }
    }
}
