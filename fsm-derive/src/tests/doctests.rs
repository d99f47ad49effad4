//! The examples in the user's doc comments are tests of the enum alone: copies of them are absent while rustdoc collects tests.

use quote::ToTokens as _;
use syn::{Attribute, visit::Visit};

use super::graphs::expansion::errors;

/// The doc comments that remain while rustdoc collects tests, and the number of the others.
#[derive(Default)]
struct Docs {
    tested: Vec<String>,
    untested: usize,
}

impl<'ast> Visit<'ast> for Docs {
    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        let text = attr.to_token_stream().to_string();
        if text.replace(' ', "").contains("not(doctest)") {
            self.untested += usize::from(text.contains("example"));
        } else if attr.path().is_ident("doc") {
            self.tested.push(text);
        }
    }
}

#[test]
fn copies_of_examples_are_not_tested() {
    let expanded = crate::derive(syn::parse_quote! {
        /// A lamp.
        ///
        /// ```
        /// let example = 1;
        /// ```
        #[fsm(initial = Off, durable, derive(Serialize, Deserialize))]
        pub enum Lamp {
            /// ```
            /// let example = 2;
            /// ```
            #[on(flip { volts: u8 } => On)]
            Off,
            #[doc = include_str!("example.md")]
            #[state(work)]
            #[on(stop => Off)]
            On {
                /// ```
                /// let example = 3;
                /// ```
                volts: u8,
            },
        }
    });
    assert_eq!(errors(expanded.clone()), [""; 0]);
    let mut docs = Docs::default();
    docs.visit_file(&syn::parse2(expanded).expect("it is Rust"));
    let tested: Vec<_> = docs.tested.iter().filter(|text| text.contains("example")).collect();
    assert!(tested.is_empty(), "{tested:?}");
    assert!(docs.untested > 6, "only {} copies", docs.untested);
}
