//! Owns what a process may do while its lease lasts: work, wind down, or nothing. Pure.

use std::time::Duration;

/// A lease as its holder counts it, on monotonic time.
///
/// The store counts from when the renewal is written, the holder from when it asked for it, which is earlier: the holder
/// always believes that its lease ends before the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure {
    /// When the last renewal that was answered was asked for.
    pub(crate) renewed: Duration,
    pub(crate) ttl: Duration,
    pub(crate) grace: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The lease holds.
    Working,
    /// It cannot be renewed: workers are told to end, while it still holds.
    WindingDown,
    /// It is about to lapse: workers are aborted. Others may claim what this process holds.
    Over,
}

impl Tenure {
    /// Renewed at every third of the lease: one renewal may be lost and one late.
    pub(crate) fn interval(ttl: Duration) -> Duration {
        ttl / 3
    }

    pub(crate) fn phase(self, now: Duration) -> Phase {
        if now < self.winds_down() {
            Phase::Working
        } else if now < self.over() {
            Phase::WindingDown
        } else {
            Phase::Over
        }
    }

    /// When the phase changes next; `None` when it is over.
    pub(crate) fn next(self, now: Duration) -> Option<Duration> {
        match self.phase(now) {
            Phase::Working => Some(self.winds_down()),
            Phase::WindingDown => Some(self.over()),
            Phase::Over => None,
        }
    }

    fn winds_down(self) -> Duration {
        self.renewed.saturating_add(self.ttl * 2 / 3)
    }

    /// A sixth of the lease is left for the aborts to take effect.
    fn over(self) -> Duration {
        self.winds_down().saturating_add(self.grace.min(self.ttl / 6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_cancelled_and_aborted_before_the_lease_ends() {
        let seconds = Duration::from_secs;
        let tenure = Tenure { renewed: seconds(100), ttl: seconds(15), grace: seconds(5) };
        assert_eq!(Tenure::interval(tenure.ttl), seconds(5));
        assert_eq!(tenure.phase(seconds(109)), Phase::Working);
        assert_eq!(tenure.phase(seconds(110)), Phase::WindingDown);
        assert_eq!(tenure.next(seconds(110)), Some(Duration::from_millis(112_500)));
        assert_eq!(tenure.phase(Duration::from_millis(112_500)), Phase::Over);
        assert_eq!(tenure.next(seconds(113)), None);
    }

    #[test]
    fn a_short_grace_is_kept_and_a_long_one_is_shortened() {
        let ttl = Duration::from_mins(1);
        for grace in [Duration::ZERO, Duration::from_secs(3), Duration::from_hours(1)] {
            let tenure = Tenure { renewed: Duration::ZERO, ttl, grace };
            assert!(tenure.over() <= ttl * 5 / 6);
            assert!(tenure.over() <= tenure.winds_down() + grace);
        }
    }
}
