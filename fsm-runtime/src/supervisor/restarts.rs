//! Restart limits: the sliding window, the backoff, and the decision. Pure.

use super::error::SupervisorConfigError;
use crate::backoff::Backoff;
use std::{collections::VecDeque, time::Duration};

/// How often a supervisor restarts its children before it gives up: either immediately, limited by a sliding window, or
/// with exponential backoff, limited by consecutive failures.
///
/// The default is OTP's: one restart in five seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restarts {
    /// Restarts immediately. The supervisor gives up when there would be more than `max` restarts of all its children
    /// within `window`. With `max: 0` it gives up at the first failure.
    Intensity {
        /// The maximum number of restarts in a window.
        max: u32,
        /// The sliding window, with both ends included. Must not be zero or [`Duration::MAX`].
        window: Duration,
    },
    /// Restarts after a random delay between zero and a ceiling that doubles with each consecutive failure (full jitter),
    /// counted for each child separately.
    Backoff {
        /// The ceiling of the first delay. Must not be zero.
        first: Duration,
        /// The maximum of the ceiling. Must be at least `first`.
        longest: Duration,
        /// The maximum number of consecutive restarts of a child. At the next failure the supervisor gives up.
        limit: u32,
        /// A run that lasted this long after it started resets the count of consecutive failures. Must not be zero.
        reset_after: Duration,
    },
}

impl Default for Restarts {
    fn default() -> Self {
        Self::Intensity { max: 1, window: Duration::from_secs(5) }
    }
}

impl Restarts {
    pub(super) fn check(self) -> Result<(), SupervisorConfigError> {
        match self {
            Self::Intensity { window, .. } if window.is_zero() || window == Duration::MAX => {
                Err(SupervisorConfigError::Window { window })
            }
            Self::Backoff { first, longest, reset_after, .. }
                if first.is_zero() || longest < first || reset_after.is_zero() =>
            {
                Err(SupervisorConfigError::Backoff { first, longest, reset_after })
            }
            Self::Intensity { .. } | Self::Backoff { .. } => Ok(()),
        }
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decision {
    RestartAfter(Duration),
    /// Gives up, with the number of failures.
    GiveUp(u32),
}

/// The failures in the current window.
#[derive(Debug)]
pub(super) struct RestartHistory {
    restarts: Restarts,
    /// The times of the failures in the window; at most `max + 1`.
    window: VecDeque<Duration>,
}

impl RestartHistory {
    pub(super) fn new(restarts: Restarts) -> Self {
        Self { restarts, window: VecDeque::new() }
    }

    /// Counts a failure at `now` of a child with `in_a_row` consecutive failures whose last run took `ran`. `jitter` is in 0..=1.
    pub(super) fn decide(&mut self, now: Duration, in_a_row: &mut u32, ran: Duration, jitter: f64) -> Decision {
        match self.restarts {
            Restarts::Intensity { max, window } => {
                let oldest = now.saturating_sub(window);
                while self.window.front().is_some_and(|&at| at < oldest) {
                    self.window.pop_front();
                }
                self.window.push_back(now);
                let count = u32::try_from(self.window.len()).unwrap_or(u32::MAX);
                *in_a_row = in_a_row.saturating_add(1);
                if count > max { Decision::GiveUp(count) } else { Decision::RestartAfter(Duration::ZERO) }
            }
            Restarts::Backoff { first, longest, limit, reset_after } => {
                *in_a_row = if ran >= reset_after { 1 } else { in_a_row.saturating_add(1) };
                if *in_a_row > limit {
                    return Decision::GiveUp(*in_a_row);
                }
                Decision::RestartAfter(Backoff { first, longest }.jittered(*in_a_row, jitter))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn intensity(max: u32, window: u64) -> RestartHistory {
        RestartHistory::new(Restarts::Intensity { max, window: secs(window) })
    }

    fn verdicts(ledger: &mut RestartHistory, at: &[u64]) -> Vec<Decision> {
        at.iter().map(|&at| ledger.decide(secs(at), &mut 0, Duration::ZERO, 0.5)).collect()
    }

    const AT_ONCE: Decision = Decision::RestartAfter(Duration::ZERO);

    #[test]
    fn s4_the_window_slides() {
        assert_eq!(verdicts(&mut intensity(2, 5), &[0, 2, 4]), [AT_ONCE, AT_ONCE, Decision::GiveUp(3)]);
        assert_eq!(verdicts(&mut intensity(2, 5), &[0, 4, 6]), [AT_ONCE; 3]);
        assert_eq!(
            verdicts(&mut intensity(2, 5), &[0, 1, 5]),
            [AT_ONCE, AT_ONCE, Decision::GiveUp(3)],
            "both ends count"
        );
        assert_eq!(verdicts(&mut intensity(0, 5), &[7]), [Decision::GiveUp(1)]);
    }

    proptest! {
        /// The result equals a count of all failures in the window.
        #[test]
        fn s4_window_equals_a_count_over_all_failures(
            max in 0_u32..5,
            window in 1_u64..20,
            gaps in prop::collection::vec(0_u64..15, 1..60),
        ) {
            let mut ledger = intensity(max, window);
            let (mut now, mut past) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                past.push(now);
                let within = past.iter().filter(|&&at| now - at <= window).count();
                let expected = if within > max as usize { Decision::GiveUp(u32::try_from(within)?) } else { AT_ONCE };
                prop_assert_eq!(ledger.decide(secs(now), &mut 0, Duration::ZERO, 0.5), expected);
                if expected != AT_ONCE {
                    break;
                }
                prop_assert!(ledger.window.len() <= max as usize + 1, "the history is bounded");
            }
        }

        /// The delay is a fraction of a ceiling that doubles up to the maximum, only a long run resets the count, and the limit is exact.
        #[test]
        fn s18_backoff_counts_consecutive_failures(
            limit in 0_u32..6,
            runs in prop::collection::vec((0_u64..40, 0.0_f64..=1.0), 1..40),
        ) {
            let (first, longest, reset_after) = (secs(1), secs(8), secs(30));
            let mut ledger = RestartHistory::new(Restarts::Backoff { first, longest, limit, reset_after });
            let (mut in_a_row, mut model) = (0, 0);
            for (ran, jitter) in runs {
                model = if secs(ran) >= reset_after { 1 } else { model + 1 };
                let decision = ledger.decide(Duration::ZERO, &mut in_a_row, secs(ran), jitter);
                prop_assert_eq!(in_a_row, model);
                match decision {
                    Decision::GiveUp(count) => {
                        prop_assert_eq!(count, limit + 1);
                        break;
                    }
                    Decision::RestartAfter(delay) => {
                        prop_assert!(model <= limit);
                        prop_assert_eq!(delay, longest.min(first * 2_u32.pow(model - 1)).mul_f64(jitter));
                    }
                }
            }
        }
    }
}
