//! Paths through the graph.

use alloc::{collections::VecDeque, vec, vec::Vec};

use crate::graph::{Graph, StateInfo, TransitionInfo};

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
    /// Guards are assumed to pass, and branches to take the target that is needed. Returns `None` if there is no path, or if
    /// the graph has no such state.
    #[must_use]
    pub fn path(&self, from: &str, to: &str) -> Option<Vec<PathStep>> {
        let start = self.index(from)?;
        let goal = self.index(to)?;
        let mut reached: Vec<Option<(usize, PathStep)>> = vec![None; self.states.len()];
        self.walk(start, |from, state, step| reached[state] = Some((from, step)));
        let mut steps = Vec::new();
        let mut here = goal;
        while here != start {
            let (before, step) = reached[here]?;
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
    pub fn reachable(&self, from: &str) -> Vec<&'static StateInfo> {
        let Some(start) = self.index(from) else { return Vec::new() };
        let mut reached = vec![false; self.states.len()];
        self.walk(start, |_, state, _| reached[state] = true);
        reached[start] = self.transitions.iter().any(|transition| {
            let leaves = self.index(transition.from).is_some_and(|from| from == start || reached[from]);
            leaves && transition.to.contains(&self.states[start].name)
        });
        self.states.iter().zip(reached).filter_map(|(state, reached)| reached.then_some(state)).collect()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.states.iter().position(|state| state.name == name)
    }

    /// Breadth first; calls `found` with source, target and step once for each state except the first.
    fn walk(&self, start: usize, mut found: impl FnMut(usize, usize, PathStep)) {
        let mut seen = vec![false; self.states.len()];
        seen[start] = true;
        let mut ahead = VecDeque::from([start]);
        while let Some(here) = ahead.pop_front() {
            for transition in self.transitions_from(self.states[here].name) {
                for to in transition.to {
                    let Some(next) = self.index(to).filter(|next| !seen[*next]) else { continue };
                    seen[next] = true;
                    found(here, next, PathStep { transition, to });
                    ahead.push_back(next);
                }
            }
        }
    }
}
