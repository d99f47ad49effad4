//! Paths and visibilities, as they read in the generated module and in the modules inside it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Path, Visibility};

use super::rewrite::Move;
use crate::model::Machine;

/// Paths of `fsm-core` and, with `durable`, of `fsm-runtime`, `depth` modules further in.
pub(super) fn libraries(machine: &Machine, depth: usize) -> (TokenStream, TokenStream) {
    let at = |path: &Path| at(path, depth);
    match (&machine.krate, machine.durable) {
        (Some(krate), Some(_)) => {
            let runtime = at(krate);
            (quote!(#runtime::core), runtime)
        }
        (Some(krate), None) => (at(krate), TokenStream::new()),
        (None, Some(_)) => (quote!(::fsm_runtime::core), quote!(::fsm_runtime)),
        (None, None) => (quote!(::fsm_core), TokenStream::new()),
    }
}

/// The visibility of the enum, seen from `depth` modules further in.
pub(super) fn visibility(vis: &Visibility, depth: usize) -> TokenStream {
    let up = vec![quote!(super); depth];
    let private = if depth == 1 { quote!(pub(super)) } else { quote!(pub(in #(#up)::*)) };
    match vis {
        Visibility::Public(public) => public.to_token_stream(),
        Visibility::Inherited => private,
        Visibility::Restricted(restricted) if restricted.path.is_ident("crate") => quote!(pub(crate)),
        Visibility::Restricted(restricted) if restricted.path.is_ident("self") => private,
        Visibility::Restricted(restricted) => {
            let path = at(&restricted.path, depth);
            quote!(pub(in #path))
        }
    }
}

/// A path without `Self`, `depth` modules further in.
fn at(path: &Path, depth: usize) -> TokenStream {
    Move { depth, enum_ty: &TokenStream::new() }.tokens(path)
}
