//! The transitions: an impl of `__EventOf` for each declared pair, and the methods of `Machine<S>` for the events of `S`.

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::{carry::Made, docs, user_code};
use crate::{
    each::each,
    model::Transition,
    normalize::{Cx, place, respan},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let impls = cx.machine.transitions.iter().map(|transition| event_of(cx, transition));
    let methods = (0..cx.machine.states.len()).map(|state| methods(cx, state));
    quote!(#(#methods)* #(#impls)*)
}

/// The method of a transition: its name, its parameters, and the event that it fires.
pub(super) struct Method {
    pub(super) ident: Ident,
    pub(super) params: TokenStream,
    pub(super) event: TokenStream,
    pub(super) doc: String,
}

impl Method {
    pub(super) fn new(cx: &Cx<'_>, transition: &Transition) -> Self {
        let event = &cx.machine.events[transition.event];
        let names = each(&event.fields, &|field| &field.member);
        let types = event.fields.iter().map(|field| cx.event_field_ty(event, field, 1));
        let ty = &event.ty;
        let value = if names.is_empty() { quote!(event::#ty) } else { quote!(event::#ty { #(#names),* }) };
        Self {
            ident: cx.machine.method(transition).clone(),
            params: quote!(#(#names: #types),*),
            event: value,
            doc: docs::transition(cx.machine, transition),
        }
    }
}

fn methods(cx: &Cx<'_>, state: usize) -> TokenStream {
    if cx.machine.from(state).next().is_none() {
        return TokenStream::new();
    }
    let (vis, ty) = (cx.vis(1), cx.machine_ty(cx.state_ty(state)));
    let (params, clause) = (cx.all.params(&[]), cx.all.clause(&[]));
    let methods = cx.machine.from(state).map(|transition| {
        let Method { ident, params, event, doc } = Method::new(cx, transition);
        let next = next(cx, transition, &quote!(Self));
        let errors = transition.guard.as_ref().map(|_| {
            quote! {
                ///
                /// # Errors
                /// If the guard refuses. Machine and event are in the error.
            }
        });
        let must_use = (transition.guard.is_none() && transition.to.len() > 1).then(|| quote!(#[must_use]));
        quote! {
            #[doc = #doc]
            #errors
            #must_use
            #[inline]
            #vis fn #ident(self, #params) -> #next {
                self.fire(#event)
            }
        }
    });
    quote! {
        impl #params #ty #clause {
            #(#methods)*
        }
    }
}

/// The result of firing on a machine of the type `machine`.
fn next(cx: &Cx<'_>, transition: &Transition, machine: &TokenStream) -> TokenStream {
    let target = cx.target_ty(transition, &|state| cx.machine_ty(state));
    if transition.guard.is_none() {
        return target;
    }
    let (core, event) = (&cx.core, cx.event_ty(transition.event));
    quote!(::core::result::Result<#target, #core::GuardError<#machine, #event>>)
}

fn event_of(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let Cx { core, runtime, enum_ty, .. } = cx;
    let span = place(transition);
    let (params, clause) = (cx.all.params(&[]), cx.all.clause(&[]));
    let (state, event) = (cx.state_ty(transition.from), cx.event_ty(transition.event));
    let event_of = cx.event_of(&state);
    let kind = &cx.machine.events[transition.event].ty;
    let header = respan(quote!(impl #params #event_of for #event #clause), transition.span);
    let target = cx.target_ty(transition, &|state| state);
    let machine = cx.machine_ty(&state);
    let next = next(cx, transition, &machine);
    let record = cx.durable().then(|| {
        let record = cx.target_ty(transition, &|state| quote!(Record<#state>));
        let wrapped = rewrap(
            cx,
            transition,
            quote!(target),
            &|state| quote!(Record { raw: #runtime::RawRecord::__new(#state, meta) }),
        );
        quote_spanned! {span=>
            const EVENT: EventKind = EventKind::#kind;
            type NextRecord = #record;
            fn wrap(target: #target, meta: #runtime::RecordMeta<#enum_ty>, _: __Seal) -> #record {
                #wrapped
            }
        }
    });
    let Bodies { fire_machine, fire_seal, fire, context, transition: change } = Bodies::new(cx, transition);
    let by_state = cx.by_state().then(|| {
        quote_spanned! {span=>
            type Target = #target;
            #[inline]
            fn transition(
                self,
                state: #state,
                #context
                _: __Seal,
            ) -> ::core::result::Result<Self::Target, #core::GuardError<#state, Self>> {
                #change
            }
        }
    });
    let check = transition.guard.as_ref().map(|_| check(cx, transition, &state));
    let items = quote_spanned! {span=>
        #check
        type Next = #next;
        #[inline]
        fn __fire(self, #fire_machine: #machine, #fire_seal: __Seal) -> Self::Next {
            #fire
        }
        #by_state
        #record
    };
    let mut body = Group::new(Delimiter::Brace, items);
    body.set_span(transition.span);
    quote_spanned! {span=>
        #[automatically_derived]
        #header #body
    }
}

/// `__check`, which only calls the guard.
fn check(cx: &Cx<'_>, transition: &Transition, state: &TokenStream) -> TokenStream {
    let (core, span, guard) = (&cx.core, place(transition), user_code::guard_fn(cx, transition));
    let param = cx.context.as_ref().map(|context| quote_spanned!(span=> context: &#context,));
    let argument = cx.context.as_ref().map(|_| quote_spanned!(span=> , context));
    quote_spanned! {span=>
        fn __check(&self, state: &#state, #param _: __Seal) -> ::core::result::Result<(), #core::Reason> {
            __user_code::#guard(state, self #argument)
        }
    }
}

/// Parameters and bodies of `fire`, on a machine, and of `transition`, on a bare state.
struct Bodies {
    fire_machine: TokenStream,
    fire_seal: TokenStream,
    fire: TokenStream,
    /// The parameter of `transition` for the context, if there is one.
    context: Option<TokenStream>,
    transition: TokenStream,
}

impl Bodies {
    fn new(cx: &Cx<'_>, transition: &Transition) -> Self {
        let span = place(transition);
        let (guarded, by_hand) = (transition.guard.is_some(), cx.machine.runs_code(transition));
        let context = cx.context.as_ref().map(|context| {
            let named = if guarded || by_hand { quote_spanned!(span=> context) } else { quote_spanned!(span=> _) };
            quote_spanned!(span=> #named: &mut #context,)
        });
        let (needs_machine, fire) = if guarded { (true, guarded_fire(cx, transition)) } else { fire(cx, transition) };
        let unused = quote_spanned!(span=> _);
        Self {
            fire_machine: if needs_machine { quote_spanned!(span=> machine) } else { unused.clone() },
            fire_seal: if guarded { quote_spanned!(span=> seal) } else { unused },
            fire,
            context,
            transition: change(cx, transition),
        }
    }
}

/// Takes a machine with a context apart into its state and the box of the context. The target is then made in a scope of its own, since
/// a field of the state may be called `context`.
fn parts(cx: &Cx<'_>, transition: &Transition) -> Option<TokenStream> {
    let span = place(transition);
    cx.context.as_ref().map(|_| {
        let mutable = cx.machine.runs_code(transition).then(|| quote_spanned!(span=> mut));
        let rest = (!cx.all.is_empty()).then(|| quote_spanned!(span=> , ..));
        quote_spanned!(span=> let Machine { state, #mutable context #rest } = machine;)
    })
}

/// The body of `fire` with a guard, which `transition` calls.
fn guarded_fire(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let span = place(transition);
    let event_of = cx.event_of(cx.state_ty(transition.from));
    let parts = parts(cx, transition);
    let (state, context) = match &parts {
        Some(_) => (quote_spanned!(span=> state), quote_spanned!(span=> &mut context,)),
        None => (quote_spanned!(span=> machine.state), TokenStream::new()),
    };
    let wrapped = rewrap(cx, transition, quote!(target), &|state| cx.machine_value(state));
    let back = cx.machine_value(quote_spanned!(span=> state));
    quote_spanned! {span=>
        #parts
        match <Self as #event_of>::transition(self, #state, #context seal) {
            ::core::result::Result::Ok(target) => ::core::result::Result::Ok(#wrapped),
            ::core::result::Result::Err(refused) => ::core::result::Result::Err(refused.map(|state| #back)),
        }
    }
}

/// The body of `fire` without a guard, and whether it needs the machine.
fn fire(cx: &Cx<'_>, transition: &Transition) -> (bool, TokenStream) {
    let span = place(transition);
    let wrap = |value: TokenStream| rewrap(cx, transition, value, &|state| cx.machine_value(state));
    if let Some(parts) = parts(cx, transition) {
        let target = Made::new(cx, transition, &quote_spanned!(span=> state), &quote_spanned!(span=> , &mut context))
            .expression(span);
        let wrapped = wrap(quote!(target));
        return (true, quote_spanned!(span=> #parts let target = #target; #wrapped));
    }
    let Made { from_source, bind, target } =
        Made::new(cx, transition, &quote_spanned!(span=> machine.state), &TokenStream::new());
    let target = wrap(target);
    (from_source, quote_spanned!(span=> #bind #target))
}

/// The body of `transition`.
fn change(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let (core, span) = (&cx.core, place(transition));
    let context = cx.context.as_ref().map(|_| quote_spanned!(span=> , context)).unwrap_or_default();
    let target = Made::new(cx, transition, &quote_spanned!(span=> state), &context).expression(span);
    if transition.guard.is_none() {
        return quote_spanned!(span=> ::core::result::Result::Ok(#target));
    }
    let guard = user_code::guard_fn(cx, transition);
    quote_spanned! {span=>
        match __user_code::#guard(&state, &self #context) {
            ::core::result::Result::Ok(()) => ::core::result::Result::Ok(#target),
            ::core::result::Result::Err(reason) => {
                ::core::result::Result::Err(#core::GuardError { machine: state, event: self, reason })
            }
        }
    }
}

/// Applies `wrap` to the target in `value`, whichever of the possible ones it is.
fn rewrap(
    cx: &Cx<'_>,
    transition: &Transition,
    value: TokenStream,
    wrap: &dyn Fn(TokenStream) -> TokenStream,
) -> TokenStream {
    let span = place(transition);
    if transition.to.len() == 1 {
        return wrap(value);
    }
    let choice = cx.machine.choice(transition);
    let targets = transition.to.iter().map(|to| &cx.machine.states[*to].ident);
    let wrapped = wrap(quote_spanned!(span=> state));
    quote_spanned! {span=>
        match #value {
            #(choice::#choice::#targets(state) => choice::#choice::#targets(#wrapped),)*
        }
    }
}
