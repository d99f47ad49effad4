//! `would_accept` of `Any` and of `AnyRecord`: whether an event would be accepted, with the guard but without a transition.

use proc_macro2::TokenStream;
use quote::quote;

use crate::normalize::Cx;

/// The method. Both enums have a variant for each state, whose value has a `would_accept` for the events of its state.
pub(super) fn would_accept(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, machine, .. } = cx;
    let (vis, events) = (cx.vis(1), cx.events_ty());
    let guarded = machine.transitions.iter().filter(|transition| transition.guard.is_some());
    let arms = guarded.map(|transition| {
        let (state, event) = (&machine.states[transition.from].ident, &machine.events[transition.event].ty);
        quote!((Self::#state(machine), Event::#event(event)) => machine.would_accept(event))
    });
    let arms: Vec<_> = arms.collect();
    let reason = if arms.is_empty() {
        quote!(::core::result::Result::<(), #core::Reason>::Ok(()))
    } else {
        quote! {
            match (self, event) {
                #(#arms,)*
                _ => ::core::result::Result::Ok(()),
            }
        }
    };
    quote! {
        /// Whether the machine would accept `event`: its state declares the event, and the guard does not refuse it. No transition
        /// is made.
        ///
        /// # Errors
        /// If the state does not declare the event, or the guard refuses it.
        #[allow(unreachable_patterns)]
        #vis fn would_accept(&self, event: &#events) -> ::core::result::Result<(), #core::Refusal<#enum_ty>> {
            let (state, kind) = (Self::state(self), Event::kind(event));
            let refused = |reason| #core::Refusal::__new(state, kind, reason, State::accepts(state));
            if !#core::__private::names_contain(State::accepts(state), kind) {
                return ::core::result::Result::Err(refused(::core::option::Option::None));
            }
            let asked = #reason;
            asked.map_err(|reason| refused(::core::option::Option::Some(reason)))
        }
    }
}
