//! From tokens to a declaration: what the user wrote, with nothing resolved yet.

mod after;
mod expr;
mod fired_event;
mod fsm;
mod on;
mod state;
mod syntax;

use std::collections::HashSet;

use proc_macro2::Span;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Generics, Ident, Visibility, ext::IdentExt as _};

pub(crate) use after::{After, Delay};
pub(crate) use fired_event::{FiredEvent, Value};
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
            "fsm" => {
                let read =
                    syntax::read(attr, "#[fsm(initial = A)]", errors, |input, errors| options.read(input, errors));
                options.says_initial |= read.is_none();
            }
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
            let mut names = HashSet::new();
            let (once, again): (Vec<_>, Vec<_>) =
                data.variants.into_iter().partition(|variant| names.insert(variant.ident.unraw()));
            for variant in again {
                errors.at(&variant.ident, format!("`{}` is declared twice: rename one", variant.ident));
            }
            once.into_iter().map(|variant| self::variant(variant, &mut whole, errors)).collect()
        }
        Data::Struct(data) => not_an_enum(data.struct_token.span, errors),
        Data::Union(data) => not_an_enum(data.union_token.span, errors),
    };
    whole &= options.whole();
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
                *whole &= errors.none_in(|errors| {
                    syntax::read(attr, "#[state(end)]", errors, |input, errors| options.read(input, errors));
                });
            }
            "on" => *whole &= errors.none_in(|errors| ons.extend(on::read(attr, errors))),
            "after" => afters.extend(after::read(attr, errors)),
            "fsm" => errors.at(attr, "`#[fsm(…)]` belongs on the enum; a state is described by `#[state(…)]`"),
            _ => {}
        }
    }
    let mut fields = variant.fields;
    once(&mut fields);
    for field in &fields {
        for attr in &field.attrs {
            if let name @ ("fsm" | "state" | "on" | "after") = name(attr).as_str() {
                errors.at(
                    attr,
                    format!("`#[{name}(…)]` means nothing on a field: it belongs on the variant or the enum"),
                );
            }
        }
    }
    Variant { ident: variant.ident, attrs: variant.attrs, fields, options, ons, afters }
}

/// Leaves out what has a name for the second time: rustc reports it.
fn once(fields: &mut Fields) {
    if let Fields::Named(named) = fields {
        let mut names = HashSet::new();
        let fields = std::mem::take(&mut named.named);
        named.named =
            fields.into_iter().filter(|field: &Field| names.insert(field.ident.as_ref().map(Ident::unraw))).collect();
    }
}

/// The attribute's name, if it is a single word.
fn name(attr: &Attribute) -> String {
    attr.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

/// The span of an attribute's brackets: where rustc shall point for the whole `#[on(…)]`.
fn span(attr: &Attribute) -> Span {
    attr.bracket_token.span.join()
}
