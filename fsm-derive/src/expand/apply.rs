//! The body of `apply`: a `match` over states and events, or, where nothing carries data, a table. A big `match` is a jump
//! that the processor cannot foresee when events come in no order; a look into a table is none.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::{
    carry,
    cx::{Cx, local},
    states::pattern,
};
use crate::model::{Machine, Transition};

/// The body, which has `self`, `event` and `context`, and the items beside it.
pub(super) struct Apply {
    /// Ours, whatever the fields are called.
    pub(super) event: Ident,
    pub(super) context: Ident,
    pub(super) body: TokenStream,
    pub(super) items: TokenStream,
}

impl Apply {
    pub(super) fn new(cx: &Cx<'_>) -> Self {
        let (event, context) = (local("event"), local("context"));
        let (body, items) = if is_fieldless(cx.machine) { table(cx, &event) } else { steps(cx, &event, &context) };
        Self { event, context, body, items }
    }
}

fn is_fieldless(machine: &Machine) -> bool {
    let by_hand = machine.transitions.iter().any(Transition::is_by_hand);
    let data = machine.states.iter().any(|state| !state.fields.is_empty())
        || machine.events.iter().any(|event| !event.fields.is_empty());
    !(by_hand || data || machine.context.is_some() || machine.transitions.is_empty())
}

fn table(cx: &Cx<'_>, event: &Ident) -> (TokenStream, TokenStream) {
    let (core, machine) = (&cx.core, cx.machine);
    let entries = machine.transitions.iter().map(|transition| {
        let from = &machine.states[transition.from].ident;
        let event = &machine.events[transition.event].ty;
        let to = transition.to.iter().map(|to| &machine.states[*to].ident);
        quote!(#(next[State::#from.index()][EventKind::#event.index()] = ::core::option::Option::Some(State::#to);)*)
    });
    let values = machine.states.iter().map(|state| {
        let (ident, pattern) = (&state.ident, pattern(state));
        quote!(State::#ident => Self::#ident #pattern)
    });
    let body = quote! {
            let ::core::option::Option::Some(next) = NEXT[self.state().index()][#event.kind().index()] else {
                return ::core::result::Result::Err(#core::ApplyError {
                    machine: self,
                    event: #event,
                    reason: ::core::option::Option::None,
                });
            };
            ::core::result::Result::Ok(match next {
                #(#values,)*
            })
    };
    let items = quote! {
            /// The state that follows each state on each event.
            static NEXT: [[::core::option::Option<State>; EventKind::ALL.len()]; State::ALL.len()] = {
                let mut next = [[::core::option::Option::None; EventKind::ALL.len()]; State::ALL.len()];
                #(#entries)*
                next
            };
    };
    (body, items)
}

fn steps(cx: &Cx<'_>, event: &Ident, context: &Ident) -> (TokenStream, TokenStream) {
    let Cx { core, enum_ty, s, e, machine, .. } = cx;
    let (events, clause) = (cx.events_ty(), cx.all.clause(&[]));
    let argument = cx.context.as_ref().map(|_| quote!(, #context));
    let passed = cx.context.as_ref().map(|_| quote!(, context));
    let param = cx.context.as_ref().map(|context| quote!(context: &mut #context,));
    let arms = machine.transitions.iter().map(|transition| {
        if !transition.is_by_hand() {
            return carry::arm(cx, transition);
        }
        let state = &machine.states[transition.from];
        let (ident, pattern) = (&state.ident, pattern(state));
        let ty = &machine.events[transition.event].ty;
        quote!((Self::#ident #pattern, Event::#ty(#event)) => step(#ident #pattern, #event #argument))
    });
    let pairs = machine.states.len() * machine.events.len();
    let otherwise = (pairs == 0 || machine.transitions.len() < pairs).then(|| {
        quote! {
            (machine, event) => ::core::result::Result::Err(#core::ApplyError {
                machine,
                event,
                reason: ::core::option::Option::None,
            }),
        }
    });
    let event_of = cx.event_of(s);
    let params =
        cx.all.params(&[quote!(#s: #core::StateOf<#enum_ty>), quote!(#e: #event_of + ::core::convert::Into<#events>)]);
    let step = quote! {
        /// One transition in which the user's code has a part, from state and event to what follows.
        fn step #params(
            state: #s,
            event: #e,
            #param
        ) -> ::core::result::Result<#enum_ty, #core::ApplyError<#enum_ty>> #clause {
            match event.transition(state #passed, Seal) {
                ::core::result::Result::Ok(target) => ::core::result::Result::Ok(#core::Target::into_enum(target)),
                ::core::result::Result::Err(#core::GuardError { machine, event, reason }) => {
                    ::core::result::Result::Err(#core::ApplyError {
                        machine: machine.into_enum(),
                        event: event.into(),
                        reason: ::core::option::Option::Some(reason),
                    })
                }
            }
        }
    };
    let body = quote! {
        match (self, #event) {
            #(#arms,)*
            #otherwise
        }
    };
    (body, if machine.transitions.iter().any(Transition::is_by_hand) { step } else { TokenStream::new() })
}
