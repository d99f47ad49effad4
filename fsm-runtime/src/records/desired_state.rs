//! The desired state of instances: setting it, reading its convergence, waiting for it, clearing it.

use super::Durable;
use super::{
    error::{ReadError, TransitionError, WaitError},
    machines::Machines,
    transition,
    waiting::Wait,
};
use crate::machine::RowError;
use crate::{
    convergence::{self, DesiredStateRecord, Interruption, UnreadableDesiredState},
    store::{Cause, Change, Key, Note, Row, SetDesiredState, Verdict},
};
use fsm_core::{Blocker, Name, NextStep, StateMachine};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// How often setting or clearing is tried again after a conflict.
const TRIES: u32 = 16;

/// The desired state of one instance, and how far it has converged, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DesiredState<S, E> {
    /// The instance's id.
    pub id: String,
    /// The desired state.
    pub target: S,
    /// The state in which the instance is.
    pub state: S,
    /// The instance's version.
    pub version: u64,
    /// How far it has converged.
    pub progress: Convergence<S, E>,
    /// How often in a row convergence failed: an event was refused, or the instance left the desired state by itself.
    pub setbacks: u32,
}

/// A [`DesiredState`] for an instance of machine `M`.
pub type DesiredStateOf<M> = DesiredState<<M as StateMachine>::State, <M as StateMachine>::EventKind>;

/// How far an instance has converged to its [`DesiredState`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Convergence<S, E> {
    /// The instance is in the desired state. If work or a timer moves it away, it is brought back.
    Fulfilled,
    /// A runtime that has the machine registered takes the next step.
    Pending,
    /// Waits for the worker of its state.
    Working,
    /// Waits for the timer of its state.
    Waiting {
        /// When it fires.
        until: SystemTime,
    },
    /// The event failed before, and is fired again after a backoff.
    Retrying {
        /// The event.
        event: E,
        /// When.
        at: SystemTime,
        /// What went wrong.
        why: String,
    },
    /// It cannot converge by itself.
    Blocked(Blocked<S, E>),
}

/// Why an instance cannot converge to its [`DesiredState`] by itself. An event that moves the instance on resumes convergence, except
/// for [`Suspended`](Blocked::Suspended); so does calling [`converge`](Machines::converge) again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocked<S, E> {
    /// No path of `auto` transitions, work and timers leads there.
    NoPath {
        /// From this state.
        from: S,
        /// To this one.
        to: S,
    },
    /// The next `auto` event on the path has a payload, which only its caller knows.
    NeedsPayload {
        /// In this state.
        state: S,
        /// The event.
        event: E,
    },
    /// The target of the next `auto` event on the path is chosen by its `with`.
    Branches {
        /// In this state.
        state: S,
        /// The event.
        event: E,
    },
    /// The event was refused, mostly by a guard, for the maximum number of attempts.
    Refused {
        /// The event.
        event: E,
        /// The last reason.
        reason: String,
    },
    /// The instance left its target by itself for the maximum number of attempts.
    FallsBack {
        /// What happened the last time.
        why: String,
    },
    /// The work that would move it on is parked.
    Parked {
        /// Why.
        why: String,
    },
    /// An event of a caller or an operator led away from the path.
    Suspended {
        /// What happened.
        why: String,
    },
}

impl<S, E> DesiredState<S, E> {
    /// Whether convergence has ended for now: it is fulfilled or blocked.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        matches!(self.progress, Convergence::Fulfilled | Convergence::Blocked(_))
    }
}

impl<S: Name, E: Name> fmt::Display for Blocked<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPath { from, to } => {
                let why = convergence::no_path(from, to);
                write!(f, "{why}; fire an event that leads on, or mark transitions `auto`")
            }
            Self::NeedsPayload { state, event } => write!(f, "{}; fire it", convergence::needs_payload(event, state)),
            Self::Branches { state, event } => write!(f, "{}; fire it", convergence::branches(event, state)),
            Self::Refused { event, reason } => write!(f, "`{event}` was given up: {reason}"),
            Self::FallsBack { why } => {
                write!(f, "it fell back too often: {why}; call `converge` again when the cause is removed")
            }
            Self::Parked { why } => write!(f, "work on it is parked: {why}; call `unpark` to give it new attempts"),
            Self::Suspended { why } => write!(f, "{why}; call `converge` again to resume"),
        }
    }
}

impl<M: Durable> Machines<M> {
    /// Sets the desired state of instance `id`, until it is [cleared](Self::clear_desired_state) or replaced. It is stored with the
    /// row and outlives the process. A runtime that has the machine registered moves the instance there;
    /// [`wait_for_desired_state`](Self::wait_for_desired_state) waits for that.
    ///
    /// - Only transitions marked `auto` are fired, along a shortest path, with `converge` as their cause in the history.
    /// - In a `work` state the worker is waited for, unless an `auto` transition out of it is on the shorter path. Timers are
    ///   waited for too.
    /// - When work or a timer leads away from the target, the instance is brought back, after the pause of the state's
    ///   backoff, as many times in a row as its work has attempts. An event that a guard refuses is fired again in the same way.
    ///   The count is reset when the instance stays in the target for the longest pause of the backoff.
    /// - An event of a caller that leads away suspends convergence.
    /// - If it cannot go on, [`Blocked`] says why.
    ///
    /// The version does not change, so that records of the instance stay valid. Setting it again resets setbacks and suspension.
    ///
    /// ```
    /// # use fsm_runtime::{Machines, Convergence, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// #[derive(StateMachine)]
    /// #[fsm(initial = Off, durable, derive(Serialize, Deserialize))]
    /// enum Pump {
    ///     #[on(start => Starting, auto)]
    ///     Off,
    ///     #[state(work)]
    ///     #[on(started => On)]
    ///     #[on(broke => Broken)]
    ///     Starting,
    ///     #[on(stop => Off, auto)]
    ///     On,
    ///     #[on(repair => Off, auto)]
    ///     Broken,
    /// }
    /// # async fn example(pumps: Machines<Pump>) -> Result<(), Box<dyn std::error::Error>> {
    /// pumps.converge("north", pump::State::On).await?;
    /// match pumps.wait_for_desired_state("north", Duration::from_secs(30)).await?.progress {
    ///     Convergence::Blocked(why) => println!("it will not run: {why}"),
    ///     _ => println!("it runs, and is started again when it should break"),
    /// }
    /// # Ok(()) }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`TransitionError::NotFound`]; [`TransitionError::Conflict`] after several attempts that lost against other callers; [`TransitionError::Row`]; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the desired state is set or not. Read [`desired_state`](Self::desired_state) to see which.
    pub fn converge(
        &self,
        id: &str,
        target: M::State,
    ) -> impl Future<Output = Result<DesiredStateOf<M>, TransitionError<M>>> + Send + use<M> {
        let (this, id) = (self.clone(), id.to_owned());
        async move {
            let row = this.write_desired_state(&id, Some(target)).await?;
            match read::<M>(&row)? {
                Some(desired) => Ok(desired),
                None => Err(TransitionError::NotFound { key: row.key }),
            }
        }
    }

    /// Clears the desired state of instance `id`, which stays in its state. Returns whether there was one.
    ///
    /// # Errors
    /// As [`converge`](Self::converge).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the desired state is cleared or not. Calling it again is safe.
    pub fn clear_desired_state(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<bool, TransitionError<M>>> + Send + use<M> {
        let (this, id) = (self.clone(), id.to_owned());
        async move {
            if this.row(&id).await?.desired.is_none() {
                return Ok(false);
            }
            this.write_desired_state(&id, None).await.map(|_| true)
        }
    }

    /// The desired state of instance `id` and its convergence; `None` if none is set.
    ///
    /// # Errors
    /// [`ReadError::NotFound`]; [`ReadError::Row`] if a state is not declared; [`ReadError::Store`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn desired_state(&self, id: &str) -> Result<Option<DesiredStateOf<M>>, ReadError> {
        read::<M>(&self.row(id).await?)
    }

    /// Waits until the desired state of instance `id` is fulfilled or blocked, for `timeout` at most. A change by another process
    /// is seen too.
    ///
    /// # Errors
    /// [`WaitError::NoDesiredState`] if none is set, or it was cleared meanwhile; [`WaitError::Timeout`]; [`WaitError::Read`].
    ///
    /// # Cancel safety
    /// Has no effects.
    pub async fn wait_for_desired_state(&self, id: &str, timeout: Duration) -> Result<DesiredStateOf<M>, WaitError> {
        let key = Self::key(id);
        let mut wait = Wait::new(&self.engine, &key, timeout);
        loop {
            let desired =
                self.desired_state(id).await?.ok_or_else(|| WaitError::NoDesiredState { key: key.clone() })?;
            if desired.is_settled() {
                return Ok(desired);
            }
            if !wait.next().await {
                let (wanted, state) = (desired.target.as_str(), desired.state.as_str());
                let (key, version) = (key.clone(), desired.version);
                return Err(WaitError::Timeout { key, wanted, waited: timeout, state, version, why: None });
            }
        }
    }

    async fn write_desired_state(&self, id: &str, target: Option<M::State>) -> Result<Row, TransitionError<M>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let row = self.row(id).await?;
            let (about, text) = match target {
                Some(target) => ("desired state set", target.as_str()),
                None => ("desired state cleared", ""),
            };
            let note = Note { about, text: text.to_owned(), cause: Cause::Caller, origin: self.origin.clone() };
            let desired = target.map(|target| DesiredStateRecord::new(target.as_str(), row.version).text());
            let due = desired.is_some().then_some(Duration::ZERO);
            let desired_by = self.origin.actor.clone().filter(|_| desired.is_some());
            let set = SetDesiredState { desired_by, ..SetDesiredState::of(&row, desired, due, Some(note)) };
            match self.engine.commit_row(Change::SetDesiredState(set)).await? {
                Ok(row) => return Ok(row),
                Err(Verdict::Conflict { current: Some(_), .. }) if tries < TRIES => {}
                Err(verdict) => return Err(transition::missed(&self.engine, &self.origin, row.key, None, verdict)),
            }
        }
    }
}

/// The desired state of `row` and its convergence, from the row alone.
fn read<M: Durable>(row: &Row) -> Result<Option<DesiredStateOf<M>>, ReadError> {
    let Some(desired) = DesiredStateRecord::of(row).map_err(unreadable)? else { return Ok(None) };
    let (state, target) = (state::<M>(&row.key, &row.state)?, state::<M>(&row.key, &desired.target)?);
    let progress = progress::<M>(row, &desired, state, target);
    let (id, version) = (row.key.id.to_string(), row.version);
    Ok(Some(DesiredState { id, target, state, version, progress, setbacks: desired.setbacks }))
}

fn unreadable(UnreadableDesiredState { key, cause }: UnreadableDesiredState) -> RowError {
    RowError::DesiredState { key, cause }
}

fn progress<M: Durable>(
    row: &Row,
    desired: &DesiredStateRecord,
    state: M::State,
    target: M::State,
) -> Convergence<M::State, M::EventKind> {
    if let Some(why) = desired.interruption.as_ref().filter(|_| desired.is_suspended()) {
        return Convergence::Blocked(Blocked::Suspended { why: why.to_string() });
    }
    let next = M::GRAPH.next_step(state.as_str(), target.as_str());
    if next == NextStep::Arrived {
        return Convergence::Fulfilled;
    }
    // What happened since is not settled yet.
    if desired.seen < row.version {
        return Convergence::Pending;
    }
    let no_path = Convergence::Blocked(Blocked::NoPath { from: state, to: target });
    match next {
        NextStep::Arrived => Convergence::Fulfilled,
        NextStep::Work => match &row.parked {
            Some(why) => Convergence::Blocked(Blocked::Parked { why: why.clone() }),
            None => Convergence::Working,
        },
        // A timer that was dropped does not fire.
        NextStep::Timer(_) => row.timer_at.map_or(no_path, |until| Convergence::Waiting { until }),
        NextStep::Blocked(Blocker::Payload(it)) => named(it.from, it.event, no_path, |state, event| {
            Convergence::Blocked(Blocked::NeedsPayload { state, event })
        }),
        NextStep::Blocked(Blocker::Branch(it)) => {
            named(it.from, it.event, no_path, |state, event| Convergence::Blocked(Blocked::Branches { state, event }))
        }
        NextStep::Fire(it) => {
            named(it.from, it.event, no_path, |_: M::State, event| match (&desired.interruption, row.desired_at) {
                (None, _) => Convergence::Pending,
                (Some(why), Some(at)) => Convergence::Retrying { event, at, why: why.to_string() },
                (Some(Interruption::Refused { reason, .. }), None) => {
                    Convergence::Blocked(Blocked::Refused { event, reason: reason.clone() })
                }
                (Some(why), None) => Convergence::Blocked(Blocked::FallsBack { why: why.to_string() }),
            })
        }
        _ => no_path,
    }
}

/// The graph's names as the machine's own, which the derive generates from the same lines.
fn named<S: Name, E: Name, T>(state: &str, event: &str, otherwise: T, found: impl FnOnce(S, E) -> T) -> T {
    match (state.parse(), event.parse()) {
        (Ok(state), Ok(event)) => found(state, event),
        _ => otherwise,
    }
}

fn state<M: Durable>(key: &Key, stored: &str) -> Result<M::State, RowError> {
    let known = M::GRAPH.state_was(stored).and_then(|info| info.name.parse().ok());
    known.ok_or_else(|| RowError::UnknownState {
        key: key.clone(),
        state: stored.to_owned(),
        known: M::State::ALL.iter().map(|state| state.as_str()).collect(),
    })
}
