//! The types of the fields that are stored have serde's traits: each type is checked once, at the user's tokens.
//!
//! serde's derives report a type without them several times, some of them at the derive. So the fields have explicit bounds, which silence
//! the derives, and every bound is true for the code around it, because `__Stored` is implemented for each type. What is wrong with a
//! type is then an error of that `impl` alone. Types of `std` have no bound, so that documentation stays short.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, GenericArgument, LitStr, Meta, PathArguments, Type, spanned::Spanned};

use super::super::serde::is_serde;
use crate::{
    model::{Event, Field},
    normalize::Cx,
};

/// The types to check, as they read in the module, each once.
pub(in super::super) struct StoredTypes {
    types: Vec<TokenStream>,
    /// Their texts.
    texts: Vec<String>,
    /// Whether fields are checked at all.
    enabled: bool,
}

impl StoredTypes {
    pub(in super::super) fn new(cx: &Cx<'_>) -> Self {
        let mut stored = Self { types: Vec::new(), texts: Vec::new(), enabled: is_enabled(cx) };
        if !stored.enabled {
            return stored;
        }
        for (index, state) in cx.machine.states.iter().enumerate() {
            let checked = state.fields.iter().filter(|field| is_checked(field));
            checked.for_each(|field| stored.add(cx.state_field_ty(index, field)));
        }
        for event in &cx.machine.events {
            let checked = event.fields.iter().filter(|field| is_checked(field));
            checked.for_each(|field| stored.add(cx.event_field_ty(event, field, 1)));
        }
        stored
    }

    fn add(&mut self, ty: TokenStream) {
        let text = ty.to_string();
        if !self.texts.contains(&text) {
            self.types.push(ty);
            self.texts.push(text);
        }
    }

    /// `__Stored`, and its implementation for each type.
    fn expand(&self, cx: &Cx<'_>) -> TokenStream {
        if self.types.is_empty() {
            return TokenStream::new();
        }
        let serde = {
            let runtime = &cx.runtime;
            quote!(#runtime::__private::serde)
        };
        let impls = self.types.iter().enumerate().map(|(index, ty)| quote!(impl __Stored<'_, #index> for #ty {}));
        quote! {
            /// A type of a field, with its number.
            #[doc(hidden)]
            pub trait __Stored<'a, const TYPE: usize>: #serde::Serialize + #serde::de::DeserializeOwned {}
            #(#impls)*
        }
    }

    /// The attribute of a field of a state's struct.
    pub(in super::super) fn of_state(&self, cx: &Cx<'_>, index: usize, field: &Field) -> Option<TokenStream> {
        self.is_checked(field)
            .then(|| cx.state_field_ty(index, field))
            .and_then(|ty| self.bound(field, &ty, &ty, "__Stored"))
    }

    /// The attribute of a field of an event's struct.
    pub(in super::super) fn of_event(&self, cx: &Cx<'_>, event: &Event, field: &Field) -> Option<TokenStream> {
        let at = |depth| cx.event_field_ty(event, field, depth);
        self.is_checked(field)
            .then(|| (at(1), at(2)))
            .and_then(|(key, ty)| self.bound(field, &key, &ty, "super::__Stored"))
    }

    fn is_checked(&self, field: &Field) -> bool {
        self.enabled && is_checked(field)
    }

    /// `#[serde(bound = "…")]`, at the tokens of the type; `key` is the type as it reads in the module, and `ty` as the struct has it.
    fn bound(&self, field: &Field, key: &TokenStream, ty: &TokenStream, stored: &str) -> Option<TokenStream> {
        let key = key.to_string();
        let index = self.texts.iter().position(|text| *text == key)?;
        let predicate = format!("for<'__stored> {ty}: {stored}<'__stored, {index}>");
        let predicate = LitStr::new(&predicate, field.ty.span());
        Some(quote!(#[serde(bound = #predicate)]))
    }
}

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    StoredTypes::new(cx).expand(cx)
}

/// Whether the types of fields are checked: a derive of another crate could read serde's attribute.
fn is_enabled(cx: &Cx<'_>) -> bool {
    const STD: [&str; 9] = ["Clone", "Copy", "Debug", "Default", "Eq", "Hash", "Ord", "PartialEq", "PartialOrd"];
    let derives = &cx.machine.derives;
    let is_std = |path: &syn::Path| path.segments.last().is_some_and(|last| STD.iter().any(|std| last.ident == std));
    cx.durable()
        && derives.iter().all(|path| is_serde(path) || is_std(path))
        && derives.iter().filter(|path| is_serde(path)).count() == 2
}

/// Whether the type of a field needs serde's traits, which an attribute can change.
fn is_checked(field: &Field) -> bool {
    !of_std(&field.ty)
        && field.attrs.iter().all(harmless)
        // `$crate` cannot be written in a string.
        && !field.ty.to_token_stream().to_string().contains('$')
}

/// Whether serde needs the same of a field's type with the attribute as without it.
fn harmless(attr: &Attribute) -> bool {
    const NAMES: [&str; 3] = ["alias", "default", "rename"];
    match &attr.meta {
        Meta::List(list) if attr.path().is_ident("serde") => {
            let mut words = list.tokens.clone().into_iter();
            words.all(|token| !matches!(&token, TokenTree::Ident(ident) if !NAMES.iter().any(|name| ident == name)))
        }
        _ => !attr.path().is_ident("cfg") && !attr.path().is_ident("cfg_attr"),
    }
}

/// Whether a type is one of the most common ones, which have serde's traits.
fn of_std(ty: &Type) -> bool {
    const PLAIN: [&str; 16] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "String", "u8", "u16", "u32", "u64",
        "usize",
    ];
    const OF_ONE: [&str; 3] = ["Box", "Option", "Vec"];
    let Type::Path(path) = ty else { return false };
    let Some(ident) = path.path.segments.last().filter(|_| path.qself.is_none() && path.path.segments.len() == 1)
    else {
        return false;
    };
    match &ident.arguments {
        PathArguments::None => PLAIN.iter().any(|name| ident.ident == name),
        PathArguments::AngleBracketed(args) => {
            OF_ONE.iter().any(|name| ident.ident == name)
                && args.args.iter().all(|arg| matches!(arg, GenericArgument::Type(ty) if of_std(ty)))
        }
        PathArguments::Parenthesized(_) => false,
    }
}
