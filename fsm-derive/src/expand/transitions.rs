//! The transitions: `EventOf` for each declared pair, and a method per event on the machine in each state.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::Ident;

use super::{cx::Cx, docs, outside, rewrite::respan, states::any_data};
use crate::{
    model::{Field, Member, Shape, State, Supply, Transition},
    text,
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
        let names: Vec<_> = event.fields.iter().map(|field| &field.member).collect();
        let types = event.fields.iter().map(|field| cx.event_field_ty(event, field, 1));
        let ty = &event.ty;
        let value = if names.is_empty() { quote!(event::#ty) } else { quote!(event::#ty { #(#names),* }) };
        Self {
            ident: transition.ident.clone(),
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
                /// Machine and event come back when the guard refuses.
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

/// What firing returns on a machine, which is called `machine` there.
fn next(cx: &Cx<'_>, transition: &Transition, machine: &TokenStream) -> TokenStream {
    let target = cx.target_ty(transition, |state| cx.machine_ty(state));
    if transition.guard.is_none() {
        return target;
    }
    let (core, event) = (&cx.core, cx.event_ty(transition.event));
    quote!(::core::result::Result<#target, #core::Refused<#machine, #event>>)
}

/// Where the body of what a transition becomes points: at the user's line, in one scope. In a macro of the user's, tokens
/// have scopes of their own, between which what is generated must not be split. The header has the raw span, so that rustc
/// shows the line and says nothing of an expansion.
fn place(transition: &Transition) -> Span {
    Span::call_site().located_at(transition.span)
}

fn event_of(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let Cx { core, runtime, enum_ty, .. } = cx;
    let span = place(transition);
    let (params, clause) = (cx.all.params(&[]), cx.all.clause(&[]));
    let (state, event) = (cx.state_ty(transition.from), cx.event_ty(transition.event));
    let event_of = cx.event_of(&state);
    let kind = &cx.machine.events[transition.event].ty;
    let header = respan(quote!(impl #params #event_of for #event #clause), transition.span);
    let target = cx.target_ty(transition, |state| state);
    let machine = cx.machine_ty(&state);
    let next = next(cx, transition, &machine);
    let bodies = Bodies::new(cx, transition);
    let record = cx.durable().then(|| {
        let record = cx.target_ty(transition, |state| quote!(Record<#state>));
        let wrapped = rewrap(
            cx,
            transition,
            quote!(target),
            |state| quote!(Record { raw: #runtime::RawRecord::new(#state, meta) }),
        );
        quote_spanned! {span=>
            const EVENT: EventKind = EventKind::#kind;
            type NextRecord = #record;
            fn wrap(target: #target, meta: #runtime::Meta<#enum_ty>, _: Seal) -> #record {
                #wrapped
            }
        }
    });
    let Bodies { fire_machine, fire_seal, fire, state: state_pattern, context, seal, transition: change } = bodies;
    let by_state = cx.by_state().then(|| {
        quote_spanned! {span=>
            type Target = #target;
            #[inline]
            fn transition(
                self,
                #state_pattern: #state,
                #context
                #seal: Seal,
            ) -> ::core::result::Result<Self::Target, #core::Refused<#state, Self>> {
                #change
            }
        }
    });
    let items = quote_spanned! {span=>
        type Next = #next;
        #[inline]
        fn fire(self, #fire_machine: #machine, #fire_seal: Seal) -> Self::Next {
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

/// Parameters and bodies of `fire` and `transition`.
struct Bodies {
    fire_machine: TokenStream,
    fire_seal: TokenStream,
    fire: TokenStream,
    state: TokenStream,
    /// The parameter for the context, where there is one.
    context: TokenStream,
    seal: TokenStream,
    transition: TokenStream,
}

impl Bodies {
    fn new(cx: &Cx<'_>, transition: &Transition) -> Self {
        match &cx.context {
            None => Self::without_context(cx, transition),
            Some(context) => Self::with_context(cx, transition, context),
        }
    }

    /// The context goes along in its box; the target is made of the rest, in a scope of its own: a field may have any name.
    fn with_context(cx: &Cx<'_>, transition: &Transition, context: &TokenStream) -> Self {
        let (core, span) = (&cx.core, place(transition));
        let (guarded, by_hand) = (transition.guard.is_some(), transition.with.is_some());
        let state = quote_spanned!(span=> state);
        let target = |context: TokenStream| {
            if by_hand {
                let with = outside::with_fn(cx, transition);
                return quote_spanned!(span=> outside::#with(state, self, #context));
            }
            carry(cx, transition, &state).expression(span)
        };
        let wrapped = rewrap(cx, transition, quote!(target), |state| cx.machine_value(state));
        let mutable = (guarded || by_hand).then(|| quote_spanned!(span=> mut));
        let rest = (!cx.all.is_empty()).then(|| quote_spanned!(span=> , ..));
        let parts = quote_spanned!(span=> let Machine { state, #mutable context #rest } = machine;);
        let fire = if guarded {
            let event_of = cx.event_of(cx.state_ty(transition.from));
            let back = cx.machine_value(&state);
            quote_spanned! {span=>
                #parts
                match <Self as #event_of>::transition(self, state, &mut context, seal) {
                    ::core::result::Result::Ok(target) => ::core::result::Result::Ok(#wrapped),
                    ::core::result::Result::Err(refused) => ::core::result::Result::Err(refused.map(|state| #back)),
                }
            }
        } else {
            let target = target(quote_spanned!(span=> &mut context));
            quote_spanned!(span=> #parts let target = #target; #wrapped)
        };
        let target = target(quote_spanned!(span=> context));
        let change = if guarded {
            let guard = outside::guard_fn(cx, transition);
            quote_spanned! {span=>
                match outside::#guard(&state, &self, context) {
                    ::core::result::Result::Ok(()) => ::core::result::Result::Ok(#target),
                    ::core::result::Result::Err(reason) => {
                        ::core::result::Result::Err(#core::Refused { machine: state, event: self, reason })
                    }
                }
            }
        } else {
            quote_spanned!(span=> ::core::result::Result::Ok(#target))
        };
        let named = if guarded || by_hand { quote_spanned!(span=> context) } else { quote_spanned!(span=> _) };
        Self {
            fire_machine: quote_spanned!(span=> machine),
            fire_seal: if guarded { quote_spanned!(span=> seal) } else { quote_spanned!(span=> _) },
            fire,
            state,
            context: quote_spanned!(span=> #named: &mut #context,),
            seal: quote_spanned!(span=> _),
            transition: change,
        }
    }

    fn without_context(cx: &Cx<'_>, transition: &Transition) -> Self {
        let core = &cx.core;
        let span = place(transition);
        let event_of = cx.event_of(cx.state_ty(transition.from));
        let machine = |state: TokenStream| cx.machine_value(state);
        if transition.guard.is_some() {
            let guard = outside::guard_fn(cx, transition);
            let target = if transition.with.is_some() {
                with(cx, transition, &quote_spanned!(span=> state))
            } else {
                let carried = carry(cx, transition, &quote_spanned!(span=> state));
                carried.expression(span)
            };
            let wrapped = rewrap(cx, transition, quote!(target), machine);
            let back = machine(quote!(state));
            return Self {
                fire_machine: quote_spanned!(span=> machine),
                fire_seal: quote_spanned!(span=> seal),
                fire: quote_spanned! {span=>
                    match <Self as #event_of>::transition(self, machine.state, seal) {
                        ::core::result::Result::Ok(target) => ::core::result::Result::Ok(#wrapped),
                        ::core::result::Result::Err(refused) => ::core::result::Result::Err(refused.map(|state| #back)),
                    }
                },
                state: quote_spanned!(span=> state),
                context: TokenStream::new(),
                seal: quote_spanned!(span=> _),
                transition: quote_spanned! {span=>
                    match outside::#guard(&state, &self) {
                        ::core::result::Result::Ok(()) => ::core::result::Result::Ok(#target),
                        ::core::result::Result::Err(reason) => {
                            ::core::result::Result::Err(#core::Refused { machine: state, event: self, reason })
                        }
                    }
                },
            };
        }
        if transition.with.is_some() {
            let fired = with(cx, transition, &quote_spanned!(span=> machine.state));
            let target = with(cx, transition, &quote_spanned!(span=> state));
            return Self {
                fire_machine: quote_spanned!(span=> machine),
                fire_seal: quote_spanned!(span=> _),
                fire: rewrap(cx, transition, fired, machine),
                state: quote_spanned!(span=> state),
                context: TokenStream::new(),
                seal: quote_spanned!(span=> _),
                transition: quote_spanned!(span=> ::core::result::Result::Ok(#target)),
            };
        }
        let carried = carry(cx, transition, &quote_spanned!(span=> machine.state));
        let Carried { from_source, bind, target } = &carried;
        let target = machine(target.clone());
        let moved = machine(quote_spanned!(span=> state));
        Self {
            fire_machine: if *from_source { quote_spanned!(span=> machine) } else { quote_spanned!(span=> _) },
            fire_seal: quote_spanned!(span=> _),
            fire: quote_spanned!(span=> #bind #target),
            state: quote_spanned!(span=> state),
            context: TokenStream::new(),
            seal: quote_spanned!(span=> seal),
            transition: quote_spanned!(span=> ::core::result::Result::Ok(<Self as #event_of>::fire(self, #moved, seal).state)),
        }
    }
}

fn with(cx: &Cx<'_>, transition: &Transition, state: &TokenStream) -> TokenStream {
    let with = outside::with_fn(cx, transition);
    quote_spanned!(place(transition)=> outside::#with(#state, self))
}

/// Puts each possible target, which `value` holds, into something else.
fn rewrap(
    cx: &Cx<'_>,
    transition: &Transition,
    value: TokenStream,
    wrap: impl Fn(TokenStream) -> TokenStream,
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

/// The target of a transition, built from what is carried over: statements that bind its fields, and the value itself.
struct Carried {
    /// Something comes from the source.
    from_source: bool,
    bind: TokenStream,
    target: TokenStream,
}

impl Carried {
    /// All of it as one expression.
    fn expression(&self, span: Span) -> TokenStream {
        let Self { bind, target, .. } = self;
        if bind.is_empty() { target.clone() } else { quote_spanned!(span=> { #bind #target }) }
    }
}

/// The arm of a `match` over state and event that makes the transition, where nothing is done by hand.
pub(super) fn arm(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let (span, core_ok) = (place(transition), quote!(::core::result::Result::Ok));
    let Carry { from_source, from_payload, lets, locals } = Carry::new(cx, transition);
    let source = &cx.machine.states[transition.from];
    let (ident, any) = (&source.ident, any_data(source));
    let state =
        take(&quote!(Self::#ident), source.shape, &source.fields, &from_source).unwrap_or(quote!(Self::#ident #any));
    let event = &cx.machine.events[transition.event];
    let ty = &event.ty;
    let payload = take(&quote!(event::#ty), Shape::Struct, &event.fields, &from_payload).unwrap_or(quote!(_));
    let target = &cx.machine.states[transition.to[0]];
    let ident = &target.ident;
    let value = value(&quote!(Self::#ident), target, &locals);
    let body = if lets.is_empty() {
        quote!(#core_ok(#value))
    } else {
        quote_spanned!(span=> { #(#lets)* ::core::result::Result::Ok(#value) })
    };
    quote!((#state, Event::#ty(#payload)) => #body)
}

/// What is carried over: the names of what is taken from the source and from the payload, and the locals that hold the fields
/// of the target.
struct Carry {
    from_source: Vec<String>,
    from_payload: Vec<String>,
    lets: Vec<TokenStream>,
    locals: Vec<Ident>,
}

impl Carry {
    /// A value whose type is written otherwise is bound to the target's type, at the user's own tokens, so that a mismatch
    /// is reported there.
    fn new(cx: &Cx<'_>, transition: &Transition) -> Self {
        let (span, target) = (place(transition), transition.to[0]);
        let mut carry =
            Self { from_source: Vec::new(), from_payload: Vec::new(), lets: Vec::new(), locals: Vec::new() };
        for (field, supply) in cx.machine.supplies(transition, target) {
            let supplied = match supply {
                Some(Supply::Source(supplied)) => {
                    carry.from_source.push(supplied.name());
                    supplied
                }
                Some(Supply::Payload(supplied)) => {
                    carry.from_payload.push(supplied.name());
                    supplied
                }
                None => continue,
            };
            let (value, bound) = (local(supplied), local(field));
            if text::of(&field.ty) != text::of(&supplied.ty) {
                let ty = cx.state_field_ty(target, field);
                carry.lets.push(quote_spanned!(span=> let #bound: #ty = #value;));
            }
            carry.locals.push(bound);
        }
        carry
    }
}

fn carry(cx: &Cx<'_>, transition: &Transition, state: &TokenStream) -> Carried {
    let span = place(transition);
    let Carry { from_source, from_payload, lets, locals } = Carry::new(cx, transition);
    let source = &cx.machine.states[transition.from];
    let ident = &source.ident;
    let taken = take(&quote!(#ident), source.shape, &source.fields, &from_source)
        .map(|pattern| quote_spanned!(span=> let #pattern = #state;));
    let event = &cx.machine.events[transition.event];
    let payload = take(&quote!(Self), Shape::Struct, &event.fields, &from_payload)
        .map(|pattern| quote_spanned!(span=> let #pattern = self;));
    let target = &cx.machine.states[transition.to[0]];
    let ident = &target.ident;
    Carried {
        from_source: !from_source.is_empty(),
        bind: quote!(#taken #payload #(#lets)*),
        target: value(&quote!(#ident), target, &locals),
    }
}

/// A pattern that takes the fields in `names`; `None` if there are none to take.
fn take(path: &TokenStream, shape: Shape, fields: &[Field], names: &[String]) -> Option<TokenStream> {
    if names.is_empty() {
        return None;
    }
    let taken = fields.iter().filter(|field| names.contains(&field.name())).map(local);
    let rest = (names.len() < fields.len()).then(|| quote!(..));
    Some(match shape {
        Shape::Tuple => {
            let places = fields
                .iter()
                .map(|field| if names.contains(&field.name()) { local(field).to_token_stream() } else { quote!(_) });
            quote!(#path(#(#places),*))
        }
        Shape::Struct | Shape::Unit => quote!(#path { #(#taken,)* #rest }),
    })
}

/// The local variable that holds a field.
fn local(field: &Field) -> Ident {
    match &field.member {
        Member::Named(ident) => ident.clone(),
        Member::Unnamed(index) => format_ident!("field_{}", index.index, span = index.span),
    }
}

fn value(path: &TokenStream, state: &State, locals: &[Ident]) -> TokenStream {
    match state.shape {
        Shape::Struct => quote!(#path { #(#locals),* }),
        Shape::Tuple => quote!(#path(#(#locals),*)),
        Shape::Unit => path.clone(),
    }
}
