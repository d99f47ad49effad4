//! Metrics, recorded through the `metrics` crate (feature `metrics`). Without the feature, the functions do nothing.
//!
//! Labels are names from declarations and never ids, so the number of time series is bounded by the code.
#![cfg_attr(not(feature = "metrics"), allow(unused_variables, reason = "the bodies are empty"))]

use std::time::{Duration, SystemTime};

/// Registers the description and unit of each metric with the installed recorder. Call it once, after you install the recorder.
#[cfg(feature = "metrics")]
pub fn describe() {
    use metrics::{Unit::Seconds, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("fsm_transitions_total", "Committed transitions");
    describe_counter!(
        "fsm_verdicts_total",
        "Changes by verdict: committed, conflict, fenced, duplicate, key_reused, too_early, refused, too_large"
    );
    describe_counter!("fsm_claims_total", "Claims");
    describe_counter!("fsm_takeovers_total", "Claims that were taken over from a process that has ended");
    describe_counter!("fsm_work_total", "Finished attempts, by outcome");
    describe_counter!("fsm_parked_total", "Parked instances");
    describe_counter!("fsm_restarts_total", "Restarts by supervisors, by kind of failure");
    describe_gauge!(
        "fsm_workers",
        "Workers of this process, by phase: running (until they have ended), waiting, leaked"
    );
    describe_histogram!("fsm_work_seconds", Seconds, "Duration of attempts");
    describe_histogram!("fsm_wait_seconds", Seconds, "Time from the due time of work to its claim");
    describe_histogram!("fsm_commit_seconds", Seconds, "Duration of transactions, including the sync");
    describe_histogram!("fsm_commit_groups", "Number of groups of changes in a transaction");
}

/// Records a committed transaction of a store.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn batch(groups: usize, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        metrics::histogram!("fsm_commit_groups").record(f64::from(u32::try_from(groups).unwrap_or(u32::MAX)));
        metrics::histogram!("fsm_commit_seconds").record(took);
    }
}

/// Records a claim of work that was due at `due`.
pub(crate) fn claimed(machine: &str, state: &str, due: Option<SystemTime>, now: SystemTime) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = (machine.to_owned(), state.to_owned());
        metrics::counter!("fsm_claims_total", "machine" => machine.clone(), "state" => state.clone()).increment(1);
        if let Some(waited) = due.and_then(|due| now.duration_since(due).ok()) {
            metrics::histogram!("fsm_wait_seconds", "machine" => machine, "state" => state).record(waited);
        }
    }
}

/// Records a claim that was taken over from a process that has ended.
pub(crate) fn taken_over(machine: &str, state: &str) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = (machine.to_owned(), state.to_owned());
        metrics::counter!("fsm_takeovers_total", "machine" => machine, "state" => state).increment(1);
    }
}

/// Records a finished attempt.
pub(crate) fn worked(machine: &str, state: &str, outcome: &'static str, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = (machine.to_owned(), state.to_owned());
        metrics::histogram!("fsm_work_seconds", "machine" => machine.clone(), "state" => state.clone()).record(took);
        metrics::counter!("fsm_work_total", "machine" => machine, "state" => state, "outcome" => outcome).increment(1);
    }
}

/// Records a parked instance.
pub(crate) fn parked(machine: &str, state: &str) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = (machine.to_owned(), state.to_owned());
        metrics::counter!("fsm_parked_total", "machine" => machine, "state" => state).increment(1);
    }
}

/// Changes the number of workers in `phase`.
pub(crate) fn workers(machine: &str, phase: &'static str, change: f64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("fsm_workers", "machine" => machine.to_owned(), "phase" => phase).increment(change);
}

/// Records a restart by a supervisor.
pub(crate) fn restarted(cause: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("fsm_restarts_total", "cause" => cause).increment(1);
}
