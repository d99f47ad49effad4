//! Ways through a machine, by its own names, and going them.

use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};
use core::{error::Error, fmt};

use crate::{machine::StateMachine, names::Name};

/// One step of a [`Path`].
pub struct Step<M: StateMachine> {
    /// The state that is left.
    pub from: M::State,
    /// The event that is fired.
    pub event: M::EventKind,
    /// The state that follows: the only target, or one of those that the transition branches to.
    pub to: M::State,
}

/// A way through the declared graph, from a state in which a machine can be born.
///
/// Displayed as `Placed --pay--> Paid --ship--> Shipped`.
pub struct Path<M: StateMachine> {
    /// Where it begins.
    pub start: M::State,
    /// The steps, none where it also ends there.
    pub legs: Vec<Step<M>>,
}

impl<M: StateMachine> Path<M> {
    pub(super) fn from(start: M::State) -> Self {
        Self { start, legs: Vec::new() }
    }

    /// The state in which it ends.
    #[must_use]
    pub fn end(&self) -> M::State {
        self.steps.last().map_or(self.start, |leg| leg.to)
    }

    /// The events, in order.
    pub fn events(&self) -> impl Iterator<Item = M::EventKind> + '_ {
        self.steps.iter().map(|leg| leg.event)
    }

    /// Whether it passes `state`, its start and its end included.
    #[must_use]
    pub fn passes(&self, state: M::State) -> bool {
        self.start == state || self.steps.iter().any(|leg| leg.to == state)
    }

    /// Goes the way with a real machine: fires the event of each leg, and compares where the machine then stands.
    ///
    /// `event` makes the event of a leg, with a payload that passes its guard and, where the transition branches, that leads
    /// to [`Step::to`]; it is shown the machine as it stands. A machine with a context goes with
    /// [`go_with`](Self::go_with).
    ///
    /// # Errors
    /// At the first leg that goes otherwise: the machine stands elsewhere, the event was refused, or it is another one than
    /// the leg's. The error shows the whole way.
    pub fn go(&self, machine: M, event: impl FnMut(Step<M>, &M) -> M::Event) -> Result<M, Astray>
    where
        M: StateMachine<Context = ()>,
    {
        self.go_with(machine, &mut (), event)
    }

    /// The same with what every state shares.
    ///
    /// # Errors
    /// As [`go`](Self::go).
    pub fn go_with(
        &self,
        machine: M,
        context: &mut M::Context,
        mut event: impl FnMut(Step<M>, &M) -> M::Event,
    ) -> Result<M, Astray> {
        let astray = |leg: usize, what: fmt::Arguments<'_>| Astray(alloc::format!("leg {leg} of {self}: {what}"));
        if machine.state() != self.start {
            return Err(astray(0, format_args!("the machine stands in `{}`", machine.state())));
        }
        self.steps.iter().zip(1..).try_fold(machine, |machine, (&leg, number)| {
            let event = event(leg, &machine);
            let kind = M::kind_of(&event);
            if kind != leg.event {
                return Err(astray(number, format_args!("the test made `{kind}` for `{}`", leg.event)));
            }
            let machine =
                machine.apply(event, context).map_err(|rejected| astray(number, format_args!("{rejected}")))?;
            if machine.state() == leg.to {
                return Ok(machine);
            }
            Err(astray(number, format_args!("`{kind}` led to `{}`", machine.state())))
        })
    }

    fn extended(&self, leg: Step<M>) -> Self {
        let mut way = self.clone();
        way.steps.push(leg);
        way
    }
}

/// The legs that leave a state, in declaration order; a branching transition has one for each target.
#[must_use]
pub fn steps_from<M: StateMachine>(state: M::State) -> Vec<Step<M>> {
    let transitions = M::GRAPH.transitions_from(state.as_str());
    let legs = transitions.flat_map(|transition| {
        // Every name in a graph that the derive made has its value.
        let event = find::<M::EventKind>(transition.event);
        let targets = transition.to.iter().filter_map(|to| find::<M::State>(to));
        targets.filter_map(move |to| Some(Step { from: state, event: event?, to }))
    });
    legs.collect()
}

/// Every way of at most `max_legs` legs that comes to no state twice, from every initial state; those of no leg, too.
///
/// Their number can grow exponentially with the length: keep it small for machines with many transitions.
#[must_use]
pub fn simple_paths<M: StateMachine>(max_legs: usize) -> Vec<Path<M>> {
    let mut ways = Vec::new();
    let mut open: Vec<Path<M>> = starts::<M>().map(Path::from).collect();
    open.reverse();
    while let Some(way) = open.pop() {
        if way.steps.len() < max_legs {
            let next = steps_from::<M>(way.end()).into_iter().filter(|leg| !way.visits(leg.to));
            let longer: Vec<_> = next.map(|leg| way.extended(leg)).collect();
            open.extend(longer.into_iter().rev());
        }
        ways.push(way);
    }
    ways
}

/// For every transition, and for every target where it branches, a shortest way whose last leg it is.
///
/// A test that goes them all has fired every declared transition. A transition that no machine comes to has no way; the
/// derive does not accept such a declaration.
#[must_use]
pub fn transition_paths<M: StateMachine>() -> Vec<Path<M>> {
    let mut nearest: BTreeMap<M::State, Path<M>> = BTreeMap::new();
    let mut ahead: VecDeque<Path<M>> = starts::<M>().map(Path::from).collect();
    while let Some(way) = ahead.pop_front() {
        if nearest.contains_key(&way.end()) {
            continue;
        }
        ahead.extend(steps_from::<M>(way.end()).into_iter().map(|leg| way.extended(leg)));
        nearest.insert(way.end(), way);
    }
    let states = M::State::ALL.iter().filter_map(|state| nearest.get(state));
    states.flat_map(|way| steps_from::<M>(way.end()).into_iter().map(|leg| way.extended(leg))).collect()
}

pub(super) fn starts<M: StateMachine>() -> impl Iterator<Item = M::State> {
    M::GRAPH.initial().filter_map(|state| find(state.name))
}

fn find<N: Name>(name: &str) -> Option<N> {
    N::ALL.iter().copied().find(|known| known.as_str() == name)
}

/// A machine did not go as the declaration says; displayed with the whole way and what happened.
#[derive(Clone, PartialEq, Eq)]
pub struct Astray(String);

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As displayed: it is what `unwrap` and a test that returns it print.
impl fmt::Debug for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Astray {}

impl<M: StateMachine> fmt::Display for Path<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start)?;
        self.steps.iter().try_for_each(|leg| write!(f, " --{}--> {}", leg.event, leg.to))
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

// By hand: what is derived would ask the same of `M`, which is in neither.

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
        Self { start: self.start, legs: self.steps.clone() }
    }
}

impl<M: StateMachine> PartialEq for Path<M> {
    fn eq(&self, other: &Self) -> bool {
        (self.start, &self.steps) == (other.start, &other.steps)
    }
}

impl<M: StateMachine> Eq for Path<M> {}
