//! The conversions between typed machines, choices, `Any` and the enum, and what `Any` can be asked.

use proc_macro2::TokenStream;
use quote::quote;

use super::{states::pattern, user_code};
use crate::{
    each::each,
    model::State,
    normalize::{Cx, local},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let (methods, machine, typed, whole, choices) = (methods(cx), any_machine(cx), typed(cx), whole(cx), choices(cx));
    quote!(#methods #machine #typed #whole #choices)
}

fn methods(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, .. } = cx;
    let (vis, event) = (cx.vis(1), cx.events_ty());
    let (params, args, clause) = (cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let (given, any_machine) = (local("__event"), quote!(<Self as #core::AnyMachine>));
    quote! {
        impl #params Any #args #clause {
            /// The events that its state declares. A guard can still refuse one.
            #[must_use]
            #vis const fn accepts(&self) -> &'static [EventKind] {
                self.state().accepts()
            }
            /// Whether its state declares the event.
            #[must_use]
            #[inline]
            #vis fn can(&self, #given: EventKind) -> bool {
                #any_machine::can(self, #given)
            }
            /// Why its state does not accept the event, and which events lead to one that does; `None` if the state declares it.
            #[must_use]
            #[inline]
            #vis fn why_not(&self, #given: EventKind) -> ::core::option::Option<#core::WhyNot> {
                #any_machine::why_not(self, #given)
            }
            /// Whether [`apply`](Self::apply) would make a transition: its state declares the event, and the guard accepts it.
            /// Nothing is changed.
            ///
            /// # Errors
            /// If the state does not declare the event, or a guard refuses it.
            #[inline]
            #vis fn would_accept(&self, #given: &#event) -> ::core::result::Result<(), #core::Refusal<#enum_ty>> {
                #any_machine::would_accept(self, #given)
            }
            /// Fires an event when state and event are only known at run time. A `Slot` of `fsm-core` does it in place.
            ///
            /// # Errors
            /// If the state does not declare the event, or a guard refuses it. Machine and event are in the error.
            #vis fn apply(
                self,
                #given: impl ::core::convert::Into<#event>,
            ) -> ::core::result::Result<Self, #core::AnyApplyError<Self>> {
                #any_machine::apply(self, #given)
            }
        }
    }
}

fn any_machine(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, enum_path, .. } = cx;
    let (params, args, clause) = (cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let states = &cx.machine.states;
    let idents = each(states, &|state| &state.ident);
    let patterns = each(states, &pattern);
    // Hygienic, so that no field of the user's shadows them.
    let (machine, shared) = (local("__machine"), local("__context"));
    let values = states.iter().map(|state: &State| {
        let (ty, pattern) = (&state.ty, pattern(state));
        cx.machine_with(quote!(#ty #pattern), &quote!(context: #shared))
    });
    let (context, boxed) = (cx.context_or_unit(), cx.boxed());
    let (lent, taken, unused) = match &cx.context {
        None => (quote!(&()), quote!(#boxed::new(())), quote!(_)),
        Some(_) => (quote!(Self::context(self)), quote!(#machine.context), quote!(#shared)),
    };
    let guard = guard(cx);
    quote! {
        #[automatically_derived]
        impl #params #core::AnyMachine for Any #args #clause {
            type Machine = #enum_ty;
            #[inline]
            fn state(&self) -> State {
                Self::state(self)
            }
            #[inline]
            fn accepts(&self) -> &'static [EventKind] {
                Self::accepts(self)
            }
            #[inline]
            fn context(&self) -> &#context {
                #lent
            }
            #guard
            #[inline]
            fn __join(#machine: #enum_ty, #unused: #boxed<#context>) -> Self {
                match #machine {
                    #(#enum_path::#idents #patterns => Self::#idents(#values),)*
                }
            }
            #[inline]
            fn __split(self) -> (#enum_ty, #boxed<#context>) {
                match self {
                    #(Self::#idents(#machine) => (#core::Target::into_enum(#machine.state), #taken),)*
                }
            }
        }
    }
}

/// `__guard`, if a transition has a guard.
fn guard(cx: &Cx<'_>) -> Option<TokenStream> {
    let (machine, event) = (local("__machine"), local("__event"));
    let context = cx.context.as_ref().map(|_| quote!(, &#machine.context));
    let arms = guards(cx, &machine, &event, &quote!(&#machine.state), context.as_ref())?;
    let (core, events) = (&cx.core, cx.events_ty());
    Some(quote! {
        #[inline]
        fn __guard(&self, #event: &#events) -> ::core::result::Result<(), #core::Reason> {
            match (self, #event) {
                #arms
            }
        }
    })
}

/// The arms of a `match` over a machine or record and an event that call the guards.
pub(super) fn guards(
    cx: &Cx<'_>,
    machine: &syn::Ident,
    event: &syn::Ident,
    state: &TokenStream,
    context: Option<&TokenStream>,
) -> Option<TokenStream> {
    let guarded: Vec<_> = cx.machine.transitions.iter().filter(|transition| transition.guard.is_some()).collect();
    let arms = guarded.iter().map(|transition| {
        let (ident, ty) = (&cx.machine.states[transition.from].ident, &cx.machine.events[transition.event].ty);
        let guard = user_code::guard_fn(cx, transition);
        quote!((Self::#ident(#machine), Event::#ty(#event)) => __user_code::#guard(#state, #event #context),)
    });
    let all = guarded.len() == cx.machine.states.len() * cx.machine.events.len();
    let otherwise = (!all).then(|| quote!(_ => ::core::result::Result::Ok(()),));
    (!guarded.is_empty()).then(|| quote!(#(#arms)* #otherwise))
}

/// Between `Any` and `Machine<S>`, one impl for all states.
fn typed(cx: &Cx<'_>) -> TokenStream {
    let Cx { core, enum_ty, s, .. } = cx;
    let (args, clause) = (cx.all.args(&[]), cx.all.clause(&[]));
    let (params, ty) = (cx.all.params(&[quote!(#s: #core::StateOf<#enum_ty>)]), cx.machine_ty(s));
    let (given, state, machine, shared) = (local("__given"), local("__state"), local("__machine"), local("__context"));
    let boxed = cx.boxed();
    let context = if cx.context.is_some() { quote!(#given.context) } else { quote!(#boxed::new(())) };
    let value = cx.machine_with(quote!(#state), &quote!(context: #shared));
    let kept = if cx.context.is_some() { quote!(#shared) } else { quote!(_) };
    let any = quote!(<Any #args as #core::AnyMachine>);
    quote! {
        #[automatically_derived]
        impl #params ::core::convert::From<#ty> for Any #args #clause {
            #[inline]
            fn from(#given: #ty) -> Self {
                #any::__join(#core::Target::into_enum(#given.state), #context)
            }
        }
        #[automatically_derived]
        impl #params ::core::convert::TryFrom<Any #args> for #ty #clause {
            type Error = #core::NotInStateError<Any #args>;
            fn try_from(#given: Any #args) -> ::core::result::Result<Self, #core::NotInStateError<Any #args>> {
                let (#machine, #shared) = #any::__split(#given);
                match <#s as #core::Target<#enum_ty>>::from_enum(#machine) {
                    ::core::result::Result::Ok(#state) => {
                        let #kept = #shared;
                        ::core::result::Result::Ok(#value)
                    }
                    ::core::result::Result::Err(#machine) => ::core::result::Result::Err(
                        #core::NotInStateError::new::<#s>(#any::__join(#machine, #shared))
                    ),
                }
            }
        }
    }
}

/// Between `Any` and the enum, with its context if there is one.
fn whole(cx: &Cx<'_>) -> TokenStream {
    let core = &cx.core;
    let (params, args, clause) = (cx.all.params(&[]), cx.all.args(&[]), cx.all.clause(&[]));
    let (whole, boxed) = (cx.whole_ty(), cx.boxed());
    let (given, machine, shared) = (local("__given"), local("__machine"), local("__context"));
    let any = quote!(<Any #args as #core::AnyMachine>);
    let (joined, split) = match &cx.context {
        None => (quote!(#any::__join(#given, #boxed::new(()))), quote!(#any::__split(#given).0)),
        Some(_) => (
            quote!(let (#machine, #shared) = #given; #any::__join(#machine, #boxed::new(#shared))),
            quote!(#any::into_parts(#given)),
        ),
    };
    quote! {
        #[automatically_derived]
        impl #params ::core::convert::From<#whole> for Any #args #clause {
            #[inline]
            fn from(#given: #whole) -> Self {
                #joined
            }
        }
        #[automatically_derived]
        impl #params ::core::convert::From<Any #args> for #whole #clause {
            #[inline]
            fn from(#given: Any #args) -> Self {
                #split
            }
        }
    }
}

/// From each choice of machines, to `Any` and to the enum.
fn choices(cx: &Cx<'_>) -> TokenStream {
    let (any_args, params, clause) = (cx.all.args(&[]), cx.all.params(&[]), cx.all.clause(&[]));
    let (given, machine, whole) = (local("__given"), local("__machine"), cx.whole_ty());
    let impls = each(&cx.machine.choices(), &|transition| {
        let (choice, ty) = (cx.machine.choice(transition), cx.target_ty(transition, &|state| cx.machine_ty(state)));
        let targets = transition.to.iter().map(|to| &cx.machine.states[*to].ident);
        quote! {
            #[automatically_derived]
            impl #params ::core::convert::From<#ty> for Any #any_args #clause {
                #[inline]
                fn from(#given: #ty) -> Self {
                    match #given {
                        #(choice::#choice::#targets(#machine) => Self::#targets(#machine),)*
                    }
                }
            }
            #[automatically_derived]
            impl #params ::core::convert::From<#ty> for #whole #clause {
                #[inline]
                fn from(#given: #ty) -> Self {
                    <Self as ::core::convert::From<Any #any_args>>::from(
                        <Any #any_args as ::core::convert::From<#ty>>::from(#given)
                    )
                }
            }
        }
    });
    quote!(#(#impls)*)
}
