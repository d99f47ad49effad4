//! Owns how the work of a state is looked after: beats, deadlines, retries and limits; the defaults, and what a state has
//! of its own.

use crate::{backoff::Backoff, store::Row};
use fsm_core::Graph;
use std::{collections::HashMap, time::Duration};

/// How the work of one state is looked after, where that differs from the builder's own settings.
///
/// Given to [`Builder::policy`](crate::Builder::policy). What is not set here is as the builder says for all states, and
/// what is not set there either has its default:
///
/// | | default | for all states |
/// | --- | --- | --- |
/// | [`heartbeat`](Self::heartbeat) | off: a worker may be silent | nowhere: only a worker that is written to beat can miss one |
/// | [`deadline`](Self::deadline) | off: an attempt may take as long as it likes | nowhere: how long is long depends on the work |
/// | [`grace`](Self::grace) | 5 s | [`Builder::grace`](crate::Builder::grace) |
/// | [`backoff`](Self::backoff) | up to 1 s, doubling to 5 min | [`Builder::backoff`](crate::Builder::backoff) |
/// | [`attempts`](Self::attempts) | 10 | [`Builder::attempts`](crate::Builder::attempts) |
/// | [`workers_at_once`](Self::workers_at_once) | no limit but the machine's | [`Builder::workers_at_once`](crate::Builder::workers_at_once): 256 for each machine |
///
/// ```
/// # use fsm_runtime::{Builder, Policy, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// #[derive(StateMachine)]
/// #[fsm(initial = Uploading, durable, derive(Serialize, Deserialize))]
/// enum Video {
///     /// A worker sends it.
///     #[state(work)]
///     #[on(uploaded => Online)]
///     Uploading { path: String },
///     /// It can be seen.
///     #[state(end)]
///     Online,
/// }
///
/// # fn example(builder: Builder) -> Builder {
/// builder.policy::<video::Uploading>(
///     Policy::new()
///         .heartbeat(Duration::from_secs(30)) // it beats after each part
///         .deadline(Duration::from_secs(3600))
///         .attempts(3)
///         .workers_at_once(4),                // more would only share the line
/// )
/// # }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "give it to `Builder::policy`"]
pub struct Policy {
    heartbeat: Option<Duration>,
    deadline: Option<Duration>,
    grace: Option<Duration>,
    backoff: Option<Backoff>,
    attempts: Option<u32>,
    workers_at_once: Option<usize>,
}

impl Policy {
    /// Nothing of its own: all as the builder says.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a worker may be silent. One that does not call [`heartbeat`](crate::RawTask::heartbeat) for so long has
    /// failed with `missed heartbeat`: it is cancelled, given its grace, aborted and waited for; the attempt counts, and the
    /// next one starts after its backoff. Counted from its start.
    pub fn heartbeat(mut self, within: Duration) -> Self {
        self.heartbeat = Some(within);
        self
    }

    /// How long one attempt may take, beats or not. One that takes longer has failed with `deadline exceeded`, and is treated
    /// as one that missed a heartbeat. For all attempts at one stay in the state together there is `#[after(…)]`.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// How long a worker that was told to end may take before it is aborted.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// The wait before another attempt: up to `first` after the first failure, twice as much after each further one,
    /// `longest` at most. Each wait is anything between nothing and that (full jitter).
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Some(Backoff { first, longest });
        self
    }

    /// After how many failed attempts at one stay in the state its `exhausted` event is fired, or else the instance is parked.
    pub fn attempts(mut self, limit: u32) -> Self {
        self.attempts = Some(limit);
        self
    }

    /// How many workers of this state run at once, within what the machine may have. Others wait in order; they do not hold up
    /// other states of the machine.
    pub fn workers_at_once(mut self, limit: usize) -> Self {
        self.workers_at_once = Some(limit);
        self
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        if self.heartbeat.is_some_and(|within| within.is_zero()) {
            return Some("`heartbeat`: no worker beats without any time between");
        }
        if self.deadline.is_some_and(|within| within.is_zero()) {
            return Some("`deadline`: no work is done in no time");
        }
        if self.backoff.is_some_and(|backoff| backoff.first > backoff.longest) {
            return Some("`backoff`: the first wait cannot be longer than the longest");
        }
        if self.attempts == Some(0) {
            return Some("`attempts`: without an attempt no work would ever be done");
        }
        if self.workers_at_once == Some(0) {
            return Some("`workers_at_once`: without a slot no work would ever be done");
        }
        None
    }
}

/// What one attempt goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            heartbeat: None,
            deadline: None,
            grace: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(5) },
            attempts: 10,
        }
    }
}

/// The policies by machine and state.
#[derive(Debug, Default)]
pub(crate) struct Policies(HashMap<(&'static str, &'static str), Policy>);

impl Policies {
    /// Whether the state had none before.
    pub(crate) fn insert(&mut self, machine: &'static str, state: &'static str, policy: Policy) -> bool {
        self.0.insert((machine, state), policy).is_none()
    }

    /// What an attempt at the state that `row` stands in goes by.
    pub(crate) fn limits(&self, defaults: Limits, graph: &'static Graph, row: &Row) -> Limits {
        let state = graph.state_was(&row.state).map(|state| state.name);
        let Some(policy) = state.and_then(|state| self.0.get(&(graph.machine, state))) else {
            return defaults;
        };
        Limits {
            heartbeat: policy.heartbeat,
            deadline: policy.deadline,
            grace: policy.grace.unwrap_or(defaults.grace),
            backoff: policy.backoff.unwrap_or(defaults.backoff),
            attempts: policy.attempts.unwrap_or(defaults.attempts),
        }
    }

    /// How many workers of each state of `machine` may run at once, where that is limited.
    pub(crate) fn slots(&self, machine: &'static str) -> HashMap<&'static str, usize> {
        let of_machine = self.0.iter().filter(|((of, _), _)| *of == machine);
        of_machine.filter_map(|((_, state), policy)| Some((*state, policy.workers_at_once?))).collect()
    }

    /// One whose machine is not among `known`.
    pub(crate) fn stranger(&self, known: impl Fn(&str) -> bool) -> Option<(&'static str, &'static str)> {
        self.0.keys().find(|(machine, _)| !known(machine)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn invalid_policies_name_their_fault() {
        assert_eq!(Policy::new().heartbeat(SECOND).deadline(SECOND).attempts(1).workers_at_once(1).wrong(), None);
        assert_eq!(Policy::new().grace(Duration::ZERO).backoff(Duration::ZERO, Duration::ZERO).wrong(), None);
        for (policy, setting) in [
            (Policy::new().heartbeat(Duration::ZERO), "`heartbeat`"),
            (Policy::new().deadline(Duration::ZERO), "`deadline`"),
            (Policy::new().backoff(SECOND * 2, SECOND), "`backoff`"),
            (Policy::new().attempts(0), "`attempts`"),
            (Policy::new().workers_at_once(0), "`workers_at_once`"),
        ] {
            assert!(policy.wrong().is_some_and(|why| why.starts_with(setting)), "{policy:?}");
        }
    }
}
