//! Checks that apply to durable machines, and to options that only those can have.

use quote::quote;

use crate::{
    errors::Errors,
    model::{Kind, Machine, plain},
    parse::Delay,
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let Some(durable) = machine.durable else {
        for state in machine.states.iter().filter(|state| state.kind == Kind::Work) {
            if let Some(exhausted) = &state.exhausted {
                errors.at_span(exhausted.span, requires_durable("exhausted"));
            }
            if let Some(checkpoint) = &state.checkpoint {
                errors.at(checkpoint, requires_durable("checkpoint"));
            }
        }
        for timer in machine.states.iter().flat_map(|state| &state.timers) {
            if let Delay::At(closure) = &timer.delay {
                let message = "`#[at(…)]` requires a durable machine, whose runtime has a clock: add `durable` to `#[fsm(…)]`, or write \
                               the remaining time, `#[after(|state| …, event)]`";
                errors.at(closure, message);
            }
        }
        return;
    };
    if !machine.generics.params.is_empty() {
        let params = &machine.generics.params;
        errors.at(quote!(#params), "a durable machine cannot be generic: use concrete, owned types");
    }
    let has = |wanted: &str| {
        machine.derives.iter().any(|path| path.segments.last().is_some_and(|segment| segment.ident == wanted))
    };
    let mut missing = Vec::new();
    for name in ["Serialize", "Deserialize"] {
        if !has(name) {
            missing.push(name);
        }
    }
    if !missing.is_empty() {
        let message = format!(
            "the states and events of a durable machine must be serializable: add {} from `serde` to `#[fsm(derive(…))]`",
            crate::suggest::list(&missing)
        );
        errors.at_span(durable, message);
    }
    for (index, state) in machine.states.iter().enumerate() {
        let Some(exhausted) = &state.exhausted else { continue };
        if machine.from(index).any(|transition| transition.internal && transition.event == exhausted.event) {
            let (state, event) = (plain(&state.ident), &machine.events[exhausted.event].name);
            let message = format!(
                "`exhausted` of `{state}` fires `{event}`, which is internal there, so the work would be repeated without end: name an \
                 event that leaves `{state}`, or remove `exhausted` to park the instance"
            );
            errors.at_span(exhausted.span, message);
        }
    }
}

/// The message for an option that only durable machines have.
fn requires_durable(option: &str) -> String {
    format!("`{option}` requires a durable machine: add `durable` to `#[fsm(…)]`, or remove `{option}`")
}
