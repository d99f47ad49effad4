//! The limits of work on a state: heartbeats, timeouts, retries, concurrency, rates and circuit breakers.

use super::{
    gate::{Gate, LimitKey, StateRate},
    shared_slots::SharedSlots,
    slots::StateLimits,
};
use crate::{
    backoff::Backoff,
    breaker::Breaker,
    clock::{Clock, FOREVER},
    engine::Engine,
    machine::{WorkState, convert},
    membership::LiveNodes,
    store::Row,
    worker::{Limits, Rate},
};
use fsm_core::{Graph, Target};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use tokio::sync::watch;

/// The limits of work on one state, as far as they differ from the builder's settings.
///
/// Passed to [`Builder::policy`](crate::Builder::policy). A setting that is absent here falls back to the builder's setting for all
/// states, and then to the default:
///
/// | | default | for all states |
/// | --- | --- | --- |
/// | [`heartbeat`](Self::heartbeat) | off | – |
/// | [`attempt_timeout`](Self::attempt_timeout) | off | – |
/// | [`grace_period`](Self::grace_period) | 5 s | [`Builder::grace_period`](crate::Builder::grace_period) |
/// | [`backoff`](Self::backoff) | up to 1 s, doubling to 5 min | [`Builder::backoff`](crate::Builder::backoff) |
/// | [`max_attempts`](Self::max_attempts) | 10 | [`Builder::max_attempts`](crate::Builder::max_attempts) |
/// | [`max_concurrency`](Self::max_concurrency) | that of the machine | [`Builder::max_concurrency`](crate::Builder::max_concurrency): 256 for each machine |
/// | [`concurrency_over_all`](Self::concurrency_over_all) | off | – |
/// | [`rate`](Self::rate) | off | – |
/// | [`breaker`](Self::breaker) | off | – |
///
/// ```
/// # use fsm_runtime::{Builder, Policy, prelude::*};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// #[derive(StateMachine)]
/// #[fsm(initial = Uploading, durable, derive(Serialize, Deserialize))]
/// enum Video {
///     /// A worker uploads the file.
///     #[state(work)]
///     #[on(uploaded => Online)]
///     Uploading { path: String },
///     /// The video can be watched.
///     #[state(end)]
///     Online,
/// }
///
/// # fn example(builder: Builder) -> Builder {
/// builder.policy::<video::Uploading>(
///     Policy::new()
///         .heartbeat(Duration::from_secs(30)) // it sends one after each part
///         .attempt_timeout(Duration::from_secs(3600))
///         .max_attempts(3)
///         .max_concurrency(4),                // more would only share the bandwidth
/// )
/// # }
/// # fn main() {}
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "pass it to `Builder::policy`"]
pub struct Policy {
    heartbeat: Option<Duration>,
    attempt_timeout: Option<Duration>,
    grace_period: Option<Duration>,
    backoff: Option<Backoff>,
    max_attempts: Option<u32>,
    max_concurrency: Option<usize>,
    concurrency_over_all: Option<usize>,
    rate: Option<Rate>,
    breaker: Option<Breaker>,
}

impl Policy {
    /// A policy without settings of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the longest time between two heartbeats of a worker.
    ///
    /// A worker that does not call [`heartbeat`](crate::RawTask::heartbeat) within this time, counted from its start, fails with
    /// `missed heartbeat`. It is cancelled, and aborted after its grace period. The attempt counts, and the next one starts after
    /// its backoff once the worker has ended.
    pub fn heartbeat(mut self, within: Duration) -> Self {
        self.heartbeat = Some(within);
        self
    }

    /// Sets the longest time that one attempt may take.
    ///
    /// A worker that takes longer fails with `attempt timed out`, and is stopped like one that missed a heartbeat. To limit all
    /// attempts of a visit to the state together, declare `#[after(…)]` on the state.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Sets the time between the cancellation of a worker and its abort.
    pub fn grace_period(mut self, grace: Duration) -> Self {
        self.grace_period = Some(grace);
        self
    }

    /// Sets the delay before the next attempt: up to `first` after the first failure, doubling with each further failure up to
    /// `longest`. The delay is random between zero and that limit (full jitter).
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Some(Backoff { first, longest });
        self
    }

    /// Sets the number of failed attempts after which the work is given up: the state's `exhausted` event is fired, or the instance
    /// is parked if the state has none.
    pub fn max_attempts(mut self, limit: u32) -> Self {
        self.max_attempts = Some(limit);
        self
    }

    /// Sets how many workers of this state run at once in this process, within the limit of the machine. Other instances wait in order,
    /// without delaying other states.
    pub fn max_concurrency(mut self, limit: usize) -> Self {
        self.max_concurrency = Some(limit);
        self
    }

    /// Sets how many workers of this state run at once over all processes of the store, for a provider that limits the number of
    /// connections. Other instances wait, without delaying other states.
    ///
    /// The limit counts all instances together, or the instances of each key separately if [`Builder::limit_by`](crate::Builder::limit_by)
    /// sets a key. Work that waits for a slot takes no slot of its process and uses no attempt. [`Runtime::status`](crate::Runtime::status)
    /// and the error of [`wait_for`](crate::Machines::wait_for) show what it waits for.
    ///
    /// A process requests a slot by adding an entry to a queue in the store, and processes get slots in the order of the entries. For a
    /// second, a process uses a slot for one waiting instance after the other; it gives the slot back when the last of these workers ends.
    /// A process requests only slots that it can use now, so further waiting instances add no load on the store.
    ///
    /// A slot has a lease of the length [`Builder::lease_ttl`](crate::Builder::lease_ttl). The slots of a killed process are free when their
    /// leases expire. A process that shuts down frees each slot when its worker ends. If a lease cannot be renewed, the worker is cancelled
    /// after two thirds of the lease and aborted before the lease expires, and the attempt does not count. As with any lease, a worker that
    /// blocks its thread, or whose process stalls for longer, can still run when another process has the slot.
    ///
    /// Each process uses its own limit: while a rolling deploy changes the limit, the greater one holds.
    ///
    /// The store needs the capability [`Ephemerals`](crate::store::Ephemerals), which SQLite and PostgreSQL have.
    ///
    /// ```
    /// # use fsm_runtime::{Builder, Policy, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Importing, durable, derive(Serialize, Deserialize))]
    /// # enum Import { #[state(work)] #[on(done => Done)] Importing { account: String }, #[state(end)] Done }
    /// # fn example(builder: Builder) -> Builder {
    /// // The provider allows three connections for each account.
    /// builder
    ///     .policy::<import::Importing>(Policy::new().concurrency_over_all(3))
    ///     .limit_by(|importing: &import::Importing| importing.account.clone())
    /// # }
    /// # fn main() {}
    /// ```
    pub fn concurrency_over_all(mut self, limit: usize) -> Self {
        self.concurrency_over_all = Some(limit);
        self
    }

    /// Limits how often work of this state starts. Work that waits for the rate takes no slot and uses no attempt.
    /// [`Runtime::status`](crate::Runtime::status) and the error of [`wait_for`](crate::Machines::wait_for) show how long it waits.
    ///
    /// The rate holds for each process, or over all nodes with [`Rate::over_all_nodes`]. It counts all instances together, or the instances
    /// of each key separately if [`Builder::limit_by`](crate::Builder::limit_by) sets a key.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Starts work of this state only if `breaker` admits it. While the circuit is open, work waits. It takes no slot and uses no attempt.
    /// Pass the same breaker to all states whose workers call the same provider.
    ///
    /// An attempt that ends with an event or a requeue is a success. Whether an error counts as a failure is set by
    /// [`BreakerOptions::counts`](crate::breaker::BreakerOptions::counts). A cancelled attempt does not count.
    pub fn breaker(mut self, breaker: &Breaker) -> Self {
        self.breaker = Some(breaker.clone());
        self
    }

    /// The first invalid setting, and why it is invalid.
    pub(crate) fn wrong(&self) -> Option<&'static str> {
        if self.heartbeat.is_some_and(|within| within.is_zero()) {
            return Some("`heartbeat`: must be longer than zero");
        }
        if self.attempt_timeout.is_some_and(|within| within.is_zero()) {
            return Some("`attempt_timeout`: must be longer than zero");
        }
        for (setting, why) in [
            (self.heartbeat, "`heartbeat`: longer than 100,000 years; leave it out"),
            (self.attempt_timeout, "`attempt_timeout`: longer than 100,000 years; leave it out"),
            (
                self.grace_period,
                "`grace_period`: longer than 100,000 years; workers that ignore a cancellation would never end",
            ),
            (
                self.backoff.map(|backoff| backoff.longest),
                "`backoff`: longer than 100,000 years; limit the attempts instead",
            ),
        ] {
            if setting.is_some_and(|duration| duration > FOREVER) {
                return Some(why);
            }
        }
        if self.backoff.is_some_and(|backoff| backoff.first > backoff.longest) {
            return Some("`backoff`: the first delay must not be longer than the longest");
        }
        if self.max_attempts == Some(0) {
            return Some("`max_attempts`: must be at least 1");
        }
        if self.max_concurrency == Some(0) {
            return Some("`max_concurrency`: must be at least 1");
        }
        if self.concurrency_over_all == Some(0) {
            return Some("`concurrency_over_all`: must be at least 1; to stop work, call `Machines::hold`");
        }
        self.rate.as_ref().and_then(Rate::wrong)
    }
}

/// The policies and limit keys, by machine and state.
#[derive(Default)]
pub(crate) struct Policies {
    policies: HashMap<(&'static str, &'static str), Policy>,
    limit_keys: HashMap<(&'static str, &'static str), ReadLimitKey>,
}

/// The limit key of a row; `None` if it cannot be decoded.
type ReadLimitKey = Arc<dyn Fn(&Engine, &Row) -> LimitKey + Send + Sync>;

impl Policies {
    /// Adds a policy. Returns whether the state had none before.
    pub(crate) fn insert(&mut self, machine: &'static str, state: &'static str, policy: Policy) -> bool {
        self.policies.insert((machine, state), policy).is_none()
    }

    /// Adds the limit key of state `S`. Returns whether it had none before.
    pub(crate) fn limit_by<S: WorkState>(
        &mut self,
        machine: &'static str,
        state: &'static str,
        key: impl Fn(&S) -> String + Send + Sync + 'static,
    ) -> bool {
        let read = move |engine: &Engine, row: &Row| {
            let (machine, _) = convert::decode::<S::Machine>(&engine.migrations, row).ok()?;
            let state = <S as Target<S::Machine>>::from_enum(machine).ok()?;
            Some(key(&state).into())
        };
        self.limit_keys.insert((machine, state), Arc::new(read)).is_none()
    }

    /// A state that has a limit key, but no limit that counts by it.
    pub(crate) fn unlimited(&self) -> Option<(&'static str, &'static str)> {
        let counts = |policy: &Policy| policy.rate.is_some() || policy.concurrency_over_all.is_some();
        let has_limit = |state| self.policies.get(state).is_some_and(counts);
        self.limit_keys.keys().find(|state| !has_limit(*state)).copied()
    }

    /// A state that has slots over all processes.
    pub(crate) fn over_all(&self) -> Option<(&'static str, &'static str)> {
        self.policies.iter().find(|(_, policy)| policy.concurrency_over_all.is_some()).map(|(state, _)| *state)
    }

    /// The limit key of `row`, which is in `state`.
    pub(crate) fn limit_key(&self, engine: &Engine, graph: &'static Graph, state: &'static str, row: &Row) -> LimitKey {
        self.limit_keys.get(&(graph.machine, state)).and_then(|read| read(engine, row))
    }

    /// The limits of an attempt in the state of `row`.
    pub(crate) fn limits(&self, defaults: Limits, graph: &'static Graph, row: &Row) -> Limits {
        let state = graph.state_was(&row.state).map(|state| state.name);
        let Some(policy) = state.and_then(|state| self.policies.get(&(graph.machine, state))) else {
            return defaults;
        };
        Limits {
            heartbeat: policy.heartbeat,
            attempt_timeout: policy.attempt_timeout,
            grace_period: policy.grace_period.unwrap_or(defaults.grace_period),
            backoff: policy.backoff.unwrap_or(defaults.backoff),
            max_attempts: policy.max_attempts.unwrap_or(defaults.max_attempts),
        }
    }

    /// The limits of the states of `machine`, which has `max_concurrency` slots in this process. `ttl` is the length of the leases of slots
    /// over all processes, `grace` is the grace period of states without their own, and `live` are the nodes that divide rates.
    pub(super) fn states(
        &self,
        machine: &'static str,
        max_concurrency: usize,
        (ttl, grace): (Duration, Duration),
        clock: &Clock,
        live: &watch::Receiver<LiveNodes>,
    ) -> HashMap<&'static str, StateLimits> {
        let of_machine = self.policies.iter().filter(|((of, _), _)| *of == machine);
        of_machine
            .map(|((_, state), policy)| {
                let rate = policy.rate.map(|rate| StateRate::new(rate, clock.clone(), live.clone(), machine));
                let shared = policy.concurrency_over_all.map(|limit| {
                    let most = policy.max_concurrency.unwrap_or(max_concurrency).min(max_concurrency);
                    let grace = policy.grace_period.unwrap_or(grace);
                    SharedSlots::new((machine, state), limit, most, (ttl, grace))
                });
                let gate = Gate { rate, breaker: policy.breaker.clone(), shared };
                (*state, StateLimits { slots: policy.max_concurrency, gate })
            })
            .collect()
    }

    /// The breakers, each once, ordered by name.
    pub(crate) fn breakers(&self) -> Vec<Breaker> {
        let breakers = self.policies.values().filter_map(|policy| policy.breaker.as_ref());
        let mut all: Vec<Breaker> = Vec::new();
        for breaker in breakers {
            if !all.iter().any(|other| other.is_same(breaker)) {
                all.push(breaker.clone());
            }
        }
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// A policy whose machine is not `known`.
    pub(crate) fn unregistered(&self, known: impl Fn(&str) -> bool) -> Option<(&'static str, &'static str)> {
        self.policies.keys().chain(self.limit_keys.keys()).find(|(machine, _)| !known(machine)).copied()
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("policies", &self.policies)
            .field("limit_keys", &self.limit_keys.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn invalid_settings_are_found() {
        assert_eq!(
            Policy::new().heartbeat(SECOND).attempt_timeout(SECOND).max_attempts(1).max_concurrency(1).wrong(),
            None
        );
        assert_eq!(Policy::new().grace_period(Duration::ZERO).backoff(Duration::ZERO, Duration::ZERO).wrong(), None);
        for (policy, setting) in [
            (Policy::new().heartbeat(Duration::ZERO), "`heartbeat`"),
            (Policy::new().attempt_timeout(Duration::ZERO), "`attempt_timeout`"),
            (Policy::new().backoff(SECOND * 2, SECOND), "`backoff`"),
            (Policy::new().heartbeat(Duration::MAX), "`heartbeat`"),
            (Policy::new().attempt_timeout(Duration::MAX), "`attempt_timeout`"),
            (Policy::new().grace_period(Duration::MAX), "`grace_period`"),
            (Policy::new().backoff(SECOND, Duration::MAX), "`backoff`"),
            (Policy::new().max_attempts(0), "`max_attempts`"),
            (Policy::new().max_concurrency(0), "`max_concurrency`"),
            (Policy::new().concurrency_over_all(0), "`concurrency_over_all`"),
            (Policy::new().rate(Rate::new(0, SECOND)), "`rate`"),
            (Policy::new().rate(Rate::new(1, Duration::ZERO)), "`rate`"),
            (Policy::new().rate(Rate::new(1, SECOND).burst(0)), "`rate`"),
            (Policy::new().rate(Rate::new(2, Duration::from_nanos(1))), "`rate`"),
            (Policy::new().rate(Rate::new(1, Duration::MAX)), "`rate`"),
            (Policy::new().rate(Rate::new(1, SECOND * 86_400 * 366).burst(u32::MAX)), "`rate`"),
        ] {
            assert!(policy.wrong().is_some_and(|why| why.starts_with(setting)), "{policy:?}");
        }
    }
}
