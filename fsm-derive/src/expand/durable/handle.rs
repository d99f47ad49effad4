//! The common part of `Record` and `Task`: a struct around the raw type of `fsm-runtime`, which it derefs to, with the events of its state
//! as methods.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::super::transitions::Method;
use crate::{model::Transition, normalize::Cx};

/// One of the two.
pub(super) struct Handle {
    pub(super) name: &'static str,
    /// The wrapped type.
    pub(super) raw: TokenStream,
    /// Docs and attributes of the struct.
    pub(super) attrs: TokenStream,
    /// Its own methods.
    pub(super) methods: TokenStream,
    /// The methods of the wrapped type that `Debug` shows besides.
    pub(super) shown: &'static [&'static str],
}

impl Handle {
    /// The struct and its impls.
    pub(super) fn expand(self, cx: &Cx<'_>) -> TokenStream {
        let Self { name, raw, attrs, methods, shown } = self;
        let Cx { runtime, enum_ty, s, .. } = cx;
        let (vis, ident) = (cx.vis(1), format_ident!("{name}"));
        let bounded = quote!(<#s: #runtime::DurableState<Machine = #enum_ty>>);
        let shown_fns = shown.iter().map(|method| format_ident!("{method}"));
        quote! {
            #attrs
            #vis struct #ident #bounded {
                raw: #raw<#s>,
            }
            impl #bounded #ident<#s> {
                #methods
            }
            #[automatically_derived]
            impl #bounded ::core::ops::Deref for #ident<#s> {
                type Target = #raw<#s>;
                fn deref(&self) -> &#raw<#s> {
                    &self.raw
                }
            }
            /// Prints everything but the data of the state.
            #[automatically_derived]
            impl #bounded ::core::fmt::Debug for #ident<#s> {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(#name)
                        .field("id", &self.raw.id())
                        .field("version", &self.raw.version())
                        .field("state", &self.raw.state())
                        #(.field(#shown, &self.raw.#shown_fns()))*
                        .finish_non_exhaustive()
                }
            }
        }
    }
}

/// The methods of a handle in `state`, one for each transition for which `has` is true; `errors` is appended to their docs.
pub(super) fn events(
    cx: &Cx<'_>,
    name: &str,
    state: usize,
    has: &dyn Fn(&Transition) -> bool,
    errors: &TokenStream,
    result: &dyn Fn(&Transition) -> TokenStream,
) -> TokenStream {
    let (vis, ty, ident) = (cx.vis(1), cx.state_ty(state), format_ident!("{name}"));
    let mut methods = Vec::new();
    for transition in cx.machine.from(state).filter(|transition| has(transition)) {
        let Method { ident, params, event, doc } = Method::new(cx, transition);
        let result = result(transition);
        methods.push(quote! {
            #[doc = #doc]
            #errors
            #vis fn #ident(self, #params) -> #result {
                self.fire(#event)
            }
        });
    }
    if methods.is_empty() {
        return TokenStream::new();
    }
    quote! {
        impl #ident<#ty> {
            #(#methods)*
        }
    }
}
