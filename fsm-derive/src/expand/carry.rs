//! The target of a transition whose fields come from the payload and the source state: as an expression, and as a `match` arm.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::Ident;

use super::{
    history,
    states::{any_data, pattern},
    user_code,
};
use crate::{
    model::{Field, Member, Shape, State, Supply, Transition},
    normalize::{Cx, local as hygienic, place},
    text,
};

/// How a transition makes its target: by the user's `with`, or from carried fields.
pub(super) struct Made {
    /// At least one field comes from the source state.
    pub(super) from_source: bool,
    /// Statements that bind the fields of the target.
    pub(super) bind: TokenStream,
    pub(super) target: TokenStream,
}

impl Made {
    /// The source state is the expression `state`, the event is `self`; `context` is the further argument of a `with`.
    pub(super) fn new(cx: &Cx<'_>, transition: &Transition, state: &TokenStream, context: &TokenStream) -> Self {
        let span = place(transition);
        if transition.with.is_some() {
            let with = user_code::with_fn(cx, transition);
            let made = quote_spanned!(span=> __user_code::#with(#state, self #context));
            let target = entered(cx, transition, made, context);
            return Self { from_source: true, bind: TokenStream::new(), target };
        }
        if let Some(field) = cx.machine.held(transition) {
            let member = &field.member;
            let left = history::left(cx, transition, &quote!(#state.#member), |to| {
                if transition.to.len() == 1 {
                    return quote_spanned!(span=> state);
                }
                let (choice, ident) = (cx.machine.choice(transition), &to.ident);
                quote_spanned!(span=> choice::#choice::#ident(state))
            });
            let target = entered(cx, transition, left, context);
            return Self { from_source: true, bind: TokenStream::new(), target };
        }
        let Carry { whole, from_source, from_payload, lets, locals } = Carry::new(cx, transition, state);
        let source = &cx.machine.states[transition.from];
        let ty = &source.ty;
        let taken = take(&quote!(#ty), source.shape, &source.fields, &from_source)
            .map(|pattern| quote_spanned!(span=> let #pattern = #state;));
        let event = &cx.machine.events[transition.event];
        let payload = take(&quote!(Self), Shape::Struct, &event.fields, &from_payload)
            .map(|pattern| quote_spanned!(span=> let #pattern = self;));
        let target = &cx.machine.states[transition.to[0]];
        let ty = &target.ty;
        Self {
            from_source: whole.is_some() || !from_source.is_empty(),
            bind: quote!(#whole #taken #payload #(#lets)*),
            target: entered(cx, transition, value(&quote!(#ty), target, &locals), context),
        }
    }

    /// Bindings and target as one expression.
    pub(super) fn expression(&self, span: Span) -> TokenStream {
        let Self { bind, target, .. } = self;
        if bind.is_empty() { target.clone() } else { quote_spanned!(span=> { #bind #target }) }
    }
}

/// The target after the `enter` of its state, whichever of the possible ones it is. An internal transition enters nothing.
fn entered(cx: &Cx<'_>, transition: &Transition, value: TokenStream, context: &TokenStream) -> TokenStream {
    if !cx.machine.runs_enter(transition) {
        return value;
    }
    if let [to] = transition.to[..] {
        return user_code::entered(cx, to, value, context);
    }
    let (span, choice) = (place(transition), cx.machine.choice(transition));
    let arms = transition.to.iter().map(|to| {
        let ident = &cx.machine.states[*to].ident;
        let state = user_code::entered(cx, *to, quote_spanned!(span=> state), context);
        quote_spanned!(span=> choice::#choice::#ident(state) => choice::#choice::#ident(#state),)
    });
    quote_spanned!(span=> match #value { #(#arms)* })
}

/// The `match` arm over state and event for a transition without a guard or a `with`.
pub(super) fn arm(cx: &Cx<'_>, transition: &Transition) -> TokenStream {
    let (span, core_ok) = (place(transition), quote!(::core::result::Result::Ok));
    let source = &cx.machine.states[transition.from];
    let (ident, data, all, any) = (&source.ident, &source.ty, pattern(source), any_data(source));
    let event = &cx.machine.events[transition.event];
    let event_ty = &event.ty;
    if let Some(field) = cx.machine.held(transition) {
        let state = take(&quote!(Self::#ident), source.shape, &source.fields, &[field.name()]);
        let (core, held) = (&cx.core, local(field).to_token_stream());
        let left = history::left(cx, transition, &held, |_| quote_spanned!(span=> #core::Target::into_enum(state)));
        return quote!((#state, Event::#event_ty(_)) => #core_ok(#left));
    }
    let Carry { whole, from_source, from_payload, lets, locals } =
        Carry::new(cx, transition, &quote_spanned!(span=> #data #all));
    let target = &cx.machine.states[transition.to[0]];
    let to = &target.ident;
    let value = value(&quote!(Self::#to), target, &locals);
    let payload = take(&quote!(event::#event_ty), Shape::Struct, &event.fields, &from_payload);
    if let Some(whole) = whole {
        // The fields of state and payload can have the same names.
        let given = hygienic("__payload");
        let (given, taken) = match payload {
            Some(payload) => (quote!(#given), Some(quote_spanned!(span=> let #payload = #given;))),
            None => (quote!(_), None),
        };
        let body = quote_spanned!(span=> { #whole #taken #(#lets)* ::core::result::Result::Ok(#value) });
        return quote!((Self::#ident #all, Event::#event_ty(#given)) => #body);
    }
    let state =
        take(&quote!(Self::#ident), source.shape, &source.fields, &from_source).unwrap_or(quote!(Self::#ident #any));
    let payload = payload.unwrap_or(quote!(_));
    let body = if lets.is_empty() {
        quote!(#core_ok(#value))
    } else {
        quote_spanned!(span=> { #(#lets)* ::core::result::Result::Ok(#value) })
    };
    quote!((#state, Event::#event_ty(#payload)) => #body)
}

/// The carried fields: which are taken from the source and from the payload, and the variables that hold the target's fields.
struct Carry {
    /// Binds the history that takes the whole source.
    whole: Option<TokenStream>,
    from_source: Vec<String>,
    from_payload: Vec<String>,
    lets: Vec<TokenStream>,
    locals: Vec<Ident>,
}

impl Carry {
    /// `state` is the source as an expression.
    ///
    /// If source and target write a field's type differently, the value is bound to the target's type at the user's tokens, so that
    /// rustc reports a mismatch there.
    fn new(cx: &Cx<'_>, transition: &Transition, state: &TokenStream) -> Self {
        let (span, target) = (place(transition), transition.to[0]);
        let mut carry = Self {
            whole: None,
            from_source: Vec::new(),
            from_payload: Vec::new(),
            lets: Vec::new(),
            locals: Vec::new(),
        };
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
                Some(Supply::History(group)) => {
                    let (bound, group) = (local(field), &cx.machine.groups[group].ident);
                    let source = &cx.machine.states[transition.from].ident;
                    carry.whole = Some(quote_spanned!(span=> let #bound = history::#group::#source(#state);));
                    carry.locals.push(bound);
                    continue;
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

/// A pattern that binds the fields in `names`; `None` if there are none.
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

/// The variable that holds a field.
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
