//! Every field of a target is supplied, and a branch says who decides.

use std::collections::BTreeMap;

use syn::Member;

use crate::{
    errors::Errors,
    model::{Machine, plain},
    suggest,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let mut missing: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    for transition in machine.transitions.iter().filter(|transition| transition.sound && transition.with.is_none()) {
        let event = &machine.events[transition.event].name;
        let [target] = transition.to[..] else {
            let targets = suggest::join(transition.to.iter().map(|to| plain(&machine.states[*to].ident)), "or");
            let message = format!("`{event}` can lead to {targets}: name who decides, `with = path`");
            errors.at(&transition.ident, message);
            continue;
        };
        for (index, (_, supply)) in machine.supplies(transition, target).iter().enumerate() {
            if supply.is_none() {
                let from = plain(&machine.states[transition.from].ident);
                missing.entry((target, index)).or_default().push(format!("`{event}` from `{from}`"));
            }
        }
    }
    for ((target, index), mut ways) in missing {
        let target = &machine.states[target];
        let field = &target.fields[index];
        ways.dedup();
        let ways = ways.join(", ");
        let state = plain(&target.ident);
        let name = field.name();
        match &field.member {
            Member::Named(ident) => {
                let ty = crate::text::of(&field.ty);
                let message = format!(
                    "nothing supplies `{name}` of `{state}` on {ways}: add it to the event's payload, `{{ {name}: {ty} }}`, or \
                     build the target by hand, `with = path`"
                );
                errors.at(ident, message);
            }
            Member::Unnamed(_) => {
                let message = format!(
                    "nothing supplies field {name} of `{state}` on {ways}: build the target by hand, `with = path`, or give \
                     the fields names, so that the event's payload can supply them"
                );
                errors.at(&field.ty, message);
            }
        }
    }
}
