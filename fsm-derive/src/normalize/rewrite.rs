//! Rewrites tokens of the user's that move from beside the enum into the generated module.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

use crate::idents::{after_colons, colons};

/// Where tokens move to, and what `Self` means where they come from.
pub(super) struct Move<'a> {
    /// The number of modules further in.
    pub(super) depth: usize,
    /// The enum, as it is written there.
    pub(super) enum_ty: &'a TokenStream,
}

impl Move<'_> {
    /// Extends `self::` and `super::`, and replaces `Self` by the enum.
    pub(super) fn tokens(&self, tokens: &dyn ToTokens) -> TokenStream {
        if self.depth == 0 {
            return tokens.to_token_stream();
        }
        let tokens: Vec<_> = tokens.to_token_stream().into_iter().collect();
        let mut out = TokenStream::new();
        for (i, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) if !after_colons(&tokens, i) => {
                    out.extend(self.ident(ident, colons(&tokens, i + 1)));
                }
                TokenTree::Group(group) => {
                    let mut moved = Group::new(group.delimiter(), self.tokens(&group.stream()));
                    moved.set_span(group.span());
                    out.extend([TokenTree::Group(moved)]);
                }
                _ => out.extend([token.clone()]),
            }
        }
        out
    }

    /// An identifier that begins a path or stands alone.
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

/// The same tokens with the span `span`.
pub(crate) fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    let mut respanned = TokenStream::new();
    for mut token in tokens {
        if let TokenTree::Group(group) = &token {
            token = TokenTree::Group(Group::new(group.delimiter(), respan(group.stream(), span)));
        }
        token.set_span(span);
        token.to_tokens(&mut respanned);
    }
    respanned
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn relative_paths_go_up() {
        let enum_ty = quote!(super::Server);
        let moved = Move { depth: 1, enum_ty: &enum_ty }
            .tokens(&quote!(Vec<(self::A, super::B, crate::C, a::D, Box<Self>)>))
            .to_string();
        let expected = quote!(Vec<(super::A, super::super::B, crate::C, a::D, Box<super::Server>)>).to_string();
        assert_eq!(moved, expected);
    }
}
