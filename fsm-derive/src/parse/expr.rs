//! An expression in an attribute, as the tokens up to the comma after it.
//!
//! rustc reports an invalid expression. syn parses expressions only with its feature `full`, which doubles its build time
//! for every crate that declares a machine.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::parse::ParseStream;

/// Reads an expression, up to a comma or the end of the input. The result may be empty.
pub(super) fn expr(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    until(input, |_| false)
}

/// The same, also up to where `stop` is true.
pub(super) fn until(input: ParseStream<'_>, stop: impl Fn(ParseStream<'_>) -> bool) -> syn::Result<TokenStream> {
    let mut code = TokenStream::new();
    let mut generics = Generics::default();
    while !(input.is_empty() || input.peek(syn::Token![,]) && generics.depth == 0 || stop(input)) {
        let token: TokenTree = input.parse()?;
        generics.follow(&token);
        code.extend([token]);
    }
    Ok(code)
}

/// The nesting depth in `<…>`, where a comma does not end the expression: `Map::<K, V>::new()`, `<A as B<C, D>>::e()`.
#[derive(Default)]
struct Generics {
    depth: usize,
    before: Before,
}

/// What precedes a token.
#[derive(Default, PartialEq)]
enum Before {
    /// Nothing, or a token that cannot end a value, so that `<` is not a comparison.
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

    /// Splits a list into its expressions.
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
    fn only_an_outer_comma_ends_an_expression() {
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
