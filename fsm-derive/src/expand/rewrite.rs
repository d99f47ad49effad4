//! The user's tokens, moved from beside the enum into the generated module.

use proc_macro2::{Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

/// Where tokens are moved to, and what `Self` means where they come from.
pub(super) struct Move<'a> {
    /// How many modules further in.
    pub(super) depth: usize,
    /// The enum, as it is named there.
    pub(super) enum_ty: &'a TokenStream,
}

impl Move<'_> {
    /// `self::` and `super::` go up further, `Self` is named.
    pub(super) fn tokens(&self, tokens: impl ToTokens) -> TokenStream {
        let tokens: Vec<_> = tokens.to_token_stream().into_iter().collect();
        let mut out = TokenStream::new();
        for (i, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) if !after_colons(&tokens, i) => {
                    out.extend(self.ident(ident, colons(&tokens, i + 1)));
                }
                TokenTree::Group(group) => {
                    let mut moved = Group::new(group.delimiter(), self.tokens(group.stream()));
                    moved.set_span(group.span());
                    out.extend([TokenTree::Group(moved)]);
                }
                _ => out.extend([token.clone()]),
            }
        }
        out
    }

    /// A word that begins a path, or stands alone.
    fn ident(&self, ident: &Ident, path_follows: bool) -> TokenStream {
        let span = ident.span();
        let up = vec![Ident::new("super", span); self.depth];
        if ident == "super" {
            quote_spanned!(span=> #(#up::)* #ident)
        } else if ident == "self" && path_follows {
            quote_spanned!(span=> #(#up)::*)
        } else if ident == "Self" {
            let ty = respan(self.enum_ty.clone(), span);
            let generic =
                ty.clone().into_iter().any(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '<'));
            if path_follows && generic { quote_spanned!(span=> <#ty>) } else { ty }
        } else {
            ident.to_token_stream()
        }
    }
}

/// Whether one of `names` begins a path in `tokens`.
pub(super) fn mentions(tokens: impl ToTokens, names: &dyn Fn(&str) -> bool) -> bool {
    let tokens: Vec<_> = tokens.to_token_stream().into_iter().collect();
    tokens.iter().enumerate().any(|(i, token)| match token {
        TokenTree::Ident(ident) => !after_colons(&tokens, i) && !is_lifetime(&tokens, i) && names(&ident.to_string()),
        TokenTree::Group(group) => mentions(group.stream(), names),
        _ => false,
    })
}

/// Whether the lifetime `name` (without its quote) occurs in `tokens`.
pub(super) fn mentions_lifetime(tokens: impl ToTokens, name: &str) -> bool {
    let tokens: Vec<_> = tokens.to_token_stream().into_iter().collect();
    tokens.iter().enumerate().any(|(i, token)| match token {
        TokenTree::Ident(ident) => is_lifetime(&tokens, i) && ident == name,
        TokenTree::Group(group) => mentions_lifetime(group.stream(), name),
        _ => false,
    })
}

/// The same tokens, pointing at `span`.
pub(super) fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    let respanned = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::Group(Group::new(group.delimiter(), respan(group.stream(), span)));
        }
        token.set_span(span);
        token
    });
    respanned.collect()
}

/// `::` begins at `i`.
fn colons(tokens: &[TokenTree], i: usize) -> bool {
    let colon = |i: usize, joint: bool| {
        matches!(tokens.get(i), Some(TokenTree::Punct(punct))
            if punct.as_char() == ':' && (!joint || punct.spacing() == Spacing::Joint))
    };
    colon(i, true) && colon(i + 1, false)
}

fn after_colons(tokens: &[TokenTree], i: usize) -> bool {
    i.checked_sub(2).is_some_and(|before| colons(tokens, before))
}

fn is_lifetime(tokens: &[TokenTree], i: usize) -> bool {
    i.checked_sub(1)
        .and_then(|before| tokens.get(before))
        .is_some_and(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '\''))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn relative_paths_go_up() {
        let enum_ty = quote!(super::Server);
        let moved = Move { depth: 1, enum_ty: &enum_ty }
            .tokens(quote!(Vec<(self::A, super::B, crate::C, a::D, Box<Self>)>))
            .to_string();
        let expected = quote!(Vec<(super::A, super::super::B, crate::C, a::D, Box<super::Server>)>).to_string();
        assert_eq!(moved, expected);
    }

    #[test]
    fn only_the_beginning_of_a_path_is_mentioned() {
        let mentions = |tokens: TokenStream| mentions(tokens, &|name| name == "Running");
        assert!(mentions(quote!(Option<[Running; 2]>)));
        assert!(!mentions(quote!(&'Running std::Running)));
    }
}
