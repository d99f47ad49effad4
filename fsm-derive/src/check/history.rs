//! Checks that a transition to a history has one to lead to, and that a history holds the data of the state that was left alone.

use syn::Member;

use crate::{
    each::each,
    errors::Errors,
    model::{Field, Machine, Origin, Supply, Transition, plain},
    suggest,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    // Once for each `#[on(…)]`, which can have several events.
    for transition in machine.transitions.iter().filter(|transition| transition.event == transition.choice) {
        let Some(history) = transition.history else { continue };
        if !inside(machine, transition, history.group, errors)
            && let Some(message) = lacks(machine, transition)
        {
            errors.at_span(history.span, message);
        }
    }
    endless(machine, errors);
    twice(machine, errors);
}

/// Whether the source of a transition to a history is in that superstate. Reports it, once for all sources of an `#[on(…)]`.
fn inside(machine: &Machine, transition: &Transition, group: usize, errors: &mut Errors) -> bool {
    if !machine.is_in(transition.from, group) {
        return false;
    }
    let same = machine.transitions.iter().filter(|other| {
        let shared = other.origin == transition.origin && transition.origin != Origin::State;
        let leads_there = other.history.is_some_and(|other| other.group == group);
        std::ptr::eq(*other, transition)
            || shared && leads_there && other.choice == transition.choice && machine.is_in(other.from, group)
    });
    let sources: Vec<_> = same.map(|other| other.from).collect();
    if sources.first() == Some(&transition.from)
        && let Some(history) = transition.history
    {
        let names = each(&sources, &|state| plain(&machine.states[*state].ident));
        let superstate = plain(&machine.groups[group].ident);
        let remedy = match transition.origin {
            Origin::State => {
                let event = &machine.events[transition.event].name;
                format!("take it out of the superstate, or name the target, `{event} => Target`")
            }
            Origin::Group(_) | Origin::Enum => format!("add `except({})`", names.join(", ")),
        };
        let (are, left) =
            if names.len() == 1 { ("is", "it has not left it") } else { ("are", "they have not left it") };
        let names = suggest::list(&names);
        errors.at_span(history.span, format!("{names} {are} in `{superstate}`, so {left}: {remedy}"));
    }
    true
}

/// Why a transition to a history has none to lead to.
fn lacks(machine: &Machine, transition: &Transition) -> Option<String> {
    let history = transition.history?;
    let (source, group) = (&machine.states[transition.from], &machine.groups[history.group]);
    let (state, group_name) = (plain(&source.ident), plain(&group.ident));
    let mut fields = source.histories(history.group);
    let Some(field) = fields.next() else {
        let ty = format!("{}::history::{group_name}", plain(&machine.module));
        return Some(format!("`{state}` does not hold the history of `{group_name}`: add a field to it, `was: {ty}`"));
    };
    if let Some(second) = fields.next() {
        let (first, second) = (field.name(), second.name());
        return Some(format!(
            "`{state}` holds the history of `{group_name}` twice, in `{first}` and in `{second}`: remove one"
        ));
    }
    let brings = |other: &&Transition| {
        let passes = || machine.states[other.from].histories(history.group).next().is_some();
        other.to.contains(&transition.from)
            && (machine.is_remembered(other.from, history.group) || other.from != transition.from && passes())
    };
    if machine.complete && !machine.transitions.iter().any(|other| brings(&other)) {
        return Some(format!(
            "no transition leads from a state of `{group_name}` to `{state}`, so `{state}` never stores a history of `{group_name}`: add \
             one, `#[fsm(group({group_name}, on(event => {state})))]`, or name the target state"
        ));
    }
    None
}

/// Reports histories that contain themselves: their types would be infinitely large.
fn endless(machine: &Machine, errors: &mut Errors) {
    // Which histories a history holds, through the fields of its states.
    let held_by = |group: usize| {
        let mut held = Vec::new();
        for state in machine.remembered(group) {
            held.extend(machine.states[state].fields.iter().filter_map(|field| field.history));
        }
        held
    };
    for (index, state) in machine.states.iter().enumerate() {
        for field in &state.fields {
            let Some(group) = field.history else { continue };
            let mut seen = vec![group];
            let mut next = 0;
            while let Some(group) = seen.get(next) {
                for inner in held_by(*group) {
                    if !seen.contains(&inner) {
                        seen.push(inner);
                    }
                }
                next += 1;
            }
            // A transition from here to this history has an error of its own.
            let leads = machine.from(index).any(|it| it.history.is_some_and(|history| history.group == group));
            let Some(around) = seen.into_iter().find(|group| machine.is_remembered(index, *group)) else { continue };
            if around == group && leads {
                continue;
            }
            let (name, state) = (plain(&machine.groups[around].ident), plain(&state.ident));
            let message = format!(
                "the history of `{name}` would contain itself, because `{state}` is in `{name}` and holds it in `{}`: take `{state}` \
                 out of the superstate, or remove the field",
                field.name()
            );
            at(field, message, errors);
        }
    }
}

/// Reports fields that would take a part of a state that is in a history as a whole.
fn twice(machine: &Machine, errors: &mut Errors) {
    // For each state: the field, the history, and a transition.
    let mut found: Vec<Vec<(usize, usize, String)>> = vec![Vec::new(); machine.states.len()];
    for transition in machine.transitions.iter().filter(|it| it.complete && it.with.is_none() && it.history.is_none()) {
        let [target] = transition.to[..] else { continue };
        let supplies = machine.supplies(transition, target);
        let is_history = |supply: &Option<Supply<'_>>| matches!(supply, Some(Supply::History(_)));
        let Some(whole) = supplies.iter().position(|(_, supply)| is_history(supply)) else { continue };
        for (index, (_, supply)) in supplies.iter().enumerate() {
            let is_reported = machine.states[target].fields[index].history.is_some_and(|group| {
                let held_twice = |it: &Transition| it.history.is_some_and(|history| history.group == group);
                machine.is_remembered(target, group) || machine.from(target).any(held_twice)
            });
            let is_twice = is_history(supply) || matches!(supply, Some(Supply::Source(_)));
            if index != whole && is_twice && !is_reported {
                let from = plain(&machine.states[transition.from].ident);
                let event = &machine.events[transition.event].name;
                found[target].push((index, whole, format!("`{event}` from `{from}`")));
            }
        }
    }
    for (state, found) in machine.states.iter().zip(found) {
        for (index, field) in state.fields.iter().enumerate() {
            for (whole, history) in state.fields.iter().enumerate() {
                let on = found.iter().filter(|it| (it.0, it.1) == (index, whole)).map(|it| it.2.clone());
                let transitions: Vec<_> = on.collect();
                if transitions.is_empty() {
                    continue;
                }
                let message = format!(
                    "field `{name}` of `{}` is also in its history field `{was}` on {}: remove `{name}` and read it from `{was}`, or build \
                     the target with `with = path`",
                    plain(&state.ident),
                    transitions.join(", "),
                    name = field.name(),
                    was = history.name()
                );
                at(field, message, errors);
            }
        }
    }
}

fn at(field: &Field, message: String, errors: &mut Errors) {
    match &field.member {
        Member::Named(name) => errors.at(name, message),
        Member::Unnamed(_) => errors.at(&field.ty, message),
    }
}
