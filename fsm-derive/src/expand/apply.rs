//! The body of `apply`: a `match` over states and events, or a table if no state and no event has data. Random events make the
//! branch of a large `match` unpredictable for the processor; a table has no such branch.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::{carry, states::pattern};
use crate::{
    model::Machine,
    normalize::{Cx, local},
};

/// The body, with the names of its parameters, and the items beside it.
pub(super) struct Apply {
    /// Hygienic, so that no field of the user's shadows it.
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
    let by_hand = machine.transitions.iter().any(|transition| machine.runs_code(transition));
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
        quote!(#(next[State::index(State::#from)][EventKind::index(EventKind::#event)] = ::core::option::Option::Some(State::#to);)*)
    });
    let values = machine.states.iter().map(|state| {
        let (ident, pattern) = (&state.ident, pattern(state));
        quote!(State::#ident => Self::#ident #pattern)
    });
    let body = quote! {
            let ::core::option::Option::Some(next) = __NEXT[State::index(Self::state(&self))][EventKind::index(Event::kind(&#event))] else {
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
    let (states, events) = (machine.states.len(), machine.events.len());
    let items = quote! {
            /// The state that follows each state on each event.
            static __NEXT: [[::core::option::Option<State>; #events]; #states] = {
                let mut next = [[::core::option::Option::None; #events]; #states];
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
        if !machine.runs_code(transition) {
            return carry::arm(cx, transition);
        }
        let state = &machine.states[transition.from];
        let (ident, data, pattern) = (&state.ident, &state.ty, pattern(state));
        let ty = &machine.events[transition.event].ty;
        quote!((Self::#ident #pattern, Event::#ty(#event)) => __step(#data #pattern, #event #argument))
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
        /// A transition with a guard or a `with`, from state and event to the next state.
        fn __step #params(
            state: #s,
            event: #e,
            #param
        ) -> ::core::result::Result<#enum_ty, #core::ApplyError<#enum_ty>> #clause {
            match event.transition(state #passed, __Seal) {
                ::core::result::Result::Ok(target) => ::core::result::Result::Ok(#core::Target::into_enum(target)),
                ::core::result::Result::Err(#core::GuardError { machine, event, reason }) => {
                    ::core::result::Result::Err(#core::ApplyError {
                        machine: #core::Target::into_enum(machine),
                        event: ::core::convert::Into::into(event),
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
    (
        body,
        if machine.transitions.iter().any(|transition| machine.runs_code(transition)) {
            step
        } else {
            TokenStream::new()
        },
    )
}
