//! The phases of a lease, as its holder counts them. Pure.

use std::time::Duration;

/// A lease in the holder's monotonic time.
///
/// The store counts the lease from the write of the renewal, the holder from its request, which is earlier. For the holder the
/// lease therefore always ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseTimeline {
    /// The time of the request of the last successful renewal.
    pub(crate) renewed: Duration,
    pub(crate) ttl: Duration,
    pub(crate) grace: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Workers run.
    Held,
    /// The lease was not renewed in time: workers are cancelled while it still holds.
    Draining,
    /// The lease is about to expire: workers are aborted. Afterwards other processes may claim the rows.
    Lost,
}

impl LeaseTimeline {
    /// The interval of renewals, a third of the lease: one renewal may be lost and one late.
    pub(crate) fn interval(ttl: Duration) -> Duration {
        ttl / 3
    }

    pub(crate) fn phase(self, now: Duration) -> Phase {
        if now < self.draining_at() {
            Phase::Held
        } else if now < self.lost_at() {
            Phase::Draining
        } else {
            Phase::Lost
        }
    }

    /// The time of the next phase; `None` in the last one.
    pub(crate) fn next(self, now: Duration) -> Option<Duration> {
        match self.phase(now) {
            Phase::Held => Some(self.draining_at()),
            Phase::Draining => Some(self.lost_at()),
            Phase::Lost => None,
        }
    }

    pub(crate) fn draining_at(self) -> Duration {
        self.renewed.saturating_add(self.ttl.saturating_sub(self.ttl / 3))
    }

    /// At least a sixth of the lease is left for aborts to take effect.
    pub(crate) fn lost_at(self) -> Duration {
        self.draining_at().saturating_add(self.grace.min(self.ttl / 6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_cancelled_and_aborted_before_the_lease_ends() {
        let seconds = Duration::from_secs;
        let timeline = LeaseTimeline { renewed: seconds(100), ttl: seconds(15), grace: seconds(5) };
        assert_eq!(LeaseTimeline::interval(timeline.ttl), seconds(5));
        assert_eq!(timeline.phase(seconds(109)), Phase::Held);
        assert_eq!(timeline.phase(seconds(110)), Phase::Draining);
        assert_eq!(timeline.next(seconds(110)), Some(Duration::from_millis(112_500)));
        assert_eq!(timeline.phase(Duration::from_millis(112_500)), Phase::Lost);
        assert_eq!(timeline.next(seconds(113)), None);
    }

    #[test]
    fn a_short_grace_is_kept_and_a_long_one_is_shortened() {
        let ttl = Duration::from_mins(1);
        for grace in [Duration::ZERO, Duration::from_secs(3), Duration::from_hours(1)] {
            let timeline = LeaseTimeline { renewed: Duration::ZERO, ttl, grace };
            assert!(timeline.lost_at() <= ttl * 5 / 6);
            assert!(timeline.lost_at() <= timeline.draining_at() + grace);
        }
    }
}
