//! Checks the properties in `require(…)`. A message shows a path that violates the property.

use super::places::{Place, Places, Walk};
use crate::{
    errors::Errors,
    model::{Machine, Require, plain},
    parse::Property,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let walk = Walk::new(machine);
    for Require { property, from, to, first, second } in &machine.requires {
        let (a, b) = (plain(first), plain(second));
        match property {
            Property::Before => {
                let avoiding = |state: usize| state != *from;
                if let Some(path) = path(machine, &walk, walk.initial(), *to, &avoiding) {
                    errors.at(second, format!("`{b}` is reachable without `{a}`: {path}"));
                }
            }
            Property::Never => {
                if let Some(path) = path_from(machine, &walk, *from, *to) {
                    errors.at(second, format!("`{b}` is reachable from `{a}`: {path}"));
                }
            }
            Property::Reaches => {
                if path_from(machine, &walk, *from, *to).is_none() {
                    errors.at(second, format!("`{b}` is not reachable from `{a}`"));
                }
            }
        }
    }
}

/// A shortest path of at least one transition.
fn path_from(machine: &Machine, walk: &Walk<'_>, from: usize, to: usize) -> Option<String> {
    let mut starts = walk.reached(walk.initial(), &|_| true).all;
    starts.retain(|place| place.state == from);
    if starts.is_empty() {
        starts.push(walk.unknown(from));
    }
    let mut next = Vec::new();
    for place in &starts {
        next.extend(walk.after(place));
    }
    let path = path(machine, walk, next, to, &|_| true)?;
    Some(format!("{} → {path}", plain(&machine.states[from].ident)))
}

/// A shortest path from one of the places in `from` to `to`, through states that `through` allows.
fn path(
    machine: &Machine,
    walk: &Walk<'_>,
    from: Vec<Place>,
    to: usize,
    through: &dyn Fn(usize) -> bool,
) -> Option<String> {
    let Places { all: places, before, .. } = walk.reached(from, through);
    let end = places.iter().position(|place| place.state == to)?;
    let back = std::iter::successors(Some(end), |place| before[*place]);
    let mut names: Vec<_> = back.map(|place| plain(&machine.states[places[place].state].ident)).collect();
    names.reverse();
    Some(names.join(" → "))
}
