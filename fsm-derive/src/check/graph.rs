//! Checks the graph: every state is reachable, has a transition unless it is an end state, and can reach an end state.

use super::places::Walk;
use crate::{
    each::each,
    errors::Errors,
    model::{Kind, Machine, plain},
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let forward = neighbours(machine);
    let walk = Walk::new(machine);
    let places = walk.reached(walk.initial(), &|_| true);
    let reached = places.states(machine.states.len());
    let ends = each(&machine.states, &|state| state.kind == Kind::End);
    let ending = places.leading_to(&ends);
    for (index, state) in machine.states.iter().enumerate() {
        // What undoes a step is reported by the checks of the saga.
        if state.undoes.is_some() {
            continue;
        }
        let name = plain(&state.ident);
        if !reached[index] {
            let message =
                format!("state `{name}` is unreachable: add a transition to it, list it in `initial`, or remove it");
            errors.at(&state.ident, message);
        }
        if state.kind == Kind::End {
            for transition in machine.from(index) {
                let event = &machine.events[transition.event].name;
                let message =
                    format!("end state `{name}` has a transition on `{event}`: remove `end` or the transition");
                errors.at(&transition.ident, message);
            }
        } else if forward[index].is_empty() {
            let message = match state.kind {
                Kind::Work => {
                    format!(
                        "`work` state `{name}` has no transitions: add `#[on(event => Target)]` for its worker to fire"
                    )
                }
                _ => format!(
                    "state `{name}` has no transitions: add `#[on(event => Target)]`, or mark it as an end state with \
                     `#[state(end)]`"
                ),
            };
            errors.at(&state.ident, message);
        } else if ends.contains(&true)
            && reached[index]
            && !ending[index]
            && !leads_to_dead_end(machine, &forward, index)
        {
            let message = format!("no end state is reachable from `{name}`: add a transition that leads to one");
            errors.at(&state.ident, message);
        }
    }
}

/// Whether a state without transitions is ahead. That state is reported instead.
fn leads_to_dead_end(machine: &Machine, forward: &[Vec<usize>], state: usize) -> bool {
    let ahead = reachable(forward, [state]);
    let is_dead = |state: usize| forward[state].is_empty() && machine.states[state].kind != Kind::End;
    (0..machine.states.len()).any(|other| ahead[other] && is_dead(other))
}

fn neighbours(machine: &Machine) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); machine.states.len()];
    for transition in &machine.transitions {
        out[transition.from].extend(&transition.to);
    }
    out
}

fn reachable(neighbours: &[Vec<usize>], from: impl IntoIterator<Item = usize>) -> Vec<bool> {
    let mut seen = vec![false; neighbours.len()];
    let mut ahead: Vec<_> = from.into_iter().collect();
    while let Some(state) = ahead.pop() {
        if !std::mem::replace(&mut seen[state], true) {
            ahead.extend(&neighbours[state]);
        }
    }
    seen
}
