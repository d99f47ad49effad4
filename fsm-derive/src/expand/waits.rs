//! The items in `__user_code` of what states wait for: the other machines, their states, and the events.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, spanned::Spanned as _};

use crate::{
    model::{Wait, plain},
    normalize::Cx,
};

/// Each wait of the machine, with its state and its place among the state's waits.
pub(super) fn all<'m>(cx: &Cx<'m>) -> Vec<(usize, usize, &'m Wait)> {
    let mut all = Vec::new();
    for (index, state) in cx.machine.states.iter().enumerate() {
        for (place, wait) in state.waits.iter().enumerate() {
            all.push((index, place, wait));
        }
    }
    all
}

/// The alias of the awaited machine, at the user's tokens.
pub(super) fn machine(cx: &Cx<'_>, state: usize, place: usize) -> Ident {
    let mut name = name(cx, "machine", state, place);
    name.set_span(cx.machine.states[state].waits[place].machine.span());
    name
}

/// The constant with the stored names of the awaited states.
pub(super) fn states(cx: &Cx<'_>, state: usize, place: usize) -> Ident {
    name(cx, "states", state, place)
}

/// The function that makes the event.
pub(super) fn event(cx: &Cx<'_>, state: usize, place: usize) -> Ident {
    name(cx, "event", state, place)
}

/// The number of the place comes first, which keeps wait 1 of `A` apart from wait 0 of a state with such a name.
fn name(cx: &Cx<'_>, what: &str, state: usize, place: usize) -> Ident {
    format_ident!("wait_{place}_{what}_{}", plain(&cx.machine.states[state].ident))
}

/// The machine and its states, at the user's tokens, so that rustc reports there what the other machine does not have.
pub(super) fn user_code(cx: &Cx<'_>, state: usize, place: usize, wait: &Wait) -> TokenStream {
    let (core, _) = cx.libraries_at(2);
    let (span, path) = (wait.machine.span(), cx.moved(2, &wait.machine));
    let (machine, states) = (machine(cx, state, place), states(cx, state, place));
    let names = wait.states.iter().map(|state| {
        let span = state.span();
        quote_spanned!(span=> <<#machine as #core::StateMachine>::State>::#state.as_str())
    });
    let name = wait.machine_name(&cx.machine.name());
    let message = format!(
        "`{name}` is another name of the machine: write the name of its enum in `waits`, with its path, so that the graph and the \
         stored rows have one name for it"
    );
    let own_name = quote_spanned! {span=>
        ::core::assert!(#core::__private::is_named(<#machine as #core::StateMachine>::GRAPH, #name), #message)
    };
    quote! {
        pub(super) type #machine = #path;
        pub(super) const #states: &[&str] = &[#(#names),*];
        const _: () = #own_name;
    }
}
