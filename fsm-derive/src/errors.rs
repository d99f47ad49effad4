//! The errors found in one declaration, gathered so that all of them are reported at once.

use crate::each::each;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};

/// The errors so far. [`finish`](Self::finish) reports them; dropped without it, they panic in tests.
#[derive(Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
    #[cfg(test)]
    finished: bool,
}

impl Errors {
    /// Adds an error at `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.found.push(syn::Error::new_spanned(tokens.to_token_stream(), message.to_string()));
    }

    /// Adds an error at `span`.
    pub(crate) fn at_span(&mut self, span: Span, message: impl std::fmt::Display) {
        self.found.push(syn::Error::new(span, message.to_string()));
    }

    /// Adds an error of the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Runs `step`, and returns whether it added no errors.
    pub(crate) fn none_in(&mut self, step: impl FnOnce(&mut Self)) -> bool {
        let before = self.found.len();
        step(self);
        self.found.len() == before
    }

    /// Ends the gathering.
    ///
    /// # Errors
    /// A `compile_error!` for each error, where there are any.
    pub(crate) fn finish(mut self) -> Result<(), TokenStream> {
        #[cfg(test)]
        {
            self.finished = true;
        }
        let found = std::mem::take(&mut self.found);
        if found.is_empty() {
            return Ok(());
        }
        let errors = each(&found, &syn::Error::to_compile_error);
        Err(quote!(#(#errors)*))
    }
}

#[cfg(test)]
impl Drop for Errors {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "errors were dropped without `finish`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finish_reports_each_error() {
        let mut errors = Errors::default();
        assert!(errors.none_in(|_| ()));
        assert!(!errors.none_in(|errors| errors.at_span(Span::call_site(), "one")));
        errors.at_span(Span::call_site(), "two");
        let reported = errors.finish().expect_err("there are two").to_string();
        assert_eq!(reported.matches("compile_error").count(), 2);
        assert!(Errors::default().finish().is_ok());
    }

    #[test]
    #[should_panic(expected = "errors were dropped without `finish`")]
    fn errors_that_are_never_reported_panic() {
        let mut errors = Errors::default();
        errors.at_span(Span::call_site(), "forgotten");
    }
}
