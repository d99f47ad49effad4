//! What a stored machine needs besides.

use quote::quote;

use crate::{
    errors::Errors,
    model::{Kind, Machine},
};

pub(super) fn check(machine: &Machine, errors: &mut Errors) {
    let Some(durable) = machine.durable else {
        for state in machine.states.iter().filter(|state| state.kind == Kind::Work) {
            if let Some(exhausted) = &state.exhausted {
                let event = &machine.events[exhausted.event].name;
                let message = format!(
                    "`{event}` would never be fired: only a `durable` machine has workers, whose attempts count"
                );
                errors.at_span(exhausted.span, message);
            }
            if let Some(checkpoint) = &state.checkpoint {
                errors.at(
                    checkpoint,
                    "it would never be kept: only a `durable` machine has workers, and stores their checkpoints",
                );
            }
        }
        return;
    };
    if !machine.generics.params.is_empty() {
        let params = &machine.generics.params;
        let message =
            "a durable machine has no generics: its rows are read back without any, so give it concrete, owned types";
        errors.at(quote!(#params), message);
    }
    let has = |wanted: &str| {
        machine.derives.iter().any(|path| path.segments.last().is_some_and(|segment| segment.ident == wanted))
    };
    let missing: Vec<_> = ["Serialize", "Deserialize"].into_iter().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        let message = format!(
            "a durable machine's states and events are stored as JSON: add {} to `#[fsm(derive(…))]`, from `serde`",
            crate::suggest::list(&missing)
        );
        errors.at_span(durable, message);
    }
}
