//! `#[on(event { field: Type } | other => Target, …)]`, on a variant, in `group(…)`, or on the enum.

use std::collections::HashSet;

use proc_macro2::Span;
use quote::quote;
use syn::{
    Attribute, Field, Ident, Token, Visibility, braced, bracketed, ext::IdentExt as _, parse::ParseStream,
    spanned::Spanned as _, token,
};

use super::{
    by, dialects,
    function::{self, Function, Guard},
    history::{self, History},
    saga, span,
    syntax::{self, SeenOptions},
};
use crate::{each::each, errors::Errors, names::plain, text};

/// A transition from one state; on the enum or in `group(…)`, one from each of several states.
pub(crate) struct On {
    /// The span of the whole attribute.
    pub(crate) span: Span,
    /// The events, at least one. All of them lead to the same targets.
    pub(crate) events: Vec<OnEvent>,
    pub(crate) targets: Targets,
    pub(crate) guard: Option<Guard>,
    pub(crate) with: Option<Function>,
    /// The name of the event's method, if it differs from the event's.
    pub(crate) method: Option<Ident>,
    pub(crate) except: Option<Vec<Ident>>,
    /// The timers to start again, by their events.
    pub(crate) rewind: Vec<Ident>,
    pub(crate) auto: bool,
    /// The span of `by = worker`, if present.
    pub(crate) by: Option<Span>,
    /// Whether every option could be read.
    pub(crate) complete: bool,
}

/// An event of an `#[on(…)]`, with the payload if it is declared there.
pub(crate) struct OnEvent {
    pub(crate) ident: Ident,
    pub(crate) payload: Option<Vec<Field>>,
}

/// What follows `=>`.
pub(crate) enum Targets {
    /// `_`: an internal transition, which does not leave the state.
    Internal(Span),
    /// `A | B`. `Self` stands for the state that is left.
    States(Vec<Target>),
    /// `history(Superstate)`: the state of the superstate that was left.
    History(History),
    /// `undo`: what undoes the last completed step of a saga.
    Undo(Ident),
}

/// A target state.
pub(crate) enum Target {
    Named(Ident),
    /// `Self`.
    Source(Span),
}

const KNOWN: [&str; 7] = ["guard", "with", "method", "except", "rewind", "auto", "by"];

/// Reads one attribute. Returns `None` if the event or the target is missing.
pub(super) fn read(attr: &Attribute, errors: &mut Errors) -> Option<On> {
    syntax::read(attr, "#[on(event => Target)]", errors, &mut |input, errors| on(input, span(attr), errors))
}

/// Reads the arguments of `#[on(…)]`.
pub(super) fn on(input: ParseStream<'_>, span: Span, errors: &mut Errors) -> syn::Result<On> {
    dialects::on(input)?;
    let events = syntax::alternatives(input, &event)?;
    if !input.peek(Token![=>]) {
        let at = if input.is_empty() { events.last().map_or(span, |event| event.ident.span()) } else { input.span() };
        let names = each(&events, &|event| event.ident.to_string());
        return Err(syn::Error::new(at, format!("missing target: expected `{} => Target`", names.join(" | "))));
    }
    input.parse::<Token![=>]>()?;
    let targets = targets(input)?;
    let mut on = On {
        span,
        events,
        targets,
        guard: None,
        with: None,
        method: None,
        except: None,
        rewind: Vec::new(),
        auto: false,
        by: None,
        complete: true,
    };
    syntax::end(input)?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    let (mut rest, mut seen) = (Ok(()), SeenOptions::default());
    on.complete = errors
        .none_in(|errors| rest = syntax::items(input, errors, &mut |input, errors| on.item(input, &mut seen, errors)));
    rest.map(|()| on)
}

fn event(input: ParseStream<'_>) -> syn::Result<OnEvent> {
    Ok(OnEvent { ident: syntax::event(input)?, payload: payload(input)? })
}

fn targets(input: ParseStream<'_>) -> syn::Result<Targets> {
    if input.peek(Token![_]) {
        let underscore: Token![_] = input.parse()?;
        if input.peek(Token![|]) {
            return Err(input
                .error("`_` cannot be combined with other targets: write `Self` for a branch back to the same state"));
        }
        return Ok(Targets::Internal(underscore.span()));
    }
    if history::begins(input) {
        return Ok(Targets::History(history::read(input)?));
    }
    if saga::begins(input) {
        return Ok(Targets::Undo(saga::target(input)?));
    }
    let targets = syntax::alternatives(input, &|input| {
        if input.peek(Token![Self]) && !input.peek2(Token![::]) {
            return Ok(Target::Source(input.parse::<Token![Self]>()?.span()));
        }
        if input.peek(Token![_]) {
            return Err(input
                .error("`_` cannot be combined with other targets: write `Self` for a branch back to the same state"));
        }
        if history::begins(input) {
            return Err(history::not_combined(input.span()));
        }
        if saga::begins(input) {
            return Err(saga::not_combined(input.span()));
        }
        syntax::state(input).map(Target::Named)
    })?;
    Ok(Targets::States(targets))
}

fn payload(input: ParseStream<'_>) -> syn::Result<Option<Vec<Field>>> {
    if input.peek(token::Paren) {
        return Err(input.error("payload fields must be named: expected `event { field: Type }`"));
    }
    if !input.peek(token::Brace) {
        return Ok(None);
    }
    let content;
    braced!(content in input);
    let fields = syntax::list(&content, &Field::parse_named)?;
    for field in &fields {
        if let Some(attr) =
            field.attrs.iter().find(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
        {
            let name = super::name(attr);
            let message = format!(
                "`#[{name}]` is not evaluated on a payload field: make the whole attribute conditional, `#[cfg_attr(…, on(…))]`"
            );
            return Err(syn::Error::new_spanned(attr, message));
        }
        if !matches!(field.vis, Visibility::Inherited) {
            let message = format!("visibility is not allowed on a payload field: remove `{}`", text::of(&field.vis));
            return Err(syn::Error::new_spanned(&field.vis, message));
        }
        if let (Some(name), Some((equals, value))) = (&field.ident, &field.default) {
            let message = format!(
                "payload field `{}` cannot have a default: remove `= {}`, and pass the value where the event is fired",
                name.unraw(),
                text::of(value)
            );
            return Err(syn::Error::new_spanned(quote!(#equals #value), message));
        }
        syntax::lifetimes_are_named(&field.ty)?;
    }
    let mut names = HashSet::new();
    for name in fields.iter().filter_map(|field| field.ident.as_ref()) {
        if !names.insert(plain(name)) {
            let message = format!("payload field `{}` is declared twice: rename one", name.unraw());
            return Err(syn::Error::new(name.span(), message));
        }
    }
    Ok(Some(fields))
}

/// Reads `= timer` or `= [timer, timer]`.
fn rewind(input: ParseStream<'_>, key: &Ident) -> syn::Result<Vec<Ident>> {
    syntax::equals(input, key, "timer")?;
    if !input.peek(token::Bracket) {
        return Ok(vec![syntax::event(input)?]);
    }
    let content;
    let bracket = bracketed!(content in input);
    let timers = syntax::list(&content, &syntax::event)?;
    if timers.is_empty() {
        let message = format!("the list of timers is empty: write `{key} = [first, second]`, or remove it");
        return Err(syn::Error::new(bracket.span.join(), message));
    }
    Ok(timers)
}

impl On {
    fn item(&mut self, input: ParseStream<'_>, seen: &mut SeenOptions, errors: &mut Errors) -> syn::Result<()> {
        if input.peek(syn::Ident) && input.peek2(Token![=>]) {
            let event: Ident = input.parse()?;
            let message = format!("an `#[on(…)]` has one transition: write another `#[on({event} => …)]`");
            return Err(syn::Error::new(event.span(), message));
        }
        let (key, option) = seen.option(input, &KNOWN, "`#[on(…)]`", errors)?;
        match option {
            "guard" => self.guard = Some(function::guard(input, &key)?),
            "with" => self.with = Some(function::function(input, &key)?),
            "method" => self.method = Some(syntax::new_name(input, &key, "name")?),
            "except" => self.except = Some(syntax::inside(input, &key, "A, B", syntax::states)?),
            "rewind" => self.rewind = rewind(input, &key)?,
            "by" => self.by = Some(by::by(input, &key)?),
            _ => self.auto = true,
        }
        Ok(())
    }
}
