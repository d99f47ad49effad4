//! `#[on(event { field: Type } => Target, …)]`, on a variant or on the enum.

use proc_macro2::Span;
use syn::{
    Attribute, Field, Ident, Path, Token, Visibility, braced, parenthesized,
    parse::{ParseStream, Parser as _},
    punctuated::Punctuated,
    token,
};

use super::{items, span, word};
use crate::{errors::Errors, hint};

/// One transition, or, on the enum, one from each state.
pub(crate) struct On {
    /// Of the whole attribute.
    pub(crate) span: Span,
    pub(crate) event: Ident,
    pub(crate) payload: Option<Vec<Field>>,
    pub(crate) targets: Vec<Ident>,
    pub(crate) guard: Option<Path>,
    pub(crate) with: Option<Path>,
    pub(crate) except: Option<Vec<Ident>>,
    pub(crate) auto: bool,
    /// Everything in it could be read.
    pub(crate) sound: bool,
}

const KNOWN: [&str; 4] = ["guard", "with", "except", "auto"];

/// Reads one attribute; `None` when it names no event or no target.
pub(super) fn read(attr: &Attribute, errors: &mut Errors) -> Option<On> {
    let parsed = match &attr.meta {
        syn::Meta::List(list) => (|input: ParseStream<'_>| on(input, span(attr), errors)).parse2(list.tokens.clone()),
        meta => Err(syn::Error::new_spanned(meta, "write `#[on(event => Target)]`")),
    };
    parsed.map_err(|error| errors.push(error)).ok()
}

/// Reads what stands in the parentheses.
pub(super) fn on(input: ParseStream<'_>, span: Span, errors: &mut Errors) -> syn::Result<On> {
    let event: Ident = input.parse()?;
    let payload = payload(input)?;
    if !input.peek(Token![=>]) {
        let at = if input.is_empty() { event.span() } else { input.span() };
        return Err(syn::Error::new(at, format!("`{event}` leads nowhere: expected `=> Target`")));
    }
    input.parse::<Token![=>]>()?;
    let targets = Punctuated::<Ident, Token![|]>::parse_separated_nonempty(input)?.into_iter().collect();
    let mut on = On { span, event, payload, targets, guard: None, with: None, except: None, auto: false, sound: true };
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    let mut rest = Ok(());
    on.sound = errors.none_in(|errors| rest = items(input, errors, |input, errors| on.item(input, errors)));
    rest.map(|()| on)
}

fn payload(input: ParseStream<'_>) -> syn::Result<Option<Vec<Field>>> {
    if input.peek(token::Paren) {
        return Err(input.error("a payload's fields have names: `event { field: Type }`"));
    }
    if !input.peek(token::Brace) {
        return Ok(None);
    }
    let content;
    braced!(content in input);
    let fields = Punctuated::<Field, Token![,]>::parse_terminated_with(&content, Field::parse_named)?;
    for field in &fields {
        if let Some(attr) =
            field.attrs.iter().find(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
        {
            let message = "rustc configures nothing inside an attribute: configure the whole `#[on(…)]`, with `#[cfg_attr(…, on(…))]`";
            return Err(syn::Error::new_spanned(attr, message));
        }
        if !matches!(field.vis, Visibility::Inherited) {
            return Err(syn::Error::new_spanned(&field.vis, "a payload is as visible as its machine: remove this"));
        }
    }
    Ok(Some(fields.into_iter().collect()))
}

impl On {
    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = word(input)?;
        let twice = match key.to_string().as_str() {
            "guard" => self.guard.replace(path(input)?).is_some(),
            "with" => self.with.replace(path(input)?).is_some(),
            "except" => {
                let content;
                parenthesized!(content in input);
                let states = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?;
                self.except.replace(states.into_iter().collect()).is_some()
            }
            "auto" => std::mem::replace(&mut self.auto, true),
            other => {
                let hint = hint::nearest(other, KNOWN);
                return Err(syn::Error::new(key.span(), format!("`#[on(…)]` knows no `{other}`{hint}")));
            }
        };
        if twice {
            errors.at(&key, format!("`{key}` is given twice: leave one"));
        }
        Ok(())
    }
}

fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    input.parse::<Token![=]>()?;
    if !(input.peek(Ident)
        || input.peek(Token![::])
        || input.peek(Token![crate])
        || input.peek(Token![self])
        || input.peek(Token![super])
        || input.peek(Token![Self]))
    {
        return Err(input.error("expected the path of a function, as in `checks::has_title`"));
    }
    input.parse()
}
