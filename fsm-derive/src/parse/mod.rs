//! From tokens to a declaration: what the user wrote, with nothing resolved yet.

mod after;
mod fires;
mod fsm;
mod on;
mod state;

use proc_macro2::{Span, TokenTree};
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, Token, Visibility, parse::ParseStream};

pub(crate) use after::{After, Delay};
pub(crate) use fires::Fires;
pub(crate) use fsm::{Options, Property, Require};
pub(crate) use on::On;
pub(crate) use state::StateOptions;

use crate::errors::Errors;

/// An annotated enum.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) generics: Generics,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) options: Options,
    /// `#[on(…)]` on the enum itself.
    pub(crate) wide: Vec<On>,
    pub(crate) variants: Vec<Variant>,
    /// All that makes the graph could be read.
    pub(crate) whole: bool,
}

/// An annotated variant.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) fields: Fields,
    pub(crate) options: StateOptions,
    pub(crate) ons: Vec<On>,
    pub(crate) afters: Vec<After>,
}

/// Reads the whole declaration; what cannot be read is reported and left out.
pub(crate) fn declaration(input: DeriveInput, errors: &mut Errors) -> Declaration {
    let mut options = Options::default();
    let mut wide = Vec::new();
    let mut whole = true;
    for attr in &input.attrs {
        match name(attr).as_str() {
            "fsm" => read(attr, errors, |input, errors| options.read(input, errors)),
            "on" => whole &= errors.none_in(|errors| wide.extend(on::read(attr, errors))),
            other @ ("state" | "after") => {
                errors.at(attr, format!("`#[{other}(…)]` belongs on a variant, the state that it is about"));
            }
            _ => {}
        }
    }
    let variants = match input.data {
        Data::Enum(data) if data.variants.is_empty() => {
            errors.at(&input.ident, "a state machine has at least one state: declare a variant");
            Vec::new()
        }
        Data::Enum(data) => {
            data.variants.into_iter().map(|variant| self::variant(variant, &mut whole, errors)).collect()
        }
        Data::Struct(data) => not_an_enum(data.struct_token.span, errors),
        Data::Union(data) => not_an_enum(data.union_token.span, errors),
    };
    Declaration {
        ident: input.ident,
        vis: input.vis,
        generics: input.generics,
        attrs: input.attrs,
        options,
        wide,
        variants,
        whole,
    }
}

fn not_an_enum(span: Span, errors: &mut Errors) -> Vec<Variant> {
    errors.at_span(span, "a state machine is declared on an enum, with one variant per state");
    Vec::new()
}

fn variant(variant: syn::Variant, whole: &mut bool, errors: &mut Errors) -> Variant {
    let mut options = StateOptions::default();
    let (mut ons, mut afters) = (Vec::new(), Vec::new());
    for attr in &variant.attrs {
        match name(attr).as_str() {
            "state" => {
                *whole &= errors.none_in(|errors| read(attr, errors, |input, errors| options.read(input, errors)));
            }
            "on" => *whole &= errors.none_in(|errors| ons.extend(on::read(attr, errors))),
            "after" => afters.extend(after::read(attr, errors)),
            "fsm" => errors.at(attr, "`#[fsm(…)]` belongs on the enum; a state is described by `#[state(…)]`"),
            _ => {}
        }
    }
    for field in &variant.fields {
        for attr in &field.attrs {
            if let name @ ("fsm" | "state" | "on" | "after") = name(attr).as_str() {
                errors.at(
                    attr,
                    format!("`#[{name}(…)]` means nothing on a field: it belongs on the variant or the enum"),
                );
            }
        }
    }
    Variant { ident: variant.ident, attrs: variant.attrs, fields: variant.fields, options, ons, afters }
}

/// The attribute's name, if it is a single word.
fn name(attr: &Attribute) -> String {
    attr.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

/// The span of an attribute's brackets: where rustc shall point for the whole `#[on(…)]`.
fn span(attr: &Attribute) -> Span {
    attr.bracket_token.span.join()
}

/// Runs `content` over the arguments of `attr`.
fn read(
    attr: &Attribute,
    errors: &mut Errors,
    mut content: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    let parsed = attr.parse_args_with(|input: ParseStream<'_>| content(input, errors));
    if let Err(error) = parsed {
        errors.push(error);
    }
}

/// Reads comma-separated items; after one that is wrong it goes on with the next, so that all of them are reported.
fn items(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut item: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) -> syn::Result<()> {
    while !input.is_empty() {
        let read = item(input, errors).and_then(|()| {
            if input.is_empty() || input.peek(Token![,]) { Ok(()) } else { Err(input.error("expected `,`")) }
        });
        if let Err(error) = read {
            errors.push(error);
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// Takes a word, keyword or not.
fn word(input: ParseStream<'_>) -> syn::Result<Ident> {
    use syn::ext::IdentExt as _;
    Ident::parse_any(input)
}
