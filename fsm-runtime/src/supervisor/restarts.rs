//! Owns how often children may be restarted: the sliding window, the backoff, and the decision; all of it pure.

use super::error::Invalid;
use crate::backoff::Backoff;
use std::{collections::VecDeque, time::Duration};

/// How often a supervisor restarts its children before it gives up: either at once and so many in a window, or with
/// growing delays and so many in a row. The two are never mixed.
///
/// The default is OTP's: one restart in five seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// At once; when there would be more than `max` within `window`, over all children, the supervisor gives up. With
    /// `max: 0` the first failure ends it.
    Intensity {
        /// How many restarts a window may hold.
        max: u32,
        /// The sliding window, both ends included. Neither zero nor [`Duration::MAX`].
        window: Duration,
    },
    /// After a random delay between nothing and a ceiling that doubles with every failure in a row (full jitter), counted
    /// for each child by itself.
    Backoff {
        /// The ceiling of the first delay; not zero.
        first: Duration,
        /// What the ceiling grows to; not less than `first`.
        longest: Duration,
        /// How many restarts in a row a child gets. The failure after them ends the supervisor.
        limit: u32,
        /// A run that lasted this long, counted from its start's success, ends the row; not zero.
        reset_after: Duration,
    },
}

impl Default for Restarts {
    fn default() -> Self {
        Self::Intensity { max: 1, window: Duration::from_secs(5) }
    }
}

impl Restarts {
    pub(super) fn check(self) -> Result<(), Invalid> {
        match self {
            Self::Intensity { window, .. } if window.is_zero() || window == Duration::MAX => {
                Err(Invalid::Window { window })
            }
            Self::Backoff { first, longest, reset_after, .. }
                if first.is_zero() || longest < first || reset_after.is_zero() =>
            {
                Err(Invalid::Backoff { first, longest, reset_after })
            }
            Self::Intensity { .. } | Self::Backoff { .. } => Ok(()),
        }
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decision {
    RestartAfter(Duration),
    /// The count of failures that were too many.
    GiveUp(u32),
}

/// The failures that still count.
#[derive(Debug)]
pub(super) struct Ledger {
    restarts: Restarts,
    /// When the restarts of the window were asked for; at most `max` of them, and the one that is too many.
    window: VecDeque<Duration>,
}

impl Ledger {
    pub(super) fn new(restarts: Restarts) -> Self {
        Self { restarts, window: VecDeque::new() }
    }

    /// Counts a failure at `now`, of a child that had `in_a_row` before it and `ran` for so long. `jitter` is from 0 to 1.
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
                Decision::RestartAfter(Backoff { first, longest }.ceiling(*in_a_row).mul_f64(jitter))
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

    fn intensity(max: u32, window: u64) -> Ledger {
        Ledger::new(Restarts::Intensity { max, window: secs(window) })
    }

    fn verdicts(ledger: &mut Ledger, at: &[u64]) -> Vec<Decision> {
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
        /// The same as counting every failure so far that lies in the window, for all of time.
        #[test]
        fn s4_the_window_equals_a_count_over_all_failures(
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
                prop_assert!(ledger.window.len() <= max as usize + 1, "the ledger does not grow");
            }
        }

        /// The delay is its part of a ceiling that doubles up to the longest, the row ends with a long run only, and the limit is exact.
        #[test]
        fn s18_backoff_counts_consecutive_failures(
            limit in 0_u32..6,
            runs in prop::collection::vec((0_u64..40, 0.0_f64..=1.0), 1..40),
        ) {
            let (first, longest, reset_after) = (secs(1), secs(8), secs(30));
            let mut ledger = Ledger::new(Restarts::Backoff { first, longest, limit, reset_after });
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
