//! Parses the derive input into a declaration. Names are not resolved yet.

mod after;
mod by;
mod dialects;
mod expr;
mod fired_event;
mod fsm;
mod function;
mod history;
mod on;
mod saga;
mod state;
mod syntax;
mod waits;

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, Visibility};

pub(crate) use after::{After, Delay};
pub(crate) use fired_event::{FiredEvent, Value};
pub(crate) use fsm::{Options, Property, Require};
pub(crate) use function::{Check, Function, Guard};
pub(crate) use history::History;
pub(crate) use on::{On, OnEvent, Target, Targets};
pub(crate) use saga::{Saga, Uncertain, Undo};
pub(crate) use state::StateOptions;
pub(crate) use waits::{Quantity, Wait};

use crate::{errors::Errors, names::plain};

/// An annotated enum.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) generics: Generics,
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) options: Options,
    /// The `#[on(…)]` attributes of the enum itself.
    pub(crate) enum_ons: Vec<On>,
    pub(crate) variants: Vec<Variant>,
    /// The enum as it is written.
    pub(crate) source: TokenStream,
    /// Whether everything that defines the graph could be read.
    pub(crate) complete: bool,
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

/// Reads the declaration. Invalid parts are reported and left out.
pub(crate) fn declaration(input: DeriveInput, errors: &mut Errors) -> Declaration {
    let source = input.to_token_stream();
    let mut options = Options::default();
    let mut enum_ons = Vec::new();
    let mut complete = true;
    for attr in &input.attrs {
        match name(attr).as_str() {
            "fsm" => {
                let read =
                    syntax::read(attr, "#[fsm(initial = A)]", errors, &mut |input, errors| options.read(input, errors));
                options.has_initial |= read.is_none();
            }
            "on" => complete &= errors.none_in(|errors| enum_ons.extend(on::read(attr, errors))),
            other @ ("state" | "after" | "at") => {
                errors.at(attr, format!("`#[{other}(…)]` is not allowed on the enum: move it to a variant"));
            }
            _ => {}
        }
    }
    let variants = match input.data {
        Data::Enum(data) if data.variants.is_empty() => {
            errors.at(&input.ident, "a state machine needs at least one state: add a variant");
            Vec::new()
        }
        Data::Enum(data) => {
            let (mut names, mut variants) = (HashSet::new(), Vec::new());
            for variant in data.variants {
                if names.insert(plain(&variant.ident)) {
                    variants.push(self::variant(variant, &mut complete, errors));
                } else {
                    errors.at(&variant.ident, format!("state `{}` is declared twice: rename one", variant.ident));
                }
            }
            variants
        }
        Data::Struct(data) => not_an_enum(data.struct_token.span, errors),
        Data::Union(data) => not_an_enum(data.union_token.span, errors),
    };
    complete &= options.complete();
    Declaration {
        ident: input.ident,
        vis: input.vis,
        generics: input.generics,
        attrs: input.attrs,
        options,
        enum_ons,
        variants,
        source,
        complete,
    }
}

fn not_an_enum(span: Span, errors: &mut Errors) -> Vec<Variant> {
    errors.at_span(span, "`StateMachine` can only be derived for an enum: declare one variant per state");
    Vec::new()
}

fn variant(variant: syn::Variant, complete: &mut bool, errors: &mut Errors) -> Variant {
    let mut options = StateOptions::default();
    let (mut ons, mut afters) = (Vec::new(), Vec::new());
    for attr in &variant.attrs {
        match name(attr).as_str() {
            "state" => {
                *complete &= errors.none_in(|errors| {
                    syntax::read(attr, "#[state(end)]", errors, &mut |input, errors| options.read(input, errors));
                });
            }
            "on" => *complete &= errors.none_in(|errors| ons.extend(on::read(attr, errors))),
            "after" => afters.extend(after::read(attr, errors)),
            "at" => afters.extend(after::read_at(attr, errors)),
            "fsm" => {
                errors.at(attr, "`#[fsm(…)]` is not allowed on a variant: move it to the enum, or write `#[state(…)]`");
            }
            _ => {}
        }
    }
    let mut fields = variant.fields;
    remove_duplicates(&mut fields);
    for field in &fields {
        for attr in &field.attrs {
            let name = name(attr);
            let owner = match name.as_str() {
                "fsm" => "the enum",
                "on" => "the variant or the enum",
                "state" | "after" | "at" => "the variant",
                _ => continue,
            };
            errors.at(attr, format!("`#[{name}(…)]` is not allowed on a field: move it to {owner}"));
        }
    }
    Variant { ident: variant.ident, attrs: variant.attrs, fields, options, ons, afters }
}

/// Removes fields with a duplicate name, which rustc reports.
fn remove_duplicates(fields: &mut Fields) {
    if let Fields::Named(named) = fields {
        let mut names = HashSet::new();
        let fields = std::mem::take(&mut named.named);
        for field in fields {
            if names.insert(field.ident.as_ref().map(plain).unwrap_or_default()) {
                named.named.push(field);
            }
        }
    }
}

/// The attribute's name, or an empty string if it is a path.
fn name(attr: &Attribute) -> String {
    attr.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

/// The span of a whole attribute, from `[` to `]`.
fn span(attr: &Attribute) -> Span {
    attr.bracket_token.span.join()
}
