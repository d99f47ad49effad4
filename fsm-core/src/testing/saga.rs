//! The points at which a saga can fail, and what is undone then.

use alloc::{collections::VecDeque, format, vec, vec::Vec};
use core::fmt;

use super::path::{Path, PathError, Step, find, starts, steps_from};
use crate::{
    graph::TransitionInfo,
    machine::StateMachine,
    names::Name as _,
    saga::{SagaInfo, StepInfo},
};

/// The saga of a machine, `#[fsm(saga(undone = State))]`.
#[derive(Debug)]
pub struct Saga<M>(core::marker::PhantomData<M>);

/// A point at which a saga fails, with the path to it and the compensation sequence. From [`Saga::each_failure`].
///
/// Displayed as its path: `Reserving --reserved--> Charging --fail--> Releasing --released--> Cancelled`.
#[non_exhaustive]
pub struct Failure<M: StateMachine> {
    /// A shortest path to the failure, and on to the end state of the undone saga.
    pub path: Path<M>,
    /// The number of steps of the path before the failure.
    failed: usize,
}

impl<M: StateMachine> Saga<M> {
    /// Each transition that begins a compensation sequence, in the order of the declaration.
    ///
    /// ```
    /// use fsm_core::testing::{Failure, Saga};
    /// # use fsm_core::StateMachine;
    /// # fn example<Trip: StateMachine<Context = ()> + Clone>(
    /// #     booking: &Trip, event: impl Fn(fsm_core::testing::Step<Trip>) -> Trip::Event) {
    /// for failure in Saga::<Trip>::each_failure() {
    ///     let trip = failure.follow(booking.clone(), |step, _| event(step)).unwrap();
    ///     assert_eq!(trip.state(), failure.path.end());
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the machine has no saga, or if its graph does not undo exactly what was completed, in reverse order. The derive refuses such a
    /// declaration.
    #[must_use]
    #[track_caller]
    pub fn each_failure() -> Vec<Failure<M>> {
        let saga = M::GRAPH.saga.unwrap_or_else(|| panic!("`{}` has no saga", M::GRAPH.machine));
        let nearest = forward_paths::<M>(saga);
        let begins =
            |transition: &&TransitionInfo| saga.leads_back(transition) && saga.undoes(transition.from).is_none();
        let failures = M::GRAPH.transitions.iter().filter(begins).flat_map(|transition| {
            let to = nearest.iter().find(|path| path.end().as_str() == transition.from);
            to.into_iter().flat_map(|path| back::<M>(saga, path, transition))
        });
        let failures: Vec<_> = failures.collect();
        failures.iter().for_each(Failure::check);
        failures
    }
}

/// A shortest path to each state without a step of a compensation sequence.
fn forward_paths<M: StateMachine>(saga: &SagaInfo) -> Vec<Path<M>> {
    let mut found: Vec<Path<M>> = Vec::new();
    let mut ahead: VecDeque<Path<M>> = starts::<M>().map(Path::from).collect();
    while let Some(path) = ahead.pop_front() {
        if found.iter().any(|other| other.end() == path.end()) {
            continue;
        }
        let goes_on = |step: &Step<M>| {
            let transition = M::GRAPH.transition(step.from.as_str(), step.event.as_str());
            transition.is_some_and(|transition| !saga.leads_back(transition) && transition.history.is_none())
        };
        ahead.extend(steps_from::<M>(path.end()).into_iter().filter(goes_on).map(|step| path.extended(step)));
        found.push(path);
    }
    found
}

/// The path that fails with `transition`, for each of its targets, and continues to the end of what was undone.
fn back<M: StateMachine>(saga: &SagaInfo, to: &Path<M>, transition: &TransitionInfo) -> Vec<Failure<M>> {
    let first = steps_from::<M>(to.end()).into_iter().filter(|step| step.event.as_str() == transition.event);
    let failures = first.map(|step| {
        let mut path = to.extended(step);
        // A graph built by hand can have a cycle.
        for _ in 0..M::GRAPH.states.len() {
            let here = path.end();
            let mut on = M::GRAPH.transitions_from(here.as_str()).filter(|transition| saga.leads_back(transition));
            let Some(on) = on.next() else { break };
            let step = steps_from::<M>(here).into_iter().find(|step| step.event.as_str() == on.event);
            let Some(step) = step else { break };
            path = path.extended(step);
        }
        Failure { path, failed: to.steps.len() }
    });
    failures.collect()
}

impl<M: StateMachine> Failure<M> {
    fn saga() -> &'static SagaInfo {
        const NONE: SagaInfo = SagaInfo::new("", &[]);
        M::GRAPH.saga.unwrap_or(&NONE)
    }

    /// The state in which it fails.
    #[must_use]
    pub fn at(&self) -> M::State {
        self.path.steps.get(self.failed).map_or(self.path.start, |step| step.from)
    }

    /// The event with which it fails.
    #[must_use]
    pub fn event(&self) -> Option<M::EventKind> {
        self.path.steps.get(self.failed).map(|step| step.event)
    }

    /// The steps that were completed before, in order, without those that have nothing to undo.
    #[must_use]
    pub fn done(&self) -> Vec<M::State> {
        let before = self.path.steps.iter().take(self.failed).filter(|step| step.from != step.to);
        let step = |step: &Step<M>| Self::saga().step(step.from.as_str()).filter(|info| info.undo.is_some());
        before.filter_map(|taken| step(taken).map(|_| taken.from)).collect()
    }

    /// The states that undo them, in the order in which they are visited.
    #[must_use]
    pub fn undone(&self) -> Vec<M::State> {
        let after = self.path.steps.iter().skip(self.failed).map(|step| step.to);
        after.filter(|state| Self::saga().undoes(state.as_str()).is_some()).collect()
    }

    /// Follows the path with a real machine, as [`Path::follow`].
    ///
    /// # Errors
    /// At the first step that differs.
    pub fn follow(&self, machine: M, event: impl FnMut(Step<M>, &M) -> M::Event) -> Result<M, PathError>
    where
        M: StateMachine<Context = ()>,
    {
        self.path.follow(machine, event)
    }

    /// Compares the states that an instance has visited, from its history, with this failure: after [`at`](Self::at), each of
    /// [`undone`](Self::undone) in that order, and then the end of what was undone. States before the failure are not compared.
    ///
    /// # Panics
    /// If they differ, with both lists.
    #[track_caller]
    pub fn assert_undone(&self, visited: impl IntoIterator<Item = M::State>) {
        let visited: Vec<M::State> = visited.into_iter().collect();
        let expected: Vec<M::State> = self.undone().into_iter().chain([self.path.end()]).collect();
        let after = visited.iter().rposition(|state| *state == self.at()).map_or(&visited[..], |at| &visited[at + 1..]);
        assert!(
            after == expected,
            "`{}` failed in `{}`\n undone: {after:?}\nexpected: {expected:?}",
            M::GRAPH.machine,
            self.at()
        );
    }

    /// Checks that the graph undoes what was completed.
    #[track_caller]
    fn check(&self) {
        let saga = Self::saga();
        let undo = |state: &M::State| saga.step(state.as_str()).and_then(|step| find::<M::State>(step.undo?));
        let mut expected: Vec<M::State> = self.done().iter().rev().filter_map(undo).collect();
        let own =
            saga.step(self.at().as_str()).filter(|step: &&StepInfo| step.uncertain).and_then(|step| find(step.undo?));
        let mut allowed = vec![expected.clone()];
        if let Some(own) = own {
            expected.insert(0, own);
            allowed.push(expected);
        }
        let is_undone = self.path.end().as_str() == saga.undone && allowed.contains(&self.undone());
        assert!(is_undone, "{}", format!("{self} does not undo {:?} in reverse order", self.done()));
    }
}

impl<M: StateMachine> fmt::Display for Failure<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl<M: StateMachine> fmt::Debug for Failure<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

// By hand: a derived implementation would require `Clone` of `M`.

impl<M: StateMachine> Clone for Failure<M> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), failed: self.failed }
    }
}
