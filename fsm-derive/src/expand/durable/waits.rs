//! What the runtime asks a machine about its waits: the ids in its data, the events, and the other machines.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::super::waits;
use crate::{
    each::{each, indices},
    model::{Member, State, Wait},
    normalize::{Cx, respan},
    parse::Quantity,
};

/// The methods of `StoredMachine`; nothing for a machine without waits, which has the trait's own.
pub(super) fn methods(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, core, .. } = cx;
    let states = &cx.machine.states;
    let waiting = indices(states.len(), &|state| !states[state].waits.is_empty());
    if waiting.is_empty() {
        return TokenStream::new();
    }
    let ids = each(&waiting, &|state| ids(cx, &states[*state]));
    let otherwise = (waiting.len() < states.len()).then(|| quote!(_ => ::std::vec::Vec::new(),));
    let (mut events, mut graphs) = (Vec::new(), Vec::new());
    for (state, place, wait) in waits::all(cx) {
        let (ident, event) = (&states[state].ident, waits::event(cx, state, place));
        events.push(quote!((State::#ident, #place) => ::core::option::Option::Some(__user_code::#event()),));
        let (machine, span) = (waits::machine(cx, state, place), wait.machine.span());
        let machine = respan(quote!(__user_code::#machine), span);
        graphs.push(quote_spanned!(span=> <#machine as #runtime::StoredMachine>::collect_graphs(__graphs);));
    }
    quote! {
        fn awaited_ids(&self) -> ::std::vec::Vec<::std::vec::Vec<::std::string::String>> {
            match self {
                #(#ids)*
                #otherwise
            }
        }
        fn wait_event(__state: State, __wait: usize) -> ::core::option::Option<Event> {
            match (__state, __wait) {
                #(#events)*
                _ => ::core::option::Option::None,
            }
        }
        fn awaited_graphs(__graphs: &mut ::std::vec::Vec<&'static #core::Graph>) {
            #(#graphs)*
        }
    }
}

/// The arm of a state, with the ids of each of its waits.
fn ids(cx: &Cx<'_>, state: &State) -> TokenStream {
    let ident = &state.ident;
    let fields = indices(state.fields.len(), &|field| state.waits.iter().any(|wait| wait.field == field));
    let bindings = fields.iter().map(|field| {
        let (member, variable) = (&state.fields[*field].member, format_ident!("__id_{field}"));
        match member {
            Member::Named(name) => quote!(#name: #variable),
            Member::Unnamed(index) => quote!(#index: #variable),
        }
    });
    let waits = state.waits.iter().map(|wait| one(cx, wait));
    quote!(Self::#ident { #(#bindings,)* .. } => ::std::vec![#(#waits),*],)
}

fn one(cx: &Cx<'_>, wait: &Wait) -> TokenStream {
    let (runtime, span) = (&cx.runtime, wait.at.span());
    let variable = format_ident!("__id_{}", wait.field, span = span);
    match wait.quantity {
        Quantity::One => {
            let id = quote_spanned!(span=> #runtime::InstanceId::instance_id(#variable));
            quote!(::std::vec![::std::borrow::Cow::into_owned(#id)])
        }
        Quantity::All | Quantity::Any | Quantity::AtLeast(_) => {
            quote_spanned!(span=> #runtime::InstanceIds::instance_ids(#variable))
        }
    }
}
