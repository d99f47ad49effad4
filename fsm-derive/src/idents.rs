//! The identifiers in tokens.

use proc_macro2::{Ident, Spacing, TokenTree};
use quote::ToTokens;

/// Whether one of `names` begins a path in `tokens`.
pub(crate) fn mentions(tokens: &dyn ToTokens, names: &dyn Fn(&str) -> bool) -> bool {
    mentioned(tokens).iter().any(|word| names(&word.to_string()))
}

/// The identifiers that begin a path in `tokens`, or stand alone.
pub(crate) fn mentioned(tokens: &dyn ToTokens) -> Vec<Ident> {
    let tokens: Vec<_> = tokens.to_token_stream().into_iter().collect();
    let mut words = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) if !after_colons(&tokens, i) && !is_lifetime(&tokens, i) => {
                words.push(ident.clone());
            }
            TokenTree::Group(group) => words.extend(mentioned(&group.stream())),
            _ => {}
        }
    }
    words
}

/// Whether the lifetime `name` (without its quote) occurs in `tokens`.
pub(crate) fn mentions_lifetime(tokens: &dyn ToTokens, name: &str) -> bool {
    let tokens: Vec<_> = tokens.to_token_stream().into_iter().collect();
    tokens.iter().enumerate().any(|(i, token)| match token {
        TokenTree::Ident(ident) => is_lifetime(&tokens, i) && ident == name,
        TokenTree::Group(group) => mentions_lifetime(&group.stream(), name),
        _ => false,
    })
}

/// The identifiers in alphabetical order, each once.
pub(crate) fn distinct(idents: Vec<Ident>) -> Vec<Ident> {
    let mut sorted: Vec<Ident> = Vec::new();
    for ident in idents {
        if let Err(place) = sorted.binary_search(&ident) {
            sorted.insert(place, ident);
        }
    }
    sorted
}

/// `::` begins at `i`.
pub(crate) fn colons(tokens: &[TokenTree], i: usize) -> bool {
    let colon = |i: usize, joint: bool| {
        matches!(tokens.get(i), Some(TokenTree::Punct(punct))
            if punct.as_char() == ':' && (!joint || punct.spacing() == Spacing::Joint))
    };
    colon(i, true) && colon(i + 1, false)
}

/// The identifier at `i` continues a path.
pub(crate) fn after_colons(tokens: &[TokenTree], i: usize) -> bool {
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
    use proc_macro2::TokenStream;
    use quote::quote;

    #[test]
    fn only_the_beginning_of_a_path_is_mentioned() {
        let mentions = |tokens: TokenStream| mentions(&tokens, &|name| name == "Running");
        assert!(mentions(quote!(Option<[Running; 2]>)));
        assert!(!mentions(quote!(&'Running std::Running)));
    }
}
