//! `#[on(event { field: Type } => Target, …)]`, on a variant or on the enum.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::{
    Attribute, Field, Ident, Path, Token, Visibility, braced, ext::IdentExt as _, parse::ParseStream,
    punctuated::Punctuated, token,
};

use super::{
    span,
    syntax::{self, SeenOptions},
};
use crate::{errors::Errors, text};

/// A transition from one state; on the enum or in `group(…)`, one from each of several states.
pub(crate) struct On {
    /// The span of the whole attribute.
    pub(crate) span: Span,
    pub(crate) event: Ident,
    pub(crate) payload: Option<Vec<Field>>,
    pub(crate) targets: Vec<Ident>,
    pub(crate) guard: Option<Path>,
    pub(crate) with: Option<Path>,
    /// The name of the event's method, if it differs from the event's.
    pub(crate) method: Option<Ident>,
    pub(crate) except: Option<Vec<Ident>>,
    pub(crate) auto: bool,
    /// Whether every option could be read.
    pub(crate) complete: bool,
}

const KNOWN: [&str; 5] = ["guard", "with", "method", "except", "auto"];

/// Reads one attribute. Returns `None` if the event or the target is missing.
pub(super) fn read(attr: &Attribute, errors: &mut Errors) -> Option<On> {
    syntax::read(attr, "#[on(event => Target)]", errors, |input, errors| on(input, span(attr), errors))
}

/// Reads the arguments of `#[on(…)]`.
pub(super) fn on(input: ParseStream<'_>, span: Span, errors: &mut Errors) -> syn::Result<On> {
    let event = syntax::event(input)?;
    let payload = payload(input)?;
    if !input.peek(Token![=>]) {
        let at = if input.is_empty() { event.span() } else { input.span() };
        return Err(syn::Error::new(at, format!("missing target: expected `{event} => Target`")));
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
        complete: true,
    };
    syntax::end(input)?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    let (mut rest, mut seen) = (Ok(()), SeenOptions::default());
    on.complete =
        errors.none_in(|errors| rest = syntax::items(input, errors, |input, errors| on.item(input, &mut seen, errors)));
    rest.map(|()| on)
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
    let fields = Punctuated::<Field, Token![,]>::parse_terminated_with(&content, Field::parse_named)?;
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
    }
    let mut names = HashSet::new();
    for name in fields.iter().filter_map(|field| field.ident.as_ref()) {
        if !names.insert(name.unraw()) {
            let message = format!("payload field `{}` is declared twice: rename one", name.unraw());
            return Err(syn::Error::new(name.span(), message));
        }
    }
    Ok(Some(fields.into_iter().collect()))
}

impl On {
    fn item(&mut self, input: ParseStream<'_>, seen: &mut SeenOptions, errors: &mut Errors) -> syn::Result<()> {
        let (key, option) = seen.option(input, &KNOWN, "`#[on(…)]`", errors)?;
        match option {
            "guard" => self.guard = Some(syntax::function(input, &key)?),
            "with" => self.with = Some(syntax::function(input, &key)?),
            "method" => self.method = Some(syntax::new_name(input, &key, "name")?),
            "except" => self.except = Some(syntax::inside(input, &key, "A, B", syntax::states)?),
            _ => self.auto = true,
        }
        Ok(())
    }
}
