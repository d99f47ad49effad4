//! The saga of a machine: `saga(undone = State)` on the enum, `undo = State` and `uncertain = undo` on a state, and the target `undo`.

use proc_macro2::{Ident, Span};
use syn::{Token, ext::IdentExt as _, parse::ParseStream};

use super::syntax;

/// `saga(undone = State)`.
pub(crate) struct Saga {
    /// The span of `saga`.
    pub(crate) span: Span,
    /// The end state of a saga that was undone.
    pub(crate) undone: Ident,
}

/// `undo = State` or `undo = none`.
pub(crate) struct Undo {
    /// The span of `undo`.
    pub(crate) span: Span,
    /// The compensation. `None` stands for `none`.
    pub(crate) by: Option<Ident>,
}

/// `uncertain = undo` or `uncertain = skip`.
#[derive(Clone, Copy)]
pub(crate) struct Uncertain {
    /// The span of `uncertain`.
    pub(crate) span: Span,
    /// Whether the step that was interrupted is undone, too.
    pub(crate) undo: bool,
}

/// Whether the target `undo` follows.
pub(super) fn begins(input: ParseStream<'_>) -> bool {
    input.fork().call(Ident::parse_any).is_ok_and(|word| word == "undo")
}

/// Reads the target `undo`.
pub(super) fn target(input: ParseStream<'_>) -> syn::Result<Ident> {
    let undo = syntax::word(input)?;
    if input.peek(Token![|]) { Err(not_combined(input.span())) } else { Ok(undo) }
}

/// The error about another target beside `undo`.
pub(super) fn not_combined(span: Span) -> syn::Error {
    let message = "`undo` cannot be combined with other targets: write an `#[on(…)]` with an event of its own for each";
    syn::Error::new(span, message)
}

/// Reads `(undone = State)`.
pub(super) fn saga(input: ParseStream<'_>, key: &Ident) -> syn::Result<Saga> {
    syntax::inside(input, key, "undone = State", |input| {
        let missing =
            || format!("missing `undone`: expected `{key}(undone = State)`, the end state of a saga that was undone");
        if input.is_empty() {
            return Err(syn::Error::new(key.span(), missing()));
        }
        let option = syntax::word(input)?;
        if option != "undone" {
            return Err(syn::Error::new(option.span(), missing()));
        }
        syntax::equals(input, &option, "State")?;
        let undone = syntax::state(input)?;
        if !input.is_empty() {
            return Err(input.error(format!("expected `{key}(undone = {undone})`")));
        }
        Ok(Saga { span: key.span(), undone })
    })
}

/// Reads `= State` or `= none`.
pub(super) fn undo(input: ParseStream<'_>, key: &Ident) -> syn::Result<Undo> {
    syntax::equals(input, key, "State")?;
    let state = syntax::state(input)?;
    Ok(Undo { span: key.span(), by: (state != "none").then_some(state) })
}

/// Reads `= undo` or `= skip`.
pub(super) fn uncertain(input: ParseStream<'_>, key: &Ident) -> syn::Result<Uncertain> {
    syntax::equals(input, key, "undo")?;
    let value = input.call(Ident::parse_any)?;
    let undo = value == "undo";
    if undo || value == "skip" {
        return Ok(Uncertain { span: key.span(), undo });
    }
    let message = format!(
        "unknown value `{value}` of `{key}`: expected `{key} = undo`, which undoes the interrupted step too, or `{key} = skip`"
    );
    Err(syn::Error::new(value.span(), message))
}
