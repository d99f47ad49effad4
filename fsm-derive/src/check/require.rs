//! Checks the properties in `require(…)`. A message shows a path that violates the property.

use std::collections::VecDeque;

use crate::{
    errors::Errors,
    model::{Machine, Require, plain},
    parse::Property,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    for Require { property, from, to, first, second } in &machine.requires {
        let (a, b) = (plain(first), plain(second));
        match property {
            Property::Before => {
                let initial: Vec<_> =
                    (0..machine.states.len()).filter(|state| machine.states[*state].initial).collect();
                let avoiding = |state: usize| state != *from;
                if let Some(path) = path(machine, &initial, *to, &avoiding) {
                    errors.at(second, format!("`{b}` is reachable without `{a}`: {path}"));
                }
            }
            Property::Never => {
                if let Some(path) = path_from(machine, *from, *to) {
                    errors.at(second, format!("`{b}` is reachable from `{a}`: {path}"));
                }
            }
            Property::Reaches => {
                if path_from(machine, *from, *to).is_none() {
                    errors.at(second, format!("`{b}` is not reachable from `{a}`"));
                }
            }
        }
    }
}

/// A shortest path of at least one transition.
fn path_from(machine: &Machine, from: usize, to: usize) -> Option<String> {
    let next: Vec<_> = machine.from(from).flat_map(|transition| transition.to.iter().copied()).collect();
    let path = path(machine, &next, to, &|_| true)?;
    Some(format!("{} → {path}", plain(&machine.states[from].ident)))
}

/// A shortest path from one of the states in `from` to `to`, through states that `through` allows.
fn path(machine: &Machine, from: &[usize], to: usize, through: &dyn Fn(usize) -> bool) -> Option<String> {
    let mut before: Vec<Option<usize>> = vec![None; machine.states.len()];
    let mut seen = vec![false; machine.states.len()];
    let mut ahead: VecDeque<usize> = VecDeque::new();
    for state in from.iter().copied().filter(|state| through(*state)) {
        if !std::mem::replace(&mut seen[state], true) {
            ahead.push_back(state);
        }
    }
    while let Some(state) = ahead.pop_front() {
        if state == to {
            let back = std::iter::successors(Some(state), |state| before[*state]);
            let mut names: Vec<_> = back.map(|state| plain(&machine.states[state].ident)).collect();
            names.reverse();
            return Some(names.join(" → "));
        }
        for next in
            machine.from(state).flat_map(|transition| transition.to.iter().copied()).filter(|next| through(*next))
        {
            if !std::mem::replace(&mut seen[next], true) {
                before[next] = Some(state);
                ahead.push_back(next);
            }
        }
    }
    None
}
