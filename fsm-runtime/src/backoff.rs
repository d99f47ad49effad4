//! Exponential backoff with full jitter.
//!
//! Crates such as `backon` drive a retry loop. Here, the delay of a retry is stored in a row, and the delay of a restart is
//! part of the supervisor's sequence, so only the formula is needed. Source: M. Brooker, "Exponential Backoff And Jitter",
//! AWS Architecture Blog, 2015.

use std::time::Duration;

/// Near its maximum, a duration times 1 can be rounded to more, which panics.
const LONGEST: Duration = Duration::from_secs(1 << 62);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The maximum delay after `failure` consecutive failures, from 1.
    pub(crate) fn ceiling(self, failure: u32) -> Duration {
        let doublings = failure.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// A random delay between zero and the ceiling, so that simultaneous failures are not retried simultaneously.
    pub(crate) fn delay(self, failure: u32) -> Duration {
        self.jittered(failure, fastrand::f64())
    }

    /// The ceiling times `jitter`, which is in 0..=1.
    pub(crate) fn jittered(self, failure: u32, jitter: f64) -> Duration {
        self.ceiling(failure).min(LONGEST).mul_f64(jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s18_the_delay_doubles_up_to_the_cap() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(5) };
        let ceilings: Vec<u64> = (1..=11).map(|attempt| backoff.ceiling(attempt).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_mins(5));
        let short = Backoff { first: Duration::from_nanos(1), longest: Duration::MAX };
        assert_eq!(short.ceiling(u32::MAX), Duration::from_nanos(1 << 31));
        for attempt in 0..100 {
            assert!(backoff.delay(attempt) <= backoff.ceiling(attempt));
        }
        let longest = Backoff { first: Duration::MAX, longest: Duration::MAX };
        assert_eq!(longest.jittered(1, 1.0), LONGEST);
    }
}
