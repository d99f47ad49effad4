//! Random changes to the tokens of a declaration never cause a panic.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use proptest::{prelude::*, sample::Index};
use quote::quote;

fn generic() -> TokenStream {
    quote! {
        /// Docs.
        #[fsm(initial = A | B, derive(Clone), version = 2, module = m, group(G, on(g => D)), require(reaches(A, D)))]
        #[on(x { f: u8 } => D, except(C), auto)]
        pub enum M<'a, T: Clone = u8> where T: Copy {
            #[on(a { t: T } => B, guard = p::q)]
            #[state(in = G, name = "a", was = "b")]
            A,
            #[on(b => A | C, with = Self::w)]
            #[after("5m", b)]
            B { t: T },
            #[state(work)]
            #[on(c { s: &'a str } => D)]
            #[on(d { again: (u8, T) } => C, with = Self::again)]
            C(&'a str, T),
            #[state(end, remove)]
            D,
        }
    }
}

fn durable() -> TokenStream {
    quote! {
        #[fsm(initial = A, durable, derive(Serialize, Deserialize), crate = super::runtime)]
        enum M {
            #[on(go { at: u8 } => B, auto)]
            A,
            #[state(work, exhausted = fail { why: error.to_string() })]
            #[on(fail { why: String } => F)]
            #[after(LIMIT, fail { why: String::new() })]
            B { at: u8 },
            #[on(go => B)]
            F { why: String },
        }
    }
}

/// The number of tokens, including those in groups.
fn count(tokens: TokenStream) -> usize {
    let in_group = |token: &TokenTree| if let TokenTree::Group(group) = token { count(group.stream()) } else { 0 };
    tokens.into_iter().map(|token| 1 + in_group(&token)).sum()
}

fn nth(tokens: TokenStream, at: &mut usize) -> Option<TokenTree> {
    for token in tokens {
        if *at == 0 {
            return Some(token);
        }
        *at -= 1;
        if let TokenTree::Group(group) = &token
            && let Some(found) = nth(group.stream(), at)
        {
            return Some(found);
        }
    }
    None
}

/// Applies `change` to the token at index `at`.
fn changed(tokens: TokenStream, at: &mut usize, change: &dyn Fn(TokenTree) -> TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    for token in tokens {
        let here = *at == 0;
        *at = at.wrapping_sub(1);
        match token {
            token if here => out.extend(change(token)),
            TokenTree::Group(group) => {
                let inner = changed(group.stream(), at, change);
                out.extend([TokenTree::Group(Group::new(group.delimiter(), inner))]);
            }
            token => out.extend([token]),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn random_tokens_do_not_panic(use_durable: bool, edits in prop::collection::vec((0_u8..5, any::<Index>(), any::<Index>()), 1..6)) {
        let mut tokens = if use_durable { durable() } else { generic() };
        for (kind, at, other) in edits {
            let count = count(tokens.clone());
            prop_assume!(count > 0);
            let other = nth(tokens.clone(), &mut other.index(count));
            let change = |token: TokenTree| match kind {
                0 => TokenStream::new(),
                1 => [token.clone(), token].into_iter().collect(),
                2 => other.clone().into_iter().collect(),
                3 => [token].into_iter().chain(other.clone()).collect(),
                _ => [TokenTree::Group(Group::new(Delimiter::Parenthesis, [token].into_iter().collect()))].into_iter().collect(),
            };
            tokens = changed(tokens, &mut at.index(count), &change);
        }
        if let Ok(input) = syn::parse2(tokens) {
            let expansion = crate::derive(input).to_string();
            prop_assert!(!expansion.contains("a bug in the derive"), "{}", expansion);
        }
    }
}

#[test]
fn unchanged_declarations_are_valid() {
    for declaration in [generic(), durable()] {
        let expansion = crate::derive(syn::parse2(declaration).expect("it is an enum")).to_string();
        assert!(!expansion.contains("compile_error"), "{expansion}");
    }
}
