//! Prints types with the same spacing on every compiler; `proc_macro` does not specify the spacing of `to_string`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Prints `Vec < & 'a str >` as `Vec<&'a str>`.
pub(crate) fn of(tokens: &impl ToTokens) -> String {
    let mut text = Text::default();
    text.stream(tokens.to_token_stream());
    text.out
}

#[derive(Default)]
struct Text {
    out: String,
    /// The last token was an identifier or a literal, so that another needs a space before it.
    word: bool,
    /// The next token joins the last, as the name of a lifetime joins its quote.
    joint: bool,
}

impl Text {
    fn stream(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::Brace => ("{ ", " }"),
                        Delimiter::None => ("", ""),
                    };
                    self.out.push_str(open);
                    self.word &= open.is_empty();
                    self.stream(group.stream());
                    self.out.push_str(close);
                    self.word |= !close.is_empty();
                }
                TokenTree::Punct(punct) => self.punct(punct.as_char(), punct.spacing()),
                TokenTree::Ident(ident) => self.word(&ident.to_string()),
                TokenTree::Literal(literal) => self.word(&literal.to_string()),
            }
        }
    }

    fn word(&mut self, word: &str) {
        if self.word && !self.joint {
            self.out.push(' ');
        }
        self.out.push_str(word);
        (self.word, self.joint) = (true, false);
    }

    fn punct(&mut self, punct: char, spacing: Spacing) {
        match punct {
            '\'' => {
                if self.word {
                    self.out.push(' ');
                }
                self.out.push('\'');
                self.joint = true;
                return;
            }
            ',' | ';' => {
                self.out.push(punct);
                self.out.push(' ');
            }
            '=' | '+' => {
                self.out.push(' ');
                self.out.push(punct);
                self.out.push(' ');
            }
            '-' if spacing == Spacing::Joint => self.out.push_str(" -"),
            '>' if self.out.ends_with('-') => self.out.push_str("> "),
            _ => self.out.push(punct),
        }
        (self.word, self.joint) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_types_as_rustfmt_does() {
        for text in [
            "u8",
            "Vec<&'a str>",
            "&'a mut str",
            "HashMap<String, [u8; 4]>",
            "Box<dyn Fn(u8) -> u8 + Send>",
            "::std::net::IpAddr",
            "<T as Iterator>::Item",
            "(u8, i64)",
        ] {
            let ty: syn::Type = syn::parse_str(text).expect("it is a type");
            assert_eq!(of(&ty), text);
        }
    }
}
