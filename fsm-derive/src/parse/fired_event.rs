//! `event { field: value }`: an event fired by a timer or by `exhausted`.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Attribute, Ident, Lit, Token, braced, parse::ParseStream, token};

use super::{expr::expr, syntax};

/// An event with its payload.
pub(crate) struct FiredEvent {
    pub(crate) event: Ident,
    pub(crate) payload: Vec<Value>,
}

/// A field of a payload, with the expression for its value.
pub(crate) struct Value {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) field: Ident,
    pub(crate) code: TokenStream,
}

impl FiredEvent {
    pub(super) fn read(input: ParseStream<'_>) -> syn::Result<Self> {
        let event = syntax::event(input)?;
        let mut payload = Vec::new();
        if input.peek(token::Brace) {
            let content;
            braced!(content in input);
            payload = syntax::list(&content, &value)?;
        }
        Ok(Self { event, payload })
    }
}

fn value(input: ParseStream<'_>) -> syn::Result<Value> {
    let attrs = input.call(Attribute::parse_outer)?;
    if input.peek(Lit) {
        return Err(input.error("payload fields must be named: expected `event { field: value }`"));
    }
    let field: Ident = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        let code = field.to_token_stream();
        return Ok(Value { attrs, field, code });
    }
    input.parse::<Token![:]>()?;
    let code = expr(input)?;
    if code.is_empty() {
        return Err(syn::Error::new(
            field.span(),
            format!("missing value for field `{field}`: expected `{field}: value`"),
        ));
    }
    Ok(Value { attrs, field, code })
}
