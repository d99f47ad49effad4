//! Where a machine can be. A transition to a history leads to the state that was left, so a place is a state together with the last
//! state, in each superstate that has a history, that was visited.

use std::collections::HashMap;

use crate::{
    each::{each, indices},
    model::{Machine, Transition},
};

/// A state, and the last visited state in each superstate with a history. `None`: unknown, so it can be any.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) state: usize,
    last: Vec<Option<usize>>,
}

/// The places that can be reached from some, in breadth-first order.
pub(super) struct Places {
    pub(super) all: Vec<Place>,
    /// The place from which each was found first.
    pub(super) before: Vec<Option<usize>>,
    /// The places that can follow each.
    pub(super) next: Vec<Vec<usize>>,
}

/// Finds places.
pub(super) struct Walk<'m> {
    machine: &'m Machine,
    /// The superstates to whose history a transition leads.
    groups: Vec<usize>,
}

impl<'m> Walk<'m> {
    pub(super) fn new(machine: &'m Machine) -> Self {
        let leads_to = |group: usize| {
            machine.transitions.iter().any(|transition| transition.history.is_some_and(|it| it.group == group))
        };
        Self { machine, groups: indices(machine.groups.len(), &leads_to) }
    }

    /// The place of a machine of which only the state is known.
    pub(super) fn unknown(&self, state: usize) -> Place {
        self.arrived(vec![None; self.groups.len()], state)
    }

    /// The places in which a machine can begin.
    pub(super) fn initial(&self) -> Vec<Place> {
        let states = &self.machine.states;
        each(&indices(states.len(), &|state| states[state].initial), &|state| self.unknown(*state))
    }

    /// The places that can follow after one transition.
    pub(super) fn after(&self, place: &Place) -> Vec<Place> {
        let mut after = Vec::new();
        for transition in self.machine.from(place.state) {
            for to in self.targets(place, transition) {
                after.push(self.arrived(place.last.clone(), to));
            }
        }
        after
    }

    fn targets(&self, place: &Place, transition: &Transition) -> Vec<usize> {
        let left = transition.history.and_then(|history| {
            let index = self.groups.iter().position(|group| *group == history.group)?;
            place.last[index]
        });
        left.map_or_else(|| transition.to.clone(), |left| vec![left])
    }

    fn arrived(&self, mut last: Vec<Option<usize>>, state: usize) -> Place {
        for (last, group) in last.iter_mut().zip(&self.groups) {
            if self.machine.is_remembered(state, *group) {
                *last = Some(state);
            }
        }
        Place { state, last }
    }

    /// All places that can be reached from those in `from`, including them, through states that `through` allows.
    pub(super) fn reached(&self, from: Vec<Place>, through: &dyn Fn(usize) -> bool) -> Places {
        let mut found = Places { all: Vec::new(), before: Vec::new(), next: Vec::new() };
        let mut index: HashMap<Place, usize> = HashMap::new();
        let mut add = |found: &mut Places, place: Place, before: Option<usize>| {
            *index.entry(place).or_insert_with_key(|place| {
                found.all.push(place.clone());
                found.before.push(before);
                found.next.push(Vec::new());
                found.all.len() - 1
            })
        };
        for place in from {
            if through(place.state) {
                add(&mut found, place, None);
            }
        }
        let mut here = 0;
        while let Some(place) = found.all.get(here).cloned() {
            for next in self.after(&place) {
                if through(next.state) {
                    let next = add(&mut found, next, Some(here));
                    found.next[here].push(next);
                }
            }
            here += 1;
        }
        found
    }
}

impl Places {
    /// Whether each state can be reached.
    pub(super) fn states(&self, count: usize) -> Vec<bool> {
        let mut reached = vec![false; count];
        self.all.iter().for_each(|place| reached[place.state] = true);
        reached
    }

    /// The states from which a place in a state of `goals` can be reached.
    pub(super) fn leading_to(&self, goals: &[bool]) -> Vec<bool> {
        let mut back = vec![Vec::new(); self.all.len()];
        for (here, next) in self.next.iter().enumerate() {
            for next in next {
                back[*next].push(here);
            }
        }
        let mut leads = vec![false; self.all.len()];
        let mut ahead = indices(self.all.len(), &|place| goals[self.all[place].state]);
        while let Some(place) = ahead.pop() {
            if !std::mem::replace(&mut leads[place], true) {
                ahead.extend(&back[place]);
            }
        }
        let mut states = vec![false; goals.len()];
        for (place, _) in self.all.iter().zip(leads).filter(|(_, leads)| *leads) {
            states[place.state] = true;
        }
        states
    }
}
