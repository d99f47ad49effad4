//! Keeps the variables of generated code apart from the items in the user's scope.
//!
//! The generated module imports the user's scope with a glob, and Rust reads a variable that has the name of a constant or of a unit
//! struct as a pattern. An import by name takes precedence over a glob, and a variable may have the name of a function. So the
//! module imports a function under the name of each of its variables.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::{Ident, LitStr, Member, Meta};

use crate::{each::each, idents::distinct, model::Field, normalize::Cx};

/// The variables of generated code, apart from the fields of states and payloads.
const VARIABLES: [&str; 27] = [
    "after", "birth", "context", "data", "error", "event", "f", "initial", "key", "kind", "lease", "machine", "meta",
    "name", "next", "other", "payload", "raw", "reason", "record", "refused", "seal", "state", "target", "task",
    "value", "workers",
];

/// The imports.
pub(super) fn imports(cx: &Cx<'_>) -> TokenStream {
    let core = &cx.core;
    let machine = cx.machine;
    let mut names = each(&VARIABLES, &|name| fixed(name));
    // An attribute such as `serde(default = "title")` names a function of the user's.
    let mut quoted = Vec::new();
    for state in &machine.states {
        for field in &state.fields {
            names.push(variable(field));
            for attr in &field.attrs {
                if let Meta::List(list) = &attr.meta {
                    add_strings(list.tokens.clone(), &mut quoted);
                }
            }
        }
    }
    for event in &machine.events {
        names.extend(each(&event.fields, &variable));
    }
    // The value of a unit-like struct of the module has its name already.
    let types = each(&machine.states, &|state| state.ty.to_string());
    let mut variables = Vec::new();
    for name in distinct(names) {
        let text = name.to_string();
        if !types.contains(&text) && !quoted.contains(&text) {
            variables.push(name);
        }
    }
    quote! {
        #[allow(unused_imports)]
        use #core::__private::{#(variable as #variables),*};
    }
}

/// Adds the string literals in `tokens`.
fn add_strings(tokens: TokenStream, strings: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => add_strings(group.stream(), strings),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                    strings.push(text.value());
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

fn fixed(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// The variable that holds a field.
fn variable(field: &Field) -> Ident {
    match &field.member {
        Member::Named(ident) => {
            let mut ident = ident.clone();
            ident.set_span(Span::call_site());
            ident
        }
        Member::Unnamed(index) => fixed(&format!("field_{}", index.index)),
    }
}
