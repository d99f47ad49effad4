//! The errors found in one declaration, gathered so that all of them are reported at once.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// All that is wrong so far.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Something is wrong at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// Something is wrong at `span`.
    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new(span, message));
    }

    /// The parser found something wrong.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs `step`, and says whether it went without errors.
    pub(crate) fn none_in(&mut self, step: impl FnOnce(&mut Self)) -> bool {
        let before = self.0.len();
        step(self);
        self.0.len() == before
    }

    /// A `compile_error!` for each.
    pub(crate) fn to_tokens(&self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}
