//! Attributes of the user's, as generated items have them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Meta};

/// The attribute on a copy of the item that has it. The examples in a doc comment are tests of the user's item alone, so a copy has none
/// while rustdoc collects tests.
pub(super) fn copied(attr: &Attribute) -> TokenStream {
    if attr.path().is_ident("doc") {
        let meta = &attr.meta;
        quote!(#[cfg_attr(not(doctest), #meta)])
    } else {
        attr.to_token_stream()
    }
}

/// The levels of lints among `attrs` that `names` lists. What is generated need not cause the lint, so `expect` becomes `allow`.
pub(super) fn lints(attrs: &[Attribute], names: &[&str]) -> TokenStream {
    let mut levels = Vec::new();
    for attr in attrs {
        let (Some(name), Meta::List(list)) = (attr.path().get_ident(), &attr.meta) else { continue };
        let lints = &list.tokens;
        if names.iter().any(|known| name == known) {
            levels.push(if name == "expect" { quote!(#[allow(#lints)]) } else { quote!(#[#name(#lints)]) });
        }
    }
    quote!(#(#levels)*)
}
