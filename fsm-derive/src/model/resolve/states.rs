//! Converts a variant to a state: its fields, names and docs.

use syn::{Attribute, Expr, ExprLit, Fields, Index, Lit, Member, Meta};

use crate::{
    each::each,
    model::{Field, Kind, Shape, State, plain},
    parse::Variant,
};

/// The state that a variant declares. Attributes that refer to other items are resolved later.
pub(super) fn state(variant: &Variant) -> State {
    let (shape, fields) = match &variant.fields {
        Fields::Named(fields) => (Shape::Struct, fields.named.iter().enumerate().map(field).collect()),
        Fields::Unnamed(fields) => (Shape::Tuple, fields.unnamed.iter().enumerate().map(field).collect()),
        Fields::Unit => (Shape::Unit, Vec::new()),
    };
    let options = &variant.options;
    State {
        ident: variant.ident.clone(),
        ty: options.ty.as_ref().unwrap_or(&variant.ident).clone(),
        name: options.name.as_ref().map_or_else(|| plain(&variant.ident), syn::LitStr::value),
        doc: doc(&variant.attrs),
        attrs: variant.attrs.clone(),
        kind: Kind::Rest,
        initial: false,
        remove: false,
        was: each(&options.was, &syn::LitStr::value),
        group: None,
        shape,
        fields,
        timers: Vec::new(),
        exhausted: None,
        checkpoint: None,
        enter: options.enter.clone(),
        waits: Vec::new(),
        step: None,
        undoes: None,
        unresolved: false,
    }
}

/// Converts a field of a variant or a payload.
pub(super) fn field((index, field): (usize, &syn::Field)) -> Field {
    let member = match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(Index {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            span: syn::spanned::Spanned::span(&field.ty),
        }),
    };
    Field { member, attrs: field.attrs.clone(), ty: field.ty.clone(), history: None }
}

/// The text of the doc comments, without the space that `///` leaves before each line.
pub(super) fn doc(attrs: &[Attribute]) -> String {
    let lines = attrs.iter().filter(|attr| attr.path().is_ident("doc")).filter_map(|attr| match &attr.meta {
        Meta::NameValue(meta) => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    text.join("\n").trim().to_owned()
}
