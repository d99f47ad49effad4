//! The choice of a branching transition: an enum of its targets, as states, machines or records.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Ident;

use super::{docs, states::pattern};
use crate::{
    each::each,
    model::{Transition, plain},
    normalize::{Cx, param_name},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let branching = cx.machine.choices();
    if branching.is_empty() {
        return TokenStream::new();
    }
    let vis = cx.vis(1);
    let choices = branching.iter().map(|transition| choice(cx, transition));
    let targets = branching.iter().map(|transition| target(cx, transition));
    quote! {
        /// The targets of each branching transition: states, which `with` returns, or machines, or records.
        #vis mod choice {
            #(#choices)*
        }
        #(#targets)*
    }
}

fn choice(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let (vis, ident) = (cx.vis(2), cx.machine.choice(transition));
    let doc = docs::transition(cx.machine, transition);
    let doc = format!("`{}`: {doc}", cx.machine.events[transition.event].name);
    let variants = each(&transition.to, &|to| &cx.machine.states[*to].ident);
    let docs = transition.to.iter().map(|to| {
        let state = &cx.machine.states[*to];
        super::states::docs(&state.attrs, &format!("In state `{}`.", plain(&state.ident)))
    });
    let params = params(cx, transition.to.len());
    let types = each(&transition.to, &|to| cx.state_ty(*to));
    let plain_states = transition.to.iter().all(|to| cx.state_scope(*to).is_empty());
    let declared = if plain_states { quote!(#(#params = super::#types),*) } else { quote!(#(#params),*) };
    let from = plain_states.then(|| {
        quote! {
            #(
                #[automatically_derived]
                impl ::core::convert::From<super::#types> for #ident {
                    fn from(state: super::#types) -> Self {
                        Self::#variants(state)
                    }
                }
            )*
        }
    });
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, PartialEq)]
        #vis enum #ident<#declared> {
            #(#docs #variants(#params),)*
        }
        #from
    }
}

fn target(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let (core, enum_ty) = (&cx.core, &cx.enum_ty);
    let ty = cx.target_ty(transition, &|state| state);
    let (params, clause) = (cx.all.params(&[]), cx.all.clause(&[]));
    let targets = each(&transition.to, &|to| &cx.machine.states[*to]);
    let idents = each(&targets, &|state| &state.ident);
    let types = targets.iter().map(|state| &state.ty);
    let patterns = each(&targets, &|state| pattern(state));
    let enum_path = &cx.enum_path;
    let otherwise =
        (targets.len() < cx.machine.states.len()).then(|| quote!(other => ::core::result::Result::Err(other),));
    quote! {
        #[automatically_derived]
        impl #params #core::Target<#enum_ty> for #ty #clause {
            fn into_enum(self) -> #enum_ty {
                match self {
                    #(Self::#idents(state) => #core::Target::into_enum(state),)*
                }
            }
            fn from_enum(machine: #enum_ty) -> ::core::result::Result<Self, #enum_ty> {
                match machine {
                    #(#enum_path::#idents #patterns => ::core::result::Result::Ok(Self::#idents(#types #patterns)),)*
                    #otherwise
                }
            }
        }
    }
}

/// `A`, `B`, …, without the names of the enum's own generics.
fn params(cx: &Cx<'_>, count: usize) -> Vec<Ident> {
    let taken: Vec<_> = cx.machine.generics.params.iter().map(param_name).collect();
    let names = ('A'..='Z').map(String::from).chain((0..).map(|n| format!("Target{n}")));
    let free = names.filter(|name| !taken.contains(name));
    free.take(count).map(|name| Ident::new(&name, Span::call_site())).collect()
}
