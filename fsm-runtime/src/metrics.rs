//! Owns what is counted and timed, through the facade of the `metrics` crate; without the feature of that name, nothing is.
//!
//! Labels are names from declarations, never ids: their number is bounded by the code.
#![cfg_attr(not(feature = "metrics"), allow(unused_variables, reason = "the bodies are gone"))]

use std::time::{Duration, SystemTime};

/// Tells the installed recorder what each metric of this crate means, and its unit. Call it once, after installing the recorder.
#[cfg(feature = "metrics")]
pub fn describe() {
    use metrics::{Unit::Seconds, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("fsm_transitions_total", "Transitions that were committed");
    describe_counter!(
        "fsm_verdicts_total",
        "What became of changes: committed, conflict, fenced, duplicate, key_reused, refused"
    );
    describe_counter!("fsm_claims_total", "Claims of work that were made");
    describe_counter!("fsm_takeovers_total", "Claims of work that a process which is gone had held");
    describe_counter!("fsm_work_total", "Attempts that ended, by outcome");
    describe_counter!("fsm_parked_total", "Instances that were parked");
    describe_counter!("fsm_restarts_total", "Restarts by supervisors, by what the run had failed with");
    describe_gauge!("fsm_workers", "Workers of this process by phase: running (until they are gone), waiting, leaked");
    describe_histogram!("fsm_work_seconds", Seconds, "How long attempts took");
    describe_histogram!("fsm_wait_seconds", Seconds, "From when work was due until its claim was made");
    describe_histogram!("fsm_commit_seconds", Seconds, "How long transactions took, their sync included");
    describe_histogram!("fsm_commit_groups", "How many groups of changes shared a transaction");
}

/// A transaction of the SQLite store's writer was committed.
#[cfg(feature = "sqlite")]
pub(crate) fn batch(groups: usize, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        metrics::histogram!("fsm_commit_groups").record(f64::from(u32::try_from(groups).unwrap_or(u32::MAX)));
        metrics::histogram!("fsm_commit_seconds").record(took);
    }
}

/// Work that was due at `due` is claimed.
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

/// Work of a process that is gone is taken over.
pub(crate) fn taken_over(machine: &str, state: &str) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = (machine.to_owned(), state.to_owned());
        metrics::counter!("fsm_takeovers_total", "machine" => machine, "state" => state).increment(1);
    }
}

/// An attempt has ended.
pub(crate) fn worked(machine: &str, state: &str, outcome: &'static str, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = (machine.to_owned(), state.to_owned());
        metrics::histogram!("fsm_work_seconds", "machine" => machine.clone(), "state" => state.clone()).record(took);
        metrics::counter!("fsm_work_total", "machine" => machine, "state" => state, "outcome" => outcome).increment(1);
    }
}

/// An instance is to be parked.
pub(crate) fn parked(machine: &str, state: &str) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = (machine.to_owned(), state.to_owned());
        metrics::counter!("fsm_parked_total", "machine" => machine, "state" => state).increment(1);
    }
}

/// There is one more in `phase`, or one less.
pub(crate) fn workers(machine: &str, phase: &'static str, change: f64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("fsm_workers", "machine" => machine.to_owned(), "phase" => phase).increment(change);
}

/// A supervisor restarts a child.
pub(crate) fn restarted(cause: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("fsm_restarts_total", "cause" => cause).increment(1);
}
