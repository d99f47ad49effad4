//! Conversions from a name alone, as it is read from a table or a message, where the name says everything.

use proc_macro2::TokenStream;
use quote::quote;

use super::states::pattern;
use crate::{each::each, normalize::Cx};

/// `From<State>` for the enum if no state has data, `From<EventKind>` for `Event` if no event has a payload.
pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let Cx { enum_ty, machine, .. } = cx;
    let states = machine.states.iter().all(|state| state.fields.is_empty()).then(|| {
        let arms = each(&machine.states, &|state| {
            let (ident, pattern) = (&state.ident, pattern(state));
            quote!(State::#ident => Self::#ident #pattern)
        });
        from(enum_ty, &quote!(State), &quote!(state), &arms)
    });
    let plain = !machine.events.is_empty() && machine.events.iter().all(|event| event.fields.is_empty());
    let events = plain.then(|| {
        let arms = each(&machine.events, &|event| {
            let ty = &event.ty;
            quote!(EventKind::#ty => Self::#ty(event::#ty))
        });
        from(&cx.events_ty(), &quote!(EventKind), &quote!(kind), &arms)
    });
    quote!(#states #events)
}

fn from(target: &TokenStream, name: &TokenStream, value: &TokenStream, arms: &[TokenStream]) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<#name> for #target {
            fn from(#value: #name) -> Self {
                match #value {
                    #(#arms,)*
                }
            }
        }
    }
}
