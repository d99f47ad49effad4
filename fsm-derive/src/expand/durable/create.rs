//! `__CreateFrom`, from what an instance is created. A trait of the machine, so that rustc explains another value in its terms, once.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::{docs, user_code};
use crate::{each::each, normalize::Cx};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, s, .. } = cx;
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let context = cx.context_or_unit();
    let what = if cx.context.is_some() { " with its context" } else { "" };
    let message = format!("`{{Self}}` is not an initial state of `{name}`{what}");
    let written = cx.machine.context.as_ref().map(|context| quote!(#context));
    let (label, note) = (docs::initial_label(cx, written.as_ref()), docs::initial_note(cx.machine));
    let doc = format!("From what a `{name}` is created.");
    let impls = each(&cx.initial_states(), &|state| {
        let state = *state;
        let ty = cx.state_ty(state);
        let enters = cx.machine.states[state].enter.is_some();
        let (given, parts) = match &cx.context {
            None => {
                let entered = user_code::entered(cx, state, quote!(self), &TokenStream::new());
                (ty.clone(), quote!((#entered, ())))
            }
            Some(context) if enters => {
                let entered = user_code::entered(cx, state, quote!(state), &quote!(, &mut context));
                let parts = quote! {
                    let (state, mut context) = self;
                    let state = #entered;
                    (state, context)
                };
                (quote!((#ty, #context)), parts)
            }
            Some(context) => (quote!((#ty, #context)), quote!(self)),
        };
        quote! {
            #[automatically_derived]
            impl __CreateFrom for #given {
                type Initial = #ty;
                fn __parts(self, _: __Seal) -> (#ty, #context) {
                    #parts
                }
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        #[doc(hidden)]
        #vis trait __CreateFrom {
            #[doc(hidden)]
            type Initial: #runtime::DurableState<Machine = #enum_ty>;
            #[doc(hidden)]
            fn __parts(self, seal: __Seal) -> (Self::Initial, #context);
        }
        #(#impls)*
        #[automatically_derived]
        impl<#s: __CreateFrom> #runtime::CreateFrom<#s> for #enum_ty {
            type Initial = #s::Initial;
            fn parts(__initial: #s, _: #runtime::__private::Seal) -> (#s::Initial, #context) {
                __initial.__parts(__Seal)
            }
        }
    }
}
