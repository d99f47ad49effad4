//! Typed paths through a machine, and following them with a real one.

use alloc::{
    collections::{BTreeSet, VecDeque},
    string::String,
    vec::Vec,
};
use core::{error::Error, fmt};

use crate::{graph::StateKind, machine::StateMachine, names::Name};

/// One step of a [`Path`].
#[non_exhaustive]
pub struct Step<M: StateMachine> {
    /// The source state.
    pub from: M::State,
    /// The event.
    pub event: M::EventKind,
    /// The target state; one of several if the transition branches.
    pub to: M::State,
}

/// A path through the declared graph, from an initial state.
///
/// Displayed as `Placed --pay--> Paid --ship--> Shipped`.
#[non_exhaustive]
pub struct Path<M: StateMachine> {
    /// The initial state.
    pub start: M::State,
    /// The steps; empty if the path ends in its initial state.
    pub steps: Vec<Step<M>>,
}

impl<M: StateMachine> Path<M> {
    pub(super) fn from(start: M::State) -> Self {
        Self { start, steps: Vec::new() }
    }

    /// The last state.
    #[must_use]
    pub fn end(&self) -> M::State {
        self.steps.last().map_or(self.start, |step| step.to)
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = M::EventKind> + '_ {
        self.steps.iter().map(|step| step.event)
    }

    /// Whether the path contains `state`, including its first and its last state.
    #[must_use]
    pub fn visits(&self, state: M::State) -> bool {
        self.start == state || self.steps.iter().any(|step| step.to == state)
    }

    /// Follows the path with a real machine: applies the event of each step and compares the resulting state.
    ///
    /// `event` returns the event of a step. Its payload must pass the guard and, if the transition branches, lead to
    /// [`Step::to`]. The second argument is the machine before the step. Machines with a context use
    /// [`follow_with`](Self::follow_with).
    ///
    /// # Errors
    /// At the first step that differs: the machine is in another state, the event was not accepted, or `event` returned
    /// another event than the step's. The error shows the whole path.
    pub fn follow(&self, machine: M, event: impl FnMut(Step<M>, &M) -> M::Event) -> Result<M, PathError>
    where
        M: StateMachine<Context = ()>,
    {
        self.follow_with(machine, &mut (), event)
    }

    /// Follows the path with a machine that has a context.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub fn follow_with(
        &self,
        machine: M,
        context: &mut M::Context,
        mut event: impl FnMut(Step<M>, &M) -> M::Event,
    ) -> Result<M, PathError> {
        if machine.state() != self.start {
            let text = alloc::format!("start of {self}: the machine is in state `{}`", machine.state());
            return Err(PathError(text));
        }
        let failed = |step: usize, what: fmt::Arguments<'_>| PathError(alloc::format!("step {step} of {self}: {what}"));
        self.steps.iter().zip(1..).try_fold(machine, |machine, (&step, number)| {
            let event = event(step, &machine);
            let kind = M::kind_of(&event);
            if kind != step.event {
                return Err(failed(number, format_args!("expected event `{}`, got `{kind}`", step.event)));
            }
            let machine = machine.apply(event, context).map_err(|error| failed(number, format_args!("{error}")))?;
            if machine.state() == step.to {
                return Ok(machine);
            }
            Err(failed(number, format_args!("`{kind}` led to state `{}`", machine.state())))
        })
    }

    /// The steps that can follow. A transition to a history leads back to the state that the path visited last.
    pub(super) fn next_steps(&self) -> Vec<Step<M>> {
        let mut steps = steps_from::<M>(self.end());
        steps.retain(|step| self.can_be_followed_by(*step));
        steps
    }

    fn can_be_followed_by(&self, step: Step<M>) -> bool {
        let transition = M::GRAPH.transition(step.from.as_str(), step.event.as_str());
        let history = transition.and_then(|transition| transition.history);
        history.and_then(|history| self.last_in(history.group)).is_none_or(|left| left == step.to)
    }

    /// The last visited state of a superstate.
    fn last_in(&self, group: &str) -> Option<M::State> {
        let visited = core::iter::once(self.start).chain(self.steps.iter().map(|step| step.to));
        let is_in = |state: &M::State| {
            let ended = M::GRAPH.state(state.as_str()).is_some_and(|state| state.kind == StateKind::End);
            !ended && M::GRAPH.groups_of(state.as_str()).any(|other| other.name == group)
        };
        visited.filter(is_in).last()
    }

    pub(super) fn extended(&self, step: Step<M>) -> Self {
        let mut path = self.clone();
        path.steps.push(step);
        path
    }
}

/// The steps out of a state, in declaration order. A transition that branches has one for each target.
#[must_use]
pub fn steps_from<M: StateMachine>(state: M::State) -> Vec<Step<M>> {
    let transitions = M::GRAPH.transitions_from(state.as_str());
    let steps = transitions.flat_map(|transition| {
        // Every name in a derived graph has a value.
        let event = find::<M::EventKind>(transition.event);
        let targets = transition.to.iter().filter_map(|to| find::<M::State>(to));
        targets.filter_map(move |to| Some(Step { from: state, event: event?, to }))
    });
    steps.collect()
}

/// Every path of at most `max_steps` steps that visits no state twice, from every initial state. Paths without steps are
/// included.
///
/// The number of paths can grow exponentially with their length: keep it small for machines with many transitions.
#[must_use]
pub fn simple_paths<M: StateMachine>(max_steps: usize) -> Vec<Path<M>> {
    let mut paths = Vec::new();
    let mut open: Vec<Path<M>> = starts::<M>().map(Path::from).collect();
    open.reverse();
    while let Some(path) = open.pop() {
        if path.steps.len() < max_steps {
            let next = path.next_steps().into_iter().filter(|step| !path.visits(step.to));
            let longer: Vec<_> = next.map(|step| path.extended(step)).collect();
            open.extend(longer.into_iter().rev());
        }
        paths.push(path);
    }
    paths
}

/// For every transition, and for each of its targets if it branches, a shortest path that ends with it.
///
/// A test that follows all of them fires every declared transition. An unreachable transition would have no path, but the
/// derive rejects such a declaration. A transition to a history has a path for each state that can be left for it.
#[must_use]
pub fn transition_paths<M: StateMachine>() -> Vec<Path<M>> {
    let histories = M::GRAPH.histories();
    // Which state a history leads to depends on the path.
    let mut seen = BTreeSet::new();
    let mut nearest: Vec<Path<M>> = Vec::new();
    let mut ahead: VecDeque<Path<M>> = starts::<M>().map(Path::from).collect();
    while let Some(path) = ahead.pop_front() {
        let left: Vec<_> = histories.iter().map(|history| path.last_in(history.group)).collect();
        if seen.insert((path.end(), left)) {
            ahead.extend(path.next_steps().into_iter().map(|step| path.extended(step)));
            nearest.push(path);
        }
    }
    let steps = M::State::ALL.iter().flat_map(|state| steps_from::<M>(*state));
    let to = |step: &Step<M>| nearest.iter().find(|path| path.end() == step.from && path.can_be_followed_by(*step));
    steps.filter_map(|step| Some(to(&step)?.extended(step))).collect()
}

pub(super) fn starts<M: StateMachine>() -> impl Iterator<Item = M::State> {
    M::GRAPH.initial().filter_map(|state| find(state.name))
}

pub(super) fn find<N: Name>(name: &str) -> Option<N> {
    N::ALL.iter().copied().find(|known| known.as_str() == name)
}

/// A machine deviated from a [`Path`]; displayed with the whole path and the difference.
#[derive(Clone, PartialEq, Eq)]
pub struct PathError(String);

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Same as `Display`, because `unwrap` and failing tests print `Debug`.
impl fmt::Debug for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PathError {}

impl<M: StateMachine> fmt::Display for Path<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start)?;
        self.steps.iter().try_for_each(|step| write!(f, " --{}--> {}", step.event, step.to))
    }
}

impl<M: StateMachine> fmt::Debug for Path<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<M: StateMachine> fmt::Display for Step<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} --{}--> {}", self.from, self.event, self.to)
    }
}

impl<M: StateMachine> fmt::Debug for Step<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

// By hand: derived implementations would require the same trait of `M`.

impl<M: StateMachine> Clone for Step<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: StateMachine> Copy for Step<M> {}

impl<M: StateMachine> PartialEq for Step<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.from, self.event, self.to) == (other.from, other.event, other.to)
    }
}

impl<M: StateMachine> Eq for Step<M> {}

impl<M: StateMachine> Clone for Path<M> {
    fn clone(&self) -> Self {
        Self { start: self.start, steps: self.steps.clone() }
    }
}

impl<M: StateMachine> PartialEq for Path<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.start, &self.steps) == (other.start, &other.steps)
    }
}

impl<M: StateMachine> Eq for Path<M> {}
