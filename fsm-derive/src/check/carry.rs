//! Checks that every field of a target has a source, and that a transition with several targets has a `with`.

use std::collections::BTreeMap;

use syn::Member;

use super::saga;
use crate::{
    errors::Errors,
    model::{Machine, Transition, plain},
    suggest,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let mut missing: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
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
                missing.entry((target, index)).or_default().push(format!("`{event}` from `{from}`"));
            }
        }
    }
    for ((target, index), mut transitions) in missing {
        let target = &machine.states[target];
        let field = &target.fields[index];
        transitions.dedup();
        let transitions = transitions.join(", ");
        let state = plain(&target.ident);
        let name = field.name();
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
            continue;
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
}
