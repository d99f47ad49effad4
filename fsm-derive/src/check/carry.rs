//! Checks that every field of a target has a source, and that a transition with several targets has a `with`.

use syn::Member;

use super::saga;
use crate::{
    each::each,
    errors::Errors,
    model::{Field, Machine, State, Transition, plain},
    suggest,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    // For each field of each state, the transitions that do not supply it.
    let mut missing: Vec<Vec<Vec<String>>> = each(&machine.states, &|state| vec![Vec::new(); state.fields.len()]);
    let by_carrying = |transition: &&Transition| transition.with.is_none() && transition.history.is_none();
    for transition in machine.transitions.iter().filter(|transition| transition.complete).filter(by_carrying) {
        let event = &machine.events[transition.event].name;
        let [target] = transition.to[..] else {
            let targets = suggest::join(transition.to.iter().map(|to| plain(&machine.states[*to].ident)), "or");
            let message =
                format!("`{event}` can lead to {targets}: add `with = path`, a function that chooses the target");
            errors.at(&transition.ident, message);
            continue;
        };
        for (index, (field, supply)) in machine.supplies(transition, target).iter().enumerate() {
            let by_saga =
                saga::is_checked(transition) && matches!(field.member, Member::Named(_)) && field.history.is_none();
            if supply.is_none() && !by_saga {
                let from = plain(&machine.states[transition.from].ident);
                missing[target][index].push(format!("`{event}` from `{from}`"));
            }
        }
    }
    for (state, missing) in machine.states.iter().zip(missing) {
        for (field, mut transitions) in state.fields.iter().zip(missing) {
            transitions.dedup();
            if !transitions.is_empty() {
                report(machine, state, field, &transitions.join(", "), errors);
            }
        }
    }
}

/// Reports a field without a source.
fn report(machine: &Machine, state: &State, field: &Field, transitions: &str, errors: &mut Errors) {
    let (state, name) = (plain(&state.ident), field.name());
    if let Some(group) = field.history {
        let group = plain(&machine.groups[group].ident);
        let message = format!(
            "no source for field `{name}` of `{state}` on {transitions}: only a state of `{group}` has a history of it; add \
             `#[state(in = {group})]` to the state that is left, or build the target with `with = path`"
        );
        match &field.member {
            Member::Named(ident) => errors.at(ident, message),
            Member::Unnamed(_) => errors.at(&field.ty, message),
        }
        return;
    }
    match &field.member {
        Member::Named(ident) => {
            let ty = crate::text::of(&field.ty);
            let message = format!(
                "no source for field `{name}` of `{state}` on {transitions}: add it to the event's payload, \
                 `{{ {name}: {ty} }}`, or build the target with `with = path`"
            );
            errors.at(ident, message);
        }
        Member::Unnamed(_) => {
            let message = format!(
                "no source for field {name} of `{state}` on {transitions}: build the target with `with = path`, or name \
                 the fields, so that the event's payload can supply them"
            );
            errors.at(&field.ty, message);
        }
    }
}
