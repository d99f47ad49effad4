//! The timers of a machine: `Any::timers`, and what the runtime asks.

use proc_macro2::TokenStream;
use quote::quote;

use super::{states::pattern, user_code};
use crate::{
    model::Timer,
    normalize::{Cx, local},
    parse::Delay,
};

/// `Any::timers`, if a state has a timer.
pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, .. } = cx;
    let (vis, event, states) = (cx.vis(1), cx.events_ty(), &cx.machine.states);
    if states.iter().all(|state| state.timers.is_empty()) {
        return TokenStream::new();
    }
    let (params, args, clause) = (cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let machine = local("__machine");
    let arms = states.iter().enumerate().map(|(index, state)| {
        let ident = &state.ident;
        if state.timers.is_empty() {
            return quote!(Self::#ident(_) => #core::__private::Vec::new(),);
        }
        let used =
            if state.timers.iter().any(|timer| timer.closure().is_some()) { quote!(#machine) } else { quote!(_) };
        let timers = state.timers.iter().map(|timer| self::timer(cx, index, timer, &machine));
        quote! {
            Self::#ident(#used) => ::core::iter::Iterator::collect(::core::iter::Iterator::flatten(
                ::core::iter::IntoIterator::into_iter([#(#timers),*]),
            )),
        }
    });
    quote! {
        impl #params Any #args #clause {
            /// The timers of its state, from the entry on, for code without the runtime.
            #[must_use]
            #vis fn timers(&self) -> #core::__private::Vec<#core::Timer<#event>> {
                match self {
                    #(#arms)*
                }
            }
        }
    }
}

/// An `Option` of a timer, in an arm with the variable `machine`.
fn timer(cx: &Cx<'_>, state: usize, timer: &Timer, machine: &syn::Ident) -> TokenStream {
    let (core, event) = (&cx.core, user_code::timer_fn(cx, state, timer));
    let context = cx.context.as_ref().map(|_| quote!(, &#machine.context));
    let computed = || {
        let delay = user_code::delay_fn(cx, state, timer);
        quote!(__user_code::#delay(&#machine.state #context))
    };
    let delay = match &timer.delay {
        Delay::Known(delay) => {
            let (seconds, nanos) = (delay.as_secs(), delay.subsec_nanos());
            quote!(::core::option::Option::Some(::core::time::Duration::new(#seconds, #nanos)))
        }
        Delay::Const(_) => {
            let delay = user_code::delay_const(cx, state, timer);
            quote!(::core::option::Option::Some(__user_code::#delay))
        }
        Delay::Computed(_) => computed(),
        Delay::At(_) => {
            let (runtime, at) = (&cx.runtime, computed());
            quote!(::core::option::Option::map(#at, #runtime::__private::time_left))
        }
    };
    quote!(::core::option::Option::map(#delay, |__after| #core::Timer::new(__user_code::#event(), __after)))
}

/// The methods of `StoredMachine`: the event of a timer, and when the timers with a closure are due.
pub(super) fn stored(cx: &Cx<'_>) -> TokenStream {
    let (event, computed) = (event(cx), computed(cx));
    quote!(#event #computed)
}

fn event(cx: &Cx<'_>) -> TokenStream {
    let states = &cx.machine.states;
    let mut arms = Vec::new();
    for (index, state) in states.iter().enumerate() {
        for timer in &state.timers {
            let (state, event) = (&state.ident, &cx.machine.events[timer.fires.event].ty);
            let maker = user_code::timer_fn(cx, index, timer);
            arms.push(
                quote!((State::#state, EventKind::#event) => ::core::option::Option::Some(__user_code::#maker()),),
            );
        }
    }
    if arms.is_empty() {
        return quote! {
            fn timer_event(_: State, _: EventKind) -> ::core::option::Option<Event> {
                ::core::option::Option::None
            }
        };
    }
    let all = arms.len() == states.len() * cx.machine.events.len();
    let otherwise = (!all).then(|| quote!(_ => ::core::option::Option::None,));
    quote! {
        fn timer_event(state: State, kind: EventKind) -> ::core::option::Option<Event> {
            match (state, kind) {
                #(#arms)*
                #otherwise
            }
        }
    }
}

/// `computed_timers`, if a timer has a closure.
fn computed(cx: &Cx<'_>) -> Option<TokenStream> {
    let Cx { core, runtime, .. } = cx;
    let states = &cx.machine.states;
    let (context, shared) = (local("__context"), cx.context_or_unit());
    let (given, argument) = match &cx.context {
        Some(_) => (quote!(#context), Some(quote!(, #context))),
        None => (quote!(_), None),
    };
    let state_var = local("__state");
    let due = quote!(::std::vec::Vec<(EventKind, #runtime::__private::TimerDue)>);
    let mut arms = Vec::new();
    for (index, state) in states.iter().enumerate() {
        let (ident, ty, pattern) = (&state.ident, &state.ty, pattern(state));
        let mut timers = Vec::new();
        for timer in state.timers.iter().filter(|timer| timer.closure().is_some()) {
            let (event, delay) = (&cx.machine.events[timer.fires.event].ty, user_code::delay_fn(cx, index, timer));
            timers.push(quote! {
                (EventKind::#event, ::core::convert::From::from(__user_code::#delay(&#state_var #argument)))
            });
        }
        if !timers.is_empty() {
            arms.push(quote! {
                Self::#ident #pattern => {
                    let #state_var = #ty #pattern;
                    let __timers = ::std::vec![#(#timers),*];
                    (#core::Target::into_enum(#state_var), __timers)
                }
            });
        }
    }
    if arms.is_empty() {
        return None;
    }
    let otherwise = (arms.len() < states.len()).then(|| quote!(__machine => (__machine, ::std::vec::Vec::new()),));
    Some(quote! {
        fn computed_timers(self, #given: &#shared) -> (Self, #due) {
            match self {
                #(#arms)*
                #otherwise
            }
        }
    })
}
