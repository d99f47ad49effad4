//! Owns what is counted and timed, through the facade of the `metrics` crate; without the feature of that name, nothing is.
//!
//! Labels are names from declarations, never ids: their number is bounded by the code.
#![cfg_attr(not(feature = "metrics"), allow(unused_variables, reason = "the bodies are gone"))]

#[cfg(feature = "metrics")]
use crate::store::Change;
use crate::store::{Group, Row, Verdict};
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

/// Groups on their way to the store.
pub(crate) struct Committing {
    #[cfg(feature = "metrics")]
    groups: Vec<(Option<String>, Vec<metrics::Key>)>,
}

impl Committing {
    pub(crate) fn of(groups: &[Group]) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            groups: groups.iter().map(of_group).collect(),
        }
    }

    #[cfg_attr(not(feature = "metrics"), allow(clippy::unused_self, reason = "the body is gone"))]
    pub(crate) fn ended(self, verdicts: &[Verdict]) {
        #[cfg(feature = "metrics")]
        for ((machine, transitions), verdict) in self.groups.into_iter().zip(verdicts) {
            let name = match verdict {
                Verdict::Committed { .. } => "committed",
                Verdict::Conflict { .. } => "conflict",
                Verdict::Fenced { .. } => "fenced",
                Verdict::Duplicate { .. } => "duplicate",
                Verdict::KeyReused { .. } => "key_reused",
                Verdict::Refused { .. } => "refused",
            };
            if let Some(machine) = machine {
                metrics::counter!("fsm_verdicts_total", "machine" => machine, "verdict" => name).increment(1);
            }
            if matches!(verdict, Verdict::Committed { .. }) {
                for key in transitions {
                    metrics::with_recorder(|recorder| recorder.register_counter(&key, &METADATA)).increment(1);
                }
            }
        }
    }
}

#[cfg(feature = "metrics")]
static METADATA: metrics::Metadata<'static> =
    metrics::Metadata::new(module_path!(), metrics::Level::INFO, Some(module_path!()));

/// The machine of what it changes, and the counter of each transition.
#[cfg(feature = "metrics")]
fn of_group(group: &Group) -> (Option<String>, Vec<metrics::Key>) {
    let machine = group.changes.first().map(|change| change.key().machine.to_string());
    let transition = |change: &Change| match change {
        Change::Transition(it) => {
            let label = |name: &'static str, value: &str| metrics::Label::new(name, value.to_owned());
            let labels = vec![
                label("machine", &it.key.machine),
                label("from", &it.from),
                label("event", &it.event),
                label("cause", it.cause.as_str()),
            ];
            Some(metrics::Key::from_parts("fsm_transitions_total", labels))
        }
        _ => None,
    };
    (machine, group.changes.iter().filter_map(transition).collect())
}

/// A transaction of the SQLite store's writer was committed.
pub(crate) fn batch(groups: usize, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        metrics::histogram!("fsm_commit_groups").record(f64::from(u32::try_from(groups).unwrap_or(u32::MAX)));
        metrics::histogram!("fsm_commit_seconds").record(took);
    }
}

/// Work that was due at `due` is claimed.
pub(crate) fn claimed(row: &Row, due: Option<SystemTime>, now: SystemTime) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = names(row);
        metrics::counter!("fsm_claims_total", "machine" => machine.clone(), "state" => state.clone()).increment(1);
        if let Some(waited) = due.and_then(|due| now.duration_since(due).ok()) {
            metrics::histogram!("fsm_wait_seconds", "machine" => machine, "state" => state).record(waited);
        }
    }
}

/// Work of a process that is gone is taken over.
pub(crate) fn taken_over(row: &Row) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = names(row);
        metrics::counter!("fsm_takeovers_total", "machine" => machine, "state" => state).increment(1);
    }
}

/// An attempt has ended.
pub(crate) fn worked(row: &Row, outcome: &'static str, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = names(row);
        metrics::histogram!("fsm_work_seconds", "machine" => machine.clone(), "state" => state.clone()).record(took);
        metrics::counter!("fsm_work_total", "machine" => machine, "state" => state, "outcome" => outcome).increment(1);
    }
}

/// An instance is to be parked.
pub(crate) fn parked(row: &Row) {
    #[cfg(feature = "metrics")]
    {
        let (machine, state) = names(row);
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

#[cfg(feature = "metrics")]
fn names(row: &Row) -> (String, String) {
    (row.key.machine.to_string(), row.state.clone())
}
