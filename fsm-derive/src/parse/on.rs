//! `#[on(event { field: Type } => Target, …)]`, on a variant or on the enum.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::{
    Attribute, Field, Ident, Path, Token, Visibility, braced, ext::IdentExt as _, parse::ParseStream,
    punctuated::Punctuated, token,
};

use super::{
    span,
    syntax::{self, Given},
};
use crate::errors::Errors;

/// One transition, or, on the enum, one from each state.
pub(crate) struct On {
    /// Of the whole attribute.
    pub(crate) span: Span,
    pub(crate) event: Ident,
    pub(crate) payload: Option<Vec<Field>>,
    pub(crate) targets: Vec<Ident>,
    pub(crate) guard: Option<Path>,
    pub(crate) with: Option<Path>,
    /// The name of the event's method, where it is not the event's.
    pub(crate) method: Option<Ident>,
    pub(crate) except: Option<Vec<Ident>>,
    pub(crate) auto: bool,
    /// Everything in it could be read.
    pub(crate) sound: bool,
}

const KNOWN: [&str; 5] = ["guard", "with", "method", "except", "auto"];

/// Reads one attribute; `None` when it names no event or no target.
pub(super) fn read(attr: &Attribute, errors: &mut Errors) -> Option<On> {
    syntax::read(attr, "#[on(event => Target)]", errors, |input, errors| on(input, span(attr), errors))
}

/// Reads what stands in the parentheses.
pub(super) fn on(input: ParseStream<'_>, span: Span, errors: &mut Errors) -> syn::Result<On> {
    let event = syntax::event(input)?;
    let payload = payload(input)?;
    if !input.peek(Token![=>]) {
        let at = if input.is_empty() { event.span() } else { input.span() };
        return Err(syn::Error::new(at, format!("`{event}` leads nowhere: expected `=> Target`")));
    }
    input.parse::<Token![=>]>()?;
    let targets =
        Punctuated::<Ident, Token![|]>::parse_separated_nonempty_with(input, syntax::state)?.into_iter().collect();
    let mut on = On {
        span,
        event,
        payload,
        targets,
        guard: None,
        with: None,
        method: None,
        except: None,
        auto: false,
        sound: true,
    };
    syntax::end(input)?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    let (mut rest, mut given) = (Ok(()), Given::default());
    on.sound = errors
        .none_in(|errors| rest = syntax::items(input, errors, |input, errors| on.item(input, &mut given, errors)));
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
    let mut names = HashSet::new();
    for name in fields.iter().filter_map(|field| field.ident.as_ref()) {
        if !names.insert(name.unraw()) {
            let message = format!("the payload has two fields called `{}`: rename one", name.unraw());
            return Err(syn::Error::new(name.span(), message));
        }
    }
    Ok(Some(fields.into_iter().collect()))
}

impl On {
    fn item(&mut self, input: ParseStream<'_>, given: &mut Given, errors: &mut Errors) -> syn::Result<()> {
        let (key, word) = given.word(input, &KNOWN, "`#[on(…)]`", errors)?;
        match word {
            "guard" => self.guard = Some(syntax::function(input, &key)?),
            "with" => self.with = Some(syntax::function(input, &key)?),
            "method" => self.method = Some(syntax::new_name(input, &key, "name")?),
            "except" => self.except = Some(syntax::inside(input, &key, "A, B", syntax::states)?),
            _ => self.auto = true,
        }
        Ok(())
    }
}
