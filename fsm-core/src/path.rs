//! Paths through the graph.

use alloc::{collections::BTreeSet, vec, vec::Vec};

use crate::graph::{Graph, StateInfo, StateKind, TransitionInfo};

/// One step of a [path](Graph::path): a transition and the target it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathStep {
    /// The transition.
    pub transition: &'static TransitionInfo,
    /// The target, one of the transition's.
    pub to: &'static str,
}

impl Graph {
    /// A shortest path from one state to another, empty if they are the same.
    ///
    /// Guards are assumed to pass, and branches to take the target that is needed. A transition to a history leads to the state of
    /// the superstate that the path visited last; if it visited none, to any. Returns `None` if there is no path, or if the graph has
    /// no such state.
    #[must_use]
    #[inline]
    pub fn path(&self, from: &str, to: &str) -> Option<Vec<PathStep>> {
        let walked = self.walk(self.index(from)?);
        let goal = self.index(to)?;
        let mut here = walked.iter().position(|walked| walked.place.state == goal)?;
        let mut steps = Vec::new();
        while let Some((before, step)) = walked[here].from {
            steps.push(step);
            here = before;
        }
        steps.reverse();
        Some(steps)
    }

    /// The states that can follow `from` after any number of transitions, in declaration order.
    ///
    /// `from` itself is included only if a path leads back to it.
    #[must_use]
    #[inline]
    pub fn reachable(&self, from: &str) -> Vec<&'static StateInfo> {
        let Some(start) = self.index(from) else { return Vec::new() };
        let histories = self.groups_with_history();
        let mut reached = vec![false; self.states.len()];
        for Walked { place, .. } in self.walk(start) {
            self.after(&histories, &place).for_each(|(next, _)| reached[next.state] = true);
        }
        self.states.iter().zip(reached).filter_map(|(state, reached)| reached.then_some(state)).collect()
    }

    #[inline]
    fn index(&self, name: &str) -> Option<usize> {
        self.states.iter().position(|state| state.name == name)
    }

    #[inline]
    fn groups_with_history(&self) -> Vec<&'static str> {
        let mut groups: Vec<_> = self.histories().iter().map(|history| history.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The places that can be reached from a state, including its own, breadth first.
    #[inline]
    fn walk(&self, start: usize) -> Vec<Walked> {
        let histories = self.groups_with_history();
        let start = self.arrived(&histories, vec![None; histories.len()], start);
        let mut seen = BTreeSet::from([start.clone()]);
        let mut walked = vec![Walked { place: start, from: None }];
        let mut here = 0;
        while let Some(Walked { place, .. }) = walked.get(here).cloned() {
            for (place, step) in self.after(&histories, &place) {
                if seen.insert(place.clone()) {
                    walked.push(Walked { place, from: Some((here, step)) });
                }
            }
            here += 1;
        }
        walked
    }

    /// The places after one step.
    #[inline]
    fn after(&self, histories: &[&str], place: &Place) -> impl Iterator<Item = (Place, PathStep)> {
        let transitions = self.transitions_from(self.states[place.state].name);
        let steps = transitions.flat_map(move |transition| {
            let left = transition.history.and_then(|history| {
                let index = histories.iter().position(|group| *group == history.group)?;
                place.last[index].map(|left| self.states[left].name)
            });
            let taken = move |to: &&&'static str| left.is_none_or(|left| **to == left);
            transition.to.iter().filter(taken).map(move |to| PathStep { transition, to })
        });
        steps.filter_map(move |step| Some((self.arrived(histories, place.last.clone(), self.index(step.to)?), step)))
    }

    #[inline]
    fn arrived(&self, histories: &[&str], mut last: Vec<Option<usize>>, state: usize) -> Place {
        let info = &self.states[state];
        for (last, group) in last.iter_mut().zip(histories) {
            if info.kind != StateKind::End && self.groups_of(info.name).any(|other| other.name == *group) {
                *last = Some(state);
            }
        }
        Place { state, last }
    }
}

/// A state, and the last visited state in each superstate with a history.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    state: usize,
    last: Vec<Option<usize>>,
}

/// A place of a walk, and the index of the place before it with the step from there.
#[derive(Clone)]
struct Walked {
    place: Place,
    from: Option<(usize, PathStep)>,
}
