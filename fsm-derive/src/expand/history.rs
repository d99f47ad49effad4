//! `mod history`: for each superstate whose history a state holds, an enum of the states that can be left; and the way back.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::serde::is_serde;
use crate::{
    each::each,
    model::{State, Transition, plain},
    normalize::{Cx, place},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let histories = each(&cx.machine.histories(), &|group| history(cx, *group));
    if histories.is_empty() {
        return TokenStream::new();
    }
    let vis = cx.vis(1);
    quote! {
        /// The histories of superstates: the state that was left, with its data.
        #vis mod history {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::super::*;

            #(#histories)*
        }
    }
}

fn history(cx: &Cx<'_>, group: usize) -> TokenStream {
    let (vis, ident, machine) = (cx.vis(2), &cx.machine.groups[group].ident, cx.machine);
    let doc = format!("The history of `{}`: the state that was left, with its data.", plain(ident));
    // No state is the default.
    let derives = cx.derives(2, &|name| name != "Default");
    let states = machine.remembered(group);
    let idents = each(&states, &|state| &machine.states[*state].ident);
    let types = each(&states, &|state| cx.state_ty(*state));
    let attrs = states.iter().map(|state| {
        let state = &machine.states[*state];
        let (doc, stored) = (format!("Left in state `{}`.", state.name), stored(cx, state));
        quote!(#[doc = #doc] #stored)
    });
    let scope = cx.scope(&types);
    let (declared, params) = (scope.declared_deeper(), scope.params_deeper());
    let (args, clause) = (scope.args(&[]), scope.clause_deeper());
    quote! {
        #[doc = #doc]
        #derives
        #vis enum #ident #declared #clause {
            #(#attrs #idents(super::#types),)*
        }
        impl #params #ident #args #clause {
            /// The name of the state.
            #[must_use]
            #vis const fn state(&self) -> super::State {
                match self {
                    #(Self::#idents(_) => super::State::#idents,)*
                }
            }
        }
        #(
            #[automatically_derived]
            impl #params ::core::convert::From<super::#types> for #ident #args #clause {
                fn from(__state: super::#types) -> Self {
                    Self::#idents(__state)
                }
            }
        )*
    }
}

/// The names under which serde writes and reads a state, as in rows.
fn stored(cx: &Cx<'_>, state: &State) -> Option<TokenStream> {
    if !cx.machine.derives.iter().any(is_serde) {
        return None;
    }
    let name = &state.name;
    let was = state.was.iter().filter(|was| cx.machine.states.iter().all(|other| other.name != **was));
    Some(quote!(#[serde(rename = #name #(, alias = #was)*)]))
}

/// The state in the expression `held`, a history, made into what `wrap` makes of the variable `state`.
pub(super) fn left(
    cx: &Cx<'_>,
    transition: &Transition,
    held: &TokenStream,
    wrap: impl Fn(&State) -> TokenStream,
) -> TokenStream {
    let span = place(transition);
    let group = transition.history.map(|history| &cx.machine.groups[history.group].ident);
    let states = each(&transition.to, &|to| &cx.machine.states[*to]);
    let idents = states.iter().map(|state| &state.ident);
    let values = states.iter().map(|state| wrap(state));
    quote_spanned!(span=> match #held { #(history::#group::#idents(state) => #values,)* })
}
