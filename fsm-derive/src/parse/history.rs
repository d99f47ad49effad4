//! `history(Superstate)` and `history(Superstate, deep)`, a target: the state of the superstate that was left.

use proc_macro2::{Ident, Span};
use syn::{Token, ext::IdentExt as _, parse::ParseStream, token};

use super::syntax;

/// A target of the form `history(Superstate)`.
pub(crate) struct History {
    /// The span of `history`.
    pub(crate) span: Span,
    pub(crate) group: Ident,
    /// Whether it leads into superstates inside the superstate.
    pub(crate) deep: bool,
}

/// Whether a target of this form follows. A state can be called `history`, too.
pub(super) fn begins(input: ParseStream<'_>) -> bool {
    let word = input.fork().call(Ident::parse_any);
    word.is_ok_and(|word| word == "history") && input.peek2(token::Paren)
}

pub(super) fn read(input: ParseStream<'_>) -> syn::Result<History> {
    let key = syntax::word(input)?;
    let history = syntax::inside(input, &key, "Superstate", |input| {
        if input.is_empty() {
            return Err(syn::Error::new(key.span(), "missing superstate: expected `history(Superstate)`"));
        }
        let group = syntax::state(input)?;
        let mut deep = false;
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let option = syntax::word(input)?;
            if option != "deep" {
                let message = format!(
                    "unknown option `{option}` in `history(…)`: expected `history({group})` or `history({group}, deep)`"
                );
                return Err(syn::Error::new(option.span(), message));
            }
            deep = true;
        }
        Ok(History { span: key.span(), group, deep })
    })?;
    if input.peek(Token![|]) {
        return Err(not_combined(input.span()));
    }
    Ok(history)
}

/// The error about another target beside `history(…)`.
pub(super) fn not_combined(span: Span) -> syn::Error {
    let message = "`history(…)` cannot be combined with other targets: write an `#[on(…)]` with an event of its own for each, or list \
                   the states, `A | B`, and choose in a `with`";
    syn::Error::new(span, message)
}
