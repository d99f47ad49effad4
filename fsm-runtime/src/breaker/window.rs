//! The failure rate in a sliding window. Pure.

use std::time::Duration;

/// The number of parts of a window. The oldest part leaves the window as a whole, so a window is exact to a tenth of its length.
const PARTS: u32 = 10;

/// The failure rate at which a circuit opens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WindowRule {
    /// The share of failures, above zero and at most 1.
    pub(super) rate: f64,
    /// The length of the window.
    pub(super) window: Duration,
    /// The smallest number of calls in the window at which the rate applies.
    pub(super) calls: u32,
}

/// The calls of the last `window`, in parts.
#[derive(Debug)]
pub(super) struct Window {
    rule: WindowRule,
    /// The calls and the failures of each part. A part is at the index of its number modulo `PARTS`.
    parts: [(u32, u32); PARTS as usize],
    /// The number of the newest part.
    newest: u128,
}

impl Window {
    pub(super) fn new(rule: WindowRule) -> Self {
        Self { rule, parts: Default::default(), newest: 0 }
    }

    /// Counts a call that ended at `now`.
    pub(super) fn add(&mut self, failed: bool, now: Duration) {
        self.advance(now);
        let (calls, failures) = &mut self.parts[place(self.newest)];
        *calls = calls.saturating_add(1);
        *failures = failures.saturating_add(u32::from(failed));
    }

    /// Whether the failures in the window reach the rate.
    pub(super) fn is_at_rate(&mut self, now: Duration) -> bool {
        self.advance(now);
        let (mut calls, mut failures) = (0_u64, 0_u64);
        for (of_part, failed) in self.parts {
            calls += u64::from(of_part);
            failures += u64::from(failed);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of calls are far below 2^52")]
        let rate = failures as f64 / calls.max(1) as f64;
        calls >= u64::from(self.rule.calls) && rate >= self.rule.rate
    }

    /// Empties the parts that have left the window.
    fn advance(&mut self, now: Duration) {
        let part = (self.rule.window / PARTS).as_nanos().max(1);
        let present = (now.as_nanos() / part).max(self.newest);
        for number in (self.newest + 1..=present).take(PARTS as usize) {
            self.parts[place(number)] = (0, 0);
        }
        if present - self.newest > u128::from(PARTS) {
            self.parts = Default::default();
        }
        self.newest = present;
    }
}

fn place(number: u128) -> usize {
    usize::try_from(number % u128::from(PARTS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Compares the window with a list of all calls, of which the calls of the last ten parts count.
        #[test]
        fn the_rate_is_that_of_the_last_ten_parts(
            calls in prop::collection::vec((0_u64..400, prop::bool::ANY), 1..80),
            least in 1_u32..10,
            percent in 1_u32..=100,
        ) {
            let rate = f64::from(percent) / 100.0;
            let rule = WindowRule { rate, window: Duration::from_secs(1), calls: least };
            let (mut window, mut now, mut all) = (Window::new(rule), 0, Vec::new());
            for (pause, failed) in calls {
                now += pause;
                all.push((now / 100, failed));
                window.add(failed, Duration::from_millis(now));
                let within: Vec<bool> =
                    all.iter().filter(|(part, _)| part + 10 > now / 100).map(|(_, failed)| *failed).collect();
                let failures = u32::try_from(within.iter().filter(|failed| **failed).count()).unwrap();
                let reached = within.len() >= least as usize && f64::from(failures) / f64::from(u32::try_from(within.len()).unwrap()) >= rate;
                prop_assert_eq!(window.is_at_rate(Duration::from_millis(now)), reached);
            }
        }
    }
}
