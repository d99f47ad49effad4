//! Checks the graph: every state is reachable, has a transition unless it is an end state, and can reach an end state.

use crate::{
    errors::Errors,
    model::{Kind, Machine, plain},
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let forward: Vec<Vec<usize>> = neighbours(machine, |from, to| (from, to));
    let backward: Vec<Vec<usize>> = neighbours(machine, |from, to| (to, from));
    let initial = (0..machine.states.len()).filter(|state| machine.states[*state].initial);
    let reached = reachable(&forward, initial);
    let ends: Vec<_> = (0..machine.states.len()).filter(|state| machine.states[*state].kind == Kind::End).collect();
    let ending = reachable(&backward, ends.iter().copied());
    for (index, state) in machine.states.iter().enumerate() {
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
        } else if !ends.is_empty() && reached[index] && !ending[index] && !leads_to_dead_end(machine, &forward, index) {
            let message = format!("no end state is reachable from `{name}`: add a transition that leads to one");
            errors.at(&state.ident, message);
        }
    }
}

/// Whether a state without transitions is ahead. That state is reported instead.
fn leads_to_dead_end(machine: &Machine, forward: &[Vec<usize>], state: usize) -> bool {
    let ahead = reachable(forward, [state]);
    (0..machine.states.len()).any(|other| ahead[other] && forward[other].is_empty())
}

fn neighbours(machine: &Machine, edge: impl Fn(usize, usize) -> (usize, usize)) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); machine.states.len()];
    for transition in &machine.transitions {
        for to in &transition.to {
            let (here, there) = edge(transition.from, *to);
            out[here].push(there);
        }
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
