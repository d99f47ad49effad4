//! `event { field: value }`: an event that is fired for a state.

use syn::{FieldValue, Ident, Member, Token, braced, parse::ParseStream, punctuated::Punctuated, token};

use super::words;

/// An event with its payload.
pub(crate) struct Fires {
    pub(crate) event: Ident,
    pub(crate) payload: Vec<FieldValue>,
}

impl Fires {
    pub(super) fn read(input: ParseStream<'_>) -> syn::Result<Self> {
        let event = words::event(input)?;
        let mut payload = Vec::new();
        if input.peek(token::Brace) {
            let content;
            braced!(content in input);
            payload.extend(Punctuated::<FieldValue, Token![,]>::parse_terminated(&content)?);
        }
        for value in &payload {
            if let Member::Unnamed(_) = value.member {
                return Err(syn::Error::new_spanned(value, "a payload's fields have names: `event { field: value }`"));
            }
        }
        Ok(Self { event, payload })
    }
}
