//! Code of the user's in an attribute: an expression, as tokens up to the comma after it.
//!
//! Whether it is one is for rustc to say. syn knows all expressions only with its feature
//! `full`, and takes twice as long to build then, for everybody who declares a machine.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::parse::ParseStream;

/// Takes an expression, which ends with a comma or with all; an empty one is left to the caller.
pub(super) fn expr(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut code = TokenStream::new();
    let mut generics = Generics::default();
    while !(input.is_empty() || input.peek(syn::Token![,]) && generics.depth == 0) {
        let token: TokenTree = input.parse()?;
        generics.follow(&token);
        code.extend([token]);
    }
    Ok(code)
}

/// How deep in `<…>` the code is, where a comma ends nothing: `Map::<K, V>::new()`, `<A as B<C, D>>::e()`.
#[derive(Default)]
struct Generics {
    depth: usize,
    before: Before,
}

/// What stands before a token.
#[derive(Default, PartialEq)]
enum Before {
    /// Nothing, or what no value ends with, so that `<` compares nothing.
    #[default]
    Open,
    /// The end of a value, or the first half of `<<`.
    Value,
    /// The first half of `->` or `=>`.
    Arrow,
}

impl Generics {
    fn follow(&mut self, token: &TokenTree) {
        let TokenTree::Punct(punct) = token else {
            self.before = Before::Value;
            return;
        };
        let joint = punct.spacing() == Spacing::Joint;
        match punct.as_char() {
            '<' if self.depth > 0 || self.before == Before::Open => self.depth += 1,
            '>' if self.before != Before::Arrow => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.before = match punct.as_char() {
            '-' | '=' if joint => Before::Arrow,
            '<' if joint && self.depth == 0 => Before::Value,
            '?' => Before::Value,
            '>' if self.depth == 0 && self.before != Before::Open => Before::Value,
            _ => Before::Open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::{Token, parse::Parser as _};

    /// The expressions of a list, as they are split.
    fn split(text: &str) -> Vec<String> {
        let all = |input: ParseStream<'_>| {
            let mut all = Vec::new();
            while !input.is_empty() {
                all.push(crate::text::of(&expr(input)?));
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(all)
        };
        all.parse_str(text).expect("it is a list")
    }

    #[test]
    fn an_expression_ends_with_a_comma_that_is_not_inside_it() {
        for (text, count) in [
            ("1, 2", 2),
            ("Map::<K, V>::new(), 2", 2),
            ("Map::<K, Vec<V>>::new(), 2", 2),
            ("<A as B<C, D>>::e(), 2", 2),
            ("f::<fn(A, B) -> C, D>(), 2", 2),
            ("a < b, c > d", 2),
            ("1 << 2, 3 >> 4", 2),
            ("a <= b, c => d", 2),
            ("x? < 1, y", 2),
            ("if a < 1 { b } else { c }, match d { 1 => 2, _ => 3 }, e.map(|f| f + 1)", 3),
            ("[1, 2, 3], { let a = (1, 2); a }", 2),
        ] {
            assert_eq!(split(text).len(), count, "{text}: {:?}", split(text));
        }
    }
}
