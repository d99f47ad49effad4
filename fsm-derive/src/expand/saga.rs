//! The saga of a machine, as a part of its graph.

use proc_macro2::TokenStream;
use quote::quote;

use crate::normalize::Cx;

/// The value of `SagaInfo`, for a machine with a saga.
pub(super) fn info(cx: &Cx<'_>) -> Option<TokenStream> {
    let (core, machine) = (&cx.core, cx.machine);
    let undone = &machine.states[machine.saga.as_ref()?.undone].name;
    let steps = machine.states.iter().filter_map(|state| {
        let (name, step) = (&state.name, state.step.as_ref()?);
        let undo = step.undo.map(|undo| &machine.states[undo].name).map(|undo| quote!(.with_undo(#undo)));
        let uncertain = step.uncertain.filter(|uncertain| uncertain.undo).map(|_| quote!(.with_uncertain(true)));
        Some(quote!(#core::StepInfo::new(#name) #undo #uncertain))
    });
    Some(quote!(&#core::SagaInfo::new(#undone, &[#(#steps),*])))
}
