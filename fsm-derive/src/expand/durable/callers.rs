//! What callers can fire, if a transition is `by = worker`: `__CallerEventOf`, the events of a record, and `__CallerEvent`, the events by
//! id. Without `by = worker`, callers can fire each event, and the traits are not generated.

use proc_macro2::TokenStream;
use quote::quote;

use super::super::docs;
use crate::{
    each::{each, indices},
    model::Transition,
    normalize::Cx,
};

/// The bound of an event that is fired on a record in state `S`.
pub(super) fn event_of(cx: &Cx<'_>) -> TokenStream {
    let s = &cx.s;
    if cx.machine.restricts_callers() { quote!(__CallerEventOf<#s>) } else { quote!(__EventOf<#s>) }
}

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let restricted = cx.machine.restricts_callers().then(|| (of_state(cx), by_id(cx)));
    match restricted {
        Some((of_state, by_id)) => quote!(#of_state #by_id),
        None => unrestricted(cx),
    }
}

/// Whatever converts into the event is fired by id.
fn unrestricted(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, e, .. } = cx;
    quote! {
        #[automatically_derived]
        impl<#e: ::core::convert::Into<Event>> #runtime::CallerEvent<#e> for #enum_ty {
            fn into_event(__event: #e, _: #runtime::__private::Seal) -> Event {
                ::core::convert::Into::into(__event)
            }
        }
    }
}

/// `__CallerEventOf`, and its implementations for the pairs of a state and an event that callers can fire.
fn of_state(cx: &Cx<'_>) -> TokenStream {
    let (vis, s, name) = (cx.vis(1), &cx.s, cx.machine.name());
    let doc = format!("An event that callers can fire on a record of a `{name}` in state `{s}`.");
    let message = format!("illegal transition: callers cannot fire `{{Self}}` in state `{{{s}}}`");
    let label = format!("state `{{{s}}}` has no transition on this event that callers can fire");
    let (note, why) = (docs::note(cx.machine), docs::by_worker(cx.machine));
    let impls = cx.machine.transitions.iter().filter(|transition| transition.is_for_callers()).map(|transition| {
        let (state, event) = pair(cx, transition);
        quote! {
            #[automatically_derived]
            impl __CallerEventOf<#state> for #event {
                fn __seal(&self) -> __Seal {
                    __Seal
                }
            }
        }
    });
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note, note = #why)]
        #[doc(hidden)]
        #vis trait __CallerEventOf<#s>: __EventOf<#s> {
            #[doc(hidden)]
            fn __seal(&self) -> __Seal;
        }
        #(#impls)*
    }
}

fn pair(cx: &Cx<'_>, transition: &Transition) -> (TokenStream, TokenStream) {
    (cx.state_ty(transition.from), cx.event_ty(transition.event))
}

/// `__CallerEvent`, and its implementations for the events that callers can fire in some state, and for `Event`.
fn by_id(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, e, .. } = cx;
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let message = format!("callers cannot fire `{{Self}}` on an instance of `{name}`");
    let (label, why) = (docs::callers_events(cx.machine), docs::by_worker(cx.machine));
    let doc = format!("What callers can fire on a `{name}` by id.");
    let events = indices(cx.machine.events.len(), &|event| cx.machine.callers_fire(event));
    let types = each(&events, &|event| cx.event_ty(*event));
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #why)]
        #[doc(hidden)]
        #vis trait __CallerEvent {
            #[doc(hidden)]
            fn __into_event(self, seal: __Seal) -> Event;
        }
        #[automatically_derived]
        impl __CallerEvent for Event {
            fn __into_event(self, _: __Seal) -> Event {
                self
            }
        }
        #(
            #[automatically_derived]
            impl __CallerEvent for #types {
                fn __into_event(self, _: __Seal) -> Event {
                    ::core::convert::Into::into(self)
                }
            }
        )*
        #[automatically_derived]
        impl<#e: __CallerEvent> #runtime::CallerEvent<#e> for #enum_ty {
            fn into_event(__event: #e, _: #runtime::__private::Seal) -> Event {
                __event.__into_event(__Seal)
            }
        }
    }
}

/// The body of `AnyRecord::accepts`.
pub(super) fn accepts(cx: &Cx<'_>) -> TokenStream {
    let machine = cx.machine;
    if !machine.restricts_callers() {
        return quote!(self.state().accepts());
    }
    let arms = machine.states.iter().enumerate().map(|(index, state)| {
        let ident = &state.ident;
        let events = machine.from(index).filter(|transition| transition.is_for_callers());
        let events = events.map(|transition| &machine.events[transition.event].ty);
        quote!(Self::#ident(_) => &[#(EventKind::#events),*],)
    });
    quote!(match self { #(#arms)* })
}
