//! `mod __user_code`: the code that the user writes in attributes, and aliases of the user's types whose names are taken in the generated
//! module. Names in it resolve as they do beside the enum.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, spanned::Spanned as _};

use super::waits;
use crate::{
    model::{Field, FiredEvent, Kind, Timer, Transition, plain},
    normalize::{Cx, respan},
    parse::{Check, Delay, Function},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let machine = cx.machine;
    let mut items: Vec<TokenStream> = Vec::new();
    for (index, state) in machine.states.iter().enumerate() {
        for field in &state.fields {
            items.extend(cx.state_alias(index, field).map(|name| alias(cx, &name, field)));
        }
    }
    for event in &machine.events {
        for field in &event.fields {
            items.extend(cx.event_alias(event, field).map(|name| alias(cx, &name, field)));
        }
    }
    items.extend(context_alias(cx));
    for state in 0..machine.states.len() {
        items.extend(checkpoint_alias(cx, state));
    }
    for transition in &machine.transitions {
        items.extend(guard(cx, transition));
    }
    for transition in &machine.transitions {
        items.extend(with(cx, transition));
    }
    for state in 0..machine.states.len() {
        items.extend(enter(cx, state));
    }
    for (index, state) in machine.states.iter().enumerate() {
        for timer in &state.timers {
            items.push(self::timer(cx, index, timer));
        }
        if let Some(exhausted) = &state.exhausted {
            let (_, runtime) = cx.libraries_at(2);
            items.push(fires(cx, &exhausted_fn(cx, index), &quote!(error: &#runtime::WorkError), exhausted));
        }
    }
    for (state, place, wait) in waits::all(cx) {
        items.push(waits::user_code(cx, state, place, wait));
        items.push(fires(cx, &waits::event(cx, state, place), &TokenStream::new(), &wait.fires));
    }
    if items.is_empty() {
        return TokenStream::new();
    }
    // The code of `exhausted` can use the variable `error`.
    let error = machine.states.iter().any(|state| state.exhausted.is_some()).then(|| {
        let (core, _) = cx.libraries_at(2);
        quote! {
            #[allow(unused_imports)]
            use #core::__private::variable as error;
        }
    });
    quote! {
        /// Code of the declaration, and types whose names are taken in this module. Names resolve as they do beside the enum.
        #[allow(non_camel_case_types, non_snake_case, non_upper_case_globals, type_alias_bounds)]
        mod __user_code {
            #[allow(unused_imports, clippy::wildcard_imports)]
            use super::super::*;
            #error

            #(#items)*
        }
    }
}

/// The function that calls a transition's guard.
pub(super) fn guard_fn(cx: &Cx<'_>, transition: &Transition) -> Ident {
    name(cx, "guard", transition)
}

/// The function that calls a transition's `with`.
pub(super) fn with_fn(cx: &Cx<'_>, transition: &Transition) -> Ident {
    name(cx, "with", transition)
}

/// The function that calls a state's `enter`.
pub(super) fn enter_fn(cx: &Cx<'_>, state: usize) -> Ident {
    format_ident!("enter_{}", plain(&cx.machine.states[state].ident))
}

/// The state in the expression `value` after its `enter`, if it has one. `context` is the further argument.
pub(super) fn entered(cx: &Cx<'_>, state: usize, value: TokenStream, context: &TokenStream) -> TokenStream {
    if cx.machine.states[state].enter.is_none() {
        return value;
    }
    let enter = enter_fn(cx, state);
    quote_spanned!(cx.machine.states[state].ident.span()=> __user_code::#enter(#value #context))
}

/// The function that makes the event of a timer.
pub(super) fn timer_fn(cx: &Cx<'_>, state: usize, timer: &Timer) -> Ident {
    named(cx, "timer", state, timer.fires.event)
}

/// The function that computes when a timer fires.
pub(super) fn delay_fn(cx: &Cx<'_>, state: usize, timer: &Timer) -> Ident {
    named(cx, "delay", state, timer.fires.event)
}

/// The function that makes a state's `exhausted` event.
pub(super) fn exhausted_fn(cx: &Cx<'_>, state: usize) -> Ident {
    format_ident!("exhausted_{}", plain(&cx.machine.states[state].ident))
}

/// The constant that holds a timer's duration.
pub(super) fn delay_const(cx: &Cx<'_>, state: usize, timer: &Timer) -> Ident {
    named(cx, "after", state, timer.fires.event)
}

/// A name from the state and the event's type. The type has no underscore, which keeps event `b_c` of `A` apart from event `c` of `A_b`.
fn name(cx: &Cx<'_>, what: &str, transition: &Transition) -> Ident {
    named(cx, what, transition.from, transition.event)
}

fn named(cx: &Cx<'_>, what: &str, state: usize, event: usize) -> Ident {
    let (state, event) = (&cx.machine.states[state], &cx.machine.events[event]);
    format_ident!("{what}_{}_{}", plain(&state.ident), plain(&event.ty))
}

fn alias(cx: &Cx<'_>, alias: &Ident, field: &Field) -> TokenStream {
    let ty = cx.moved(2, &field.ty);
    let declared = cx.scope(&[cx.moved(1, &field.ty)]).params_deeper();
    quote!(pub(super) type #alias #declared = #ty;)
}

fn context_alias(cx: &Cx<'_>) -> Option<TokenStream> {
    let (alias, ty) = (cx.context_alias()?, cx.machine.context.as_ref()?);
    let declared = cx.scope(&[cx.moved(1, ty)]).params_deeper();
    let ty = cx.moved(2, ty);
    Some(quote!(pub(super) type #alias #declared = #ty;))
}

/// The alias of a state's `checkpoint` type; `None` if it declares none.
pub(super) fn checkpoint_type(cx: &Cx<'_>, state: usize) -> Option<Ident> {
    let state = &cx.machine.states[state];
    let checkpoint = state.checkpoint.as_ref().filter(|_| cx.durable() && state.kind == Kind::Work)?;
    Some(format_ident!("checkpoint_{}", plain(&state.ident), span = checkpoint.span()))
}

fn checkpoint_alias(cx: &Cx<'_>, state: usize) -> Option<TokenStream> {
    let (alias, ty) = (checkpoint_type(cx, state)?, cx.machine.states[state].checkpoint.as_ref()?);
    let ty = cx.moved(2, ty);
    Some(quote!(pub(super) type #alias = #ty;))
}

/// The context as the last parameter of a function; empty without one.
#[derive(Default)]
struct Context {
    /// The generics of the enum that its type uses.
    scope: TokenStream,
    ty: TokenStream,
    param: TokenStream,
    argument: TokenStream,
}

impl Context {
    fn new(cx: &Cx<'_>, borrowed: &TokenStream) -> Self {
        let Some(ty) = &cx.machine.context else {
            return Self::default();
        };
        let scope = cx.moved(1, ty);
        let ty = match cx.context_alias() {
            None => cx.moved(2, ty),
            Some(alias) => {
                let args = cx.scope(std::slice::from_ref(&scope)).args(&[]);
                quote!(#alias #args)
            }
        };
        let (ty, param) = (quote!(, #borrowed #ty), quote!(__context: #borrowed #ty,));
        Self { scope, ty, param, argument: quote!(, __context) }
    }
}

fn guard(cx: &Cx<'_>, transition: &Transition) -> Option<TokenStream> {
    let guard = transition.guard.as_ref()?;
    let ((core, _), ident) = (cx.libraries_at(2), guard_fn(cx, transition));
    let (state, event) = (cx.state_ty(transition.from), cx.event_ty(transition.event));
    let context = Context::new(cx, &quote!(&));
    let scope = cx.scope(&[state.clone(), event.clone(), context.scope.clone()]);
    let (params, clause) = (scope.params_deeper(), scope.clause_deeper());
    let args = quote!(&super::#state, &super::#event);
    let checks = guard.0.iter().map(|check| self::check(cx, check, &args, &context));
    let param = &context.param;
    Some(quote! {
        pub(super) fn #ident #params(
            __state: &super::#state,
            __event: &super::#event,
            #param
        ) -> ::core::result::Result<(), #core::Reason> #clause {
            #(#checks)*
            ::core::result::Result::Ok(())
        }
    })
}

/// The statements of a check, which return if it refuses. rustc reports results and reasons of a wrong type at the user's tokens.
fn check(cx: &Cx<'_>, check: &Check, args: &TokenStream, context: &Context) -> TokenStream {
    let ((core, _), span) = (cx.libraries_at(2), check.function.span());
    let Context { ty, argument, .. } = context;
    // The context's type keeps its span, so that rustc reports an unknown type only there.
    let args = respan(args.clone(), span);
    let returned =
        respan(if check.reason.is_some() { quote!(bool) } else { quote!(::core::result::Result<(), _>) }, span);
    let signature = quote_spanned!(span=> fn(#args #ty) -> #returned);
    let function = function(cx, &check.function);
    let reason = Ident::new("__reason", span);
    let made = quote_spanned! {span=>
        #[allow(unused_imports)]
        use #core::__private::{ByError as _, ByText as _};
        return ::core::result::Result::Err((&&#core::__private::OfReason::of(&#reason)).__kind().reason(#reason));
    };
    let outcome = if let Some(written) = &check.reason {
        let value = code(cx, written);
        quote!(if !__guard(__state, __event #argument) { let #reason = #value; #made })
    } else {
        quote!(if let ::core::result::Result::Err(#reason) = __guard(__state, __event #argument) { #made })
    };
    quote! {
        let __guard: #signature = #function;
        #outcome
    }
}

/// A function of the user's. A closure passes through a macro, as other code does.
fn function(cx: &Cx<'_>, function: &Function) -> TokenStream {
    if function.is_closure { code(cx, &function.code) } else { cx.moved(2, &function.code) }
}

fn with(cx: &Cx<'_>, transition: &Transition) -> Option<TokenStream> {
    let function = transition.with.as_ref()?;
    let span = function.span();
    let ident = with_fn(cx, transition);
    let (state, event) = (cx.state_ty(transition.from), cx.event_ty(transition.event));
    let target = if let [target] = transition.to[..] {
        let target = cx.state_ty(target);
        quote!(super::#target)
    } else {
        let (choice, targets) = (cx.machine.choice(transition), transition.to.iter().map(|to| cx.state_ty(*to)));
        quote!(super::choice::#choice<#(super::#targets),*>)
    };
    let Context { scope: shared, ty, param, argument } = Context::new(cx, &quote!(&mut));
    let scope = cx.scope(&[state.clone(), event.clone(), target.clone(), shared]);
    let (params, clause) = (scope.params_deeper(), scope.clause_deeper());
    let args = respan(quote!(super::#state, super::#event), span);
    let result = respan(target.clone(), span);
    let signature = quote_spanned!(span=> fn(#args #ty) -> #result);
    let function = self::function(cx, function);
    Some(quote! {
        pub(super) fn #ident #params(__state: super::#state, __event: super::#event, #param) -> #target #clause {
            let __with: #signature = #function;
            __with(__state, __event #argument)
        }
    })
}

fn enter(cx: &Cx<'_>, state: usize) -> Option<TokenStream> {
    let function = cx.machine.states[state].enter.as_ref()?;
    let span = function.span();
    let (ident, state) = (enter_fn(cx, state), cx.state_ty(state));
    let Context { scope: shared, ty, param, argument } = Context::new(cx, &quote!(&mut));
    let scope = cx.scope(&[state.clone(), shared]);
    let (params, clause) = (scope.params_deeper(), scope.clause_deeper());
    let args = respan(quote!(&mut super::#state), span);
    let signature = quote_spanned!(span=> fn(#args #ty));
    let function = self::function(cx, function);
    Some(quote! {
        pub(super) fn #ident #params(mut __state: super::#state, #param) -> super::#state #clause {
            let __enter: #signature = #function;
            __enter(&mut __state #argument);
            __state
        }
    })
}

fn timer(cx: &Cx<'_>, state: usize, timer: &Timer) -> TokenStream {
    let delay = match &timer.delay {
        Delay::Known(_) => None,
        Delay::Const(written) => {
            let (ident, value) = (delay_const(cx, state, timer), self::code(cx, written));
            let (core, _) = cx.libraries_at(2);
            let checked = respan(quote!(#core::__private::not_zero(__delay)), timer.span);
            let constant = quote_spanned! {timer.span=>
                pub(super) const #ident: ::core::time::Duration = {
                    let __delay: ::core::time::Duration = #value;
                    #checked
                };
            };
            Some(constant)
        }
        Delay::Computed(closure) => {
            let (core, _) = cx.libraries_at(2);
            Some(computed(
                cx,
                state,
                timer,
                closure,
                &quote!(#core::__private::Delay::__delay),
                &quote!(::core::time::Duration),
            ))
        }
        // Only the runtime has a clock. Without it, the declaration is refused.
        Delay::At(closure) => cx.durable().then(|| {
            let (_, runtime) = cx.libraries_at(2);
            let (convert, time) = (quote!(#runtime::__private::Deadline::__deadline), quote!(::std::time::SystemTime));
            computed(cx, state, timer, closure, &convert, &time)
        }),
    };
    let event = fires(cx, &timer_fn(cx, state, timer), &TokenStream::new(), &timer.fires);
    quote!(#delay #event)
}

/// The function that calls the closure of a timer. `convert` takes what the closure returns; rustc reports another type at the user's
/// tokens.
fn computed(
    cx: &Cx<'_>,
    state: usize,
    timer: &Timer,
    closure: &Function,
    convert: &TokenStream,
    to: &TokenStream,
) -> TokenStream {
    let (ident, span, state) = (delay_fn(cx, state, timer), closure.span(), cx.state_ty(state));
    let Context { scope: shared, ty, param, argument } = Context::new(cx, &quote!(&));
    let scope = cx.scope(&[state.clone(), shared]);
    let (params, clause) = (scope.params_deeper(), scope.clause_deeper());
    let args = respan(quote!(&super::#state), span);
    let signature = quote_spanned!(span=> fn(#args #ty) -> _);
    let (function, convert) = (self::function(cx, closure), respan(convert.clone(), span));
    let returned = quote_spanned!(span=> __delay(__state #argument));
    quote! {
        pub(super) fn #ident #params(__state: &super::#state, #param) -> ::core::option::Option<#to> #clause {
            let __delay: #signature = #function;
            #convert(#returned)
        }
    }
}

/// An expression of the user's. It passes through a macro, so that invalid syntax is one error at the user's tokens and the rest of the
/// module still parses.
fn code(cx: &Cx<'_>, written: &TokenStream) -> TokenStream {
    let ((core, _), span, moved) = (cx.libraries_at(2), written.span(), cx.moved(2, written));
    quote_spanned!(span=> #core::__private::code!(#moved))
}

/// A function that makes the event that a timer or `exhausted` fires.
fn fires(cx: &Cx<'_>, ident: &Ident, error: &TokenStream, fires: &FiredEvent) -> TokenStream {
    let (ty, scope) = (cx.events_ty(), &cx.events_scope);
    let (params, clause) = (scope.params_deeper(), scope.clause_deeper());
    let event = &cx.machine.events[fires.event].ty;
    let values = fires.payload.iter().map(|value| {
        let (attrs, field, code) = (&value.attrs, &value.field, code(cx, &value.code));
        quote!(#(#attrs)* #field: #code)
    });
    let value = if fires.payload.is_empty() {
        quote!(super::event::#event)
    } else {
        quote!(super::event::#event { #(#values),* })
    };
    quote! {
        pub(super) fn #ident #params(#error) -> super::#ty #clause {
            super::Event::#event(#value)
        }
    }
}
