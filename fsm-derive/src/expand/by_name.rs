//! The way back from a name, where the name is all there is: out of a table or over the wire.

use proc_macro2::TokenStream;
use quote::quote;

use super::states::pattern;
use crate::normalize::Cx;

/// The enum from its state's name where no state carries data, and an event from its name where no event does.
pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let Cx { enum_ty, machine, .. } = cx;
    let states = machine.states.iter().all(|state| state.fields.is_empty()).then(|| {
        let arms = machine.states.iter().map(|state| {
            let (ident, pattern) = (&state.ident, pattern(state));
            quote!(State::#ident => Self::#ident #pattern)
        });
        from(enum_ty, &quote!(State), &quote!(state), arms)
    });
    let plain = !machine.events.is_empty() && machine.events.iter().all(|event| event.fields.is_empty());
    let events = plain.then(|| {
        let arms = machine.events.iter().map(|event| {
            let ty = &event.ty;
            quote!(EventKind::#ty => Self::#ty(event::#ty))
        });
        from(&cx.events_ty(), &quote!(EventKind), &quote!(kind), arms)
    });
    quote!(#states #events)
}

fn from(
    target: &TokenStream,
    name: &TokenStream,
    value: &TokenStream,
    arms: impl Iterator<Item = TokenStream>,
) -> TokenStream {
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
