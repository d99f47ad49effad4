//! The shape of the graph: every state can be reached, goes on unless it is an end, and can come to one.

use crate::{
    errors::Errors,
    model::{Kind, Machine, plain},
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let forward: Vec<Vec<usize>> = neighbours(machine, |from, to| (from, to));
    let backward: Vec<Vec<usize>> = neighbours(machine, |from, to| (to, from));
    let born = (0..machine.states.len()).filter(|state| machine.states[*state].initial);
    let reached = reachable(&forward, born);
    let ends: Vec<_> = (0..machine.states.len()).filter(|state| machine.states[*state].kind == Kind::End).collect();
    let ending = reachable(&backward, ends.iter().copied());
    for (index, state) in machine.states.iter().enumerate() {
        let name = plain(&state.ident);
        if !reached[index] {
            let message = format!(
                "no machine ever comes to `{name}`: lead a transition to it, name it in `initial`, or remove it"
            );
            errors.at(&state.ident, message);
        }
        if state.kind == Kind::End {
            for transition in machine.from(index) {
                let event = &machine.events[transition.event].name;
                let message = format!("`{name}` is an end, yet `{event}` leads out of it: remove one of the two");
                errors.at(&transition.ident, message);
            }
        } else if forward[index].is_empty() {
            let message = match state.kind {
                Kind::Work => {
                    format!("the worker of `{name}` has no event to end with: declare one, `#[on(event => Target)]`")
                }
                _ => format!(
                    "`{name}` is a dead end: declare a transition, `#[on(event => Target)]`, or say that the machine ends \
                     here, `#[state(end)]`"
                ),
            };
            errors.at(&state.ident, message);
        } else if !ends.is_empty() && reached[index] && !ending[index] && !leads_to_dead_end(machine, &forward, index) {
            let message =
                format!("from `{name}` no end can be reached: the machine would go on for ever, though it has ends");
            errors.at(&state.ident, message);
        }
    }
}

/// A dead end further on is the cause, and reported there.
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
