//! Ways through the graph.

use alloc::{collections::VecDeque, vec, vec::Vec};

use crate::graph::{Graph, StateInfo, TransitionInfo};

/// One step of a way: a transition, and which of its targets it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The transition.
    pub transition: &'static TransitionInfo,
    /// The target, one of the transition's.
    pub to: &'static str,
}

impl Graph {
    /// A shortest way from one state to another, empty where they are the same; `None` where there is none, or no such
    /// state. Guards are taken to agree, branches to go the way that is wanted.
    #[must_use]
    pub fn path(&self, from: &str, to: &str) -> Option<Vec<Step>> {
        let start = self.index(from)?;
        let goal = self.index(to)?;
        let mut way: Vec<Option<(usize, Step)>> = vec![None; self.states.len()];
        self.walk(start, |from, state, step| way[state] = Some((from, step)));
        let mut steps = Vec::new();
        let mut here = goal;
        while here != start {
            let (before, step) = way[here]?;
            steps.push(step);
            here = before;
        }
        steps.reverse();
        Some(steps)
    }

    /// The states that can follow `from`, after any number of transitions, in declaration order. `from` is among them
    /// where a way leads back to it.
    #[must_use]
    pub fn reachable(&self, from: &str) -> Vec<&'static StateInfo> {
        let Some(start) = self.index(from) else { return Vec::new() };
        let mut reached = vec![false; self.states.len()];
        self.walk(start, |_, state, _| reached[state] = true);
        let back = |state: &usize| {
            *state != start
                || self.transitions.iter().any(|transition| {
                    let leaves = self.index(transition.from).is_some_and(|from| from == start || reached[from]);
                    leaves && transition.to.contains(&self.states[start].name)
                })
        };
        let found = (0..self.states.len()).filter(|state| reached[*state] || *state == start).filter(back);
        found.map(|state| &self.states[state]).collect()
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.states.iter().position(|state| state.name == name)
    }

    /// Breadth first, each state but the first once: from where, to where, by which step.
    fn walk(&self, start: usize, mut found: impl FnMut(usize, usize, Step)) {
        let mut seen = vec![false; self.states.len()];
        seen[start] = true;
        let mut ahead = VecDeque::from([start]);
        while let Some(here) = ahead.pop_front() {
            for transition in self.transitions_from(self.states[here].name) {
                for to in transition.to {
                    let Some(next) = self.index(to).filter(|next| !seen[*next]) else { continue };
                    seen[next] = true;
                    found(here, next, Step { transition, to });
                    ahead.push_back(next);
                }
            }
        }
    }
}
