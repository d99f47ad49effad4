//! The settings of a breaker.

use super::{Breaker, counted::Rules, window::WindowRule};
use crate::{
    clock::{Clock, FOREVER, TOO_LONG},
    worker::WorkError,
};
use std::{fmt, sync::Arc, time::Duration};

/// The settings of a [`Breaker`]. Returned by [`Breaker::options`].
#[must_use = "call `build`"]
pub struct BreakerOptions {
    name: String,
    rules: Rules,
    counts: Counts,
    clock: Clock,
    wrong: Option<BreakerError>,
}

/// Whether an error of a worker counts as a failure.
pub(super) type Counts = Arc<dyn Fn(&WorkError) -> bool + Send + Sync>;

/// A setting of a breaker that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("breaker `{name}`: `{setting}`: {why}")]
#[non_exhaustive]
pub struct BreakerError {
    /// The name of the breaker.
    pub name: String,
    /// The setting.
    pub setting: &'static str,
    /// Why it is not valid.
    pub why: &'static str,
}

impl BreakerOptions {
    pub(super) fn new(name: String) -> Self {
        let rules =
            Rules { failures_in_a_row: Some(5), failure_rate: None, open_for: Duration::from_secs(30), probes: 1 };
        let options =
            Self { name, rules, counts: Arc::new(|error| !error.is_permanent()), clock: Clock::system(), wrong: None };
        let named = !options.name.trim().is_empty();
        options.check("name", named, "a name is needed for the log and the status")
    }

    /// Sets the number of failures in a row after which the circuit opens: 5 by default. A success resets the count.
    pub fn failures_in_a_row(mut self, limit: u32) -> Self {
        self.rules.failures_in_a_row = Some(limit);
        self.check("failures_in_a_row", limit > 0, "must be at least 1")
    }

    /// Opens the circuit when at least the share `rate` of the calls in the last `window` have failed, and there were at least `calls`
    /// calls. Off by default.
    ///
    /// `rate` is between 0 and 1. The window slides in tenths of its length. To use only this rule, also call
    /// [`without_failures_in_a_row`](Self::without_failures_in_a_row).
    pub fn failure_rate(mut self, rate: f64, window: Duration, calls: u32) -> Self {
        self.rules.failure_rate = Some(WindowRule { rate, window, calls });
        let checked = self.check("failure_rate", rate > 0.0 && rate <= 1.0, "the rate must be above 0 and at most 1");
        let checked = checked.check("failure_rate", !window.is_zero(), "the window must be longer than zero");
        checked.check("failure_rate", window <= FOREVER, TOO_LONG).check(
            "failure_rate",
            calls > 0,
            "must need at least 1 call",
        )
    }

    /// Disables the rule of [`failures_in_a_row`](Self::failures_in_a_row).
    pub fn without_failures_in_a_row(mut self) -> Self {
        self.rules.failures_in_a_row = None;
        self
    }

    /// Sets how long the circuit stays open before a call is made as a probe: 30 s by default.
    pub fn open_for(mut self, duration: Duration) -> Self {
        self.rules.open_for = duration;
        let checked = self.check("open_for", !duration.is_zero(), "must be longer than zero");
        checked.check("open_for", duration <= FOREVER, TOO_LONG)
    }

    /// Sets the number of probes that have to succeed in a row before the circuit closes: 1 by default.
    pub fn probes(mut self, probes: u32) -> Self {
        self.rules.probes = probes;
        self.check("probes", probes > 0, "must be at least 1")
    }

    /// Sets which errors of workers count as failures. By default all errors count except [permanent](WorkError::permanent) ones, which mean
    /// that the request was wrong, and not that the provider fails. Missed heartbeats, attempt timeouts and panics always count.
    pub fn counts(mut self, counts: impl Fn(&WorkError) -> bool + Send + Sync + 'static) -> Self {
        self.counts = Arc::new(counts);
        self
    }

    /// Sets the clock: the system's by default. In a test, pass the clock of the runtime.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Creates the breaker. Its circuit is closed.
    ///
    /// # Errors
    /// [`BreakerError`] for the first setting that is not valid, or if there is no rule that opens the circuit.
    pub fn build(self) -> Result<Breaker, BreakerError> {
        let rules = self.rules.failures_in_a_row.is_some() || self.rules.failure_rate.is_some();
        let checked = self.check("failures_in_a_row", rules, "no rule opens the circuit; set `failure_rate`");
        let Self { name, rules, counts, clock, wrong } = checked;
        wrong.map_or_else(|| Ok(Breaker::new(name, rules, counts, clock)), Err)
    }

    fn check(mut self, setting: &'static str, right: bool, why: &'static str) -> Self {
        if !right && self.wrong.is_none() {
            self.wrong = Some(BreakerError { name: self.name.clone(), setting, why });
        }
        self
    }
}

impl fmt::Debug for BreakerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerOptions")
            .field("name", &self.name)
            .field("rules", &self.rules)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
