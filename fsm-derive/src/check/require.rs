//! The properties that the declaration asks for, with the way that breaks one.

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
                let born: Vec<_> = (0..machine.states.len()).filter(|state| machine.states[*state].initial).collect();
                let avoiding = |state: usize| state != *from;
                if let Some(way) = way(machine, &born, *to, &avoiding) {
                    errors.at(second, format!("a machine comes to `{b}` without `{a}`: {way}"));
                }
            }
            Property::Never => {
                if let Some(way) = way_on(machine, *from, *to) {
                    errors.at(second, format!("`{b}` can follow `{a}`: {way}"));
                }
            }
            Property::Reaches => {
                if way_on(machine, *from, *to).is_none() {
                    errors.at(second, format!("no way leads from `{a}` to `{b}`"));
                }
            }
        }
    }
}

/// A shortest way of at least one transition.
fn way_on(machine: &Machine, from: usize, to: usize) -> Option<String> {
    let next: Vec<_> = machine.from(from).flat_map(|transition| transition.to.iter().copied()).collect();
    let way = way(machine, &next, to, &|_| true)?;
    Some(format!("{} → {way}", plain(&machine.states[from].ident)))
}

/// A shortest way from one of the states in `from` to `to` through states that `through` admits.
fn way(machine: &Machine, from: &[usize], to: usize, through: &dyn Fn(usize) -> bool) -> Option<String> {
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
